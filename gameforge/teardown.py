"""Takes the system down again: what runs always, what is stored only when that is said."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from botocore.exceptions import ClientError

from gameforge.aws_errors import AwsError, code_of, explained
from gameforge.stack import Stack
from gameforge.system import FOUNDATION, ORDER, System

AUTO_SCALING_GROUP: Final = "AWS::AutoScaling::AutoScalingGroup"
BUCKET: Final = "AWS::S3::Bucket"
CLUSTER: Final = "AWS::ECS::Cluster"
REPOSITORY: Final = "AWS::ECR::Repository"
TABLE: Final = "AWS::DynamoDB::Table"
# What people made or would have to make again; the foundation stack holds it all.
DATA_TYPES: Final = (BUCKET, TABLE, REPOSITORY)
# SetInstanceProtection takes no more at a time.
INSTANCES_MAX: Final = 50
# DescribeTasks takes no more at a time.
TASKS_MAX: Final = 100
SAY_EVERY_OBJECTS: Final = 10_000


def deployed(system: System) -> list[str]:
    """The stacks that exist, in the order in which they come down. Raises `AwsError`."""
    with explained():
        return [name for name in reversed(ORDER) if system.stack(name).find() is not None]


def stored_data(system: System) -> list[str]:
    """What the system stores, as sentences' subjects: `bucket NAME`. Raises `AwsError`."""
    with explained():
        found = _by_type(system.stack(FOUNDATION))
    return [f"{kind.rsplit('::')[-1].lower()} {name}" for kind in DATA_TYPES for name in found.get(kind, ())]


def destroy(system: System, *, delete_data: bool, timeout_seconds: float) -> None:
    """Delete the stacks, the last one first; without `delete_data` the foundation stays, with what is stored in it.

    Takes up what an interrupted run left. Raises `AwsError`.
    """
    for name in deployed(system):
        stack = system.stack(name)
        if name == FOUNDATION and not delete_data:
            system.say(f"{stack.name}: kept, with the data in it")
            continue
        system.say(f"{stack.name}: deleting")
        with explained():
            resources = _by_type(stack)
            _let_go_of_hosts(system, resources)
            if delete_data:
                _empty(system, resources)
        kept = stack.delete(timeout_seconds=timeout_seconds)
        system.say(f"{stack.name}: deleted" + (f", except {', '.join(kept)}, which its template keeps" if kept else ""))


def _by_type(stack: Stack) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for resource in stack.resources():
        if resource.get("PhysicalResourceId") and resource["ResourceStatus"] != "DELETE_COMPLETE":
            found.setdefault(resource["ResourceType"], []).append(resource["PhysicalResourceId"])
    return found


def _let_go_of_hosts(system: System, resources: Mapping[str, list[str]]) -> None:
    """Take away what would keep hosts alive, and CloudFormation waiting: scale-in protection, and running tasks."""
    for group in resources.get(AUTO_SCALING_GROUP, ()):
        release_group(system.aws.client("autoscaling"), group)
    for cluster in resources.get(CLUSTER, ()):
        ecs = system.aws.client("ecs")
        if tasks := running_tasks(ecs, cluster):
            system.say(f"{cluster}: stopping tasks: {len(tasks)}")
            stop_tasks(ecs, cluster, tasks)


def release_group(autoscaling: Any, group: str) -> None:
    """Let an Auto Scaling group go down to nothing, protected instances too."""
    found = autoscaling.describe_auto_scaling_groups(AutoScalingGroupNames=[group])["AutoScalingGroups"]
    for each in found:
        protected = [found["InstanceId"] for found in each["Instances"] if found.get("ProtectedFromScaleIn")]
        for start in range(0, len(protected), INSTANCES_MAX):
            autoscaling.set_instance_protection(
                AutoScalingGroupName=group,
                InstanceIds=protected[start : start + INSTANCES_MAX],
                ProtectedFromScaleIn=False,
            )
        # The capacity provider would ask for new hosts as long as it may.
        autoscaling.update_auto_scaling_group(
            AutoScalingGroupName=group, MinSize=0, MaxSize=0, DesiredCapacity=0, NewInstancesProtectedFromScaleIn=False
        )


def running_tasks(ecs: Any, cluster: str) -> list[str]:
    """ARNs of a cluster's tasks; none if there is no cluster."""
    try:
        pages = ecs.get_paginator("list_tasks").paginate(cluster=cluster)
        return [task for page in pages for task in page["taskArns"]]
    except ClientError as error:
        if code_of(error) != "ClusterNotFoundException":
            raise
        return []


def stop_tasks(ecs: Any, cluster: str, tasks: Sequence[str]) -> None:
    """Stop tasks, and wait until they have: a capacity provider in use can't be taken from its cluster."""
    for task in tasks:
        ecs.stop_task(cluster=cluster, task=task, reason="gameforge destroy")
    for start in range(0, len(tasks), TASKS_MAX):
        ecs.get_waiter("tasks_stopped").wait(cluster=cluster, tasks=tasks[start : start + TASKS_MAX])


def _empty(system: System, resources: Mapping[str, list[str]]) -> None:
    s3 = system.aws.client("s3")
    for bucket in resources.get(BUCKET, ()):
        deleted = 0
        for count in empty_bucket(s3, bucket):
            # A bucket of a million pictures takes minutes.
            if deleted // SAY_EVERY_OBJECTS != (deleted + count) // SAY_EVERY_OBJECTS:
                system.say(f"{bucket}: objects deleted so far: {deleted + count:,}")
            deleted += count
        if deleted:
            system.say(f"{bucket}: emptied, objects deleted: {deleted:,}")
    for table in resources.get(TABLE, ()):
        unprotect_table(system.aws.client("dynamodb"), table)


def empty_bucket(s3: Any, bucket: str) -> Iterable[int]:
    """Delete all objects of a bucket, with their versions and delete markers; yields how many went at a time.

    Raises `AwsError` for an object that S3 does not delete.
    """
    try:
        for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
            objects = [
                {"Key": version["Key"], "VersionId": version["VersionId"]}
                for version in page.get("Versions", []) + page.get("DeleteMarkers", [])
            ]
            if not objects:
                continue
            answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": objects, "Quiet": True})
            if errors := answer.get("Errors"):
                raise AwsError(f"S3 keeps {errors[0]['Key']} in {bucket}: {errors[0]['Message']}")
            yield len(objects)
    except ClientError as error:
        if code_of(error) != "NoSuchBucket":
            raise


def unprotect_table(dynamodb: Any, table: str) -> None:
    """Let DynamoDB delete a table."""
    try:
        if dynamodb.describe_table(TableName=table)["Table"].get("DeletionProtectionEnabled"):
            dynamodb.update_table(TableName=table, DeletionProtectionEnabled=False)
            dynamodb.get_waiter("table_exists").wait(TableName=table)
    except ClientError as error:
        if code_of(error) != "ResourceNotFoundException":
            raise
