"""The invariants: silent on sound templates, loud on faults, usable on anybody's."""

import copy
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from stacks.invariants import INVARIANTS, findings
from stacks.invariants.finding import Invariant
from stacks.mutants.bases import bases
from stacks.mutants.catalogue import MUTANTS
from stacks.template_view import TemplateView

ROOT = Path(__file__).resolve().parent.parent.parent
SOUND = bases()
FOREIGN = """
AWSTemplateFormatVersion: 2010-09-09
Parameters:
  Memory: {Type: Number, Default: 16384}
Resources:
  Cluster:
    Type: AWS::ECS::Cluster
    Properties: {ClusterName: my-cluster}
  Hosts:
    Type: AWS::EC2::LaunchTemplate
    Properties:
      LaunchTemplateData:
        InstanceType: g4dn.xlarge
        UserData: !Base64
          Fn::Sub: "#!/bin/bash\\necho ECS_CLUSTER=${Cluster} >> /etc/ecs/ecs.config\\n"
  Task:
    Type: AWS::ECS::TaskDefinition
    Properties:
      RequiresCompatibilities: [EC2]
      Memory: !Ref Memory
      ContainerDefinitions:
        - Name: worker
          Image: worker
          ResourceRequirements: [{Type: GPU, Value: "1"}]
"""


def name_of(invariant: Invariant) -> str:
    return invariant.__name__


@pytest.mark.parametrize("name", SOUND)
def test_sound_template_has_no_findings(name: str) -> None:
    assert findings(SOUND[name]) == []


@pytest.mark.parametrize("invariant", INVARIANTS, ids=name_of)
def test_invariant_finds_a_fault(invariant: Invariant) -> None:
    if invariant.__name__ == "stack_is_known":
        template = copy.deepcopy(SOUND["api"])
        template["Metadata"]["GameForge::Stack"] = "apy"
        assert list(invariant(TemplateView(template)))
        return
    assert any(list(invariant(TemplateView(mutant.apply(SOUND[mutant.base])))) for mutant in MUTANTS)


@pytest.mark.parametrize("invariant", INVARIANTS, ids=name_of)
def test_invariant_says_what_it_promises(invariant: Invariant) -> None:
    assert invariant.__doc__
    assert invariant.__doc__.endswith(".")


def check(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "stacks.check", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )


def test_command_reads_anybodys_template(tmp_path: Path) -> None:
    path = tmp_path / "foreign.yaml"
    path.write_text(FOREIGN)
    done = check(str(path))
    assert done.returncode == 1
    assert f"{path}: Task: asks for 16,384 MiB, a host can give 15,360: it is never placed" in done.stdout
    assert f"{path}: Hosts: IMDSv1 hands out the host's credentials: set HttpTokens to required" in done.stdout
    assert "does not name the cluster" not in done.stdout


def test_command_is_silent_on_our_templates() -> None:
    done = check(*map(str, sorted((ROOT / "templates").glob("*.yaml"))))
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize("text", ["Resources: [", "just words"])
def test_command_refuses_what_is_no_template(tmp_path: Path, text: str) -> None:
    path = tmp_path / "broken.yaml"
    path.write_text(text)
    done = check(str(path))
    assert done.returncode == 2
    assert str(path) in done.stderr


def paths_of(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if path:
        yield path
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in children:
        yield from paths_of(item, (*path, key))


@pytest.mark.parametrize("name", ["gpu-cluster", "foundation", "api", "observability"])
def test_odd_templates_are_read_without_an_error(name: str) -> None:
    """A function, a wrong type or nothing at all may stand anywhere."""
    chance = random.Random(name)
    odd: list[Any] = [None, 1, "x", [], {}, [None], {"Ref": "Nobody"}, {"Fn::If": ["A", 1, 2]}, {"Fn::GetAtt": "A.B"}]
    odd += [{"Fn::Select": [0, {"Ref": "X"}]}, {"Fn::Join": ["", {"Ref": "X"}]}, {"Fn::Sub": [1]}, {"Fn::If": 1}]
    everywhere = list(paths_of(SOUND[name]))
    for path in chance.sample(everywhere, 150):
        template = copy.deepcopy(SOUND[name])
        parent: Any = template
        for step in path[:-1]:
            parent = parent[step]
        parent[path[-1]] = chance.choice(odd)
        findings(template)
