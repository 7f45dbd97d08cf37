"""The price table: the figures that the project began with come out of it, and it speaks of types that exist."""

import subprocess
import sys

import pytest

from jobs import prices
from stacks.constants import GPU_INSTANCE_TYPES
from stacks.instance_types import GPU_TYPES


def test_the_comparison_that_the_project_began_with() -> None:
    per_hour = prices.instance_dollars_per_hour("g4dn.xlarge", "us-east-1")
    cpu_per_hour = prices.fargate_dollars_per_hour(prices.CPU_TASK, "us-east-1")
    assert per_hour is not None
    assert cpu_per_hour is not None
    gpu_month, cpu_month = per_hour * prices.HOURS_PER_MONTH, cpu_per_hour * prices.HOURS_PER_MONTH
    assert gpu_month == pytest.approx(378.72)
    assert cpu_month == pytest.approx(143.784)
    assert (round(gpu_month), round(cpu_month), round(gpu_month / cpu_month, 1)) == (379, 144, 2.6)


def test_every_type_that_the_stacks_know_has_a_price_where_the_project_began() -> None:
    assert set(prices.ON_DEMAND_DOLLARS_PER_HOUR["us-east-1"]) == set(GPU_TYPES)
    for region in prices.ON_DEMAND_DOLLARS_PER_HOUR.values():
        assert set(region) <= set(GPU_TYPES)


@pytest.mark.parametrize("instance_type", GPU_TYPES)
def test_a_worker_pays_for_one_of_the_gpus_of_its_instance(instance_type: str) -> None:
    assert prices.gpus(instance_type) == GPU_TYPES[instance_type].gpus


@pytest.mark.parametrize("region", prices.ON_DEMAND_DOLLARS_PER_HOUR)
def test_a_larger_instance_of_a_family_costs_more_and_no_region_is_cheaper_than_the_first(region: str) -> None:
    table, first = prices.ON_DEMAND_DOLLARS_PER_HOUR[region], prices.ON_DEMAND_DOLLARS_PER_HOUR["us-east-1"]
    for small, large in (("g4dn.xlarge", "g4dn.2xlarge"), ("g5.xlarge", "g5.2xlarge"), ("g5.2xlarge", "g5.4xlarge")):
        assert table[small] < table[large]
    # A slip of the pen shows as a factor of its own: AWS prices a region's types alike.
    for family in ("g4dn", "g5", "g6", "g6e"):
        factors = [price / first[name] for name, price in table.items() if name.startswith(f"{family}.")]
        assert all(1 <= factor < 1.6 for factor in factors)
        assert max(factors, default=1) - min(factors, default=1) < 0.003


def test_what_is_not_in_the_table_has_no_price() -> None:
    assert prices.instance_dollars_per_hour("g4dn.xlarge", "mars-north-1") is None
    assert prices.instance_dollars_per_hour("p5.48xlarge", "us-east-1") is None
    assert prices.fargate_dollars_per_hour(prices.CPU_TASK, "mars-north-1") is None


def test_every_type_that_is_deployed_by_default_has_a_price_in_most_regions() -> None:
    for region, table in prices.ON_DEMAND_DOLLARS_PER_HOUR.items():
        assert set(GPU_INSTANCE_TYPES) - set(table) <= ({"g6.xlarge"} if region == "eu-west-1" else set())


def test_seconds_become_dollars() -> None:
    assert prices.dollars(0.526, 3600) == 0.526
    assert prices.dollars(0.526, 27) == pytest.approx(0.003945)


def test_the_table_needs_nothing_but_python() -> None:
    code = "import sys, jobs.prices; print(sorted({name.partition('.')[0] for name in sys.modules}))"
    loaded = subprocess.run([sys.executable, "-S", "-c", code], capture_output=True, text=True, check=True).stdout
    assert "boto" not in loaded
    assert "pydantic" not in loaded
