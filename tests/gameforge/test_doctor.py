"""`gameforge doctor`: everything that stopped people before gets one line with the way out, and exit code 0 means go.

The emulator answers for the account, its network, parameters and roles. What it lacks (quotas, offerings, the types'
vCPUs, images, spot scores) is answered here, in the shape that botocore's model of the service has.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber
from botocore.validate import validate_parameters
from typer.testing import Result

from gameforge.aws import Aws
from gameforge.doctor import command
from gameforge.doctor.account import region
from gameforge.doctor.fleet import Fleet
from gameforge.doctor.network import default_route
from gameforge.doctor.result import Mark
from gameforge.stack import Stack
from tests.gameforge.conftest import Run

TYPES = {"g4dn.xlarge": 4, "g4dn.2xlarge": 8, "g5.xlarge": 4, "g6.xlarge": 4}
ZONES = ("us-east-1a", "us-east-1b")
ROLES = ("AWSServiceRoleForECS", "AWSServiceRoleForAutoScaling", "AWSServiceRoleForEC2Spot")
ON_DEMAND, SPOT = "L-DB2E81BA", "L-3819A6DF"
Answer = dict[str, Any]


@dataclass
class Answers:
    """What AWS would say to the calls that the emulator does not know; a call in `refused` gets that error instead."""

    vcpus: dict[str, int] = field(default_factory=lambda: dict(TYPES))
    offered: dict[str, list[str]] = field(default_factory=lambda: {zone: list(TYPES) for zone in ZONES})
    quotas: dict[str, int] = field(default_factory=lambda: {ON_DEMAND: 64, SPOT: 64})
    requested: dict[str, int] = field(default_factory=dict)
    images: list[str] = field(default_factory=lambda: ["al2023-ami-ecs-gpu-hvm-2023.0.20261101-kernel-6.1-x86_64-ebs"])
    spot_score: int = 9
    refused: dict[str, tuple[str, str]] = field(default_factory=dict)

    def of(self, operation: str, asked: Answer) -> Answer:
        code = asked.get("QuotaCode", "")
        match operation:
            case "DescribeInstanceTypes":
                types = [{"InstanceType": n, "VCpuInfo": {"DefaultVCpus": v}} for n, v in self.vcpus.items()]
                return {"InstanceTypes": types}
            case "DescribeInstanceTypeOfferings":
                pairs = [(zone, name) for zone, names in self.offered.items() for name in names]
                return {"InstanceTypeOfferings": [{"InstanceType": name, "Location": zone} for zone, name in pairs]}
            case "DescribeImages":
                return {"Images": [{"Name": name, "State": "available"} for name in self.images]}
            case "GetSpotPlacementScores":
                return {"SpotPlacementScores": [{"Region": "us-east-1", "Score": self.spot_score}]}
            case "GetServiceQuota":
                return {"Quota": {"QuotaCode": code, "Value": float(self.quotas[code])}}
            case "GetAWSDefaultServiceQuota":
                return {"Quota": {"QuotaCode": code, "Value": 0.0}}
        requests = (
            [{"DesiredValue": float(self.requested[code]), "Status": "CASE_OPENED"}] if code in self.requested else []
        )
        return {"RequestedQuotas": [*requests, {"DesiredValue": 96.0, "Status": "DENIED"}]}


ANSWERED = {
    "ec2": ("DescribeInstanceTypes", "DescribeInstanceTypeOfferings", "DescribeImages", "GetSpotPlacementScores"),
    "service-quotas": (
        "GetServiceQuota",
        "GetAWSDefaultServiceQuota",
        "ListRequestedServiceQuotaChangeHistoryByQuota",
    ),
    # Only ever refused here.
    "sts": ("GetCallerIdentity",),
    "ssm": ("GetParameter",),
    "iam": ("GetRole",),
}


@dataclass
class Account:
    """The emulator's account, with `answers` for what the emulator lacks."""

    aws: Aws
    answers: Answers


