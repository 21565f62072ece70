"""Losses of a margin."""

import torch
from torch import Generator, Tensor

from handbook_code import (
    exponential_loss,
    hinge_loss,
    ramp_loss,
    smoothed_hinge_loss,
    squared_hinge_loss,
)
from handbook_code.bench.workloads import Loss, Workload

SIZES = {"1e3": (1_000,), "1e5": (100_000,), "4e6": (4_000_000,)}


def margins(count: int, draw: Generator) -> tuple[Tensor, Tensor]:
    """Scores, and labels −1 and +1."""
    scores, side = torch.randn(2, count, generator=draw)
    return scores, side.sign()


def plain_hinge() -> Loss:
    return lambda x, y: (1 - y * x).clamp(min=0).mean()


def plain_squared_hinge() -> Loss:
    return lambda x, y: (1 - y * x).clamp(min=0).square().mean()


def plain_smoothed_hinge() -> Loss:
    def loss(x: Tensor, y: Tensor) -> Tensor:
        z = y * x
        bent = torch.where(z > 0, (1 - z).square() / 2, 0.5 - z)
        return torch.where(z > 1, 0, bent).mean()

    return loss


def plain_ramp() -> Loss:
    return lambda x, y: (1 - y * x).clamp(min=0, max=2).mean()


def plain_exponential() -> Loss:
    return lambda x, y: torch.exp(-y * x).mean()


WORKLOADS = [
    Workload(
        name=ours.__name__,
        ours=ours,
        peers={"plain torch": plain},
        make=margins,
        sizes=SIZES,
    )
    for ours, plain in (
        (hinge_loss, plain_hinge),
        (squared_hinge_loss, plain_squared_hinge),
        (smoothed_hinge_loss, plain_smoothed_hinge),
        (ramp_loss, plain_ramp),
        (exponential_loss, plain_exponential),
    )
]
