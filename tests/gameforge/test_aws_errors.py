"""Whatever AWS refuses, the words say what to do."""

import pytest
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    EndpointConnectionError,
    LoginRefreshRequired,
    NoCredentialsError,
    PartialCredentialsError,
    ProfileNotFound,
    UnauthorizedSSOTokenError,
)

from gameforge.aws import callers_aws
from gameforge.aws_errors import AwsError, explain, missing_action
from gameforge.stack_events import advice_for


def refusal(code: str, message: str = "no", operation: str = "DescribeSubnets") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, operation)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (NoCredentialsError(), "aws configure"),
        (PartialCredentialsError(provider="env", cred_var="aws_secret_access_key"), "incomplete"),
        (ProfileNotFound(profile="team"), "aws configure list-profiles"),
        (UnauthorizedSSOTokenError(), "aws sso login"),
        (LoginRefreshRequired(), "aws login"),
        (EndpointConnectionError(endpoint_url="https://x"), "Is the region's name right"),
        (refusal("ExpiredToken"), "expired"),
        (refusal("InvalidClientTokenId"), "not enabled"),
        (refusal("SignatureDoesNotMatch"), "clock"),
        (refusal("UnauthorizedOperation"), "access denied"),
        (refusal("ThrottlingException", "slow down"), "slow down (ThrottlingException, DescribeSubnets)"),
    ],
)
def test_an_error_says_what_to_do(error: BotoCoreError | ClientError, words: str) -> None:
    assert words in explain(error)


def test_the_action_that_is_missing_is_named() -> None:
    said = "User: arn:x is not authorized to perform: iam:GetRole on resource: y"
    assert missing_action(refusal("AccessDenied", said, "GetRole")) == "iam:GetRole"
    assert missing_action(refusal("UnauthorizedOperation"), "ec2") == "ec2:DescribeSubnets"
    denied = refusal("AccessDeniedException", operation="GetServiceQuota")
    assert missing_action(denied, "service-quotas") == "servicequotas:GetServiceQuota"


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("ECS Service Linked Role does not exist. Please create a Service linked role for ECS", "gameforge doctor"),
        ("You have requested more vCPU capacity than your current vCPU limit of 0 allows", "quota is too small"),
        ("We currently do not have sufficient g4dn.xlarge capacity in the Availability Zone", "more instance types"),
        ("User: arn:x is not authorized to perform: iam:CreateRole", "Allow it"),
        ("gameforge-jobs already exists in stack arn:x", "choose another name with --project"),
        ("No export named gameforge-jobs-table found", "in order"),
        (
            "Export gameforge-gpu-queue-url cannot be deleted as it is in use by gameforge-api",
            "Take that one down first",
        ),
        ("Stack [s] cannot be deleted while TerminationProtection is enabled", "--stack-name s"),
        ("The bucket you tried to delete is not empty", "--delete-data"),
        ("The Cluster cannot be deleted while Services are active.", "Stop it"),
        ("The specified capacity provider is in use and cannot be removed.", "Stop it"),
        ("Stack:arn:x is in UPDATE_ROLLBACK_FAILED state and can not be updated.", "continue-update-rollback"),
        ("Stack:arn:x is in ROLLBACK_FAILED state and can not be updated.", "gameforge destroy"),
        ("Stack:arn:x is in UPDATE_IN_PROGRESS state and can not be updated.", "Wait for it to end"),
    ],
)
def test_a_stacks_failure_comes_with_the_way_out(reason: str, words: str) -> None:
    assert words in (advice_for(reason, "s") or "")


def test_an_unknown_failure_gets_no_advice() -> None:
    assert advice_for("the moon is in the wrong house", "s") is None


def test_a_profile_that_is_not_there_is_told_by_every_command_that_takes_one() -> None:
    with pytest.raises(AwsError, match="aws configure list-profiles"):
        callers_aws("nobody-has-this-profile", "eu-west-1")
