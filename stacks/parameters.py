"""Stack parameters: what each one means, what it accepts, and what to say when it does not."""

from collections.abc import Sequence

from troposphere import Parameter

from jobs.names import PROJECT_DEFAULT
from stacks.constants import LOG_KEPT_DAYS, LOG_KEPT_DAYS_CHOICES, PROJECT_LENGTH_MAX


def text(title: str, description: str, *, pattern: str, constraint: str, default: str | None = None) -> Parameter:
    """A string that has to match `pattern`; `constraint` says what to give instead."""
    optional = {} if default is None else {"Default": default}
    return Parameter(
        title,
        Type="String",
        Description=description,
        **optional,
        AllowedPattern=pattern,
        ConstraintDescription=constraint,
    )


def choice(title: str, description: str, *, choices: Sequence[str], default: str) -> Parameter:
    """One of a few words."""
    return Parameter(
        title,
        Type="String",
        Description=description,
        Default=default,
        AllowedValues=list(choices),
        ConstraintDescription=f"Give {', '.join(choices[:-1])} or {choices[-1]}.",
    )


def number(title: str, description: str, *, default: int, minimum: int, maximum: int, unit: str = "") -> Parameter:
    """A whole number in a range."""
    return Parameter(
        title,
        Type="Number",
        Description=description,
        Default=default,
        MinValue=minimum,
        MaxValue=maximum,
        ConstraintDescription=f"Give a whole number{unit and f' of {unit}'} from {minimum} to {maximum}.",
    )


def project() -> Parameter:
    """The name that prefixes every other one, so that several systems can share an account."""
    return text(
        "Project",
        "Prefix of every name in this stack, and the link between the stacks of one system.",
        default=PROJECT_DEFAULT,
        # A capacity provider's name must not begin with aws, ecs or fargate, nor a bucket's with xn-- or sthree.
        pattern=rf"^(?!aws|ecs|fargate|xn--|sthree)[a-z][a-z0-9-]{{1,{PROJECT_LENGTH_MAX - 2}}}[a-z0-9]$",
        constraint=f"Give 3 to {PROJECT_LENGTH_MAX} lower-case letters, digits or hyphens that begin with a letter, do "
        "not end with a hyphen, and do not begin with aws, ecs, fargate, sthree or xn--.",
    )


def log_kept_days() -> Parameter:
    """How long CloudWatch keeps log lines."""
    choices = ", ".join(map(str, LOG_KEPT_DAYS_CHOICES))
    return Parameter(
        "LogKeptDays",
        Type="Number",
        Description="Days that CloudWatch keeps the log lines of this stack.",
        Default=LOG_KEPT_DAYS,
        AllowedValues=list(LOG_KEPT_DAYS_CHOICES),
        ConstraintDescription=f"Give a retention that CloudWatch Logs has: {choices} days.",
    )
