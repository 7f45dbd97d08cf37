"""`gameforge destroy`: what runs goes, what is stored stays until that is said, and it does not hang."""

import json
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest
from botocore.stub import Stubber

from gameforge.aws import Aws
from gameforge.stack import Stack, StackError
from gameforge.teardown import empty_bucket, release_group, running_tasks, stop_tasks
from tests.gameforge.conftest import Run

STACKS = ("foundation", "gpu-cluster", "api", "observability")
IMAGES = "{project}-images-000000000000-us-east-1"


def store_something(aws: Aws, project: str) -> None:
    """A picture with an older version and a delete marker beside it, a container image, and a job."""
    s3, bucket = aws.client("s3"), IMAGES.format(project=project)
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    for key in ("kept.png", "kept.png", "gone.png"):
        s3.put_object(Bucket=bucket, Key=key, Body=b"png")
    s3.delete_object(Bucket=bucket, Key="gone.png")
    manifest = json.dumps({"schemaVersion": 2})
    aws.client("ecr").put_image(repositoryName=f"{project}-sdxl", imageManifest=manifest, imageTag="v1")
    aws.client("dynamodb").put_item(TableName=f"{project}-jobs", Item={"job_id": {"S": "one"}})


def versions(aws: Aws, project: str) -> int:
    found = aws.client("s3").list_object_versions(Bucket=IMAGES.format(project=project))
    return len(found.get("Versions", [])) + len(found.get("DeleteMarkers", []))


def exists(aws: Aws, project: str, stack: str) -> bool:
    return Stack(aws, f"{project}-{stack}").describe() is not None


def test_data_outlives_the_stacks_until_it_is_to_go_too(run: Run, aws: Aws) -> None:
    project = "mortal"
    assert run("deploy", "--project", project).exit_code == 0
    store_something(aws, project)

    refused = run("destroy", "--project", project)
    assert (refused.exit_code, "--yes" in refused.stderr) == (1, True)
    assert exists(aws, project, "api")

    protect = partial(aws.client("cloudformation").update_termination_protection, StackName=f"{project}-gpu-cluster")
    protect(EnableTerminationProtection=True)
    stopped = run("destroy", "--project", project, "--yes")
    assert stopped.exit_code == 1
    assert f"--no-enable-termination-protection --stack-name {project}-gpu-cluster" in stopped.stderr
    assert [exists(aws, project, stack) for stack in STACKS] == [True, True, False, False]

    protect(EnableTerminationProtection=False)
    done = run("destroy", "--project", project, "--yes")
    assert done.exit_code == 0, done.output
    assert f"{project}-foundation: kept" in done.output
    assert [exists(aws, project, stack) for stack in STACKS] == [True, False, False, False]
    assert versions(aws, project) == 4

    again = run("destroy", "--project", project, "--yes")
    assert again.exit_code == 0, again.output
    assert "but the foundation stack" in again.output

    assert run("deploy", "--project", project).exit_code == 0
    assert versions(aws, project) == 4

    done = run("destroy", "--project", project, "--yes", "--delete-data")
    assert done.exit_code == 0, done.output
    assert f"And for good, with all that is in it: bucket {project}-artifacts-" in done.output.replace("\n", " ")
    assert not any(exists(aws, project, stack) for stack in STACKS)
    assert not [each for each in aws.client("s3").list_buckets()["Buckets"] if each["Name"].startswith(project)]
    assert f"{project}-jobs" not in aws.client("dynamodb").list_tables()["TableNames"]
    repositories = aws.client("ecr").describe_repositories()["repositories"]
    assert f"{project}-sdxl" not in [each["repositoryName"] for each in repositories]

    nothing = run("destroy", "--project", project, "--yes", "--delete-data")
    assert (nothing.exit_code, f"Nothing of {project} is deployed" in nothing.output) == (0, True)


