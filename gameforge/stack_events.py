"""A stack's events as they come, and what its failures mean."""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from botocore.exceptions import ClientError


@dataclass(frozen=True)
class StackEvent:
    """One step of one resource, or of the stack itself."""

    stack: str
    at: datetime
    resource: str
    resource_type: str
    status: str
    reason: str

    @property
    def failed(self) -> bool:
        """Whether this is a failure of its own, not one that another failure brought about."""
        return self.status.endswith("FAILED") and not _CONSEQUENCE.search(self.reason)


class EventFollower:
    """Hands out the events of one stack that came after it was made."""

    def __init__(self, cloudformation: Any, stack: str) -> None:
        self._cloudformation = cloudformation
        self._stack = stack
        self._seen: set[str] = set()
        self.new()

    def new(self) -> list[StackEvent]:
        """Events since the last call, the oldest first; none for a stack that does not exist (yet)."""
        found: list[StackEvent] = []
        for page in self._pages():
            for event in page["StackEvents"]:
                if event["EventId"] in self._seen:
                    return found[::-1]
                self._seen.add(event["EventId"])
                found.append(
                    StackEvent(
                        stack=event["StackName"],
                        at=event["Timestamp"],
                        resource=event.get("LogicalResourceId", ""),
                        resource_type=event.get("ResourceType", ""),
                        status=event.get("ResourceStatus", ""),
                        reason=event.get("ResourceStatusReason", ""),
                    )
                )
        return found[::-1]

    def _pages(self) -> Any:
        try:
            yield from self._cloudformation.get_paginator("describe_stack_events").paginate(StackName=self._stack)
        except ClientError as error:
            if "does not exist" not in str(error):
                raise


def validation_failures(cloudformation: Any, stack: str) -> list[StackEvent]:
    """Why CloudFormation refused the latest operation before it began: it says so apart from the stack's events."""
    pages = cloudformation.get_paginator("describe_events").paginate(StackName=stack, Filters={"FailedEvents": True})
    events = [event for page in pages for event in page["OperationEvents"]]
    return [
        StackEvent(
            stack=stack,
            at=event["Timestamp"],
            resource=event.get("LogicalResourceId", ""),
            resource_type=event.get("ResourceType", ""),
            status="VALIDATION_FAILED",
            reason=event.get("ValidationStatusReason", ""),
        )
        for event in events
        if event.get("EventType") == "VALIDATION_ERROR"
        and event.get("ValidationFailureMode") == "FAIL"
        and event["OperationId"] == events[0]["OperationId"]
    ]


_CONSEQUENCE: Final = re.compile(
    r"cancell?ed|The following resource\(s\) failed to|Rollback requested by user", re.IGNORECASE
)

# What a failure's own words do not say: the way out. The first that matches is shown.
_ADVICE: Final = tuple(
    (re.compile(pattern, re.IGNORECASE), advice)
    for pattern, advice in (
        (
            r"service.linked role",
            "The account lacks a service-linked role; `gameforge doctor` names it and the command that makes it.",
        ),
        (
            r"VcpuLimitExceeded|vCPU (limit|capacity)|quota|LimitExceeded|limit exceeded",
            "The account's quota is too small; `gameforge doctor` shows which one and the command that asks for more.",
        ),
        (
            r"InsufficientInstanceCapacity|sufficient .*capacity",
            "AWS has no such instance to give in these zones now. Give more subnets or more instance types, or wait.",
        ),
        (
            r"not authorized to perform|AccessDenied|access denied",
            "The credentials lack the action named above. Allow it to them, and run this again.",
        ),
        (
            r"already exists",
            "Something of this name is there already, from another deployment or made by hand. Delete it, or choose "
            "another name with --project.",
        ),
        (
            r"No export named|Export .* not found",
            "Another stack hands this value on, and it is not deployed under this project's name. Deploy all stacks in "
            "order with `gameforge deploy`.",
        ),
        (
            r"Export .* in use|in use by|as it is in use",
            "Another stack still uses it. Take that one down first; `gameforge destroy` does so in order.",
        ),
        (
            r"TerminationProtection",
            "Somebody protected this stack. Take that off with `aws cloudformation update-termination-protection "
            "--no-enable-termination-protection --stack-name STACK`.",
        ),
        (
            r"not empty|BucketNotEmpty|deletion protection",
            "It holds data. `gameforge destroy --delete-data` deletes the data too.",
        ),
        (
            r"capacity provider is in use|Services are active|Tasks are active"
            r"|Container Instances are (active|registered)",
            "Something in the cluster runs that these stacks did not start. Stop it, and run this again.",
        ),
        (
            r"UPDATE_ROLLBACK_FAILED",
            "An earlier update could not be undone. First run `aws cloudformation continue-update-rollback "
            "--stack-name STACK`.",
        ),
        (
            r"(CREATE|ROLLBACK|DELETE)_FAILED state",
            "An earlier attempt ended halfway. Take what it left away with `gameforge destroy`, and run this again.",
        ),
        (
            r"_IN_PROGRESS",
            "Another deployment of this stack is under way. Wait for it to end, and run this again.",
        ),
    )
)


def advice_for(text: str, stack: str) -> str | None:
    """What a person can do about a failure whose words are `text`."""
    found = next((advice for pattern, advice in _ADVICE if pattern.search(text)), None)
    return found and found.replace("STACK", stack)
