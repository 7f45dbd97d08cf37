"""`gameforge deploy` and `diff`: create, nothing to do, update of each stack, and what is said when it fails."""

import json
import os
import re
import uuid
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import Result

from gameforge.aws import Aws
from gameforge.settings import Settings
from gameforge.stack import Stack, StackError
from gameforge.stack_changes import NAME_PREFIX
from gameforge.stack_events import StackEvent
from gameforge.system import System, read_templates
from gameforge.template_file import read_template
from jobs.keys import KeyStore
from tests.gameforge.conftest import Run, settings_file

PROJECT = "team-one"
STACKS = ("foundation", "gpu-cluster", "api", "observability")
CHANGES = [
    ("foundation", "ImagesKeptDays", 7, "ImagesBucket"),
    ("gpu-cluster", "MaxInstances", 4, "AutoScalingGroup"),
    ("api", "PixelStepsMax", 1_000_000, "Function"),
    ("observability", "DailyCostDollarsMax", 40, "DailyCostAlarm"),
]


@pytest.fixture(scope="module")
def first(run: Run) -> Result:
    """The first deployment of a system."""
    return run("deploy", "--project", PROJECT)


@pytest.fixture
def project(first: Result) -> str:
    """The name of a system that is deployed."""
    assert first.exit_code == 0, first.output
    return PROJECT


def parameters(aws: Aws, stack: str) -> dict[str, str]:
    return Stack(aws, f"{PROJECT}-{stack}").parameters()


def test_before_the_first_deployment_everything_is_new_and_stays_away(run: Run, aws: Aws) -> None:
    done = run("diff", "--project", "untouched")

    assert done.exit_code == 0, done.output
    for stack in STACKS:
        assert re.search(rf"untouched-{stack}: not deployed yet, all \d+ resources are new", done.output)
    assert re.search(r"Add +ImagesBucket +AWS::S3::Bucket", done.output)
    assert re.search(r"Add +AlertSubscription +AWS::SNS::Subscription +if HasAlertEmail", done.output)
    known = aws.client("cloudformation").list_stacks()["StackSummaries"]
    assert not [stack for stack in known if stack["StackName"].startswith("untouched")]


def test_a_deployed_system_answers(project: str, aws: Aws) -> None:
    outputs = Stack(aws, f"{project}-api").outputs()
    key = KeyStore(aws.client("dynamodb"), f"{project}-keys").create("first").key
    url = f"{aws.endpoint_url}/restapis/{outputs['ApiId']}/{outputs['StageName']}/_user_request_/v1/generations/none"
    response = httpx.get(url, headers={"x-api-key": key}, timeout=60)
    assert (response.status_code, response.json()["type"]) == (404, "urn:gameforge:problem:job-not-found")


def test_deploying_again_changes_nothing(run: Run, project: str, lambda_package: Path) -> None:
    again = run("deploy", "--project", project)
    assert again.exit_code == 0, again.output
    for stack in STACKS:
        assert f"{project}-{stack}: up to date" in again.output
    assert f"uploaded {lambda_package.name}" not in again.output


def test_the_first_deployment_says_what_was_made_and_where_the_api_is(first: Result, lambda_package: Path) -> None:
    assert re.search(r"created +JobsTable +AWS::DynamoDB::Table", first.output)
    assert f"uploaded {lambda_package.name} to {PROJECT}-artifacts-" in first.output
    assert "the hosts go into the default VPC, vpc-" in first.output
    assert "The API is at https://" in first.output


def test_nothing_to_change_is_said_and_no_change_set_stays(run: Run, project: str, aws: Aws) -> None:
    done = run("diff", "--project", project)
    assert done.exit_code == 0, done.output
    for stack in STACKS:
        assert f"{project}-{stack}: no changes" in done.output
        left = aws.client("cloudformation").list_change_sets(StackName=f"{project}-{stack}")["Summaries"]
        assert not [each for each in left if each["ChangeSetName"].startswith(NAME_PREFIX)]


