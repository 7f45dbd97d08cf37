"""The hosts' start script: shellcheck, and what it does, run against stand-ins for the host's own commands."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from jobs import names
from stacks.template_view import TemplateView

INSTANCE_STORE = "/dev/nvme1n1 Amazon EC2 NVMe Instance Storage"
ROOT_VOLUME = "/dev/nvme0n1 Amazon Elastic Block Store"
# Each notes that it was called; a mount and a file system are files in $STATE.
STAND_INS = {
    "lsblk": 'cat "$STATE/devices"',
    "blkid": '[ -e "$STATE/formatted" ]',
    "mkfs.xfs": '[ ! -e "$STATE/broken" ] && touch "$STATE/formatted"',
    "mountpoint": '[ -e "$STATE/mounted" ]',
    "mount": 'touch "$STATE/mounted"',
    # EC2's instance metadata, which answers nobody who brings no token.
    "curl": """
url="${*: -1}"
[ ! -e "$STATE/silent" ] || exit 28
case "$*" in
  *"--request PUT"*"/latest/api/token") echo a-token ;;
  *"X-aws-ec2-metadata-token: a-token"*) cat "$STATE/metadata/${url##*/}" || exit 22 ;;
  *) exit 22 ;;
esac""",
}
METADATA = {"instance-type": "g4dn.xlarge", "region": "eu-west-1", "instance-life-cycle": "spot"}


@pytest.fixture
def script(gpu_cluster: TemplateView) -> str:
    (host,) = gpu_cluster.of_type("EC2::LaunchTemplate")
    user_data = host.at("LaunchTemplateData", "UserData")
    assert isinstance(user_data, str)
    return user_data


class Host:
    """A directory that stands for a host."""

    def __init__(self, directory: Path, script: str) -> None:
        self.state = directory / "state"
        self.cache = directory / "cache"
        self.agent_config = directory / "ecs" / "ecs.config"
        commands = directory / "bin"
        for made in (self.state, commands):
            made.mkdir()
        for name, body in STAND_INS.items():
            (commands / name).write_text(f'#!/bin/bash\necho {name} >>"$STATE/calls"\n{body}\n')
            (commands / name).chmod(0o755)
        self.devices(ROOT_VOLUME, INSTANCE_STORE)
        (self.state / "metadata").mkdir()
        for name, value in METADATA.items():
            (self.state / "metadata" / name).write_text(value)
        self._script = script.replace("/mnt/model-cache", str(self.cache)).replace("/etc/ecs", str(directory / "ecs"))
        self._environment = {"PATH": f"{commands}:{os.environ['PATH']}", "STATE": str(self.state)}

    def devices(self, *lines: str) -> None:
        (self.state / "devices").write_text("".join(f"{line}\n" for line in lines))

    def start(self) -> str:
        done = subprocess.run(
            ["bash", "-c", self._script], env=self._environment, capture_output=True, text=True, check=True
        )
        return done.stdout + done.stderr

    def calls(self, name: str) -> int:
        return (self.state / "calls").read_text().split().count(name)

    @property
    def facts_file(self) -> Path:
        return self.cache / names.HOST_FILE

    @property
    def agent_options(self) -> list[str]:
        return self.agent_config.read_text().splitlines()


@pytest.fixture
def host(tmp_path: Path, script: str) -> Host:
    return Host(tmp_path, script)


def test_shellcheck_passes(script: str) -> None:
    shellcheck = Path(sys.executable).with_name("shellcheck")
    done = subprocess.run([shellcheck, "-"], input=script, capture_output=True, text=True, check=False)
    assert done.stdout == ""
    assert done.returncode == 0


def test_agent_gets_every_option(host: Host) -> None:
    host.start()
    assert host.agent_options == [
        "ECS_CLUSTER=gameforge-sdxl-gpu-cluster",
        "ECS_ENABLE_GPU_SUPPORT=true",
        "ECS_NVIDIA_RUNTIME=nvidia",
        "ECS_ENABLE_CONTAINER_METADATA=true",
        "ECS_ENABLE_SPOT_INSTANCE_DRAINING=true",
        "ECS_ENABLE_AWSLOGS_EXECUTIONROLE_OVERRIDE=true",
    ]


def test_options_of_the_image_stay_and_ours_win(host: Host) -> None:
    host.agent_config.parent.mkdir()
    host.agent_config.write_text("ECS_LOGLEVEL=warn\nECS_CLUSTER=default\n")
    host.start()
    assert host.agent_options[0] == "ECS_LOGLEVEL=warn"
    assert [option for option in host.agent_options if option.startswith("ECS_CLUSTER=")] == [
        "ECS_CLUSTER=gameforge-sdxl-gpu-cluster"
    ]


def test_cache_is_on_the_instance_store(host: Host) -> None:
    assert "is on the NVMe instance store" in host.start()
    assert host.calls("mkfs.xfs") == host.calls("mount") == 1


def test_any_user_of_the_container_may_write_to_the_cache(host: Host) -> None:
    host.start()
    assert host.cache.stat().st_mode & 0o7777 == 0o1777


def test_second_run_changes_nothing(host: Host) -> None:
    host.start()
    before = host.agent_options
    assert "is mounted already" in host.start()
    assert sorted(host.agent_options) == sorted(before)
    assert host.calls("mkfs.xfs") == host.calls("mount") == 1


def test_reboot_keeps_what_is_on_the_instance_store(host: Host) -> None:
    host.start()
    (host.state / "mounted").unlink()
    host.start()
    assert host.calls("mkfs.xfs") == 1
    assert host.calls("mount") == 2


def test_root_volume_serves_where_there_is_no_instance_store(host: Host) -> None:
    host.devices(ROOT_VOLUME)
    assert "is on the root volume" in host.start()
    assert host.cache.is_dir()
    assert host.calls("mount") == 0


def test_root_volume_serves_where_the_instance_store_is_broken(host: Host) -> None:
    (host.state / "broken").touch()
    assert "is on the root volume" in host.start()
    assert host.calls("mount") == 0


def test_host_says_in_the_cache_what_it_is(host: Host) -> None:
    assert "host facts" in host.start()
    assert json.loads(host.facts_file.read_text()) == {
        "instance_type": "g4dn.xlarge",
        "region": "eu-west-1",
        "purchase": "spot",
    }
    # The container's user is another one.
    assert host.facts_file.stat().st_mode & 0o004


def test_host_works_where_the_metadata_is_silent(host: Host) -> None:
    (host.state / "silent").touch()
    assert "workers here can't tell what they cost" in host.start()
    assert not host.facts_file.exists()
    assert host.agent_options


def test_host_says_nothing_rather_than_half_of_it(host: Host) -> None:
    (host.state / "metadata" / "region").unlink()
    assert "workers here can't tell what they cost" in host.start()
    assert not host.facts_file.exists()
