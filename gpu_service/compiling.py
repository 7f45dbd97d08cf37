"""Compiles the UNet in the background, for the picture sizes that are really asked for, and switches between jobs.

The worker never waits for a compiler. A job runs eager or compiled from its first step to its last; the two differ by
rounding only. What was compiled stays on disk, so that the next start only loads it.
"""

import copy
import hashlib
import json
import os
import queue
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import torch
from aws_lambda_powertools import Logger

from gpu_service.plan import USES_BEFORE_COMPILING, Attention, Compile, Device, Plan
from jobs.logs import Event, log_event

SIZES_MAX: Final = 12
# Of the operating system's 20 steps of politeness. Children inherit it, and so do the compilers that we start.
NICENESS: Final = 10
_COMPILED_ARGUMENTS: Final = frozenset({"encoder_hidden_states", "added_cond_kwargs", "return_dict"})


@dataclass(frozen=True)
class Size:
    """What a compiled graph is for: the shapes and types of the UNet's inputs."""

    sample: tuple[int, ...]
    prompt: tuple[int, ...]
    text: tuple[int, ...]
    time_ids: tuple[int, ...]
    timestep_type: str
    timestep_device: str

    def inputs(self, device: torch.device, dtype: torch.dtype) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Arguments of this size for the UNet, all zeros."""
        timestep_device = "meta" if device.type == "meta" else self.timestep_device
        timestep = torch.zeros((), dtype=getattr(torch, self.timestep_type), device=timestep_device)
        conditions = {
            "text_embeds": torch.zeros(self.text, dtype=dtype, device=device),
            "time_ids": torch.zeros(self.time_ids, dtype=dtype, device=device),
        }
        prompt = torch.zeros(self.prompt, dtype=dtype, device=device)
        sample = torch.zeros(self.sample, dtype=dtype, device=device)
        return (sample, timestep), {
            "encoder_hidden_states": prompt,
            "added_cond_kwargs": conditions,
            "return_dict": False,
        }


class Compiler:
    """Stands before a UNet's `forward`: sends each call to the compiled copy where that is warm, else to the UNet."""

    def __init__(self, unet: Any, plan: Plan, *, directory: Path, device_name: str, logger: Logger) -> None:
        """Prepare for `unet`, which is on its device already. `directory` keeps what was compiled."""
        directory.mkdir(parents=True, exist_ok=True)
        self._unet = unet
        self._plan = plan
        self._directory = directory
        self._logger = logger
        self._dtype = unet.dtype
        self._eager = unet.forward
        self._compiled = _copy_over(unet, lambda weight: weight)
        if plan.compile is Compile.REGIONAL:
            self._shapes = _copy_over(unet, lambda weight: torch.empty_like(weight, device="meta"))
            if plan.attention is Attention.XFORMERS:
                self._shapes.disable_xformers_memory_efficient_attention()
        self._file = directory / f"sizes-{_digest(unet.config, plan, device_name)}.json"
        self._uses: dict[Size, int] = {}
        self._wanted: queue.SimpleQueue[Size | None] = queue.SimpleQueue()
        self._warm: frozenset[Size] = frozenset()
        self._in_use: frozenset[Size] = frozenset()
        self._counted: set[Size] = set()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._work, name="compiler", daemon=True)
        unet.forward = self._forward

    def start(self) -> None:
        """Begin with the sizes that the last process had compiled."""
        for size in self._remembered():
            self._uses[size] = USES_BEFORE_COMPILING
            self._wanted.put(size)
        self._thread.start()

    @property
    def warm(self) -> frozenset[Size]:
        """The sizes that are compiled now."""
        return self._warm

    def begin_job(self) -> None:
        """A job begins: from here to the next one, the sizes that are warm now run compiled."""
        self._in_use = self._warm
        self._counted.clear()

    def close(self) -> None:
        """Compile no more, and give the UNet its own `forward` back."""
        self._closed.set()
        self._wanted.put(None)
        self._unet.forward = self._eager
        self._in_use = frozenset()

    @property
    def is_working(self) -> bool:
        """Whether more sizes may still become warm."""
        return self._thread.is_alive()

    def join(self, timeout_seconds: float) -> None:
        """Wait until nothing is compiled any more: after `close`, or when compiling has failed."""
        self._thread.join(timeout_seconds)

    def _forward(self, sample: torch.Tensor, timestep: torch.Tensor, **more: Any) -> Any:
        size = self._size_of(sample, timestep, more)
        if size is None:
            return self._eager(sample, timestep, **more)
        if size in self._in_use:
            arguments = {name: value for name, value in more.items() if name in _COMPILED_ARGUMENTS}
            # The first step's sample has another layout than the later ones, and would need a graph of its own.
            return self._compiled(sample.contiguous(), timestep, **arguments)
        self._count(size)
        return self._eager(sample, timestep, **more)

    def _size_of(self, sample: torch.Tensor, timestep: torch.Tensor, more: Mapping[str, Any]) -> Size | None:
        unusual = any(value is not None for name, value in more.items() if name not in _COMPILED_ARGUMENTS)
        conditions = more.get("added_cond_kwargs") or {}
        if unusual or set(conditions) != {"text_embeds", "time_ids"} or not isinstance(timestep, torch.Tensor):
            return None
        return Size(
            tuple(sample.shape),
            tuple(more["encoder_hidden_states"].shape),
            tuple(conditions["text_embeds"].shape),
            tuple(conditions["time_ids"].shape),
            str(timestep.dtype).removeprefix("torch."),
            str(timestep.device),
        )

    def _count(self, size: Size) -> None:
        """Note that a job used this size; a job counts once, however many steps it has."""
        if size in self._counted or len(self._uses) >= 10 * SIZES_MAX:
            return
        self._counted.add(size)
        self._uses[size] = self._uses.get(size, 0) + 1
        if self._uses[size] == USES_BEFORE_COMPILING:
            self._wanted.put(size)

    def _work(self) -> None:
        thread = threading.get_native_id()
        os.setpriority(os.PRIO_PROCESS, thread, os.getpriority(os.PRIO_PROCESS, thread) + NICENESS)
        is_prepared = False
        while (size := self._wanted.get()) is not None and len(self._warm) < SIZES_MAX:
            started = time.monotonic()
            try:
                if not is_prepared:
                    self._prepare()
                    is_prepared = True
                self._compile(size)
            except Exception as error:  # noqa: BLE001 - compilers raise anything, and the eager UNet goes on without them
                if not self._closed.is_set():
                    text = f"Could not compile the UNet; going on without: {error}"
                    log_event(self._logger, Event.COMPILE_FAILED, text[:2000], warning=True)
                return
            if self._closed.is_set():
                return
            self._warm |= {size}
            self._remember()
            seconds = round(time.monotonic() - started, 1)
            shape = "x".join(map(str, size.sample))
            text = f"Compiled for {shape} in {seconds} s"
            log_event(self._logger, Event.COMPILED, text, latents=shape, compile_seconds=seconds)

    def _prepare(self) -> None:
        """Wake PyTorch's compiler up: its import takes a second or more, which readiness does not wait for."""
        # PyTorch's own store, keyed by its version, the device and the code. `save_cache_artifacts` leaves out what is
        # built for CPUs: a start from it took as long as one from nothing.
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = str(self._directory / "kernels")
        import torch._dynamo.config as dynamo
        import torch._inductor.config as inductor

        # One graph for each size and for each width of block; beyond its limit PyTorch gives up with an error.
        dynamo.recompile_limit = 64
        if self._plan.device is Device.CPU:
            # Otherwise as many processes as cores, with a PyTorch in each.
            inductor.compile_threads = 1
        if self._plan.compile is Compile.REGIONAL:
            self._compiled.compile_repeated_blocks(dynamic=False)
        else:
            self._compiled.compile(dynamic=False)

    def _compile(self, size: Size) -> None:
        device = next(self._compiled.parameters()).device
        # As the pipeline does: a graph is for the gradient mode in which it was made.
        with torch.no_grad():
            if self._plan.compile is Compile.FULL:
                arguments, named = size.inputs(device, self._dtype)
                self._compiled(*arguments, **named)
                return
            for name, block_arguments, block_named in self._block_inputs(size):
                block = self._compiled.get_submodule(name)
                block(*_on(device, block_arguments), **_on(device, block_named))

    def _block_inputs(self, size: Size) -> Iterator[tuple[str, Any, Any]]:
        """What each kind of repeated block gets at this size: found without computing, on tensors that hold nothing."""
        found: dict[str, tuple[str, Any, Any]] = {}

        def record(name: str) -> Any:
            def hook(block: Any, arguments: Any, named: Any) -> None:
                kind = str([tuple(weight.shape) for weight in block.parameters()])
                found.setdefault(f"{kind} {_shapes(arguments)} {_shapes(named)}", (name, arguments, named))

            return hook

        hooks = [
            module.register_forward_pre_hook(record(name), with_kwargs=True)
            for name, module in self._shapes.named_modules()
            if type(module).__name__ in self._shapes._repeated_blocks
        ]
        arguments, named = size.inputs(torch.device("meta"), self._dtype)
        self._shapes(*arguments, **named)
        for hook in hooks:
            hook.remove()
        yield from found.values()

    def _remembered(self) -> list[Size]:
        try:
            entries = json.loads(self._file.read_text())
            return [Size(**{name: _tuple(value) for name, value in entry.items()}) for entry in entries]
        except FileNotFoundError:
            return []
        except (ValueError, TypeError, AttributeError) as error:
            log_event(self._logger, Event.COMPILE_FAILED, f"{self._file} is not readable: {error}", warning=True)
            return []

    def _remember(self) -> None:
        partial = self._file.with_suffix(f".{os.getpid()}")
        partial.write_text(json.dumps([asdict(size) for size in sorted(self._warm, key=str)]))
        partial.replace(self._file)


