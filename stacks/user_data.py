"""The script that a GPU host runs when it starts."""

from pathlib import Path

from troposphere import Base64, Join, Sub

from stacks.constants import CLUSTER_NAME, HOST_CACHE_DIRECTORY

_SCRIPT = Path(__file__).with_name("gpu_host.sh")


def gpu_host_user_data() -> Base64:
    """`gpu_host.sh` behind a header that names the cluster, as user data."""
    header = f"#!/bin/bash\nset -euo pipefail\nreadonly CACHE_DIRECTORY={HOST_CACHE_DIRECTORY}\n"
    cluster = Sub(f"readonly CLUSTER={CLUSTER_NAME}\n")
    return Base64(Join("", [header, cluster, _SCRIPT.read_text()]))
