"""IAM policy documents: who may assume a role, what a role may do, and what nobody may do."""

from collections.abc import Sequence
from typing import Any

from awacs.aws import Action, Allow, Bool, Condition, Deny, PolicyDocument, Principal, Statement, StringEquals
from awacs.sts import AssumeRole
from troposphere import AccountId


def document(*statements: Statement) -> PolicyDocument:
    """A policy document of the current version."""
    return PolicyDocument(Version="2012-10-17", Statement=list(statements))


def allow(sid: str, actions: Sequence[Action], resources: list[Any]) -> Statement:
    """Lets the policy's role do `actions` on `resources`."""
    return Statement(Sid=sid, Effect=Allow, Action=list(actions), Resource=resources)


def trust(service: str, *, own_account_only: bool = False) -> PolicyDocument:
    """Lets an AWS service assume a role; for this account's resources alone, where the service says whose they are."""
    condition = {"Condition": Condition(StringEquals({"aws:SourceAccount": AccountId}))} if own_account_only else {}
    principal = Principal("Service", f"{service}.amazonaws.com")
    return document(Statement(Effect=Allow, Action=[AssumeRole], Principal=principal, **condition))


def tls_only(service: str, resources: list[Any]) -> PolicyDocument:
    """Refuses every request for `resources` that does not come over TLS."""
    return document(
        Statement(
            Sid="DenyPlainText",
            Effect=Deny,
            Principal=Principal("*"),
            Action=[Action(service, "*")],
            Resource=resources,
            Condition=Condition(Bool({"aws:SecureTransport": "false"})),
        )
    )
