"""Contenders as processes: started with the same threads, waited for, ended with their children."""

import os
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress

import psutil

from local_cloud import ROOT

# One thread each: the small model gains nothing from a second one, and the other core is for whoever serves it.
THREADS = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OMP_WAIT_POLICY": "passive"}


def start(command: Sequence[str], environment: Mapping[str, str] | None = None) -> "subprocess.Popen[str]":
    """Start a contender whose input and output are pipes; what it says on its error output goes to ours."""
    return subprocess.Popen(  # noqa: S603 - our own commands
        list(command),
        env={**os.environ, **THREADS, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", **(environment or {})},
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


def family(process: "subprocess.Popen[str]") -> list[psutil.Process]:
    """A contender and everything that it started; nothing if it has ended."""
    try:
        root = psutil.Process(process.pid)
        return [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def suspend(members: Iterable[psutil.Process]) -> None:
    """Let them stand still.

    Servers look around while they idle: here, the model servers took half a core from whoever was being measured.
    """
    for member in members:
        with suppress(psutil.NoSuchProcess):
            member.suspend()


def resume(members: Iterable[psutil.Process]) -> None:
    """Let them go on."""
    for member in members:
        with suppress(psutil.NoSuchProcess):
            member.resume()


def end(process: "subprocess.Popen[str]") -> None:
    """End a contender and everything that it started."""
    members = family(process)
    for member in members:
        with suppress(psutil.NoSuchProcess):
            member.terminate()
    resume(members)
    _, stubborn = psutil.wait_procs(members, timeout=10)
    for member in stubborn:
        member.kill()
    process.wait()
