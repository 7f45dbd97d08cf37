"""What NVIDIA's management library says of the GPU: load, memory, temperature, power."""

import importlib
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True)
class GpuReading:
    """The GPU at one moment. `power_watts` is None on cards that do not measure it."""

    name: str
    memory_used_bytes: int
    memory_total_bytes: int
    utilization_percent: int
    temperature_celsius: int
    power_watts: float | None


class GpuReader(Protocol):
    """Reads one GPU."""

    def read(self) -> GpuReading:
        """The GPU now. Raises `GpuReaderError`."""


class GpuReaderError(Exception):
    """The management library is not there, or does not answer."""


class NvmlReader:
    """The first GPU that the container sees, which is the one that ECS gave the task."""

    def __init__(self) -> None:
        """Raises `GpuReaderError`."""
        try:
            pynvml: Any = importlib.import_module("pynvml")
        except ImportError as error:
            raise GpuReaderError(f"nvidia-ml-py is not installed: {error}") from None
        self._nvml = pynvml
        try:
            pynvml.nvmlInit()
            self._handle = pynvml.nvmlDeviceGetHandleByIndex(0)
        except pynvml.NVMLError as error:
            raise GpuReaderError(f"the NVIDIA management library does not answer: {error}") from None

    def read(self) -> GpuReading:
        """The GPU now. Raises `GpuReaderError`."""
        nvml, handle = self._nvml, self._handle
        try:
            memory = nvml.nvmlDeviceGetMemoryInfo(handle)
            return GpuReading(
                name=nvml.nvmlDeviceGetName(handle),
                memory_used_bytes=memory.used,
                memory_total_bytes=memory.total,
                utilization_percent=nvml.nvmlDeviceGetUtilizationRates(handle).gpu,
                temperature_celsius=nvml.nvmlDeviceGetTemperature(handle, nvml.NVML_TEMPERATURE_GPU),
                power_watts=self._power_watts(),
            )
        except nvml.NVMLError as error:
            raise GpuReaderError(f"the GPU can't be read: {error}") from None

    def _power_watts(self) -> float | None:
        try:
            return float(self._nvml.nvmlDeviceGetPowerUsage(self._handle)) / 1000
        except self._nvml.NVMLError_NotSupported:
            return None