@pytest.fixture(scope="module")
def shared_account(aws: Aws) -> Account:
    session = boto3.Session(region_name="us-east-1", aws_access_key_id="test", aws_secret_access_key="test")
    account = Account(Aws(session, aws.environment, aws.endpoint_url), Answers())

    def answer(model: Any, params: Answer, **_: Any) -> tuple[Any, Answer] | None:
        if refusal := account.answers.refused.get(model.name):
            code, message = refusal
            return SimpleNamespace(status_code=400), {"Error": {"Code": code, "Message": message}}
        if model.service_model.service_name not in ("ec2", "service-quotas"):
            return None
        body = params["body"]
        found = account.answers.of(model.name, body if isinstance(body, dict) else json.loads(body))
        validate_parameters(found, model.output_shape)
        return SimpleNamespace(status_code=200), found

    for service, operations in ANSWERED.items():
        for operation in operations:
            session.events.register(f"before-call.{service}.{operation}", answer)  # type: ignore[arg-type]
    return account


@pytest.fixture
def answers(shared_account: Account) -> Answers:
    shared_account.answers = Answers()
    return shared_account.answers


@pytest.fixture
def account(shared_account: Account, answers: Answers, monkeypatch: pytest.MonkeyPatch) -> Aws:
    """The account, healthy at first, as the one that the command line finds."""
    monkeypatch.setattr(command, "callers_aws", lambda profile, region: shared_account.aws)
    return shared_account.aws


@pytest.fixture(scope="module")
def roles(aws: Aws) -> None:
    for role in ROLES:
        aws.client("iam").create_role(RoleName=role, AssumeRolePolicyDocument="{}")


@dataclass
class Network:
    """A VPC with a subnet in each of two zones, whose route tables a test may change."""

    ec2: Any
    vpc_id: str
    subnets: list[str]
    tables: list[str]

    @property
    def options(self) -> list[str]:
        return ["--vpc-id", self.vpc_id, "--subnet-ids", ",".join(self.subnets)]

    def route(self, table: int, **target: str) -> None:
        self.ec2.create_route(RouteTableId=self.tables[table], DestinationCidrBlock="0.0.0.0/0", **target)

    def nat(self) -> str:
        nat: str = self.ec2.create_nat_gateway(SubnetId=self.subnets[0])["NatGateway"]["NatGatewayId"]
        return nat

    def internet_gateway(self) -> str:
        gateway: str = self.ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
        self.ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=self.vpc_id)
        return gateway


@pytest.fixture
def bare(aws: Aws) -> Network:
    """A network without a way out."""
    ec2 = aws.client("ec2")
    vpc_id = ec2.create_vpc(CidrBlock="10.8.0.0/16")["Vpc"]["VpcId"]
    subnets, tables = [], []
    for number, zone in enumerate(ZONES):
        subnet = ec2.create_subnet(VpcId=vpc_id, CidrBlock=f"10.8.{number}.0/24", AvailabilityZone=zone)["Subnet"]
        table = ec2.create_route_table(VpcId=vpc_id)["RouteTable"]["RouteTableId"]
        ec2.associate_route_table(RouteTableId=table, SubnetId=subnet["SubnetId"])
        subnets.append(subnet["SubnetId"])
        tables.append(table)
    return Network(ec2, vpc_id, subnets, tables)


@pytest.fixture
def network(bare: Network) -> Network:
    """A network with NAT everywhere."""
    nat = bare.nat()
    for table in range(len(bare.tables)):
        bare.route(table, NatGatewayId=nat)
    return bare


@pytest.fixture
def doctor(run: Run, account: Aws, roles: None, network: Network) -> Callable[..., Result]:
    """Runs the doctor on a healthy account, but for what a test has changed."""
    return lambda *options: run("doctor", "--project", "patient", *network.options, *options)


def line(result: Result, name: str) -> str:
    """The line of one check, with its fix."""
    lines = result.output.splitlines()
    (at,) = [number for number, text in enumerate(lines) if text[4:].strip().startswith(f"{name}:")]
    fix = lines[at + 1] if at + 1 < len(lines) and lines[at + 1].startswith("      fix: ") else ""
    return lines[at] + fix


