"""Shows a deployment as it goes: a line for each resource that is done, and what is being waited for."""

from types import TracebackType
from typing import Final, Self

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from gameforge.stack_events import StackEvent

STACK_TYPE: Final = "AWS::CloudFormation::Stack"
NAMES_SHOWN: Final = 3
_WORDS: Final = {
    "CREATE_COMPLETE": "created",
    "UPDATE_COMPLETE": "updated",
    "DELETE_COMPLETE": "deleted",
    "DELETE_SKIPPED": "kept",
}


class StackProgress:
    """A context manager; `say` prints a sentence, and `show` a stack's event, above the line that is alive."""

    def __init__(self, console: Console) -> None:
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._progress.add_task("starting", total=None)
        self._busy: dict[str, None] = {}

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def say(self, text: str) -> None:
        """Print a sentence, which also stands in the line that is alive from now on."""
        self._busy.clear()
        self._progress.console.print(text, markup=False, soft_wrap=True)
        self._progress.reset(self._task, description=text)

    def show(self, event: StackEvent) -> None:
        """Print a resource that is done, and keep in mind the ones that are not."""
        if event.resource_type == STACK_TYPE:
            return
        if event.status.endswith("_IN_PROGRESS"):
            self._busy[event.resource] = None
        else:
            self._busy.pop(event.resource, None)
            word = _WORDS.get(event.status, event.status.lower().replace("_", " "))
            colour = "red" if event.failed else "green" if event.status.endswith("COMPLETE") else "yellow"
            self._progress.console.print(
                f"  [{colour}]{word:<8}[/] {event.resource}  [dim]{event.resource_type}[/]", soft_wrap=True
            )
            if event.failed:
                self._progress.console.print(f"    {event.reason}", markup=False, soft_wrap=True)
        if self._busy:
            names = list(self._busy)
            more = f" and {len(names) - NAMES_SHOWN} more" if len(names) > NAMES_SHOWN else ""
            description = f"{event.stack}: waiting for {', '.join(names[:NAMES_SHOWN])}{more}"
            self._progress.update(self._task, description=description)
