"""Our own invariants: what no linter checks, as plain functions over any template."""

from collections.abc import Mapping
from typing import Any, Final

from stacks.invariants import (
    api,
    build,
    capacity,
    documentation,
    hosts,
    iam,
    network,
    observability,
    promises,
    storage,
    tasks,
    vocabulary,
)
from stacks.invariants.finding import Finding, Invariant
from stacks.template_view import TemplateView

INVARIANTS: Final[tuple[Invariant, ...]] = (
    *tasks.INVARIANTS,
    *capacity.INVARIANTS,
    *hosts.INVARIANTS,
    *iam.INVARIANTS,
    *api.INVARIANTS,
    *storage.INVARIANTS,
    *network.INVARIANTS,
    *observability.INVARIANTS,
    *vocabulary.INVARIANTS,
    *build.INVARIANTS,
    *documentation.INVARIANTS,
    *promises.INVARIANTS,
)


def findings(template: Mapping[str, Any]) -> list[Finding]:
    """Everything that is wrong with a template, given as plain data with long-form functions."""
    view = TemplateView(template)
    return [finding for invariant in INVARIANTS for finding in invariant(view)]
