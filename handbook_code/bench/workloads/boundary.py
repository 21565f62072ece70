"""Losses of regions by how far a wrong pixel is from a boundary."""

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from handbook_code import hausdorff_loss
from handbook_code.bench.peers import load
from handbook_code.bench.workloads import Loss, Workload


def blobs(
    images: int, classes: int, size: int, axes: int, draw: Generator
) -> tuple[Tensor, Tensor]:
    """Probabilities and labels of smooth regions, a few pixels wide."""
    pool = F.avg_pool2d if axes == 2 else F.avg_pool3d

    def smooth() -> Tensor:
        x = torch.randn((images, classes, *[size] * axes), generator=draw)
        return pool(pool(x, 9, 1, 4), 9, 1, 4)

    return (40 * smooth()).softmax(1), smooth().argmax(1)


def monai() -> Loss:
    made = load("monai.losses").HausdorffDTLoss(
        to_onehot_y=True, include_background=True
    )
    return lambda p, t: made(p, t.unsqueeze(1))


WORKLOADS = [
    Workload(
        name="hausdorff_loss",
        ours=hausdorff_loss,
        peers={"monai": monai},
        make=blobs,
        sizes={
            "4×64²": (4, 2, 64, 2),
            "4×256²": (4, 2, 256, 2),
            "1×64³": (1, 2, 64, 3),
        },
        exponents=(1.0, 1.0),  # for regions of one width
    ),
]
