"""Contenders as processes: started with the same threads, waited for, ended with their children."""

import os
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

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


@contextmanager
def awake(process: "subprocess.Popen[str]") -> Iterator[None]:
    """Inside, a paused contender may work; then it is paused again.

    Servers look around while they idle: here, the model servers took half a core from whoever was being measured.
    """
    _signal(process, signal.SIGCONT)
    try:
        yield
    finally:
        pause(process)


def pause(process: "subprocess.Popen[str]") -> None:
    """Let a contender and everything that it started stand still."""
    _signal(process, signal.SIGSTOP)


def _signal(process: "subprocess.Popen[str]", number: signal.Signals) -> None:
    root = psutil.Process(process.pid)
    for member in (root, *root.children(recursive=True)):
        try:
            member.send_signal(number)
        except psutil.NoSuchProcess:
            continue


def end(process: "subprocess.Popen[str]") -> None:
    """End a contender and everything that it started."""
    try:
        root = psutil.Process(process.pid)
        family = [*root.children(recursive=True), root]
    except psutil.NoSuchProcess:
        return
    for member in family:
        try:
            member.send_signal(signal.SIGCONT)
            member.terminate()
        except psutil.NoSuchProcess:
            continue
    _, stubborn = psutil.wait_procs(family, timeout=10)
    for member in stubborn:
        member.kill()
    process.wait()
