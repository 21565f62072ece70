"""Losses of boxes, pair by pair."""

from collections.abc import Callable

import torch
from torch import Generator, Tensor

from handbook_code import (
    ciou_loss,
    diou_loss,
    eiou_loss,
    giou_loss,
    iou_loss,
    siou_loss,
)
from handbook_code.bench.peers import load
from handbook_code.bench.workloads import Loss, Workload

SIZES = {"1e2": (100,), "1e4": (10_000,), "1e6": (1_000_000,)}


def boxes(count: int, draw: Generator) -> tuple[Tensor, Tensor]:
    """Corners in pixels: some apart, most crossing."""
    centre = torch.rand(2, count, 2, generator=draw)
    half = 0.5 * torch.rand(2, count, 2, generator=draw) + 0.1
    both = 100 * torch.cat([centre - half, centre + half], dim=-1)
    return both[0], both[1]


def torchvision_s(name: str) -> Callable[[], Loss]:
    def make() -> Loss:
        loss = getattr(load("torchvision.ops"), name)
        return lambda x, y: loss(x, y, reduction="mean")

    return make


def monai_giou() -> Loss:
    return load("monai.losses").BoxGIoULoss()


WORKLOADS = [
    Workload(
        name=loss.__name__, ours=loss, peers=peers, make=boxes, sizes=SIZES
    )
    for loss, peers in (
        (iou_loss, {}),
        (
            giou_loss,
            {
                "torchvision": torchvision_s("generalized_box_iou_loss"),
                "monai": monai_giou,
            },
        ),
        (
            diou_loss,
            {"torchvision": torchvision_s("distance_box_iou_loss")},
        ),
        (
            ciou_loss,
            {"torchvision": torchvision_s("complete_box_iou_loss")},
        ),
        (eiou_loss, {}),
        (siou_loss, {}),
    )
]
