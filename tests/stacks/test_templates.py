"""The rendered templates as files, and as a whole that fits together."""

import copy
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from build_templates import TEMPLATES, differing, write
from stacks import constants
from stacks.catalog import STACKS
from stacks.contracts import CONTRACTS
from stacks.template_view import TemplateView
from stacks.yaml_text import from_yaml, to_yaml

ROOT = Path(__file__).resolve().parent.parent.parent
Templates = dict[str, dict[str, Any]]


def imports_of(value: Any) -> set[str]:
    if isinstance(value, list):
        return set().union(*(imports_of(item) for item in value)) if value else set()
    if not isinstance(value, dict):
        return set()
    found = {value["Fn::ImportValue"]["Fn::Sub"]} if "Fn::ImportValue" in value else set()
    return found.union(*(imports_of(item) for item in value.values())) if value else found


def test_committed_templates_are_what_the_source_renders(templates: Templates) -> None:
    assert differing({name: to_yaml(template) for name, template in templates.items()}) == []


def test_a_changed_a_missing_and_an_orphaned_template_are_noticed(templates: Templates, tmp_path: Path) -> None:
    texts = {name: to_yaml(template) for name, template in templates.items()}
    write(texts, tmp_path)
    assert differing(texts, tmp_path) == []
    (tmp_path / "api.yaml").write_text(texts["api"].replace("Timeout: 29", "Timeout: 28"))
    (tmp_path / "image.yaml").unlink()
    (tmp_path / "old.yaml").write_text("Resources: {}")
    assert differing(texts, tmp_path) == ["api", "image", "old"]
    write(texts, tmp_path)
    assert {path.stem for path in tmp_path.iterdir()} == texts.keys()
    assert differing(texts, tmp_path) == []


def test_rendering_does_not_depend_on_the_process() -> None:
    code = "from stacks.catalog import rendered; from stacks.yaml_text import to_yaml; "
    code += "print(''.join(to_yaml(each) for each in rendered().values()))"
    texts = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)},
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(texts) == 1


@pytest.mark.parametrize("name", STACKS)
def test_text_reads_back_as_the_same_template(templates: Templates, name: str) -> None:
    assert from_yaml(to_yaml(templates[name])) == templates[name]


@pytest.mark.parametrize("name", STACKS)
def test_template_says_which_stack_it_is(templates: Templates, name: str) -> None:
    """The contract of a stack is found by that."""
    assert TemplateView(templates[name]).stack == name
    assert name in CONTRACTS


@pytest.mark.parametrize("name", STACKS)
def test_template_is_deployed_without_a_bucket(name: str) -> None:
    assert (TEMPLATES / f"{name}.yaml").stat().st_size <= constants.TEMPLATE_BYTES_MAX


@pytest.mark.parametrize("name", STACKS)
def test_template_holds_for_any_account_and_region(name: str) -> None:
    text = (TEMPLATES / f"{name}.yaml").read_text()
    assert not re.search(r"\b\d{12}\b", text)
    assert not re.search(r"\b(us|eu|ap|sa|ca|me|af)-[a-z]+-\d\b", text)
    assert "arn:aws:" not in text


def test_what_is_imported_is_exported_by_an_earlier_stack(templates: Templates) -> None:
    exported: set[str] = set()
    for name, template in templates.items():
        assert imports_of(template["Resources"]) <= exported, name
        names = [output["Export"]["Name"]["Fn::Sub"] for output in template["Outputs"].values() if "Export" in output]
        assert exported.isdisjoint(names)
        exported |= set(names)


def test_every_stack_module_is_short() -> None:
    lengths = {path.name: len(path.read_text().splitlines()) for path in (ROOT / "stacks").rglob("*.py")}
    assert {name: length for name, length in lengths.items() if length > 200} == {}


def with_defaults(template: dict[str, Any], **defaults: Any) -> TemplateView:
    changed = copy.deepcopy(template)
    for name, value in defaults.items():
        changed["Parameters"][name]["Default"] = value
    return TemplateView(changed)


def test_group_has_the_plain_form_with_one_type_and_no_spot(templates: Templates) -> None:
    view = with_defaults(
        templates["gpu-cluster"], GpuInstanceType2="none", GpuInstanceType3="none", GpuInstanceType4="none"
    )
    (group,) = view.of_type("AutoScaling::AutoScalingGroup")
    assert "MixedInstancesPolicy" not in group.properties
    assert group.at("LaunchTemplate", "LaunchTemplateId") == {"Ref": "LaunchTemplate"}


def test_group_draws_on_several_types_by_default(gpu_cluster: TemplateView) -> None:
    (group,) = gpu_cluster.of_type("AutoScaling::AutoScalingGroup")
    assert "LaunchTemplate" not in group.properties
    overrides = group.at("MixedInstancesPolicy", "LaunchTemplate", "Overrides")
    assert [each["InstanceType"] for each in overrides] == ["g4dn.xlarge", "g4dn.2xlarge", "g5.xlarge", "g6.xlarge"]


def test_group_leaves_out_types_that_are_not_wanted(templates: Templates) -> None:
    (group,) = with_defaults(templates["gpu-cluster"], GpuInstanceType3="none").of_type("AutoScaling::AutoScalingGroup")
    overrides = group.at("MixedInstancesPolicy", "LaunchTemplate", "Overrides")
    assert [each["InstanceType"] for each in overrides] == ["g4dn.xlarge", "g4dn.2xlarge", "g6.xlarge"]


def test_spot_is_rebalanced_and_needs_the_mixed_form(templates: Templates) -> None:
    none = {f"GpuInstanceType{rank}": "none" for rank in (2, 3, 4)}
    view = with_defaults(templates["gpu-cluster"], **none, OnDemandPercentAboveBase=25, OnDemandBase=1)
    (group,) = view.of_type("AutoScaling::AutoScalingGroup")
    distribution = group.at("MixedInstancesPolicy", "InstancesDistribution")
    assert group.properties["CapacityRebalance"] is True
    assert distribution["OnDemandBaseCapacity"] == 1
    assert distribution["OnDemandPercentageAboveBaseCapacity"] == 25
    assert distribution["SpotAllocationStrategy"] == "price-capacity-optimized"


@pytest.mark.parametrize(
    ("gateways", "made"),
    [("none", []), ("one", ["NatGateway1"]), ("each-zone", ["NatGateway1", "NatGateway2", "NatGateway3"])],
)
def test_private_subnets_have_the_gateways_that_are_asked_for(
    templates: Templates, gateways: str, made: list[str]
) -> None:
    view = with_defaults(templates["network"], NatGateways=gateways)
    found = [each.logical_id for each in view.of_type("EC2::NatGateway") if view.holds(each.raw["Condition"])]
    assert found == made
    routes = [view.resources[f"NatRoute{zone}"] for zone in (1, 2, 3)]
    targets = [view.referred(each.properties["NatGatewayId"]) for each in routes if view.holds(each.raw["Condition"])]
    assert [each.logical_id for each in targets if each] == (made if len(made) != 1 else made * 3)
