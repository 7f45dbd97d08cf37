"""docs/deploy.md names stacks, parameters and outputs that are there."""

import re
from pathlib import Path
from typing import Any

import pytest

from stacks.catalog import STACKS

PAGE = (Path(__file__).resolve().parent.parent.parent / "docs" / "deploy.md").read_text()
COMMANDS = [
    command.replace("\\\n", " ")
    for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
    for command in re.split(r"(?<!\\)\n", block)
]
DEPLOYMENTS = [command for command in COMMANDS if "cloudformation deploy" in command]
Templates = dict[str, dict[str, Any]]


def stack_of(command: str) -> str:
    found = re.search(r"--stack-name gameforge-([a-z-]+)", command)
    assert found
    return found[1]


def test_every_stack_is_deployed_in_order() -> None:
    made = list(dict.fromkeys(stack_of(command) for command in DEPLOYMENTS if "--no-execute" not in command))
    assert made == list(STACKS)


@pytest.mark.parametrize("command", DEPLOYMENTS)
def test_deployment_fits_its_template(command: str, templates: Templates) -> None:
    stack = stack_of(command)
    template = templates[stack]
    assert f"templates/{stack}.yaml" in command
    given = set(re.findall(r"\b([A-Z][a-z]\w*)=", command.partition("--parameter-overrides")[2]))
    assert given <= template["Parameters"].keys()
    required = {name for name, parameter in template["Parameters"].items() if "Default" not in parameter}
    assert "--no-execute-changeset" in command or required <= given
    makes_roles = any(resource["Type"] == "AWS::IAM::Role" for resource in template["Resources"].values())
    assert ("--capabilities CAPABILITY_IAM" in command) == makes_roles


def test_outputs_that_are_read_exist(templates: Templates) -> None:
    read = re.findall(r"\$\(output ([a-z-]+) (\w+)\)", PAGE)
    assert len(read) >= 8
    for stack, name in read:
        assert name in templates[stack]["Outputs"]
    for bucket in re.findall(r"\b\w+BucketName\b", PAGE):
        assert bucket in templates["foundation"]["Outputs"]


@pytest.mark.parametrize("name", ["gameforge-sdxl-gpu-cluster", "gameforge-gpu-asg", "gameforge-gpu-capacity-provider"])
def test_names_are_those_of_the_stacks(name: str, templates: Templates) -> None:
    assert name in PAGE
    assert name.replace("gameforge", "${Project}") in str(templates["gpu-cluster"])


def test_the_quota_comes_first() -> None:
    requests = [number for number, command in enumerate(COMMANDS) if "request-service-quota-increase" in command]
    assert requests
    assert requests[0] < COMMANDS.index(DEPLOYMENTS[0])
