"""Trains in several one-thread processes that average their gradients: on few cores faster than threads."""

# mypy: allow-untyped-calls
# (torch and diffusers leave these unannotated.)

import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch
import torch.distributed
from torch.multiprocessing.spawn import spawn


def _enter(
    rank: int, processes: int, meeting_point: str, work: Callable[..., None], arguments: tuple[Any, ...]
) -> None:
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", init_method=f"file://{meeting_point}", rank=rank, world_size=processes)
    try:
        work(rank, processes, *arguments)
    finally:
        torch.distributed.destroy_process_group()


def run_in_processes(processes: int, work: Callable[..., None], *arguments: Any) -> None:
    """Run `work(rank, processes, *arguments)` in that many processes; an exception in one ends all of them."""
    with tempfile.TemporaryDirectory() as directory:
        meeting_point = str(Path(directory) / "meeting-point")
        spawn(_enter, (processes, meeting_point, work, arguments), nprocs=processes)


def average_gradients(parameters: Iterable[torch.nn.Parameter], processes: int) -> None:
    """Replace every gradient by its mean over the processes; a parameter without one counts as zero."""
    present = list(parameters)
    for parameter in present:
        if parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
    gradients = [parameter.grad for parameter in present if parameter.grad is not None]
    flat = torch.cat([gradient.flatten() for gradient in gradients])
    torch.distributed.all_reduce(flat)
    flat /= processes
    for gradient, part in zip(gradients, flat.split([gradient.numel() for gradient in gradients]), strict=True):
        gradient.copy_(part.view_as(gradient))
