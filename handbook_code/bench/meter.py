"""How long a loss and its gradient take, and how much memory more."""

import gc
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import accumulate
from statistics import median

import torch
from torch import Tensor
from torch.autograd.profiler import profile
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

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


def peak(loss: Callable, tensors: Sequence[Tensor]) -> int:
    """How many bytes torch holds at most beyond those it held before.

    What NumPy allocates, or a library inside an operator, is not seen.
    """
    for tensor in tensors:
        tensor.grad = None
    gc.collect()
    if tensors[0].is_cuda:
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        step(loss, tensors)
        return torch.cuda.max_memory_allocated() - before
    return rise(lambda: step(loss, tensors))


def rise(work: Callable[[], object]) -> int:
    """The same of any work on the processor."""
    with _without_its_log(), profile(profile_memory=True) as seen:
        work()
    changes = [
        event
        for event in seen.kineto_results.events()
        if event.name() == "[memory]"
    ]
    changes.sort(key=lambda event: event.start_ns())
    return max(accumulate(event.nbytes() for event in changes), default=0)


class Largest(TorchDispatchMode):
    """How many elements the largest tensor has that is made inside."""

    elements = 0

    def __torch_dispatch__(self, operator, types, args=(), keywords=None):
        results = operator(*args, **(keywords or {}))
        for x in tree_leaves(results):
            if isinstance(x, Tensor):
                stored = x.untyped_storage().nbytes() // x.element_size()
                self.elements = max(self.elements, stored)
        return results


def moved(loss: Callable, tensors: Sequence[Tensor]) -> int:
    """How many bytes torch's operators read and write, forward and backward,
    if no cache keeps anything from one to the next."""
    with _Moved() as seen:
        step(loss, tensors)
    return seen.total


class _Moved(TorchDispatchMode):
    def __init__(self):
        super().__init__()
        self.total = 0

    def __torch_dispatch__(self, operator, types, args=(), keywords=None):
        keywords = keywords or {}
        results = operator(*args, **keywords)
        if not operator.is_view and "empty" not in operator._opname:
            inputs = {k: v for k, v in keywords.items() if k != "out"}
            given = args[1:] if operator._opname == "copy_" else args
            for x in tree_leaves((given, inputs, results)):
                if isinstance(x, Tensor):
                    stored = x.untyped_storage().nbytes()  # once, if expanded
                    self.total += min(x.nbytes, stored)
        return results


@contextmanager
def _without_its_log() -> Iterator[None]:
    """The profiler writes two lines for each run, past Python."""
    sys.stderr.flush()
    kept = os.dup(2)
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


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
