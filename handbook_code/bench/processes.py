"""Processes of this machine that talk to each other, as ranks of one group."""

import importlib.util
import sys
import tempfile
import traceback
from collections.abc import Callable
from datetime import timedelta
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any

import torch
import torch.distributed as dist
import torch.multiprocessing as mp


class Processes:
    """So many ranks that wait for work; they are started once.

    >>> with Processes(2) as everywhere:  # doctest: +SKIP
    ...     values = everywhere(work, 3)  # work(3) on each, in rank order

    Args:
        size: how many.
        timeout: seconds until a rank gives up waiting for another.
    """

    def __init__(self, size: int, timeout: float = 60):
        self.size, self.timeout = size, timeout
        self.folder = tempfile.TemporaryDirectory()
        spawn = mp.get_context("spawn")
        store = Path(self.folder.name, "store").as_uri()
        self.pipes, self.processes = [], []
        for rank in range(size):
            here, there = spawn.Pipe()
            process = spawn.Process(
                target=_serve,
                args=(rank, size, store, timeout, there),
                daemon=True,
            )
            process.start()
            there.close()
            self.pipes.append(here)
            self.processes.append(process)

    def __call__(self, work: Callable[..., Any], *arguments: Any) -> list:
        """What the function gives on each rank; an exception as itself.

        Args:
            work: a function at the top of a file.
            arguments: the same for all ranks.

        Raises:
            TimeoutError: if a rank neither answers nor ends.
        """
        order = Path(sys.modules[work.__module__].__file__), work.__name__
        for pipe in self.pipes:
            pipe.send((*order, arguments))
        answers = []
        for rank, pipe in enumerate(self.pipes):
            try:
                if not pipe.poll(2 * self.timeout):
                    self.close()
                    raise TimeoutError(f"rank {rank} does not answer")
                answers.append(pipe.recv())
            except (EOFError, OSError):
                answers.append(ChildProcessError(f"rank {rank} has ended"))
        return answers

    def close(self) -> None:
        for pipe in self.pipes:
            pipe.close()
        for process in self.processes:
            process.join(1)
            if process.is_alive():
                process.kill()
        self.folder.cleanup()

    def __enter__(self) -> "Processes":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _serve(rank: int, size: int, store: str, timeout: float, pipe: Any):
    torch.set_num_threads(1)
    dist.init_process_group(
        "gloo",
        init_method=store,
        rank=rank,
        world_size=size,
        timeout=timedelta(seconds=timeout),
    )
    while True:
        try:
            path, name, arguments = pipe.recv()
        except (EOFError, OSError):
            return
        try:
            answer = getattr(_load(path), name)(*arguments)
        except Exception as error:
            error.add_note(traceback.format_exc())
            answer = error
        pipe.send(answer)


@cache
def _load(path: Path) -> Any:
    """The file as a module, whatever the others call it."""
    spec = importlib.util.spec_from_file_location(f"ranks_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module
