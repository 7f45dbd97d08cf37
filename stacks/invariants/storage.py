"""Invariants of what holds data: encrypted, private, over TLS, recoverable, and kept no longer than said."""

from collections.abc import Iterator
from typing import Final

from stacks.invariants.finding import Finding
from stacks.template_view import Resource, TemplateView, as_list, is_true, mapping, mappings, number

_BLOCKS: Final = ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets")
# SQS's own defaults.
_RETENTION_SECONDS: Final = 345_600
_VISIBILITY_SECONDS: Final = 30
# A key is good until it is revoked, and its record is kept after that.
_EXCEPTIONS: Final = frozenset({("KeysTable", "TimeToLiveSpecification")})


def bucket_is_private(view: TemplateView) -> Iterator[Finding]:
    """Buckets are encrypted, closed to the public, answer over TLS only, and drop unfinished uploads."""
    guarded = _guarded(view, "S3::BucketPolicy", "Bucket")
    for bucket in view.of_type("S3::Bucket"):
        for name in _BLOCKS:
            if not is_true(bucket.at("PublicAccessBlockConfiguration", name)):
                yield Finding(bucket.logical_id, f"can be made public: set {name} to true")
        if not bucket.properties.get("BucketEncryption"):
            yield Finding(bucket.logical_id, "does not say how it is encrypted: set BucketEncryption")
        if bucket.logical_id not in guarded:
            yield Finding(bucket.logical_id, "answers without TLS: add a policy that denies it")
        rules = mappings(bucket.at("LifecycleConfiguration", "Rules"))
        if not any("AbortIncompleteMultipartUpload" in rule for rule in rules):
            yield Finding(bucket.logical_id, "unfinished uploads cost for ever: set AbortIncompleteMultipartUpload")


def queue_is_private(view: TemplateView) -> Iterator[Finding]:
    """Queues are encrypted and answer over TLS only."""
    guarded = _guarded(view, "SQS::QueuePolicy", "Queues")
    for queue in view.of_type("SQS::Queue"):
        if not is_true(queue.properties.get("SqsManagedSseEnabled")) and not queue.properties.get("KmsMasterKeyId"):
            yield Finding(queue.logical_id, "messages are not encrypted: set SqsManagedSseEnabled to true")
        if queue.logical_id not in guarded:
            yield Finding(queue.logical_id, "answers without TLS: add a policy that denies it")


def queue_has_dead_letters(view: TemplateView) -> Iterator[Finding]:
    """A queue gives up on a message after a few receipts, and its dead letters outlive it."""
    queues = view.of_type("SQS::Queue")
    sources = [queue for queue in queues if queue.properties.get("RedrivePolicy")]
    targets = {name: source for source in sources for name in view.references(source.written("RedrivePolicy"))}
    for queue in queues:
        source = targets.get(queue.logical_id)
        if source is None and queue not in sources:
            yield Finding(queue.logical_id, "a message that can't be handled comes back for ever: set RedrivePolicy")
        if source is not None and _kept_seconds(queue) <= _kept_seconds(source):
            message = "a dead letter keeps its first date: give it more MessageRetentionPeriod than its queue"
            yield Finding(queue.logical_id, message)
    for source in sources:
        receipts = number(source.at("RedrivePolicy", "maxReceiveCount"))
        if receipts < 3 or receipts > 100:
            message = f"maxReceiveCount is {receipts:g}: give 3 to 100, for a lost worker costs a receipt"
            yield Finding(source.logical_id, message)
        visibility = number(source.properties.get("VisibilityTimeout", _VISIBILITY_SECONDS))
        if visibility < 30 or visibility > 900:
            message = f"VisibilityTimeout is {visibility:g}: give 30 to 900 seconds, a lost worker's silence"
            yield Finding(source.logical_id, message)


def table_is_recoverable(view: TemplateView) -> Iterator[Finding]:
    """Tables are encrypted, can be restored to any moment, expire their items, and are not deleted by accident."""
    wanted = {
        ("PointInTimeRecoverySpecification", "PointInTimeRecoveryEnabled"): "a bad write is for ever",
        ("SSESpecification", "SSEEnabled"): "is not encrypted with a key of the account",
        ("DeletionProtectionEnabled",): "goes with its stack",
        ("TimeToLiveSpecification", "Enabled"): "its items stay for ever",
    }
    for table in view.of_type("DynamoDB::Table"):
        for path, consequence in wanted.items():
            if not is_true(table.at(*path)) and (table.logical_id, path[0]) not in _EXCEPTIONS:
                yield Finding(table.logical_id, f"{consequence}: set {'.'.join(path)} to true")


def logs_expire(view: TemplateView) -> Iterator[Finding]:
    """Every log group has a retention."""
    for group in view.of_type("Logs::LogGroup"):
        if "RetentionInDays" not in group.properties:
            yield Finding(group.logical_id, "CloudWatch keeps its lines for ever: set RetentionInDays")


def _guarded(view: TemplateView, policy_type: str, target: str) -> set[str]:
    """Logical ids of what a policy closes to requests without TLS."""
    guarded: set[str] = set()
    for policy in view.of_type(policy_type):
        for statement in mappings(as_list(policy.at("PolicyDocument", "Statement"))):
            secure = mapping(mapping(statement.get("Condition")).get("Bool")).get("aws:SecureTransport")
            if statement.get("Effect") == "Deny" and str(secure).lower() == "false":
                guarded |= view.references(policy.written(target))
    return guarded


def _kept_seconds(queue: Resource) -> float:
    return number(queue.properties.get("MessageRetentionPeriod", _RETENTION_SECONDS))


INVARIANTS: Final = (
    bucket_is_private,
    queue_is_private,
    queue_has_dead_letters,
    table_is_recoverable,
    logs_expire,
)
