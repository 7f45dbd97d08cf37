"""The part of an API Gateway deployment's logical id that changes when its routes change."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Final

from stacks.template_view import mapping

# What a deployment takes a snapshot of.
_SNAPSHOT_TYPES: Final = [
    f"AWS::ApiGateway::{name}"
    for name in ("Resource", "Method", "Model", "RequestValidator", "Authorizer", "GatewayResponse")
]
FINGERPRINT_LENGTH: Final = 10


def route_fingerprint(resources: Mapping[str, Any]) -> str:
    """Ten hexadecimal digits for the routes among `resources`, given as a template has them."""
    routes = {name: each for name, each in resources.items() if mapping(each).get("Type") in _SNAPSHOT_TYPES}
    return hashlib.sha256(json.dumps(routes, sort_keys=True).encode()).hexdigest()[:FINGERPRINT_LENGTH]
