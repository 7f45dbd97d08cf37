"""The local cloud's processes: started in their own sessions, written down, and ended with all their children."""

import fcntl
import json
import os
import socket
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import IO, Final

import psutil

HOST: Final = "127.0.0.1"


class CloudError(Exception):
    """The local cloud can't start; the text says why and what to do."""


class Lock:
    """One local cloud a folder. The lock is the kernel's, so it can't outlive the process that holds it."""

    def __init__(self, directory: Path) -> None:
        """Take the lock. Raises `CloudError` if a running cloud has it."""
        directory.mkdir(parents=True, exist_ok=True)
        self._file = (directory / "lock").open("a+")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._file.seek(0)
            holder = self._file.read().strip() or "unknown"
            self._file.close()
            raise CloudError(
                f"a local cloud is running in this folder already (process {holder}). "
                "Use that one, or stop it with Ctrl-C in its terminal."
            ) from None
        self._file.truncate(0)
        self._file.write(str(os.getpid()))
        self._file.flush()

    def release(self) -> None:
        """Let the next one in."""
        self._file.truncate(0)
        self._file.close()


def check_port(port: int, *, variable: str) -> None:
    """Raise `CloudError` if another program listens on `port`; `variable` is what chooses another one."""
    with socket.socket() as probe:
        # As servers do: a port whose last connections are still dying down counts as free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            raise CloudError(
                f"port {port} is in use by another program. Stop that program, or choose another port: "
                f"make up {variable}={port + 1}"
            ) from None


def free_port() -> int:
    """A port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


class Processes:
    """The processes of one local cloud, and the file that lets a later one end what a killed one left behind."""

    def __init__(self, directory: Path) -> None:
        self._file = directory / "processes.json"
        self._running: dict[str, subprocess.Popen[str]] = {}

    def end_leftovers(self) -> list[str]:
        """End what an earlier cloud that was itself killed left running. Returns their names."""
        if not self._file.exists():
            return []
        ended = []
        for name, (pid, created) in json.loads(self._file.read_text() or "{}").items():
            try:
                process = psutil.Process(pid)
                if process.create_time() != created:
                    continue
            except psutil.NoSuchProcess:
                continue
            _end([process, *process.children(recursive=True)], grace_seconds=5)
            ended.append(name)
        self._file.unlink()
        return ended

    def start(
        self, name: str, command: list[str], environment: Mapping[str, str], output: IO[str] | int
    ) -> subprocess.Popen[str]:
        """Start a process that Ctrl-C in our terminal does not reach: in which order they end is ours to say."""
        process = subprocess.Popen(  # noqa: S603 - our own commands
            command,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._running[name] = process
        self._write()
        return process

    def pid(self, name: str) -> int:
        """The process id under which `name` runs now."""
        return self._running[name].pid

    def stop(self, name: str, *, grace_seconds: float) -> None:
        """End a process and its children: asked first, killed after `grace_seconds`."""
        process = self._running.pop(name, None)
        if process is None:
            return
        try:
            root = psutil.Process(process.pid)
            family = root.children(recursive=True)
        except psutil.NoSuchProcess:
            family = []
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(grace_seconds)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        _end(family, grace_seconds=2)
        self._write()

    def stop_all(self) -> None:
        """End them all, the youngest first."""
        for name in reversed(list(self._running)):
            self.stop(name, grace_seconds=10)
        self._file.unlink(missing_ok=True)

    def _write(self) -> None:
        records = {}
        for name, process in self._running.items():
            try:
                records[name] = (process.pid, psutil.Process(process.pid).create_time())
            except psutil.NoSuchProcess:
                continue
        self._file.write_text(json.dumps(records))


def _end(processes: Iterable[psutil.Process], *, grace_seconds: float) -> None:
    alive = []
    for process in processes:
        try:
            process.terminate()
            alive.append(process)
        except psutil.NoSuchProcess:
            continue
    _, stubborn = psutil.wait_procs(alive, timeout=grace_seconds)
    for process in stubborn:
        process.kill()
    psutil.wait_procs(stubborn, timeout=5)
