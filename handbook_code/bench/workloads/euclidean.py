"""Losses of embeddings by their distances and similarities."""

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from handbook_code import info_nce_loss, triplet_loss
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
    return (line_up(x1, x2) + line_up(x2, x1)) / 2


def torch_both_ways() -> Loss:
    loss = torch_line_up()
    return lambda x1, x2: (loss(x1, x2) + loss(x2, x1)) / 2


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
        peers={"torch": torch_both_ways},
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
