"""Losses of regions by what they share, given probabilities."""

from functools import partial

import torch
from torch import Generator, Tensor

from handbook_code import (
    dice_loss,
    generalized_dice_loss,
    jaccard_loss,
    lovasz_hinge_loss,
    lovasz_softmax_loss,
    tversky_loss,
)
from handbook_code.bench.peers import load
from handbook_code.bench.workloads import Loss, Workload


def regions(
    images: int, classes: int, size: int, axes: int, draw: Generator
) -> tuple[Tensor, Tensor]:
    """Probabilities, and the class of each pixel."""
    shape = (images, classes, *[size] * axes)
    logits = 2 * torch.randn(shape, generator=draw)
    labels = torch.randint(classes, (images, *[size] * axes), generator=draw)
    return logits.softmax(1), labels


def scores(images: int, size: int, draw: Generator) -> tuple[Tensor, Tensor]:
    """Logits of one channel, and a mask of a quarter of the pixels."""
    shape = (images, 1, size, size)
    logits = torch.randn(shape, generator=draw)
    return logits, (torch.rand(shape, generator=draw) < 0.25).long()


def monai(name: str, **options) -> Loss:
    made = getattr(load("monai.losses"), name)(
        to_onehot_y=True, batch=True, smooth_nr=0, smooth_dr=1e-8, **options
    )
    return lambda p, t: made(p, t.unsqueeze(1))


def smp_lovasz(mode: str) -> Loss:
    module = load("segmentation_models_pytorch.losses.lovasz")
    if mode == "multiclass":
        return module._lovasz_softmax
    return partial(module._lovasz_hinge, per_image=False)


def kornia_hinge() -> Loss:
    hinge = load("kornia.losses").lovasz_hinge_loss
    return lambda z, t: hinge(z, t.squeeze(1))


SIZES = {
    "4×64²": (4, 4, 64, 2),
    "4×256²": (4, 4, 256, 2),
    "2×96³": (2, 2, 96, 3),
}
SORTED = {"1×64²": (1, 4, 64, 2), "4×128²": (4, 4, 128, 2)}
SORTED |= {"4×256²": (4, 4, 256, 2)}
TVERSKY = {"alpha": 0.3, "beta": 0.7}

WORKLOADS = [
    Workload(
        name="dice_loss",
        ours=dice_loss,
        peers={"monai": partial(monai, "DiceLoss")},
        make=regions,
        sizes=SIZES,
    ),
    Workload(
        name="dice_loss (squared)",
        ours=partial(dice_loss, squared=True),
        peers={"monai": partial(monai, "DiceLoss", squared_pred=True)},
        make=regions,
        sizes=SIZES,
    ),
    Workload(
        name="jaccard_loss",
        ours=jaccard_loss,
        peers={"monai": partial(monai, "DiceLoss", jaccard=True)},
        make=regions,
        sizes=SIZES,
    ),
    Workload(
        name="tversky_loss",
        ours=partial(tversky_loss, **TVERSKY),
        peers={"monai": partial(monai, "TverskyLoss", **TVERSKY)},
        make=regions,
        sizes=SIZES,
    ),
    Workload(
        name="generalized_dice_loss",
        ours=generalized_dice_loss,
        peers={"monai": partial(monai, "GeneralizedDiceLoss")},
        make=regions,
        sizes=SIZES,
    ),
    Workload(
        name="lovasz_softmax_loss",
        ours=lovasz_softmax_loss,
        peers={
            "segmentation-models-pytorch": partial(smp_lovasz, "multiclass")
        },
        make=regions,
        sizes=SORTED,
    ),
    Workload(
        name="lovasz_hinge_loss",
        ours=lovasz_hinge_loss,
        peers={
            "kornia": kornia_hinge,
            "segmentation-models-pytorch": partial(smp_lovasz, "binary"),
        },
        make=scores,
        sizes={"1×64²": (1, 64), "4×128²": (4, 128), "4×256²": (4, 256)},
    ),
]
