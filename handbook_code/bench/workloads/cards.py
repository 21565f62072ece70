"""What a graphics card is given: sizes, kernels, goals, and further losses.

Not a topic of the bench of the processor.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from handbook_code import (
    cross_entropy_loss,
)
from handbook_code.bench.peers import load
from handbook_code.bench.roads import with_slopes
from handbook_code.bench.workloads import Loss, Workload, workloads

LINE = 1 << 26  # elements: four to a box, one to a residual


@dataclass(frozen=True)
class Goal:
    """What a loss is to reach of what the card does with bytes or products.

    Args:
        part: of the copy's rate, all that must be moved moved once; or of
            the rate of a product of matrices, if there are products.
        products: of the tensors, how many operations they take: two for
            each multiplication, those of the slopes included.
    """

    part: float
    products: Callable[..., int] | None = None


def of_pairs(x: Tensor, y: Tensor, *_: Tensor) -> int:
    """Three products, for similarities and the slopes on both sides."""
    return 6 * len(x) * len(y) * x.shape[1]


BYTES, ROWS, WINDOWS = Goal(0.85), Goal(0.8), Goal(0.5)
PRODUCTS = Goal(0.5, of_pairs)
TWICE = Goal(0.5, lambda x, y: 2 * of_pairs(x, y))
TWICE_AS_MANY = Goal(0.5, lambda x, y: 4 * of_pairs(x, y))


def projected(
    count: int, kinds: int, width: int, draw: Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """Hidden states, the weights of the classes, and the class of each."""
    return (
        torch.randn(count, width, generator=draw),
        torch.randn(kinds, width, generator=draw) / width**0.5,
        torch.randint(kinds, (count,), generator=draw),
    )


def with_projection(x: Tensor, w: Tensor, t: Tensor) -> Tensor:
    return cross_entropy_loss(x @ w.T, t)


def torch_with_projection() -> Loss:
    return lambda x, w, t: F.cross_entropy(x @ w.T, t)


def liger() -> Loss:
    module = load("liger_kernel.transformers.fused_linear_cross_entropy")
    loss = module.LigerFusedLinearCrossEntropyLoss()
    return lambda x, w, t: loss(w, x, t)


def cut() -> Loss:
    return load("cut_cross_entropy").linear_cross_entropy


def liger_rows() -> Loss:
    module = load("liger_kernel.transformers.cross_entropy")
    return module.LigerCrossEntropyLoss(label_smoothing=0.1)


def fused_ssim() -> Loss:
    ssim = load("fused_ssim").fused_ssim
    return lambda x, y: 1 - ssim(x, y, padding="valid")


def kernel(file: str, name: str, **options: float) -> Callable[[], Loss]:
    """A loss whose kernel gives its slope, by the name of both."""

    def make() -> Loss:
        both = getattr(load(f"handbook_code._triton.{file}"), name)
        return with_slopes(
            lambda x, *rest: both(x.contiguous(), *rest, **options)
        )

    return make


def inside(
    pass_in: str, name: str, file: str, ours: Loss
) -> Callable[[], Loss]:
    """A pass, with a kernel in the place of what it calls by a name."""

    def make() -> Loss:
        file_of_kernel = load(f"handbook_code._triton.{file}")
        by_kernel = getattr(file_of_kernel, name.lstrip("_"))
        module = load(f"handbook_code.{pass_in}")

        def loss(*tensors: Tensor) -> Tensor:
            by_blocks = getattr(module, name)
            setattr(module, name, by_kernel)
            try:
                return ours(*tensors)
            finally:
                setattr(module, name, by_blocks)

        return loss

    return make


INSIDE = {  # by the maker of the tensors
    "views": ("metric._fast_euclidean", "line_up", "line_up"),
    "faces": ("metric._fast_angular", "line_up", "line_up"),
    "clouds": ("generative._fast_transport", "_transport", "soft_minimum"),
}
SIZES = {
    "triplet_loss": (1 << 19, 128),
    "info_nce_loss": (1 << 14, 128),
    "info_nce_loss, both directions": (1 << 14, 512),
    "info_nce_loss, both views on both sides": (1 << 13, 128),
    "ghm_loss": (LINE,),
    "focal_loss": (LINE,),
    "hausdorff_loss": (4, 2, 256, 2),
    "sinkhorn_divergence": (50_000, 3),
    "ssim_loss": (8, 3, 1024),
    "ms_ssim_loss": (8, 3, 1024),
    "ms_ssim_l1_loss": (8, 3, 512),
    "nlpd": (8, 1, 1024),
}
BY_MAKER = {
    "residuals": (LINE,),
    "margins": (LINE,),
    "boxes": (LINE // 4,),
    "classes": (1 << 13, 1 << 13),
    "regions": (16, 4, 1024, 2),
    "scores": (16, 1024),
    "faces": (4096, 100_000, 128),
}
TINY = {"faces": (140, 1000, 16), "views": (400, 16), "clouds": (80, 3)}
GOALS = {
    "info_nce_loss": PRODUCTS,
    "info_nce_loss, both directions": TWICE,
    "info_nce_loss, both views on both sides": TWICE_AS_MANY,
    "cross_entropy_loss, with its projection": PRODUCTS,
    "ssim_loss": WINDOWS,
    "ms_ssim_loss": WINDOWS,
    "focal_loss": BYTES,
}
GOALS_BY_MAKER = {
    "residuals": BYTES,
    "margins": BYTES,
    "boxes": BYTES,
    "classes": ROWS,
    "faces": PRODUCTS,
}
KERNELS = {
    "ssim_loss": kernel("ssim", "ssim", data_range=1.0),
    "focal_loss": kernel("focal", "focal"),
    "cross_entropy_loss": kernel(
        "cross_entropy", "cross_entropy", label_smoothing=0.1
    ),
}
FURTHER_PEERS = {
    "cross_entropy_loss": {"liger-kernel": liger_rows},
    "ssim_loss": {"fused-ssim": fused_ssim},
}
FURTHER = [
    Workload(
        "cross_entropy_loss, with its projection",
        with_projection,
        {
            "torch": torch_with_projection,
            "liger-kernel": liger,
            "cut-cross-entropy": cut,
        },
        projected,
        {"32×100×16": (32, 100, 16), "full": (1 << 13, 1 << 15, 2048)},
        slopes=2,
    ),
]


def on_a_card() -> dict[str, Workload]:
    """All workloads, each at a tiny size and at that of a card."""
    found = {}
    for work in (*FURTHER, *workloads().values()):
        name, maker = work.name, work.make.__name__
        *_, largest = work.sizes.values()
        tiny = TINY.get(maker) or next(iter(work.sizes.values()))
        full = SIZES.get(name) or BY_MAKER.get(maker, largest)
        kernels = {}
        if name in KERNELS:
            kernels["triton"] = KERNELS[name]
        elif maker in INSIDE:
            kernels["triton"] = inside(*INSIDE[maker], work.ours)
        peers = {**kernels, **work.peers, **FURTHER_PEERS.get(name, {})}
        found[name] = replace(
            work, peers=peers, sizes={"tiny": tiny, "full": full}
        )
    return found


def goal(work: Workload) -> Goal | None:
    """None, if the issue is to be found out."""
    return GOALS.get(work.name) or GOALS_BY_MAKER.get(work.make.__name__)
