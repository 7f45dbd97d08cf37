"""A job as an item of DynamoDB: nested parts are JSON text, so that an item reads well in any console."""

from typing import Any, Final

from pydantic import ValidationError
from pydantic_core import from_json

from jobs import names
from jobs.job import Job
from jobs.measured import SUMS

_NUMBERS: Final = frozenset({"attempts", "step", "total_steps", names.EXPIRES_AT, *SUMS})
_NESTED: Final = frozenset({"request", "images", "error", "webhook"})


class UnreadableJobError(Exception):
    """An item is not a job that this version knows: a newer one has written it, or somebody by hand."""


def to_item(job: Job) -> dict[str, Any]:
    """What DynamoDB keeps."""
    item: dict[str, Any] = {}
    for name, value in job:
        # No flag is the same as a flag that is not set.
        if value is None or value == () or value is False:
            continue
        if name in _NUMBERS:
            item[name] = {"N": str(value)}
        else:
            item[name] = {"S": value.model_dump_json() if name in _NESTED else str(value)}
    return item


def from_item(item: dict[str, Any]) -> Job:
    """The job that `to_item` wrote, as it has become since. Raises `UnreadableJobError`."""
    fields: dict[str, Any] = {}
    try:
        for name in Job.model_fields:
            if name in item:
                (value,) = item[name].values()
                fields[name] = from_json(value) if name in _NESTED else value
        return Job.model_validate(fields)
    except ValidationError as error:
        # Without the values, which may be a prompt.
        parts = ", ".join(".".join(map(str, part["loc"])) + f": {part['msg']}" for part in error.errors())
        raise UnreadableJobError(f"this version can't read the job's record: {parts}") from None
    except ValueError as error:
        raise UnreadableJobError(f"this version can't read the job's record: {error}") from None
