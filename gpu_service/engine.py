"""The engine: a pipeline on the present rung of the out-of-memory ladder, and the moves down when memory runs out."""

import threading
from collections.abc import Callable
from typing import Any, Final, TypeVar

import torch
from aws_lambda_powertools import Logger

from gpu_service.compiling import Compiler
from gpu_service.errors import DeviceLostError, OutOfMemoryError
from gpu_service.loading import free_memory, move_down
from gpu_service.plan import Compile, Plan
from jobs.logs import Event, log_event

T = TypeVar("T")
CUDA: Final = torch.device("cuda")
# What the CPU's allocator, cuBLAS and the CUDA runtime say, which do not raise a type of their own.
_OUT_OF_MEMORY: Final = ("can't allocate memory", "out of memory", "status_alloc_failed")
# After one of these every later call in the process fails.
_POISONED: Final = (
    "cuda error",
    "cublas error",
    "cublas_status_execution_failed",
    "cudnn_status_execution_failed",
    "cudnn_status_internal_error",
    "device-side assert",
    "illegal memory access",
    "uncorrectable ecc",
    "unspecified launch failure",
    "xid",
)


class Engine:
    """Runs work on a loaded pipeline, one piece at a time."""

    def __init__(
        self, pipeline: Any, plan: Plan, *, logger: Logger, compiler: Compiler | None = None, gpu: torch.device = CUDA
    ) -> None:
        """Take over `pipeline`, which is loaded by `plan`. `gpu` is the device that the plan calls cuda."""
        self.plan = plan
        # Moves down the ladder since the process started.
        self.out_of_memory_count = 0
        self._pipeline = pipeline
        self.compiler = compiler
        self._gpu = gpu
        self._logger = logger
        self._busy = threading.Lock()

    @property
    def device(self) -> str:
        """`cuda` or `cpu`."""
        return str(self.plan.device)

    @property
    def rung(self) -> str:
        """The present step of the ladder."""
        return str(self.plan.rung)

    def batch_limit(self, width: int, height: int) -> int:
        """Pictures of `width` x `height` pixels to denoise together on the present rung."""
        return self.plan.batch_limit(width, height)

    def run(self, work: Callable[[Any], T]) -> T:
        """Call `work` with the pipeline, again on the next rung each time that memory runs out; return its result.

        Raises `OutOfMemoryError` where memory runs out on the lowest rung, and `DeviceLostError` where the device fails
        for good; what else `work` raises passes through.
        """
        with self._busy:
            while True:
                if self.compiler is not None:
                    self.compiler.begin_job()
                try:
                    return work(self._pipeline)
                except Exception as error:
                    if is_device_lost(error):
                        raise DeviceLostError(f"the device fails every call from now on: {error}") from error
                    if not is_out_of_memory(error):
                        raise
                    cause = str(error) or type(error).__name__
                # Outside of `except`, where the error's frames no longer keep the tensors alive that have to go.
                self._move_down(cause)

    def _move_down(self, cause: str) -> None:
        plan = self.plan.lower()
        if plan is None:
            raise OutOfMemoryError(f"memory ran out on the last rung, {self.rung}: {cause}")
        self.out_of_memory_count += 1
        log_rung_lowered(self._logger, self.plan, plan, self.out_of_memory_count, cause)
        if plan.compile is Compile.OFF and self.compiler is not None:
            self.compiler.close()
            self.compiler = None
        try:
            free_memory(self._gpu)
            move_down(self._pipeline, self.plan, plan, gpu=self._gpu)
        except Exception as error:
            # Half of the pipeline may be here and half there: only a new process can tell.
            raise DeviceLostError(f"the move to rung {plan.rung} failed: {error}") from error
        self.plan = plan


def log_rung_lowered(logger: Logger, before: Plan, after: Plan, out_of_memory_count: int, cause: str) -> None:
    """Say that memory ran out, for the so-many-th time."""
    log_event(
        logger,
        Event.RUNG_LOWERED,
        f"Out of memory on rung {before.rung}; going on with {after.rung}",
        warning=True,
        rung=str(after.rung),
        rung_before=str(before.rung),
        out_of_memory_count=out_of_memory_count,
        cause=cause,
    )


def is_out_of_memory(error: BaseException) -> bool:
    """Whether there would have been no error with more memory."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and any(sign in text for sign in _OUT_OF_MEMORY)


def is_device_lost(error: BaseException) -> bool:
    """Whether a CUDA error has left the process unable to use the device."""
    if not isinstance(error, RuntimeError) or is_out_of_memory(error):
        return False
    text = str(error).lower()
    return any(sign in text for sign in _POISONED)