def test_a_healthy_account_passes_everything(doctor: Callable[..., Result], network: Network) -> None:
    done = doctor()
    assert done.exit_code == 0, done.output
    assert "A deployment could work; 0 warnings." in done.output
    assert "FAIL" not in done.output
    assert "warn " not in done.output
    assert "64 vCPUs of L-DB2E81BA for 2 instances of up to 8 (16)" in line(done, "GPU quota, on-demand")
    assert "offers g4dn.xlarge, g4dn.2xlarge, g5.xlarge, g6.xlarge" in line(done, "zone us-east-1b")
    assert "through nat-" in line(done, f"way out of {network.subnets[1]}")
    assert "GPU quota, spot" not in done.output


def test_json_says_the_same(doctor: Callable[..., Result], answers: Answers) -> None:
    assert json.loads(doctor("--json").output)["ok"] is True
    answers.quotas[ON_DEMAND] = 0
    done = doctor("--json")
    document = json.loads(done.output)
    assert (done.exit_code, document["ok"], document["region"]) == (1, False, "us-east-1")
    (failed,) = [check for check in document["checks"] if check["mark"] == "fail"]
    assert failed["name"] == "GPU quota, on-demand"
    assert "request-service-quota-increase" in failed["fix"]


def test_it_changes_nothing(doctor: Callable[..., Result], aws: Aws) -> None:
    doctor()
    assert Stack(aws, "patient-foundation").describe() is None


class TestQuota:
    def test_none_at_all_fails_with_the_request_to_make(self, doctor: Callable[..., Result], answers: Answers) -> None:
        answers.quotas[ON_DEMAND] = 0
        done = doctor()
        assert done.exit_code == 1
        text = line(done, "GPU quota, on-demand")
        assert text.startswith("FAIL")
        assert "--quota-code L-DB2E81BA --desired-value 16 --region us-east-1" in text
        assert "DesiredInstances = 0" in text

    def test_enough_for_one_is_a_warning(self, doctor: Callable[..., Result], answers: Answers) -> None:
        answers.quotas[ON_DEMAND] = 4
        done = doctor()
        assert (done.exit_code, line(done, "GPU quota, on-demand")[:4]) == (0, "warn")

    def test_a_request_under_way_is_told(self, doctor: Callable[..., Result], answers: Answers) -> None:
        answers.quotas[ON_DEMAND], answers.requested[ON_DEMAND] = 0, 32
        assert "wait: 32 vCPUs have been asked for" in line(doctor(), "GPU quota, on-demand")

    def test_an_account_without_a_quota_of_its_own_has_the_default(
        self, doctor: Callable[..., Result], answers: Answers
    ) -> None:
        answers.refused["GetServiceQuota"] = ("NoSuchResourceException", "none")
        assert "0 vCPUs" in line(doctor(), "GPU quota, on-demand")

    def test_a_denied_look_is_a_warning_with_the_action(self, doctor: Callable[..., Result], answers: Answers) -> None:
        answers.refused["GetServiceQuota"] = ("AccessDeniedException", "no")
        done = doctor()
        text = line(done, "GPU quota, on-demand")
        assert (done.exit_code, text[:4]) == (0, "warn")
        assert "allow servicequotas:GetServiceQuota" in text


@pytest.fixture
def spot(tmp_path: Any) -> list[str]:
    """Options for a group that is on-demand first, and spot then."""
    path = tmp_path / "spot.toml"
    path.write_text("[gpu-cluster]\nMaxInstances = 4\nOnDemandBase = 1\nOnDemandPercentAboveBase = 0\n")
    return ["--config", str(path)]


