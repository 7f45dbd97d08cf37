"""deploy.toml: what it may say, and what it is told when it says something else."""

import re
from pathlib import Path

import pytest

from gameforge.settings import Settings, SettingsError, read_settings
from gameforge.system import ORDER, TEMPLATES, read_templates

ROOT = Path(__file__).resolve().parents[2]


def read(folder: Path, text: str) -> Settings:
    path = folder / "deploy.toml"
    path.write_text(text)
    return read_settings(path, read_templates())


def test_every_choice_is_read(tmp_path: Path) -> None:
    settings = read(
        tmp_path,
        'project = "team"\nregion = "eu-west-1"\nvpc_id = "vpc-1"\nsubnet_ids = ["subnet-1", "subnet-2"]\n'
        '[gpu-cluster]\nMaxInstances = 4\nGpuInstanceType2 = "none"\n[foundation]\nProtectData = false\n',
    )
    assert settings == Settings(
        project="team",
        region="eu-west-1",
        vpc_id="vpc-1",
        subnet_ids=("subnet-1", "subnet-2"),
        parameters={
            "gpu-cluster": {"MaxInstances": "4", "GpuInstanceType2": "none"},
            "foundation": {"ProtectData": "false"},
        },
    )


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("project = team", "not valid TOML"),
        ('projekt = "team"', "projekt is no setting. There are: project, region"),
        ("project = 1", "project must be a text in quotes"),
        ('subnet_ids = "subnet-1"', "subnet_ids must be a list of texts"),
        ('with_network = "yes"', "with_network must be true or false"),
        ("[gpu]\nMaxInstances = 4", r"\[gpu\] is no stack. There are: .*gpu-cluster"),
        (
            "[gpu-cluster]\nMaxInstance = 4",
            "has no parameter MaxInstance. It has: .*MaxInstances",
        ),
        ('[gpu-cluster]\nVpcId = "vpc-1"', "VpcId of .gpu-cluster. is filled in from"),
        ('vpc_id = "vpc-1"', "vpc_id and subnet_ids belong together"),
        ('vpc_id = "v"\nsubnet_ids = ["s"]\nwith_network = true', "give one of the two"),
    ],
)
def test_what_can_not_be_is_told(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(SettingsError, match=told):
        read(tmp_path, text)


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"none\.toml can't be read: No such file"):
        read_settings(tmp_path / "none.toml", {})


# Examples of what a team would write, where the default is to have none, or is no example.
NOT_DEFAULTS = ("AlertEmail", "AssignPublicIp", "DollarsPerHour", "RunbookUrl")


def test_the_file_that_ships_says_nothing_and_all_its_examples_are_true(tmp_path: Path) -> None:
    shipped = ROOT / "deploy.toml"
    settings = read_settings(shipped, read_templates())
    assert not any(settings.parameters.values())
    assert settings == Settings(parameters=settings.parameters)

    examples = re.sub(r"^# (\w+ = )", r"\1", shipped.read_text(), flags=re.MULTILINE)
    uncommented = read(tmp_path, re.sub(r"^with_network.*$", "", examples, flags=re.MULTILINE))
    templates = read_templates()
    assert set(uncommented.parameters) == set(ORDER)
    for stack, parameters in uncommented.parameters.items():
        assert parameters, stack
        for name, value in parameters.items():
            assert value == templates[stack].parameters[name] or name in NOT_DEFAULTS


def test_every_template_has_its_place_in_the_order() -> None:
    assert {path.stem for path in TEMPLATES.glob("*.yaml")} <= set(ORDER)
