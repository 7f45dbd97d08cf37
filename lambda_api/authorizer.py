"""The Lambda authorizer: whose key a request carries, and what that key may use.

Its function starts with little more than a DynamoDB client, because it stands in front of every request.
"""

import base64
import binascii
import os
import time
from collections.abc import Mapping
from dataclasses import asdict
from functools import cache
from typing import TYPE_CHECKING, Any, Final, cast

from jobs import names
from jobs.keys import KeyRecord, KeyStore, matches, name_in

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

# API Gateway's own cache can't be used: it wants every header that may carry the key to be there in every request.
# So a key that was revoked works for this much longer.
REMEMBERED_SECONDS: Final = 10.0

_remembered: dict[str, tuple[float, KeyRecord]] = {}


class Unauthorized(Exception):  # noqa: N818 - API Gateway answers 401 to exactly this message
    """No key, or not a good one."""

    def __init__(self) -> None:
        super().__init__("Unauthorized")


def presented_key(headers: Mapping[str, str]) -> str | None:
    """The key in `x-api-key`, `Authorization: Bearer`, or `Authorization: Basic`, where it is the password."""
    lowered = {name.lower(): value for name, value in headers.items()}
    if key := lowered.get("x-api-key"):
        return key
    scheme, _, credentials = lowered.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return credentials.strip() or None
    if scheme.lower() == "basic":
        try:
            decoded = base64.b64decode(credentials, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            return None
        return decoded.partition(":")[2] or None
    return None


@cache
def _store() -> KeyStore:
    import botocore.session
    from botocore.config import Config

    config = Config(retries={"mode": "standard", "max_attempts": 3}, connect_timeout=2, read_timeout=3)
    dynamodb = botocore.session.get_session().create_client("dynamodb", config=config)
    return KeyStore(cast("DynamoDBClient", dynamodb), os.environ[names.ENV_KEYS_TABLE])


def _record_of(key: str) -> KeyRecord | None:
    name = name_in(key)
    if name is None:
        return None
    until, record = _remembered.get(name, (0.0, None))
    # Another key than the remembered one may be newer than the memory.
    if record is not None and time.monotonic() < until and matches(key, record):
        return record
    record = _store().verify(key)
    if record is not None:
        _remembered[name] = (time.monotonic() + REMEMBERED_SECONDS, record)
    return record


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """What API Gateway calls for every request that needs a key. Raises `Unauthorized`, which becomes a 401."""
    key = presented_key(event.get("headers") or {})
    record = _record_of(key) if key else None
    if record is None:
        raise Unauthorized
    statement = {"Action": "execute-api:Invoke", "Effect": "Allow", "Resource": event["methodArn"]}
    return {
        "principalId": record.name,
        "policyDocument": {"Version": "2012-10-17", "Statement": [statement]},
        "context": {names.CALLER: record.name, **asdict(record.limits)},
    }
