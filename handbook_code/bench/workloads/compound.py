"""Losses of regions and their pixels at once, given logits."""

from functools import partial

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from handbook_code import (
    dice_cross_entropy_loss,
    dice_focal_loss,
    topk_cross_entropy_loss,
)
from handbook_code.bench.peers import load
from handbook_code.bench.workloads import Loss, Workload


def scenes(
    images: int, classes: int, size: int, axes: int, draw: Generator
) -> tuple[Tensor, Tensor]:
    """Logits, and the class of each pixel."""
    logits = torch.randn((images, classes, *[size] * axes), generator=draw)
    shape = (images, *[size] * axes)
    return logits, torch.randint(classes, shape, generator=draw)


def monai(name: str) -> Loss:
    made = getattr(load("monai.losses"), name)(
        to_onehot_y=True, softmax=True, batch=True, smooth_nr=0, smooth_dr=1e-8
    )
    return lambda z, t: made(z, t.unsqueeze(1))


def plain_topk(part: float = 0.1) -> Loss:
    """Sorted in part, as nnU-Net does it."""

    def loss(z: Tensor, t: Tensor) -> Tensor:
        each = F.cross_entropy(z, t, reduction="none").flatten()
        number = -int(-part * len(each) // 1)
        return each.topk(number, sorted=False).values.mean()

    return loss


SIZES = {
    "4×64²": (4, 4, 64, 2),
    "4×256²": (4, 4, 256, 2),
    "2×96³": (2, 4, 96, 3),
}
WORKLOADS = [
    Workload(
        name="dice_cross_entropy_loss",
        ours=dice_cross_entropy_loss,
        peers={"monai": partial(monai, "DiceCELoss")},
        make=scenes,
        sizes=SIZES,
    ),
    Workload(
        name="dice_focal_loss",
        ours=dice_focal_loss,
        peers={"monai": partial(monai, "DiceFocalLoss")},
        make=scenes,
        sizes=SIZES,
        differ={"monai": "its focal loss is of the sigmoid of each class"},
    ),
    Workload(
        name="topk_cross_entropy_loss",
        ours=topk_cross_entropy_loss,
        peers={"plain torch": lambda: plain_topk()},
        make=scenes,
        sizes=SIZES,
    ),
]
