"""API keys: made, checked and revoked; the table keeps a hash, so nobody can read a key out of it."""

import base64
import hashlib
import hmac
import re
import secrets
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

# Imports only what every Python has: the authorizer, which is in front of every request, starts with this.

NAME: Final = "key_name"
SECRET_SHA256: Final = "secret_sha256"  # noqa: S105 - an attribute's name
CREATED_AT: Final = "created_at"
REVOKED_AT: Final = "revoked_at"
WEBHOOK_SECRET: Final = "webhook_secret"  # noqa: S105

NAME_PATTERN: Final = r"[a-z0-9][a-z0-9-]{0,39}"
SECRET_BYTES: Final = 32


@dataclass(frozen=True)
class Limits:
    """What one key may use. A pixel-step is one pixel of one picture in one denoising step."""

    requests_per_minute: int = 600
    # Jobs that have been accepted and have not ended.
    unfinished_jobs: int = 100
    # About what one T4 makes in a day: 1024 x 1024 at 25 steps is 26 million pixel-steps, and takes it 26 s.
    pixel_steps_per_day: int = 100_000_000_000


LIMITS_DEFAULT: Final = Limits()
LIMIT_NAMES: Final = tuple(field.name for field in fields(Limits))
# All that the authorizer may read: not the webhook secret.
PUBLIC_ATTRIBUTES: Final = (NAME, SECRET_SHA256, CREATED_AT, REVOKED_AT, *LIMIT_NAMES)


@dataclass(frozen=True)
class KeyRecord:
    """A key as the table has it. Jobs belong to its name. Times are UTC, ISO 8601."""

    name: str
    secret_sha256: str
    limits: Limits
    created_at: str
    revoked_at: str | None = None


@dataclass(frozen=True)
class NewKey:
    """What is shown once, when a key is made: the key, and the secret that its webhooks are signed with."""

    key: str
    webhook_secret: str


class KeyNameError(Exception):
    """The name can't be used, or there is no key of that name; the text says which."""


class KeyStore:
    """Keys in DynamoDB, one item a name."""

    def __init__(self, dynamodb: "DynamoDBClient", table: str) -> None:
        self._dynamodb = dynamodb
        self._table = table

    def create(self, name: str, limits: Limits = LIMITS_DEFAULT) -> NewKey:
        """Make a key. A revoked key's name may be used again: its jobs are the new key's. Raises `KeyNameError`."""
        if not re.fullmatch(NAME_PATTERN, name):
            raise KeyNameError(f"{name!r} can't be a key's name: take 1 to 40 lower-case letters, digits and hyphens.")
        new = NewKey(
            key=f"gf_{name}_{secrets.token_urlsafe(SECRET_BYTES)}",
            webhook_secret="whsec_" + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode(),
        )
        item = {
            NAME: {"S": name},
            SECRET_SHA256: {"S": _digest(new.key)},
            WEBHOOK_SECRET: {"S": new.webhook_secret},
            CREATED_AT: {"S": _now()},
            **{limit: {"N": str(value)} for limit, value in asdict(limits).items()},
        }
        try:
            self._dynamodb.put_item(
                TableName=self._table,
                Item=item,
                ConditionExpression=f"attribute_not_exists({NAME}) OR attribute_exists({REVOKED_AT})",
            )
        except self._dynamodb.exceptions.ConditionalCheckFailedException:
            raise KeyNameError(f"there is a key named {name} already; revoke it, or take another name.") from None
        return new

    def verify(self, key: str) -> KeyRecord | None:
        """The record of this key; None if it is not one, or has been revoked."""
        name = name_in(key)
        record = self._find(name) if name else None
        return record if record and matches(key, record) else None

    def revoke(self, name: str) -> None:
        """Let the key open nothing any more. Raises `KeyNameError` if there is no such key."""
        try:
            self._dynamodb.update_item(
                TableName=self._table,
                Key={NAME: {"S": name}},
                UpdateExpression=f"SET {REVOKED_AT} = if_not_exists({REVOKED_AT}, :now)",
                ConditionExpression=f"attribute_exists({NAME})",
                ExpressionAttributeValues={":now": {"S": _now()}},
            )
        except self._dynamodb.exceptions.ConditionalCheckFailedException:
            raise KeyNameError(f"there is no key named {name}.") from None

    def records(self) -> list[KeyRecord]:
        """All keys, revoked ones too, by name."""
        pages = self._dynamodb.get_paginator("scan").paginate(TableName=self._table, **_public())
        return sorted((_record(item) for page in pages for item in page["Items"]), key=lambda record: record.name)

    def webhook_secret(self, name: str) -> str | None:
        """What webhooks of this key's jobs are signed with; None if there is no key of that name."""
        found = self._dynamodb.get_item(TableName=self._table, Key={NAME: {"S": name}}, ConsistentRead=True)
        return found["Item"][WEBHOOK_SECRET]["S"] if "Item" in found else None

    def _find(self, name: str) -> KeyRecord | None:
        found = self._dynamodb.get_item(
            TableName=self._table, Key={NAME: {"S": name}}, ConsistentRead=True, **_public()
        )
        return _record(found["Item"]) if "Item" in found else None


def name_in(key: str) -> str | None:
    """The name that a key carries in itself, whether or not the key is a good one; None if it is not one of ours."""
    match = re.fullmatch(rf"gf_({NAME_PATTERN})_[\w-]+", key, re.ASCII)
    return match[1] if match else None


def matches(key: str, record: KeyRecord) -> bool:
    """Whether `record` is this key's and has not been revoked, in a time that says nothing about the right key."""
    return hmac.compare_digest(_digest(key), record.secret_sha256) and record.revoked_at is None


def _digest(key: str) -> str:
    # A fast hash is enough: 256 random bits can't be guessed, however fast one guesses.
    return hashlib.sha256(key.encode()).hexdigest()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _public() -> dict[str, Any]:
    return {"ProjectionExpression": ", ".join(PUBLIC_ATTRIBUTES)}


def _record(item: dict[str, Any]) -> KeyRecord:
    return KeyRecord(
        name=item[NAME]["S"],
        secret_sha256=item[SECRET_SHA256]["S"],
        limits=Limits(**{limit: int(item[limit]["N"]) for limit in LIMIT_NAMES if limit in item}),
        created_at=item[CREATED_AT]["S"],
        revoked_at=item[REVOKED_AT]["S"] if REVOKED_AT in item else None,
    )
