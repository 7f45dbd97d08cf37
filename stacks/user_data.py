"""The script that a GPU host runs when it starts."""

from pathlib import Path
from typing import Final

from troposphere import Base64, Sub

from jobs.names import HOST_FILE
from stacks.constants import CLUSTER_NAME, HOST_CACHE_DIRECTORY

_SCRIPT: Final = Path(__file__).with_name("gpu_host.sh")


def gpu_host_user_data() -> Base64:
    """`gpu_host.sh` behind a header that says which cluster and which directory, as user data."""
    script = _SCRIPT.read_text()
    if "${" in script:
        raise ValueError(f"{_SCRIPT.name} must not use ${{…}}: CloudFormation would take it for its own")
    header = (
        *("#!/bin/bash", "set -euo pipefail", f"readonly CLUSTER={CLUSTER_NAME}"),
        *(f"readonly CACHE_DIRECTORY={HOST_CACHE_DIRECTORY}", f"readonly HOST_FILE={HOST_FILE}", ""),
    )
    return Base64(Sub("\n".join((*header, script))))
