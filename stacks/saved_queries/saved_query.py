"""What a saved query is, and the log groups that there are to read."""

from dataclasses import dataclass
from textwrap import dedent
from typing import Final

from jobs.logs import Event
from stacks import constants as c

API: Final = c.API_FUNCTION_LOG_GROUP_NAME
SWEEP: Final = c.SWEEP_LOG_GROUP_NAME
WEBHOOKS: Final = c.WEBHOOKS_LOG_GROUP_NAME
WORKER: Final = c.GPU_LOG_GROUP_NAME
# What people put a job's id, or a request's correlation id, in the place of.
JOB_ID_TOKEN: Final = "REPLACE_WITH_JOB_ID"  # noqa: S105 - no secret


@dataclass(frozen=True)
class SavedQuery:
    """A query: the last part of `name` is its own, `sentence` says what it answers, `groups` may hold `${Project}`."""

    name: str
    sentence: str
    groups: tuple[str, ...]
    body: str

    @property
    def commands(self) -> str:
        """The query without its comment."""
        return dedent(self.body).strip()

    @property
    def text(self) -> str:
        """The query as it is saved: its first line, a comment, says what it answers."""
        return f"# {self.sentence}\n{self.commands}\n"


def any_of(*events: Event) -> str:
    """The list that `event in` takes."""
    return "[" + ", ".join(f'"{event}"' for event in events) + "]"
