"""Losses of embeddings by their distances and similarities."""

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from handbook_code import (
    batch_hard_triplet_loss,
    info_nce_loss,
    triplet_loss,
)
from handbook_code.bench.peers import load
from handbook_code.bench.workloads import Loss, Workload


def views(count: int, width: int, draw: Generator) -> tuple[Tensor, Tensor]:
    """Embeddings of two views of each sample."""
    x, noise = torch.randn(2, count, width, generator=draw).unbind()
    return x, x + noise


def line_up(x1: Tensor, x2: Tensor) -> Tensor:
    return info_nce_loss(x1, x2, temperature=0.1)


def torch_line_up() -> Loss:
    def loss(x1: Tensor, x2: Tensor) -> Tensor:
        cosines = F.normalize(x1, dim=-1) @ F.normalize(x2, dim=-1).T
        own = torch.arange(len(x1), device=x1.device)
        return F.cross_entropy(cosines / 0.1, own)

    return loss


def both_ways(x1: Tensor, x2: Tensor) -> Tensor:
    return info_nce_loss(x1, x2, temperature=0.1, symmetric=True)


def clip() -> Loss:
    """As open_clip has it: a matrix for each direction."""

    def loss(x1: Tensor, x2: Tensor) -> Tensor:
        x1, x2 = F.normalize(x1, dim=-1), F.normalize(x2, dim=-1)
        own = torch.arange(len(x1), device=x1.device)
        there = F.cross_entropy(10 * x1 @ x2.T, own)
        back = F.cross_entropy(10 * x2 @ x1.T, own)
        return (there + back) / 2

    return loss


def all_with_all(x1: Tensor, x2: Tensor) -> Tensor:
    return line_up(torch.cat([x1, x2]), torch.cat([x2, x1]))


def lightly_nt_xent() -> Loss:
    return load("lightly.loss").NTXentLoss(0.1)


def triplets(count: int, width: int, draw: Generator) -> list[Tensor]:
    return list(torch.randn(3, count, width, generator=draw).unbind())


def torch_triplet() -> Loss:
    return torch.nn.TripletMarginWithDistanceLoss(
        distance_function=lambda x, y: (x - y).square().sum(-1), margin=0.2
    )


def kinds(count: int, width: int, draw: Generator) -> tuple[Tensor, Tensor]:
    """Embeddings, four of each kind."""
    labels = torch.arange(count) // 4
    return (
        torch.randn(count, width, generator=draw),
        labels[torch.randperm(count, generator=draw)],
    )


def metric_learning_batch_hard() -> Loss:
    lp = load("pytorch_metric_learning.distances").LpDistance
    distance = lp(normalize_embeddings=False, power=2)
    mine = load("pytorch_metric_learning.miners").BatchHardMiner(
        distance=distance
    )
    loss = load("pytorch_metric_learning.losses").TripletMarginLoss(
        margin=0.2,
        distance=distance,
        reducer=load("pytorch_metric_learning.reducers").MeanReducer(),
    )
    return lambda x, labels: loss(x, labels, mine(x, labels))


def torch_batch_hard() -> Loss:
    def loss(x: Tensor, labels: Tensor) -> Tensor:
        apart = torch.cdist(x, x).square()
        same = labels[:, None] == labels
        far = apart.masked_fill(~same, 0).amax(1)
        near = apart.masked_fill(same, torch.inf).amin(1)
        return (far - near + 0.2).relu().mean()

    return loss


SIZES = {
    "32×128": (32, 128),
    "1024×128": (1024, 128),
    "4096×128": (4096, 128),
}
WORKLOADS = [
    Workload(
        name="triplet_loss",
        ours=triplet_loss,
        peers={"torch": torch_triplet},
        make=triplets,
        sizes=SIZES,
        slopes=3,
    ),
    Workload(
        name="batch_hard_triplet_loss",
        ours=batch_hard_triplet_loss,
        peers={
            "torch": torch_batch_hard,
            "pytorch-metric-learning": metric_learning_batch_hard,
        },
        make=kinds,
        sizes=SIZES,
        exponents=(2.0, 1.0),
    ),
    Workload(
        name="info_nce_loss",
        ours=line_up,
        peers={"torch": torch_line_up},
        make=views,
        sizes=SIZES,
        slopes=2,
        exponents=(2.0, 1.0),
    ),
    Workload(
        name="info_nce_loss, both directions",
        ours=both_ways,
        peers={"torch": clip},
        make=views,
        sizes={
            "32×512": (32, 512),
            "1024×512": (1024, 512),
            "4096×512": (4096, 512),
        },
        slopes=2,
        exponents=(2.0, 1.0),
    ),
    Workload(
        name="info_nce_loss, both views on both sides",
        ours=all_with_all,
        peers={"lightly": lightly_nt_xent},
        make=views,
        sizes=SIZES,
        slopes=2,
        exponents=(2.0, 1.0),
        differ={"lightly": "leaves each row out of its own line-up"},
    ),
]