class TestSpot:
    def test_both_quotas_are_looked_at(self, doctor: Callable[..., Result], answers: Answers, spot: list[str]) -> None:
        answers.quotas = {ON_DEMAND: 8, SPOT: 0}
        done = doctor(*spot)
        assert done.exit_code == 1
        assert "8 vCPUs of L-DB2E81BA for 1 instances" in line(done, "GPU quota, on-demand")
        text = line(done, "GPU quota, spot")
        assert text.startswith("FAIL")
        assert "for 3 instances of up to 8 (24)" in text

    def test_the_score_is_told(self, doctor: Callable[..., Result], answers: Answers, spot: list[str]) -> None:
        assert line(doctor(*spot), "spot placement").startswith("pass  spot placement: 9 of 10 for 3 spot")
        answers.spot_score = 2
        done = doctor(*spot)
        assert (done.exit_code, line(done, "spot placement")[:4]) == (0, "warn")

    def test_a_denied_score_is_a_warning(
        self, doctor: Callable[..., Result], answers: Answers, spot: list[str]
    ) -> None:
        answers.refused["GetSpotPlacementScores"] = ("UnauthorizedOperation", "no")
        done = doctor(*spot)
        assert done.exit_code == 0
        assert "allow ec2:GetSpotPlacementScores" in line(done, "spot placement")

    def test_spot_needs_its_role(
        self, doctor: Callable[..., Result], aws: Aws, spot: list[str], restored_role: Callable[[str], None]
    ) -> None:
        restored_role("AWSServiceRoleForEC2Spot")
        done = doctor(*spot)
        assert done.exit_code == 1
        assert "--aws-service-name spot.amazonaws.com" in line(done, "role for spot")
        assert doctor().exit_code == 0


@pytest.mark.parametrize(
    ("maximum", "base", "percent", "on_demand", "spot_instances"),
    [(2, 0, 100, 2, 0), (4, 1, 0, 1, 3), (4, 0, 50, 2, 2), (5, 0, 50, 3, 2), (2, 5, 0, 2, 0), (3, 1, 25, 2, 1)],
)
def test_the_share_of_spot(maximum: int, base: int, percent: int, on_demand: int, spot_instances: int) -> None:
    fleet = Fleet(("g4dn.xlarge",), maximum, base, percent, "", "", (), "", "")
    assert (fleet.on_demand_max, fleet.spot_max) == (on_demand, spot_instances)


class TestZones:
    def test_a_zone_without_the_types_is_a_warning(self, doctor: Callable[..., Result], answers: Answers) -> None:
        answers.offered = {ZONES[0]: ["g5.xlarge"], "us-east-1c": ["g5.xlarge"]}
        done = doctor()
        assert done.exit_code == 0, done.output
        assert line(done, f"zone {ZONES[0]}") == f"pass  zone {ZONES[0]}: offers g5.xlarge"
        text = line(done, f"zone {ZONES[1]}")
        assert text.startswith("warn")
        assert "take subnets in us-east-1c" in text

    def test_no_zone_with_the_types_fails(self, doctor: Callable[..., Result], answers: Answers) -> None:
        answers.offered = {}
        done = doctor()
        assert (done.exit_code, line(done, f"zone {ZONES[0]}")[:4]) == (1, "FAIL")

    def test_a_type_that_the_region_lacks_fails(self, doctor: Callable[..., Result], answers: Answers) -> None:
        del answers.vcpus["g6.xlarge"]
        done = doctor()
        assert done.exit_code == 1
        assert "this region has no g6.xlarge" in line(done, "instance types")


class TestImage:
    def test_a_region_without_the_parameter_fails(self, doctor: Callable[..., Result], answers: Answers) -> None:
        answers.refused["GetParameter"] = ("ParameterNotFound", "no")
        done = doctor()
        assert (done.exit_code, "this region has no parameter /aws/service" in done.output) == (1, True)

    def test_an_image_that_is_gone_fails(self, doctor: Callable[..., Result], answers: Answers) -> None:
        answers.images = []
        done = doctor()
        assert (done.exit_code, line(done, "machine image")[:4]) == (1, "FAIL")

    def test_an_image_of_another_kind_is_a_warning(self, doctor: Callable[..., Result], answers: Answers) -> None:
        answers.images = ["ubuntu-24.04"]
        done = doctor()
        assert done.exit_code == 0
        assert "is ubuntu-24.04: not known to be an ECS GPU image" in line(done, "machine image")

    def test_a_denied_parameter_fails_because_deploying_needs_it(
        self, doctor: Callable[..., Result], answers: Answers
    ) -> None:
        answers.refused["GetParameter"] = ("AccessDeniedException", "no")
        done = doctor()
        text = line(done, "machine image")
        assert (done.exit_code, text[:4]) == (1, "FAIL")
        assert "allow ssm:GetParameter" in text


