"""Losses of probabilities, given logits."""

import torch
from torch import Generator, Tensor

from handbook_code import focal_loss
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


WORKLOADS = [
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