def _copy_over(unet: Any, weight_for: Callable[[torch.Tensor], torch.Tensor]) -> Any:
    """A copy of the modules over other weights; over the same ones it takes no memory."""
    weights = {
        **{id(weight): torch.nn.Parameter(weight_for(weight), weight.requires_grad) for weight in unet.parameters()},
        **{id(buffer): weight_for(buffer) for buffer in unet.buffers()},
    }
    return copy.deepcopy(unet, weights)


def _on(device: torch.device, value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return torch.zeros_like(value, device=device)
    if isinstance(value, dict):
        return {name: _on(device, part) for name, part in value.items()}
    if isinstance(value, tuple):
        return tuple(_on(device, part) for part in value)
    return value


def _shapes(value: Any) -> str:
    if isinstance(value, torch.Tensor):
        return f"{tuple(value.shape)}{value.dtype}{value.stride()}"
    if isinstance(value, dict):
        return str({name: _shapes(part) for name, part in value.items()})
    if isinstance(value, tuple):
        return str([_shapes(part) for part in value])
    return str(value)


def _tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _digest(config: Mapping[str, Any], plan: Plan, device_name: str) -> str:
    """Changes with whatever makes compiled code another one."""
    options = (plan.compile, plan.precision, plan.attention, plan.memory_format, plan.fuse_qkv)
    what = json.dumps([dict(config), options, device_name, torch.__version__], default=str, sort_keys=True)
    return hashlib.sha256(what.encode()).hexdigest()[:16]