@pytest.fixture
def restored_role(aws: Aws, roles: None) -> Iterator[Callable[[str], None]]:
    """Takes a role away for one test."""
    taken = []

    def take(role: str) -> None:
        aws.client("iam").delete_role(RoleName=role)
        taken.append(role)

    yield take
    for role in taken:
        aws.client("iam").create_role(RoleName=role, AssumeRolePolicyDocument="{}")


class TestRoles:
    def test_ecs_needs_its_role(self, doctor: Callable[..., Result], restored_role: Callable[[str], None]) -> None:
        restored_role("AWSServiceRoleForECS")
        done = doctor()
        assert done.exit_code == 1
        text = line(done, "role for ecs")
        assert text.startswith("FAIL")
        assert "aws iam create-service-linked-role --aws-service-name ecs.amazonaws.com" in text

    def test_auto_scaling_makes_its_own(
        self, doctor: Callable[..., Result], restored_role: Callable[[str], None]
    ) -> None:
        restored_role("AWSServiceRoleForAutoScaling")
        done = doctor()
        assert (done.exit_code, line(done, "role for autoscaling")[:4]) == (0, "warn")

    def test_a_denied_look_is_a_warning(self, doctor: Callable[..., Result], answers: Answers) -> None:
        answers.refused["GetRole"] = ("AccessDenied", "User: x is not authorized to perform: iam:GetRole on y")
        done = doctor()
        assert (done.exit_code, "allow iam:GetRole" in line(done, "service-linked roles")) == (0, True)


class TestWayOut:
    @pytest.fixture
    def examine(self, run: Run, account: Aws, roles: None, bare: Network) -> Callable[..., Result]:
        return lambda *options: run("doctor", "--project", "patient", *bare.options, *options)

    def test_nothing_at_all_fails(self, examine: Callable[..., Result], bare: Network) -> None:
        bare.route(0, NatGatewayId=bare.nat())
        done = examine()
        assert done.exit_code == 1
        assert line(done, f"way out of {bare.subnets[0]}").startswith("pass")
        text = line(done, f"way out of {bare.subnets[1]}")
        assert text.startswith("FAIL")
        assert "no default route and no endpoints" in text

    def test_an_internet_gateway_needs_public_addresses(
        self, examine: Callable[..., Result], bare: Network, tmp_path: Any
    ) -> None:
        gateway = bare.internet_gateway()
        for table in range(2):
            bare.route(table, GatewayId=gateway)
        bare.ec2.modify_subnet_attribute(SubnetId=bare.subnets[0], MapPublicIpOnLaunch={"Value": True})
        done = examine()
        assert done.exit_code == 1
        assert "with a public address" in line(done, f"way out of {bare.subnets[0]}")
        text = line(done, f"way out of {bare.subnets[1]}")
        assert text.startswith("FAIL")
        assert 'AssignPublicIp = "true"' in text

        (tmp_path / "public.toml").write_text('[gpu-cluster]\nAssignPublicIp = "true"\n')
        assert examine("--config", str(tmp_path / "public.toml")).exit_code == 0

    def test_endpoints_do_when_they_are_all_there_and_the_model_is_near(
        self, examine: Callable[..., Result], bare: Network, tmp_path: Any
    ) -> None:
        for service in ("ecr.api", "ecr.dkr", "ecs", "ecs-agent", "ecs-telemetry", "logs"):
            bare.ec2.create_vpc_endpoint(
                VpcId=bare.vpc_id,
                ServiceName=f"com.amazonaws.us-east-1.{service}",
                VpcEndpointType="Interface",
                SubnetIds=bare.subnets,
            )
        bare.ec2.create_vpc_endpoint(
            VpcId=bare.vpc_id,
            ServiceName="com.amazonaws.us-east-1.s3",
            VpcEndpointType="Gateway",
            RouteTableIds=bare.tables,
        )
        text = line(examine(), f"way out of {bare.subnets[0]}")
        assert text.startswith("FAIL")
        assert "make VPC endpoints for sqs, dynamodb;" in text

        for service, kind, where in (
            ("sqs", "Interface", {"SubnetIds": bare.subnets}),
            ("dynamodb", "Gateway", {"RouteTableIds": bare.tables}),
        ):
            bare.ec2.create_vpc_endpoint(
                VpcId=bare.vpc_id, ServiceName=f"com.amazonaws.us-east-1.{service}", VpcEndpointType=kind, **where
            )
        text = line(examine(), f"way out of {bare.subnets[0]}")
        assert text.startswith("FAIL")
        assert "comes from the internet" in text

        (tmp_path / "near.toml").write_text('[gpu-cluster]\nModel = "s3://models/sdxl"\n')
        done = examine("--config", str(tmp_path / "near.toml"))
        assert done.exit_code == 0, done.output
        assert "through VPC endpoints" in line(done, f"way out of {bare.subnets[0]}")

    def test_a_route_that_leads_elsewhere_is_a_warning(self, examine: Callable[..., Result], bare: Network) -> None:
        for table in range(2):
            bare.route(table, GatewayId="vgw-0123456789abcdef0")
        done = examine()
        text = line(done, f"way out of {bare.subnets[0]}")
        assert (done.exit_code, text[:4]) == (0, "warn")
        assert "vgw-0123456789abcdef0" in text

    def test_subnets_that_are_not_there_or_elsewhere_fail(
        self, run: Run, account: Aws, roles: None, bare: Network
    ) -> None:
        for subnets in ("subnet-0123456789abcdef0", f"{bare.subnets[0]},subnet-00000001"):
            done = run("doctor", "--vpc-id", bare.vpc_id, "--subnet-ids", subnets)
            assert done.exit_code == 1
            assert line(done, "subnets").startswith("FAIL")

    def test_a_dead_default_route_fails(self, bare: Network) -> None:
        # The emulator has no routes whose target is gone.
        fleet = Fleet((), 1, 0, 100, "", bare.vpc_id, (), "subnet", "")
        result = default_route("x", {"State": "blackhole", "NatGatewayId": "nat-1"}, {}, fleet)
        assert (result.mark, "gone" in result.message) == (Mark.FAIL, True)


