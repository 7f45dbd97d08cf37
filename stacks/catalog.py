"""All stacks, in the order in which they deploy."""

from collections.abc import Callable
from typing import Any, Final

from troposphere import Template

from stacks import api, foundation, gpu_cluster, image, network, observability
from stacks.template import to_dict

STACKS: Final[dict[str, Callable[[], Template]]] = {
    "network": network.build,
    "foundation": foundation.build,
    "image": image.build,
    "gpu-cluster": gpu_cluster.build,
    "api": api.build,
    "observability": observability.build,
}


def rendered() -> dict[str, dict[str, Any]]:
    """Every stack's template as plain data, by name. Raises `ValueError` for what troposphere refuses."""
    return {name: to_dict(build()) for name, build in STACKS.items()}
