"""Losses of the angle to the centre of a class."""

import math
from functools import partial

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from handbook_code import (
    adaface_loss,
    arcface_loss,
    cosface_loss,
    sphereface_loss,
)
from handbook_code.bench.peers import load
from handbook_code.bench.workloads import Loss, Workload


def faces(
    count: int, classes: int, width: int, draw: Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """Embeddings, centers, and the class of each embedding."""
    return (
        torch.randn(count, width, generator=draw),
        torch.randn(classes, width, generator=draw) / 10,
        torch.randint(classes, (count,), generator=draw),
    )


def metric_learning(name: str, **options: float) -> Loss:
    """A loss that gets its centers with each call."""
    make = getattr(load("pytorch_metric_learning.losses"), name)
    loss = make(2, 2, **options)
    del loss.W

    def call(x: Tensor, centers: Tensor, labels: Tensor) -> Tensor:
        loss.W, loss.num_classes = centers.T, len(centers)
        return loss(x, labels)

    return call


def torch_arcface() -> Loss:
    def loss(x: Tensor, centers: Tensor, labels: Tensor) -> Tensor:
        cosines = F.normalize(x) @ F.normalize(centers).T
        own = cosines.gather(1, labels[:, None]).clamp(-1 + 1e-7, 1 - 1e-7)
        target = (own.acos() + 0.5).cos()
        logits = 64 * cosines.scatter(1, labels[:, None], target)
        return F.cross_entropy(logits, labels)

    return loss


SIZES = {
    "32×1000×128": (32, 1000, 128),
    "512×10 000×128": (512, 10_000, 128),
    "512×100 000×128": (512, 100_000, 128),
}
MAKE = {
    "make": faces,
    "sizes": SIZES,
    "slopes": 2,
}
WORKLOADS = [
    Workload(name="sphereface_loss", ours=sphereface_loss, peers={}, **MAKE),
    Workload(
        name="cosface_loss",
        ours=cosface_loss,
        peers={
            "pytorch-metric-learning": partial(
                metric_learning, "CosFaceLoss", margin=0.35, scale=64
            )
        },
        **MAKE,
    ),
    Workload(
        name="arcface_loss",
        ours=arcface_loss,
        peers={
            "torch": torch_arcface,
            "pytorch-metric-learning": partial(
                metric_learning,
                "ArcFaceLoss",
                margin=math.degrees(0.5),
                scale=64,
            ),
        },
        **MAKE,
    ),
    Workload(name="adaface_loss", ours=adaface_loss, peers={}, **MAKE),
]
