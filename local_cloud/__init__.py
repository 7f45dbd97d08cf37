"""The laptop cloud: an AWS emulator that deploys templates/ with the real AWS CLI, and the worker beside it."""

from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
BUILD: Final = ROOT / "build"
STATE: Final = BUILD / "local_cloud"
DEMO_STATE: Final = BUILD / "demo" / "cloud"
# Where a running local cloud says its API is, and which key it takes: {"url": ..., "key": ...}.
ENDPOINT_FILE: Final = STATE / "endpoint.json"
