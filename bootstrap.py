"""Makes the project's own virtual environment from nothing but Python 3.11: `python3.11 bootstrap.py EXTRA...`.

Standard library only. Does nothing when the environment already holds what the lock and the project file ask for.
"""

import hashlib
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
LOCK = ROOT / "requirements.lock"
PROJECT = ROOT / "pyproject.toml"
STAMP = VENV / "installed.json"
FREE_BYTES_MIN = 4 * 10**9
PROGRESS_SECONDS = 5.0


class SetupError(Exception):
    """Something this machine lacks; the text says what, and how to get it."""


def check_machine() -> None:
    """Raise `SetupError` for a machine that can't run the project."""
    if sys.version_info[:2] != (3, 11):
        version = ".".join(map(str, sys.version_info[:3]))
        raise SetupError(f"Python 3.11 is needed and this is {version}; say: make PYTHON=path/to/python3.11")
    if importlib.util.find_spec("ensurepip") is None:
        raise SetupError("Python's venv module is incomplete here. On Debian and Ubuntu: apt install python3.11-venv")
    if shutil.which("git") is None:
        raise SetupError("git is needed and is not installed")
    free = shutil.disk_usage(ROOT).free
    if not STAMP.exists() and free < FREE_BYTES_MIN:
        raise SetupError(f"{FREE_BYTES_MIN // 10**9} GB of free disk are needed and {free / 10**9:.1f} GB are left")


def fingerprint() -> str:
    """Changes when what has to be installed changes."""
    return hashlib.sha256(LOCK.read_bytes() + PROJECT.read_bytes()).hexdigest()


def installed_extras() -> set[str]:
    """The extras that the environment holds in their present versions."""
    try:
        stamp = json.loads(STAMP.read_text())
    except (FileNotFoundError, ValueError):
        return set()
    return set(stamp["extras"]) if stamp["fingerprint"] == fingerprint() else set()


def pip(*arguments: str) -> subprocess.Popen[str]:
    """Start pip in the environment."""
    return subprocess.Popen(
        [str(VENV / "bin" / "python"), "-m", "pip", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INPUT": "1"},
    )


def check_torch(torch_index: str) -> None:
    """Raise `SetupError` rather than download gigabytes of CUDA onto a machine that nobody asked about it."""
    if torch_index or sys.platform != "linux":
        return
    pin = next(line for line in LOCK.read_text().splitlines() if line.startswith("torch=="))
    if (VENV / "lib" / "python3.11" / "site-packages" / "torch").exists():
        return
    output, _ = pip("install", "--dry-run", "--no-deps", "--quiet", "--report", "-", pin).communicate()
    try:
        report = json.loads(output[output.index("{") :])
        requirements = report["install"][0]["metadata"].get("requires_dist", [])
    except (ValueError, KeyError, IndexError):
        raise SetupError(f"pip could not look up {pin}:\n{output.strip()[-800:]}") from None
    if any(re.match(r"(nvidia|cuda)", requirement) for requirement in requirements):
        raise SetupError(
            f"{pin} would come with about 3 GB of CUDA here. For the CPU build, give the wheel index that pytorch.org "
            "shows under Get Started for “CPU”:  make demo TORCH_INDEX=<that index>\n"
            "If CUDA is what you want:  make demo TORCH_INDEX=default"
        )


def install(extras: set[str], torch_index: str) -> None:
    """Install the project with `extras`, in the versions of the lock. Raises `SetupError` with pip's own words."""
    arguments = ["install", "--progress-bar", "off", "-c", str(LOCK), "-e", f"{ROOT}[{','.join(sorted(extras))}]"]
    if torch_index and torch_index != "default":
        arguments += ["--extra-index-url", torch_index]
    started = time.monotonic()
    process = pip(*arguments)
    assert process.stdout is not None  # noqa: S101 - it is a pipe
    lines: list[str] = []
    doing = "starting"
    finished = threading.Event()

    def tick() -> None:
        # pip says nothing for a minute while it unpacks.
        while not finished.wait(PROGRESS_SECONDS):
            print(f"  {time.monotonic() - started:4.0f} s  {doing}", flush=True)

    ticker = threading.Thread(target=tick, daemon=True)
    ticker.start()
    for line in process.stdout:
        lines.append(line.rstrip())
        if line.startswith(("Collecting ", "Downloading ", "Installing collected")):
            doing = line.split(" (from")[0].split(":")[0].strip()
    finished.set()
    ticker.join()
    if process.wait() != 0:
        raise SetupError("pip could not install what is needed:\n" + "\n".join(lines[-15:]))
    print(f"  done in {time.monotonic() - started:.0f} s", flush=True)


def main() -> int:
    """Set up the environment. Returns the exit code."""
    wanted = set(sys.argv[1:])
    try:
        check_machine()
        present = installed_extras()
        if wanted <= present:
            return 0
        if not (VENV / "bin" / "python").exists():
            print("making .venv", flush=True)
            subprocess.run([sys.executable, "-m", "venv", "--clear", VENV], check=True)
        torch_index = os.environ.get("TORCH_INDEX", "")
        if "worker" in wanted:
            check_torch(torch_index)
        extras = ", ".join(sorted(wanted | present))
        print(f"installing {extras} into .venv (about 2 minutes the first time)", flush=True)
        install(wanted | present, torch_index)
    except SetupError as error:
        print(f"setup: {error}", file=sys.stderr)
        return 1
    STAMP.write_text(json.dumps({"fingerprint": fingerprint(), "extras": sorted(wanted | present)}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
