"""What is timed: a loss, its peers, and the tensors they are given.

One file for each topic, each with a list ``WORKLOADS``.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module

from torch import Generator, Tensor

Loss = Callable[..., Tensor]
TOPICS = (
    "pointwise",
    "boxes",
    "margin",
    "probabilistic",
    "overlap",
    "boundary",
    "compound",
    "euclidean",
    "angular",
    "transport",
    "image",
)


@dataclass(frozen=True)
class Workload:
    """A loss, and the same thing by others.

    Args:
        name: of the loss, and of the variant where there are several.
        ours: the loss, of the tensors that ``make`` gives, one number.
        peers: for each, by the name of its package, a function that imports
            it and gives its loss of the same tensors. An ImportError means
            that it is not installed.
        make: from the numbers of a size, and a generator, the tensors. The
            first are differentiated in, as many as ``slopes``.
        sizes: three at least, small to large; of each how it is called, and
            its numbers.
        slopes: how many of the tensors get a gradient.
        exponents: of time and of memory in the number of elements, as the
            algorithm predicts them.
        differ: peers of another convention, and what it is. They are timed,
            and not compared in value.
    """

    name: str
    ours: Loss
    peers: Mapping[str, Callable[[], Loss]]
    make: Callable[..., tuple[Tensor, ...]]
    sizes: Mapping[str, tuple[int, ...]]
    slopes: int = 1
    exponents: tuple[float, float] = (1.0, 1.0)
    differ: Mapping[str, str] = field(default_factory=dict)

    def tensors(self, size: str, draw: Generator) -> list[Tensor]:
        """What is given at a size, on the CPU, the same each time."""
        draw.manual_seed(0)
        return list(self.make(*self.sizes[size], draw))


def workloads() -> dict[str, Workload]:
    """All of them, by name, in the order of the chapters."""
    package = "handbook_code.bench.workloads"
    found = [
        work
        for topic in TOPICS
        for work in import_module(f"{package}.{topic}").WORKLOADS
    ]
    return {work.name: work for work in found}
