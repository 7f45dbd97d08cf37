"""What a check finds, and what becomes of a check that AWS does not let us make."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum

from botocore.exceptions import BotoCoreError, ClientError

from gameforge.aws_errors import explain, is_denied, missing_action


class Mark(StrEnum):
    """`FAIL` is what a deployment can't work with; `WARN` is what it can, perhaps not well."""

    PASS = "pass"  # noqa: S105 - not a password
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True)
class Result:
    """One line: what was looked at, how it is, and what to do about it (empty if nothing)."""

    name: str
    mark: Mark
    message: str
    fix: str = ""


def attempt(
    name: str, check: Callable[[], Iterable[Result]], *, service: str, if_denied: Mark = Mark.WARN
) -> list[Result]:
    """What `check` finds; a refusal of AWS becomes a result too.

    `service` names the client that it asks. `if_denied` is `FAIL` where a deployment needs the same permission.
    """
    try:
        return list(check())
    except ClientError as error:
        if is_denied(error):
            fix = f"allow {missing_action(error, service)} to these credentials"
            return [Result(name, if_denied, "could not be looked at: access denied", fix)]
        return [Result(name, Mark.FAIL, explain(error))]
    except BotoCoreError as error:
        return [Result(name, Mark.FAIL, explain(error))]
