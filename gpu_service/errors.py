"""What can go wrong in the worker, by what has to be done about it."""

from typing import ClassVar


class GenerationError(Exception):
    """This request can't be made, here or on any worker: its job fails. `code` is stable, for programs."""

    code: ClassVar[str] = "generation_failed"


class OutOfMemoryError(GenerationError):
    """Not even the most frugal way to run the model had memory enough for this request."""

    code = "out_of_memory"


class UnusablePictureError(GenerationError):
    """The model's output held values that are no numbers, which would show as a black picture."""

    code = "unusable_picture"


class DeviceLostError(Exception):
    """The device failed in a way that no later call in this process survives: hand back, exit, be restarted."""


class Interrupted(Exception):  # noqa: N818 - the work was stopped, nothing went wrong
    """Generation was stopped between two steps, because nobody wants its pictures any more."""
