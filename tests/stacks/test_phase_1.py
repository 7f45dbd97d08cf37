"""Phase 1, value by value, in the rendered GPU cluster."""

import pytest

from stacks.invariants.promises import phase_1_holds
from stacks.mutants.bases import bases
from stacks.mutants.catalogue import MUTANTS
from stacks.phase_1 import USER_DATA, VALUES, Line, Value
from stacks.template_view import TemplateView


def label(row: Value | Line) -> str:
    return f"{row.component}, {row.name}"


@pytest.mark.parametrize("value", VALUES, ids=label)
def test_template_has_the_value(gpu_cluster: TemplateView, value: Value) -> None:
    (resource,) = gpu_cluster.of_type(value.resource_type)
    found = resource.properties
    for step in value.path:
        found = found[step]  # type: ignore[index]
    assert found == value.expected


@pytest.mark.parametrize("line", USER_DATA, ids=label)
def test_user_data_has_the_line(gpu_cluster: TemplateView, line: Line) -> None:
    (host,) = gpu_cluster.of_type("EC2::LaunchTemplate")
    assert line.text in host.at("LaunchTemplateData", "UserData")


def test_hosts_run_in_the_network_that_is_given(gpu_cluster: TemplateView) -> None:
    (group,) = gpu_cluster.of_type("EC2::SecurityGroup")
    assert group.written("VpcId") == {"Ref": "VpcId"}
    assert gpu_cluster.parameters["SubnetIds"]["Type"] == "List<AWS::EC2::Subnet::Id>"
    assert {"VpcId", "SubnetIds"} == {
        name for name, parameter in gpu_cluster.parameters.items() if "Default" not in parameter
    }


def test_a_mutant_breaks_each_value() -> None:
    sound = bases()
    broken = {
        finding.message.split(":")[0]
        for mutant in MUTANTS
        if mutant.base == "gpu-cluster"
        for finding in phase_1_holds(TemplateView(mutant.apply(sound[mutant.base])))
    }
    rows: list[Value | Line] = [*VALUES, *USER_DATA]
    assert {label(row) for row in rows} - broken == set()
