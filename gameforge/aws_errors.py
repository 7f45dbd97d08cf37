"""What AWS and its SDK refuse, in words that say what to do."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    LoginError,
    NoCredentialsError,
    PartialCredentialsError,
    ProfileNotFound,
    SSOError,
    TokenRetrievalError,
)
from botocore.exceptions import ConnectionError as SdkConnectionError

_DENIED: Final = frozenset(
    {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "UnauthorizedAccess", "AuthorizationError"}
)
_EXPIRED: Final = frozenset({"ExpiredToken", "ExpiredTokenException", "RequestExpired"})
_UNKNOWN_KEY: Final = frozenset(
    {"InvalidClientTokenId", "UnrecognizedClientException", "AuthFailure", "InvalidAccessKeyId"}
)
_BAD_SIGNATURE: Final = frozenset({"SignatureDoesNotMatch", "InvalidSignatureException"})
# Where the name of a service's IAM actions is not the name of its SDK client.
_IAM_PREFIXES: Final = {"service-quotas": "servicequotas"}


class AwsError(Exception):
    """AWS can't be used, or refused; the text is for the person who asked and says what to do."""


def is_denied(error: ClientError) -> bool:
    """Whether the caller lacks a permission."""
    return code_of(error) in _DENIED


def code_of(error: ClientError) -> str:
    """The error code that AWS gave."""
    return str(error.response.get("Error", {}).get("Code", ""))


def missing_action(error: ClientError, service: str = "") -> str:
    """The IAM action that a denied call needs, such as `ec2:DescribeSubnets`."""
    said = re.search(r"not authorized to perform:? ([a-z0-9-]+:[A-Za-z]+)", str(error))
    return said.group(1) if said else f"{_IAM_PREFIXES.get(service, service) or '*'}:{error.operation_name}"


def explain(error: BotoCoreError | ClientError) -> str:
    """What went wrong and what to do about it, in a sentence or two."""
    match error:
        case NoCredentialsError():
            return (
                "no AWS credentials were found. Sign in with `aws configure` or `aws sso login`, or name a profile "
                "with --profile or AWS_PROFILE."
            )
        case PartialCredentialsError():
            return f"the AWS credentials are incomplete ({error}). Set them up again with `aws configure`."
        case ProfileNotFound():
            return f"{error}. `aws configure list-profiles` shows the ones that there are."
        case SSOError() | TokenRetrievalError() | LoginError():
            return (
                "the AWS sign-in has expired. Run `aws sso login` (or `aws login`), with --profile if you use one, and "
                "try again."
            )
        case SdkConnectionError():
            return f"AWS can't be reached: {error}. Is the region's name right, and is this machine online?"
        case ClientError():
            return _explain_code(error)
    return str(error)


def _explain_code(error: ClientError) -> str:
    code = code_of(error)
    message = error.response.get("Error", {}).get("Message", "") or str(error)
    if code in _EXPIRED:
        return "the AWS credentials have expired. Sign in again (`aws sso login`, or new temporary keys) and try again."
    if code in _UNKNOWN_KEY:
        return (
            "AWS does not know these credentials. They may be deleted or mistyped, or this region may be one that the "
            "account has not enabled."
        )
    if code in _BAD_SIGNATURE:
        return "AWS does not accept the signature: the secret key is wrong, or this machine's clock is."
    if code in _DENIED:
        return f"access denied. Let these credentials use {missing_action(error)} ({message})"
    return f"{message} ({code}, {error.operation_name})"


@contextmanager
def explained() -> Iterator[None]:
    """Inside it, what AWS or the SDK refuses is raised as `AwsError`."""
    try:
        yield
    except (BotoCoreError, ClientError) as error:
        raise AwsError(explain(error)) from error