def test_a_network_that_is_to_be_made_needs_none_now(run: Run, account: Aws, answers: Answers, roles: None) -> None:
    answers.offered["us-east-1c"] = list(TYPES)
    done = run("doctor", "--project", "patient", "--with-network")
    assert done.exit_code == 0, done.output
    assert "the network stack makes one" in line(done, "network")
    assert "zone us-east-1c" in done.output


def test_the_deployed_network_is_looked_at_when_none_is_named(
    run: Run, account: Aws, roles: None, network: Network, lambda_package: Any
) -> None:
    assert run("deploy", "--project", "resident", *network.options).exit_code == 0
    done = run("doctor", "--project", "resident")
    assert f"{network.vpc_id} with {','.join(network.subnets)}".replace(",", ", ") in line(done, "network")


class TestCaller:
    @pytest.mark.parametrize(
        ("code", "words"),
        [("ExpiredToken", "have expired"), ("InvalidClientTokenId", "does not know these credentials")],
    )
    def test_credentials_that_do_not_count_end_it(
        self, doctor: Callable[..., Result], answers: Answers, code: str, words: str
    ) -> None:
        answers.refused["GetCallerIdentity"] = (code, "no")
        done = doctor()
        assert (done.exit_code, words in line(done, "identity")) == (1, True)
        assert done.output.count("FAIL") == 1

    def test_a_region_that_is_none_or_not_enabled_ends_it(self, account: Aws) -> None:
        ec2 = account.client("ec2")
        with Stubber(ec2) as stub:
            stub.add_client_error("describe_regions", "InvalidParameterValue")
            stub.add_response(
                "describe_regions", {"Regions": [{"RegionName": "af-south-1", "OptInStatus": "not-opted-in"}]}
            )
            (missing,) = region(ec2, "us-east-9")
            (closed,) = region(ec2, "af-south-1")
        assert (missing.mark, missing.message) == (Mark.FAIL, "there is no region us-east-9")
        assert (closed.mark, closed.fix) == (Mark.FAIL, "enable it: aws account enable-region --region-name af-south-1")
