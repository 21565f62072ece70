"""Losses of probabilities, given logits."""

from functools import partial

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from handbook_code import (
    cross_entropy_loss,
    focal_loss,
    ghm_loss,
    poly1_loss,
    softmax_focal_loss,
)
from handbook_code.bench.peers import load
from handbook_code.bench.workloads import Loss, Workload


def labels(count: int, draw: Generator) -> tuple[Tensor, Tensor]:
    """Logits, and labels of which a tenth is positive."""
    logits = torch.randn(count, generator=draw)
    return logits, (torch.rand(count, generator=draw) < 0.1).float()


def torchvision_focal() -> Loss:
    focal = load("torchvision.ops").sigmoid_focal_loss
    return lambda x, y: focal(x, y, reduction="mean")


def smp_focal() -> Loss:
    module = load("segmentation_models_pytorch.losses.focal")
    return module.FocalLoss("binary", alpha=0.25, gamma=2.0)


def classes(count: int, kinds: int, draw: Generator) -> tuple[Tensor, Tensor]:
    """Rows of logits, and the class of each."""
    logits = torch.randn(count, kinds, generator=draw)
    return logits, torch.randint(kinds, (count,), generator=draw)


def torch_cross_entropy() -> Loss:
    return partial(F.cross_entropy, label_smoothing=0.1)


def kornia_focal() -> Loss:
    """Its mean divides by the number of logits, so here it is the sum."""
    focal = load("kornia.losses").focal_loss

    def loss(z: Tensor, t: Tensor) -> Tensor:
        total = focal(z, t, alpha=None, gamma=2.0, reduction="sum")
        return total / len(z)

    return loss


def plain_poly1() -> Loss:
    """As its paper writes it."""

    def loss(z: Tensor, t: Tensor) -> Tensor:
        p = z.softmax(dim=1).gather(1, t[:, None])[:, 0]
        each = F.cross_entropy(z, t, reduction="none") + 1 - p
        return each.mean()

    return loss


def formula_of_mmdet(bins: int = 10) -> Loss:
    """A pass over all labels for each bin; the last one includes 1.

    There the sum is divided by the number of bins that are not empty, which
    is ours where none is.
    """

    def loss(z: Tensor, y: Tensor) -> Tensor:
        size = (z.detach().sigmoid() - y).abs()
        weight = torch.zeros_like(z)
        for k in range(bins):
            high = (k + 1) / bins + (1e-6 if k == bins - 1 else 0)
            inside = (size >= k / bins) & (size < high)
            number = inside.sum().item()
            if number > 0:
                weight[inside] = z.numel() / number
        total = F.binary_cross_entropy_with_logits(
            z, y, weight / bins, reduction="sum"
        )
        return total / z.numel()

    return loss


ROWS = {
    "32x10": (32, 10),
    "1024x1000": (1024, 1000),
    "4096x10k": (4096, 10_000),
}
WORKLOADS = [
    Workload(
        name="cross_entropy_loss",
        ours=partial(cross_entropy_loss, label_smoothing=0.1),
        peers={"torch": torch_cross_entropy},
        make=classes,
        sizes=ROWS,
    ),
    Workload(
        name="softmax_focal_loss",
        ours=softmax_focal_loss,
        peers={"kornia": kornia_focal},
        make=classes,
        sizes=ROWS,
    ),
    Workload(
        name="ghm_loss",
        ours=ghm_loss,
        peers={"mmdet's formula": formula_of_mmdet},
        make=labels,
        sizes={"1e3": (1_000,), "1e5": (100_000,), "1e6": (1_000_000,)},
    ),
    Workload(
        name="poly1_loss",
        ours=poly1_loss,
        peers={"plain torch": plain_poly1},
        make=classes,
        sizes=ROWS,
    ),
    Workload(
        name="focal_loss",
        ours=focal_loss,
        peers={
            "torchvision": torchvision_focal,
            "segmentation-models-pytorch": smp_focal,
        },
        make=labels,
        sizes={"1e3": (1_000,), "1e5": (100_000,), "8e6": (8_000_000,)},
    ),
]
