"""All the API's operations in one list, and which of them a path belongs to."""

from itertools import chain
from typing import Final

from lambda_api import automatic1111, generation_routes, openai, system_routes
from lambda_api.operations import Operation, Operations

# A new part of the API is one more line here.
PARTS: Final[tuple[Operations, ...]] = (
    generation_routes.operations,
    system_routes.operations,
)
# What other people's clients speak. Their documentation is elsewhere, so they are not in ours.
ADAPTERS: Final[tuple[Operations, ...]] = (openai.operations, automatic1111.operations)
OPERATIONS: Final[tuple[Operation, ...]] = tuple(chain.from_iterable(PARTS))


def operations_at(path: str) -> list[Operation]:
    """The operations of a path, one a method."""
    return [operation for operation in chain(OPERATIONS, *ADAPTERS) if operation.pattern.fullmatch(path)]