def test_a_change_of_each_stack_is_shown_then_made(
    run: Run, project: str, aws: Aws, lambda_package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "api-0123456789abcdef.zip"
    package.write_bytes(lambda_package.read_bytes())
    monkeypatch.setattr("gameforge.stack_commands.build_lambda_package", lambda output, platform: package)
    tables = "".join(f"[{stack}]\n{parameter} = {value}\n" for stack, parameter, value, _ in CHANGES)
    chosen = settings_file(tmp_path, f'project = "{project}"\n{tables}')
    before = {stack: parameters(aws, stack) for stack in STACKS}

    shown = run("diff", "--config", chosen)
    assert shown.exit_code == 0, shown.output
    for *_, resource in CHANGES:
        assert re.search(rf"Modify +{resource} ", shown.output)
    assert re.search(r"Modify +Function .*Code", shown.output)
    assert {stack: parameters(aws, stack) for stack in STACKS} == before

    done = run("deploy", "--config", chosen)
    assert done.exit_code == 0, done.output
    after = {stack: {**before[stack], parameter: str(value)} for stack, parameter, value, _ in CHANGES}
    after["api"]["LambdaCodeKey"] = f"lambda/{package.name}"
    assert {stack: parameters(aws, stack) for stack in STACKS} == after
    assert f"uploaded {package.name}" in done.output
    for stack in STACKS:
        assert f"{project}-{stack}: deployed" in done.output

    # What is no longer said stays as it is.
    again = run("diff", "--project", project)
    assert again.output.count(": no changes") == len(STACKS), again.output


def test_the_vpc_is_the_one_that_is_named_or_the_one_they_are_in(project: str, aws: Aws) -> None:
    named = Settings(project=project, vpc_id="vpc-1", subnet_ids=("subnet-1", "subnet-2"))
    assert System(aws, named, {}).network == {"VpcId": "vpc-1", "SubnetIds": "subnet-1,subnet-2"}
    assert System(aws, Settings(project=project), {}).network == {}


def test_a_value_that_a_parameter_does_not_take_is_told(run: Run, tmp_path: Path) -> None:
    chosen = settings_file(tmp_path, 'project = "wrong-value"\n[gpu-cluster]\nMaxInstances = 99\n')
    done = run("deploy", "--config", chosen)
    assert done.exit_code == 1
    assert "stack wrong-value-gpu-cluster could not be deployed" in done.stderr
    assert "MaxInstances" in done.stderr


def test_without_the_stacks_before_it_a_stack_says_so(aws: Aws) -> None:
    template = read_templates()["api"]
    with pytest.raises(StackError, match="Deploy all stacks in order with `gameforge deploy`"):
        Stack(aws, "lonely-api").deploy(template, {"Project": "lonely", "LambdaCodeKey": "x.zip"})


def broken_template(folder: Path, *, provider: str) -> Any:
    """A cluster with a capacity provider that is or is not there."""
    strategy = [{"CapacityProvider": provider, "Weight": 1}]
    resources = {
        "Cluster": {"Type": "AWS::ECS::Cluster", "Properties": {"ClusterName": "fragile"}},
        "Association": {
            "Type": "AWS::ECS::ClusterCapacityProviderAssociations",
            "Properties": {
                "Cluster": {"Ref": "Cluster"},
                "CapacityProviders": [provider],
                "DefaultCapacityProviderStrategy": strategy,
            },
        },
    }
    path = folder / "fragile.yaml"
    path.write_text(json.dumps({"Resources": resources}))
    return read_template(path)


def test_a_failed_stack_names_the_resource_and_its_reason_and_the_next_try_works(aws: Aws, tmp_path: Path) -> None:
    seen: list[StackEvent] = []
    stack = Stack(aws, f"fragile-{uuid.uuid4().hex[:8]}", seen.append)
    with pytest.raises(StackError) as failure:
        stack.deploy(broken_template(tmp_path, provider="not-there"), {})
    text = str(failure.value)
    assert "Association (AWS::ECS::ClusterCapacityProviderAssociations)" in text
    assert "The specified capacity provider does not exist: not-there" in text
    assert any(event.failed and event.resource == "Association" for event in seen)
    assert (stack.find() or {})["StackStatus"] == "ROLLBACK_COMPLETE"
    # What is left of it counts for nothing, its choice of a VPC neither.
    assert (stack.describe(), stack.parameters()) == (None, {})

    (tmp_path / "fragile.yaml").write_text(
        json.dumps({"Resources": {"Cluster": {"Type": "AWS::ECS::Cluster", "Properties": {"ClusterName": "fragile"}}}})
    )
    failed_id = (stack.find() or {})["StackId"]
    assert stack.deploy(read_template(tmp_path / "fragile.yaml"), {})
    # AWS updates no such stack; this one is new.
    assert (stack.find() or {})["StackId"] != failed_id
    stack.delete()
    assert stack.find() is None


def test_a_name_that_is_taken_is_told_and_the_next_try_works(run: Run, aws: Aws) -> None:
    s3, bucket = aws.client("s3"), "crowded-images-000000000000-us-east-1"
    s3.create_bucket(Bucket=bucket)
    failed = run("deploy", "--project", "crowded")
    assert failed.exit_code == 1
    assert re.search(rf"ImagesBucket \(AWS::S3::Bucket\): .*'{bucket}' already exists", failed.stderr)
    assert "choose another name with --project" in failed.stderr
    assert "crowded-foundation: not deployed yet" in run("diff", "--project", "crowded").output

    s3.delete_bucket(Bucket=bucket)
    again = run("deploy", "--project", "crowded")
    assert again.exit_code == 0, again.output


def test_network_and_image_are_deployed_where_they_are_asked_for(run: Run, aws: Aws) -> None:
    done = run("deploy", "--project", "whole", "--with-network", "--with-image")
    assert done.exit_code == 0, done.output
    made = Stack(aws, "whole-network").outputs()
    cluster = Stack(aws, "whole-gpu-cluster").parameters()
    assert (cluster["VpcId"], cluster["SubnetIds"]) == (made["VpcId"], made["PrivateSubnetIds"])
    assert Stack(aws, "whole-image").describe() is not None

    # Once there, they are looked after without being asked for.
    shown = run("diff", "--project", "whole")
    assert shown.output.count(": no changes") == 6, shown.output

    gone = run("destroy", "--project", "whole", "--yes", "--delete-data")
    assert gone.exit_code == 0, gone.output
    assert "whole-network: deleted" in gone.output
    assert Stack(aws, "whole-network").find() is None


def test_without_nat_the_hosts_go_into_the_public_subnets(aws: Aws) -> None:
    templates = read_templates()
    stack = Stack(aws, "thrifty-network")
    stack.deploy(templates["network"], {"Project": "thrifty", "NatGateways": "none"})
    made = stack.outputs()
    assert System(aws, Settings(project="thrifty"), templates).network == {
        "VpcId": made["VpcId"],
        "SubnetIds": made["PublicSubnetIds"],
        "AssignPublicIp": "true",
    }
    assert "NatGateway1" not in {resource["LogicalResourceId"] for resource in stack.resources()}
    stack.delete()


def test_moving_into_a_network_that_is_not_there_yet_can_not_be_compared(run: Run, project: str) -> None:
    done = run("diff", "--project", project, "--with-network")
    assert (done.exit_code, "not deployed yet" in done.stderr) == (1, True)


def test_without_credentials_or_region_it_says_how_to_get_them(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    done = run("deploy")
    assert (done.exit_code, "aws configure" in done.stderr) == (1, True)

    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name)
    done = run("diff")
    assert (done.exit_code, "Give --region" in done.stderr) == (1, True)


def test_the_cli_is_the_same_caller_as_the_sdk(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    from gameforge.aws import callers_aws

    aws = callers_aws(None, "eu-north-1")
    output, _ = aws.start_cli("configure", "get", "region").communicate()
    listed, _ = aws.start_cli("configure", "list").communicate()
    assert "eu-north-1" in output + listed
    # Version 2 of the AWS CLI reads this one.
    assert aws.environment["AWS_REGION"] == "eu-north-1"
    assert aws.client("sts").meta.region_name == "eu-north-1"
    assert "eu-north-1" not in os.environ.values()
