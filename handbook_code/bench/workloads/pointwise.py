"""Losses of a residual."""

import math
from functools import partial

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from handbook_code import (
    huber_loss,
    log_cosh_loss,
    mae_loss,
    mse_loss,
    quantile_loss,
)
from handbook_code.bench.workloads import Loss, Workload

SIZES = {"1e3": (1_000,), "1e5": (100_000,), "4e6": (4_000_000,)}


def residuals(count: int, draw: Generator) -> tuple[Tensor, Tensor]:
    both = torch.randn(2, count, generator=draw)
    return both[0], both[1]


def plain_log_cosh() -> Loss:
    """As it is mostly written; near zero it keeps no digits."""

    def loss(x: Tensor, y: Tensor) -> Tensor:
        r = x - y
        return (r + F.softplus(-2 * r) - math.log(2)).mean()

    return loss


def plain_quantile() -> Loss:
    def loss(x: Tensor, y: Tensor) -> Tensor:
        r = y - x
        return torch.maximum(0.9 * r, -0.1 * r).mean()

    return loss


WORKLOADS = [
    Workload(name=name, ours=ours, peers=peers, make=residuals, sizes=SIZES)
    for name, ours, peers in (
        ("mae_loss", mae_loss, {"torch": lambda: F.l1_loss}),
        ("mse_loss", mse_loss, {"torch": lambda: F.mse_loss}),
        ("huber_loss", huber_loss, {"torch": lambda: F.huber_loss}),
        ("log_cosh_loss", log_cosh_loss, {"plain torch": plain_log_cosh}),
        (
            "quantile_loss",
            partial(quantile_loss, quantile=0.9),
            {"plain torch": plain_quantile},
        ),
    )
]
