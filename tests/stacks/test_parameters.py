"""What the parameters accept, and what they say about the rest."""

import re
from typing import Any

import pytest

Templates = dict[str, dict[str, Any]]

ACCEPTED = [
    ("gpu-cluster", "Project", ["gameforge", "my-game-2", "abc", "a" * 20]),
    ("gpu-cluster", "GpuInstanceType", ["g4dn.xlarge", "g6e.16xlarge"]),
    ("gpu-cluster", "GpuInstanceType4", ["none", "g5.2xlarge"]),
    ("gpu-cluster", "Model", ["org/sdxl-1.0", "s3://my-models/sdxl", "s3://my-models", "/models/my sdxl"]),
    ("gpu-cluster", "ImageTag", ["v1", "2026-11-23_a"]),
    ("gpu-cluster", "DollarsPerHour", ["", "0.526", "12", "3.6"]),
    ("gpu-cluster", "SpotPriceFactor", ["1", "0.35", "0.0"]),
    ("gpu-cluster", "GpuAmi", ["/aws/service/ecs/optimized-ami/amazon-linux-2023/gpu/recommended/image_id", "my.ami"]),
    ("network", "VpcCidr", ["10.42.0.0/16", "172.16.0.0/20", "192.168.4.0/22"]),
    ("foundation", "AlertEmail", ["", "team@example.com"]),
    ("api", "LambdaCodeKey", ["lambda/0123abcd.zip"]),
    ("api", "ModelName", ["tiny-sdxl", "stabilityai/stable-diffusion-xl-base-1.0"]),
    ("api", "GatewayLogsRoleArn", ["", "arn:aws:iam::" + "0" * 12 + ":role/logs"]),
    ("image", "BuildArguments", ["", "--build-arg CUDA=12.8", "--build-arg A=1 --build-arg B_C=x/y:z"]),
    ("image", "SourceKey", ["source/gameforge.zip"]),
    ("observability", "RunbookUrl", ["docs/runbook.md", "https://wiki.example.com/x/runbook?version=2"]),
]
REFUSED = [
    (
        "gpu-cluster",
        "Project",
        ["aws-game", "ecsgame", "fargate1", "Game", "1game", "ab", "game-", "a" * 21, "a_b"],
    ),
    ("gpu-cluster", "GpuInstanceType", ["t3.large", "g5.12xlarge", "g5g.xlarge", "p3.2xlarge", "none", ""]),
    ("gpu-cluster", "GpuInstanceType2", ["m5.large", "g4dn.metal", ""]),
    ("gpu-cluster", "Model", ["sdxl", "https://example.com/x", "s3://A/b", ""]),
    ("gpu-cluster", "ImageTag", ["-v1", "a b", ""]),
    ("gpu-cluster", "DollarsPerHour", ["-1", "0,526", ".5", "$1", "1e3"]),
    ("gpu-cluster", "SpotPriceFactor", ["", "1.5", "35", "-0.1"]),
    ("gpu-cluster", "GpuAmi", ["ami 1", "/a//b", ""]),
    ("network", "VpcCidr", ["8.8.0.0/16", "10.42.0.0/24", "10.42/16", "172.32.0.0/16"]),
    ("foundation", "AlertEmail", ["team", "a b@example.com"]),
    ("api", "LambdaCodeKey", ["lambda", "../../etc passwd.zip", ""]),
    ("api", "ModelName", ["", "my model", "a" * 201]),
    ("api", "GatewayLogsRoleArn", ["logs-role"]),
    ("image", "BuildArguments", ["--network host", "--build-arg A=1; rm", "--build-arg A=$(id)"]),
    ("image", "SourceKey", ["source.tar", ""]),
    ("observability", "RunbookUrl", ["", "our wiki", "https://example.com/runbook#top", "a" * 201]),
]


def cases(table: list[tuple[str, str, list[str]]]) -> list[tuple[str, str, str]]:
    return [(stack, parameter, value) for stack, parameter, values in table for value in values]


@pytest.mark.parametrize(("stack", "parameter", "value"), cases(ACCEPTED))
def test_good_value_is_accepted(templates: Templates, stack: str, parameter: str, value: str) -> None:
    assert re.fullmatch(templates[stack]["Parameters"][parameter]["AllowedPattern"], value)


@pytest.mark.parametrize(("stack", "parameter", "value"), cases(REFUSED))
def test_bad_value_is_refused(templates: Templates, stack: str, parameter: str, value: str) -> None:
    assert not re.fullmatch(templates[stack]["Parameters"][parameter]["AllowedPattern"], value)


def test_every_pattern_has_an_example_each_way(templates: Templates) -> None:
    patterns = {
        name
        for template in templates.values()
        for name, parameter in template["Parameters"].items()
        if "AllowedPattern" in parameter
    }
    same_pattern = {"GpuInstanceType2", "GpuInstanceType3", "GpuInstanceType4"}
    for table in (ACCEPTED, REFUSED):
        missing = patterns - {parameter for _, parameter, _ in table}
        assert missing <= same_pattern
        assert missing != same_pattern


def test_refusal_says_what_to_give(templates: Templates) -> None:
    for template in templates.values():
        for name, parameter in template["Parameters"].items():
            assert parameter["ConstraintDescription"].startswith("Give "), name
            assert parameter["Description"].endswith("."), name


def test_every_default_fits(templates: Templates) -> None:
    for template in templates.values():
        for name, parameter in template["Parameters"].items():
            default = parameter.get("Default")
            if default is None:
                continue
            assert re.fullmatch(parameter.get("AllowedPattern", ".*"), str(default)), name
            assert default in parameter.get("AllowedValues", [default]), name
            assert parameter.get("MinValue", default) <= default <= parameter.get("MaxValue", default), name


def test_subnets_and_types_are_checked_together(templates: Templates) -> None:
    rules = templates["gpu-cluster"]["Rules"]
    texts = [each["AssertDescription"] for rule in rules.values() for each in rule["Assertions"]]
    assert "Give SubnetIds that are all subnets of VpcId." in texts
    assert len(texts) == 1 + 6
