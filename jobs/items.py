"""A job as an item of DynamoDB: nested parts are JSON text, so that an item reads well in any console."""

from typing import Any, Final

from pydantic_core import from_json

from jobs import names
from jobs.job import Job
from jobs.measured import SUMS

_NUMBERS: Final = frozenset({"attempts", "step", "total_steps", names.EXPIRES_AT, *SUMS})
_NESTED: Final = frozenset({"request", "images", "error", "webhook"})


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
    """The job that `to_item` wrote, as it has become since."""
    fields: dict[str, Any] = {}
    for name in Job.model_fields:
        if name in item:
            (value,) = item[name].values()
            fields[name] = from_json(value) if name in _NESTED else value
    return Job.model_validate(fields)
