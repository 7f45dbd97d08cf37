"""Reads the facts of the device that the process runs on: GPU or CPU, memory, what imports, what bf16 gains."""

import importlib
import os
import platform
import shutil
import time
from pathlib import Path
from typing import Final

import torch
import torch.nn.functional as functional

from gpu_service.plan import Device, DeviceFacts

OPTIONAL_PACKAGES: Final = ("xformers", "triton")
COMPILERS: Final = ("g++", "clang++", "c++")
_PROBE_ROUNDS: Final = 3
_PROBE_SIDE: Final = 32


def read_facts(channels: int) -> DeviceFacts:
    """The facts, for a UNet whose first block has `channels`. Takes up to half a second on a CPU, for its probe."""
    problem = gpu_problem()
    has_compiler = any(map(shutil.which, COMPILERS))
    if problem is None:
        free_bytes, _ = torch.cuda.mem_get_info()
        return DeviceFacts(
            kind=Device.CUDA,
            name=torch.cuda.get_device_name(),
            memory_bytes=free_bytes,
            threads=torch.get_num_threads(),
            compute_capability=torch.cuda.get_device_capability(),
            packages=frozenset(filter(_imports, OPTIONAL_PACKAGES)),
            has_compiler=has_compiler,
        )
    return DeviceFacts(
        kind=Device.CPU,
        name=_cpu_name(),
        memory_bytes=os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"),
        threads=torch.get_num_threads(),
        has_compiler=has_compiler,
        cpu_bf16_speedup=cpu_bf16_speedup(channels),
        gpu_problem=problem,
    )


def gpu_problem() -> str | None:
    """Why there is no GPU to use, or None where one has just computed something."""
    if torch.version.cuda is None:
        return "this PyTorch was built without CUDA"
    if not torch.cuda.is_available():
        return "PyTorch finds no CUDA device (no GPU given to the task, or its driver does not answer)"
    try:
        canary("cuda")
    except RuntimeError as error:
        return f"the GPU is there and fails at its first operation: {error}"
    return None


def canary(device: str) -> None:
    """One small operation whose result is known. Raises `RuntimeError` where the device fails it."""
    total = torch.arange(8, device=device).sum().item()
    if total != 28:
        raise RuntimeError(f"the device added 0 to 7 and got {total}")


def cpu_bf16_speedup(channels: int) -> float:
    """How many times as fast as fp32 a convolution and a linear layer of this width run in bf16; 0 without support."""
    if not torch.ops.mkldnn._is_mkldnn_bf16_supported():
        return 0.0
    image = torch.randn(2, channels, _PROBE_SIDE, _PROBE_SIDE).to(memory_format=torch.channels_last)
    kernel = torch.randn(channels, channels, 3, 3).to(memory_format=torch.channels_last)
    tokens = torch.randn(2 * _PROBE_SIDE**2, channels)
    matrix = torch.randn(4 * channels, channels)
    seconds: dict[torch.dtype, float] = {}
    with torch.no_grad():
        # Alternated, because whatever else the machine does shall slow down both; the first round warms up.
        for number in range(1 + _PROBE_ROUNDS):
            for dtype in (torch.float32, torch.bfloat16):
                parts = [tensor.to(dtype) for tensor in (image, kernel, tokens, matrix)]
                started = time.perf_counter()
                functional.silu(functional.conv2d(parts[0], parts[1], padding=1))
                functional.gelu(functional.linear(parts[2], parts[3]))
                elapsed = time.perf_counter() - started
                if number > 0:
                    seconds[dtype] = min(elapsed, seconds.get(dtype, elapsed))
    return seconds[torch.float32] / seconds[torch.bfloat16]


def _imports(package: str) -> bool:
    try:
        importlib.import_module(package)
    except (ImportError, OSError, RuntimeError):
        # One built for another PyTorch is there and can't be used.
        return False
    return True


def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
