"""Log groups with a retention, which CloudWatch would otherwise keep for ever."""

from troposphere import Ref, Sub, logs

from stacks.template import project_tags


def log_group(title: str, name: str, kept_days: Ref) -> logs.LogGroup:
    """A log group that goes with its stack."""
    return logs.LogGroup(
        title,
        DeletionPolicy="Delete",
        UpdateReplacePolicy="Retain",
        LogGroupName=Sub(name),
        RetentionInDays=kept_days,
        Tags=project_tags(),
    )
