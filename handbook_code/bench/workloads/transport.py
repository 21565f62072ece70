"""Entropic optimal transport of clouds of points."""

from functools import partial

import torch
from torch import Generator, Tensor

from handbook_code import sinkhorn_divergence
from handbook_code.bench.peers import load
from handbook_code.bench.workloads import Loss, Workload

BLUR = 0.05  # of geomloss, whose cost is half of ours


def clouds(count: int, width: int, draw: Generator) -> tuple[Tensor, Tensor]:
    x, y = torch.rand(2, count, width, generator=draw).unbind()
    return x, 0.8 * y + 0.3


def divergence(x: Tensor, y: Tensor) -> Tensor:
    """With as many rounds as geomloss takes from a diameter of two."""
    return sinkhorn_divergence(x, y, epsilon=2 * BLUR**2, iterations=8)


def near_its_limit(x: Tensor, y: Tensor) -> Tensor:
    """With rounds until about a thousandth of the value is left."""
    return sinkhorn_divergence(x, y, epsilon=2 * BLUR**2, iterations=32)


def geomloss(scaling: float = 0.5) -> Loss:
    loss = load("geomloss").SamplesLoss(
        "sinkhorn", p=2, blur=BLUR, scaling=scaling, backend="tensorized"
    )
    return lambda x, y: 2 * loss(x, y)


WORKLOADS = [
    Workload(
        name="sinkhorn_divergence",
        ours=divergence,
        peers={"geomloss": geomloss},
        make=clouds,
        sizes={
            "100×3": (100, 3),
            "1000×3": (1000, 3),
            "5000×3": (5000, 3),
        },
        slopes=2,
        exponents=(2.0, 1.0),
        differ={"geomloss": "another way down to ε in as many rounds"},
    ),
    Workload(
        name="sinkhorn_divergence, equally near its limit",
        ours=near_its_limit,
        peers={"geomloss": partial(geomloss, 0.95)},
        make=clouds,
        sizes={
            "100×3": (100, 3),
            "300×3": (300, 3),
            "1000×3": (1000, 3),
        },
        slopes=2,
        exponents=(2.0, 1.0),
        differ={"geomloss": "another way to the limit, as near after it"},
    ),
]
