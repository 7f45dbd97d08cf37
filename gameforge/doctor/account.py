"""Checks of the account: who is asking, where, and the roles that AWS services act with."""

from collections.abc import Iterator
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from gameforge.aws_errors import code_of, explain
from gameforge.doctor.result import Mark, Result

ECS_ROLE: Final = ("AWSServiceRoleForECS", "ecs.amazonaws.com")
AUTO_SCALING_ROLE: Final = ("AWSServiceRoleForAutoScaling", "autoscaling.amazonaws.com")
SPOT_ROLE: Final = ("AWSServiceRoleForEC2Spot", "spot.amazonaws.com")


def identity(sts: Any) -> Result:
    """Who the credentials belong to. A failure means that no other check can be made."""
    try:
        caller = sts.get_caller_identity()
    except (BotoCoreError, ClientError) as error:
        return Result("identity", Mark.FAIL, explain(error))
    return Result("identity", Mark.PASS, f"{caller['Arn']} in account {caller['Account']}")


def region(ec2: Any, name: str) -> Iterator[Result]:
    """Whether the region exists and the account has enabled it."""
    try:
        found = ec2.describe_regions(RegionNames=[name], AllRegions=True)["Regions"]
    except ClientError as error:
        if code_of(error) != "InvalidParameterValue":
            raise
        found = []
    if not found:
        fix = "give a region such as us-east-1 with --region, in deploy.toml or in AWS_REGION"
        yield Result("region", Mark.FAIL, f"there is no region {name}", fix)
    elif found[0]["OptInStatus"] == "not-opted-in":
        fix = f"enable it: aws account enable-region --region-name {name}"
        yield Result("region", Mark.FAIL, f"the account has not enabled {name}", fix)
    else:
        yield Result("region", Mark.PASS, name)


def service_linked_roles(iam: Any, *, spot: bool) -> Iterator[Result]:
    """The roles that ECS, Auto Scaling and EC2 Spot act with.

    CloudFormation fails on a cluster whose account has no role for ECS, and spot instances need theirs before they are
    asked for by API; Auto Scaling makes its own with the first group.
    """
    for (role, service), needed in (
        (ECS_ROLE, True),
        (AUTO_SCALING_ROLE, False),
        *(((SPOT_ROLE, True),) if spot else ()),
    ):
        name = f"role for {service.partition('.')[0]}"
        try:
            iam.get_role(RoleName=role)
        except ClientError as error:
            if code_of(error) != "NoSuchEntity":
                raise
            fix = f"aws iam create-service-linked-role --aws-service-name {service}"
            if needed:
                yield Result(name, Mark.FAIL, f"the account has no {role}", fix)
            else:
                yield Result(
                    name,
                    Mark.WARN,
                    f"the account has no {role} yet; it comes with the first group, if you may make it",
                    fix,
                )
        else:
            yield Result(name, Mark.PASS, role)