def test_running_tasks_are_stopped(run: Run, aws: Aws) -> None:
    ecs = aws.client("ecs")
    ecs.create_cluster(clusterName="busy")
    definition = ecs.register_task_definition(
        family="busy", containerDefinitions=[{"name": "one", "image": "none", "memory": 64}]
    )["taskDefinition"]["taskDefinitionArn"]
    ecs.run_task(cluster="busy", taskDefinition=definition, count=2)

    tasks = running_tasks(ecs, "busy")
    assert len(tasks) == 2
    stop_tasks(ecs, "busy", tasks)
    assert running_tasks(ecs, "busy") == []
    assert running_tasks(ecs, "never-was") == []


def test_protected_hosts_are_released_before_their_group_goes(aws: Aws) -> None:
    # The emulator's groups have no instances.
    client = aws.client("autoscaling")
    hosts = [
        {
            "InstanceId": f"i-{number:017x}",
            "AvailabilityZone": "us-east-1a",
            "LifecycleState": "InService",
            "HealthStatus": "Healthy",
            "ProtectedFromScaleIn": number != 0,
        }
        for number in range(53)
    ]
    group = {
        "AutoScalingGroupName": "gpus",
        "MinSize": 0,
        "MaxSize": 60,
        "DesiredCapacity": 53,
        "DefaultCooldown": 0,
        "AvailabilityZones": ["us-east-1a"],
        "HealthCheckType": "EC2",
        "CreatedTime": datetime.now(UTC),
        "Instances": hosts,
    }
    protected = [str(host["InstanceId"]) for host in hosts[1:]]
    with Stubber(client) as stub:
        stub.add_response("describe_auto_scaling_groups", {"AutoScalingGroups": [group]})
        for part in (protected[:50], protected[50:]):
            stub.add_response(
                "set_instance_protection",
                {},
                {"AutoScalingGroupName": "gpus", "InstanceIds": part, "ProtectedFromScaleIn": False},
            )
        stub.add_response(
            "update_auto_scaling_group",
            {},
            {
                "AutoScalingGroupName": "gpus",
                "MinSize": 0,
                "MaxSize": 0,
                "DesiredCapacity": 0,
                "NewInstancesProtectedFromScaleIn": False,
            },
        )
        release_group(client, "gpus")
        stub.assert_no_pending_responses()


def test_a_group_that_is_gone_is_no_trouble(aws: Aws) -> None:
    release_group(aws.client("autoscaling"), "never-was")


def test_a_bucket_that_is_gone_is_no_trouble(aws: Aws) -> None:
    assert list(empty_bucket(aws.client("s3"), "never-was-there")) == []


@dataclass(frozen=True)
class StuckAws(Aws):
    """AWS with a stack whose deletion never ends: the emulator's deletions all do."""

    stuck: Any = None

    def client(self, service: str) -> Any:
        assert service == "cloudformation"
        return self.stuck

    def start_cli(self, *arguments: str) -> subprocess.Popen[str]:
        assert arguments[:2] == ("cloudformation", "delete-stack")
        return subprocess.Popen(["true"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_a_deletion_that_does_not_end_is_given_up_with_what_it_waits_for(aws: Aws) -> None:
    client = aws.client("cloudformation")
    now = datetime.now(UTC)
    stack = {"StackName": "slow", "StackId": "arn:slow", "CreationTime": now, "StackStatus": "DELETE_IN_PROGRESS"}
    event = {
        "StackId": "arn:slow",
        "StackName": "slow",
        "EventId": "1",
        "Timestamp": now,
        "LogicalResourceId": "AutoScalingGroup",
        "ResourceType": "AWS::AutoScaling::AutoScalingGroup",
        "ResourceStatus": "DELETE_IN_PROGRESS",
    }
    with Stubber(client) as stub:
        stub.add_response("describe_stacks", {"Stacks": [{**stack, "StackStatus": "CREATE_COMPLETE"}]})
        stub.add_response("describe_stack_events", {"StackEvents": []})
        stub.add_response("describe_stacks", {"Stacks": [stack]})
        stub.add_response("describe_stack_events", {"StackEvents": [event]})
        with pytest.raises(StackError, match=r"still being deleted after 0 minutes; it waits for AutoScalingGroup"):
            Stack(StuckAws(aws.session, aws.environment, stuck=client), "slow").delete(timeout_seconds=0)
