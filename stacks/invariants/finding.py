"""What an invariant says when it does not hold."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from stacks.template_view import TemplateView


@dataclass(frozen=True)
class Finding:
    """A fault: where it is, what it leads to, and what to do instead."""

    logical_id: str
    message: str


Invariant: TypeAlias = Callable[[TemplateView], Iterator[Finding]]
