"""One CloudFormation stack: deployed with the AWS CLI, deleted, and watched while either goes on."""

import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from botocore.exceptions import ClientError

from gameforge.aws import Aws
from gameforge.aws_errors import AwsError, explained
from gameforge.stack_events import EventFollower, StackEvent, advice_for, validation_failures
from gameforge.template_file import TemplateFile

POLL_SECONDS: Final = 2.0
DELETE_TIMEOUT_SECONDS_DEFAULT: Final = 30 * 60.0
CAPABILITIES: Final = ("CAPABILITY_NAMED_IAM",)
# A stack that failed to come up: it holds nothing any more, and CloudFormation takes no update of it.
_DEAD_STATUS: Final = "ROLLBACK_COMPLETE"
# Only a name that a change set reserved: there is no stack behind it.
_RESERVED_STATUS: Final = "REVIEW_IN_PROGRESS"


class StackError(AwsError):
    """A stack could not be deployed or deleted; the text names the resources, their reasons and the way out."""


@dataclass(frozen=True)
class Stack:
    """The stack `name` in the caller's account; each of its events goes to `on_event` while it changes."""

    aws: Aws
    name: str
    on_event: Callable[[StackEvent], None] = lambda event: None

    @property
    def _cloudformation(self) -> Any:
        return self.aws.client("cloudformation")

    def find(self) -> dict[str, Any] | None:
        """What CloudFormation says of the stack, in whatever state; None if there is none."""
        try:
            found: dict[str, Any] = self._cloudformation.describe_stacks(StackName=self.name)["Stacks"][0]
        except ClientError as error:
            if "does not exist" in str(error):
                return None
            raise
        return found

    def describe(self) -> dict[str, Any] | None:
        """What CloudFormation says of the stack; None if there is none, or nothing but what a failure left of it."""
        found = self.find()
        return None if found is None or found["StackStatus"] in (_DEAD_STATUS, _RESERVED_STATUS) else found

    def outputs(self) -> dict[str, str]:
        """The stack's outputs; none if there is no stack."""
        outputs = (self.describe() or {}).get("Outputs", [])
        return {output["OutputKey"]: output["OutputValue"] for output in outputs}

    def parameters(self) -> dict[str, str]:
        """The stack's parameters as they were given; none if there is no stack."""
        parameters = (self.describe() or {}).get("Parameters", [])
        return {parameter["ParameterKey"]: parameter["ParameterValue"] for parameter in parameters}

    def resources(self) -> list[dict[str, Any]]:
        """The stack's resources, as `ListStackResources` gives them; none if there is no stack."""
        if self.find() is None:
            return []
        pages = self._cloudformation.get_paginator("list_stack_resources").paginate(StackName=self.name)
        return [resource for page in pages for resource in page["StackResourceSummaries"]]

    def deploy(self, template: TemplateFile, parameters: Mapping[str, str]) -> bool:
        """`aws cloudformation deploy`; a parameter that is left out keeps the value that the stack has.

        Returns whether anything changed. Raises `StackError`.
        """
        with explained():
            present = self.find()
            if present is not None and present["StackStatus"] == _DEAD_STATUS:
                self.delete()
            follower = EventFollower(self._cloudformation, self.name)
        overrides = [f"{name}={value}" for name, value in parameters.items()]
        process = self.aws.start_cli(
            *("cloudformation", "deploy", "--no-fail-on-empty-changeset", "--stack-name", self.name),
            *("--template-file", str(template.path), "--capabilities", *CAPABILITIES),
            *(("--parameter-overrides", *overrides) if overrides else ()),
        )
        events, said = self._follow(process, follower)
        if process.returncode != 0:
            raise self._error("deployed", said, events)
        return bool(events)

    def delete(self, *, timeout_seconds: float = DELETE_TIMEOUT_SECONDS_DEFAULT) -> list[str]:
        """Delete the stack and wait for its end; nothing to do where there is none.

        Returns the resources that CloudFormation leaves behind because the template says so. Raises `StackError`.
        """
        with explained():
            present = self.find()
            if present is None:
                return []
            # A stack that is gone is found by its id alone.
            stack = Stack(self.aws, present["StackId"], self.on_event)
            follower = EventFollower(self._cloudformation, stack.name)
        process = self.aws.start_cli("cloudformation", "delete-stack", "--stack-name", self.name)
        _, said = process.communicate()
        if process.returncode != 0:
            raise self._error("deleted", said, [])
        events: list[StackEvent] = []
        deadline = time.monotonic() + timeout_seconds
        with explained():
            while True:
                status = (stack.find() or {"StackStatus": "DELETE_COMPLETE"})["StackStatus"]
                events += self._report(follower)
                if status == "DELETE_COMPLETE":
                    return [event.resource for event in events if event.status == "DELETE_SKIPPED"]
                # Its own event, because the status may still be that of an earlier attempt.
                if status == "DELETE_FAILED" and any(event.status == status for event in events):
                    raise self._error("deleted", "", events)
                if time.monotonic() >= deadline:
                    raise self._overdue(events, timeout_seconds)
                time.sleep(POLL_SECONDS)

    def _follow(self, process: subprocess.Popen[str], follower: EventFollower) -> tuple[list[StackEvent], str]:
        events: list[StackEvent] = []
        try:
            while True:
                try:
                    output, errors = process.communicate(timeout=POLL_SECONDS)
                    break
                except subprocess.TimeoutExpired:
                    events += self._report(follower)
        except BaseException:
            process.kill()
            process.wait()
            raise
        with explained():
            events += self._report(follower)
        return events, (errors or output).strip()

    def _report(self, follower: EventFollower) -> list[StackEvent]:
        events = follower.new()
        for event in events:
            self.on_event(event)
        return events

    def _error(self, what: str, said: str, events: list[StackEvent]) -> StackError:
        with explained():
            invalid = (
                validation_failures(self._cloudformation, self.name) if "DescribeEvents" in str([said, events]) else []
            )
        failures = invalid or [event for event in events if event.failed]
        lines = [f"stack {self.name} could not be {what}."]
        lines += [f"  {event.resource} ({event.resource_type}): {event.reason}" for event in failures]
        if not failures:
            lines += [f"  {line}" for line in said.splitlines() if line.strip()]
        advice = advice_for("\n".join(lines[1:]), self.name)
        return StackError("\n".join([*lines, *([advice] if advice else [])]))

    def _overdue(self, events: list[StackEvent], timeout_seconds: float) -> StackError:
        latest = {event.resource: event for event in events}
        busy = [f"{event.resource} ({event.resource_type})" for event in latest.values() if "PROGRESS" in event.status]
        return StackError(
            f"stack {self.name} is still being deleted after {timeout_seconds / 60:.0f} minutes; it waits for "
            f"{', '.join(busy) or 'nothing that it names'}. AWS goes on by itself: look at the stack's events in the "
            "console, and run this again, which takes it up where it stands."
        )
