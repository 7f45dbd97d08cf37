"""Who makes a request, as the authorizer says."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from jobs import names
from jobs.keys import LIMIT_NAMES, LIMITS_DEFAULT, Limits


@dataclass(frozen=True)
class Caller:
    """The holder of a key. `name` owns the jobs: nobody else sees them."""

    name: str
    limits: Limits = LIMITS_DEFAULT


# Open routes have no caller; everything else is behind a key.
NOBODY: Final = Caller(name="none")


def caller(event: Mapping[str, Any]) -> Caller:
    """The caller of an API Gateway proxy event."""
    authorized = event["requestContext"].get("authorizer") or {}
    if names.CALLER not in authorized:
        return NOBODY
    # API Gateway makes every value text.
    limits = {limit: int(authorized[limit]) for limit in LIMIT_NAMES if limit in authorized}
    return Caller(name=authorized[names.CALLER], limits=Limits(**limits))
