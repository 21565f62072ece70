"""How long a loss and its gradient take, and how much memory more."""

import ctypes
import gc
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

import torch
from torch import Tensor

SHORTEST = 2e-3  # seconds: what is shorter is repeated, to be measured


def step(loss: Callable, tensors: Sequence[Tensor]) -> Tensor:
    """A loss, forward and backward."""
    for tensor in tensors:
        tensor.grad = None
    value = loss(*tensors)
    value.backward()
    return value.detach()


def alternate(
    losses: dict[str, Callable], tensors: Sequence[Tensor], rounds: int
) -> dict[str, float]:
    """Median seconds of each, taken in turns, so that all see the machine
    in the same state.

    With one thread on a CPU the time of the process counts, which others on
    the machine change little; else the time of the clock.
    """
    repeats = {}
    for name, loss in losses.items():
        step(loss, tensors)
        once = _time(loss, tensors, 1)
        repeats[name] = max(1, round(SHORTEST / max(once, 1e-6)))
    times = {name: [] for name in losses}
    names = list(losses)
    for turn in range(rounds):
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            seconds = _time(losses[name], tensors, repeats[name])
            times[name].append(seconds / repeats[name])
    return {name: median(found) for name, found in times.items()}


def peak(loss: Callable, tensors: Sequence[Tensor]) -> float | None:
    """By how many bytes the peak rises; None where it cannot be seen."""
    for tensor in tensors:
        tensor.grad = None
    gc.collect()
    if tensors[0].is_cuda:
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        step(loss, tensors)
        return torch.cuda.max_memory_allocated() - before
    try:
        ctypes.CDLL("libc.so.6").malloc_trim(0)
        Path("/proc/self/clear_refs").write_text("5")  # resets the peak
    except OSError:
        return None
    before = _status("VmRSS")
    step(loss, tensors)
    return _status("VmHWM") - before


def copied(device: torch.device, count: int = 1 << 26) -> float:
    """Bytes a second that a copy reads and writes, best of some."""
    source = torch.ones(count, device=device)
    target = torch.empty_like(source)
    best = 0.0
    for _ in range(10):
        begin = _now(source)
        target.copy_(source)
        best = max(best, 8 * count / (_now(source) - begin))
    return best


def _time(loss: Callable, tensors: Sequence[Tensor], repeats: int) -> float:
    begin = _now(tensors[0])
    for _ in range(repeats):
        step(loss, tensors)
    return _now(tensors[0]) - begin


def _now(tensor: Tensor) -> float:
    if tensor.is_cuda:
        torch.cuda.synchronize()
    elif torch.get_num_threads() == 1:
        return time.process_time()
    return time.perf_counter()


def _status(key: str) -> int:
    lines = Path("/proc/self/status").read_text("utf8").splitlines()
    (line,) = (line for line in lines if line.startswith(key + ":"))
    return int(line.split()[1]) * 1024
