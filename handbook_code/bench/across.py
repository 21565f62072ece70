"""What losses over several processes send and hold, and what goes wrong."""

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from handbook_code import _across, arcface_loss, info_nce_loss
from handbook_code.bench.meter import Largest, rise


def traffic(loss: str, rows: int, width: int, classes: int) -> tuple[int, int]:
    """Bytes that this rank sends round, and the largest tensor it makes.

    Args:
        loss: ``"info_nce"`` or ``"arcface"``.
        rows: n, of this rank.
        width: D.
        classes: of this rank.
    """
    x = torch.randn(rows, width, requires_grad=True)
    _across.sent.clear()
    with Largest() as largest:
        if loss == "info_nce":
            y = torch.randn(rows, width, requires_grad=True)
            value = info_nce_loss(x, y, group=dist.group.WORLD)
        else:
            y = torch.randn(classes, width, requires_grad=True)
            labels = torch.randint(classes, (rows,))
            value = arcface_loss(x, y, labels, group=dist.group.WORLD)
        value.backward()
    return _across.sent["ring"], largest.elements


def memory(loss: str, rows: int, width: int, classes: int) -> int:
    """By how many bytes the memory rises at most, arguments included.

    Args:
        loss: as in ``traffic``, and the same numbers.
    """
    return rise(lambda: traffic(loss, rows, width, classes))


def mistakes() -> dict[str, float]:
    """How far each way's gradient is from that of one process.

    Of two towers and InfoNCE, as a part of the gradient's largest element.
    """
    rank, size = dist.get_rank(), dist.get_world_size()
    draw = torch.Generator().manual_seed(0)
    x = torch.randn(24, 10, generator=draw, dtype=torch.float64)

    def gathered(z: Tensor) -> Tensor:
        parts = [torch.empty_like(z) for _ in range(size)]
        dist.all_gather(parts, z.detach())  # which cuts the gradient
        parts[rank] = z
        return torch.cat(parts)

    def alone(a: Tensor, b: Tensor) -> Tensor:
        return info_nce_loss(a, b)

    def own_rows(a: Tensor, b: Tensor) -> Tensor:
        losses = info_nce_loss(gathered(a), gathered(b), reduction="none")
        return losses.tensor_split(size)[rank].mean()

    def all_rows(a: Tensor, b: Tensor) -> Tensor:
        return info_nce_loss(gathered(a), gathered(b))

    def group(a: Tensor, b: Tensor) -> Tensor:
        return info_nce_loss(a, b, group=dist.group.WORLD)

    def slope(loss, model, x: Tensor) -> Tensor:
        loss(model(x), model(x.flip(1))).backward()
        return next(model.parameters()).grad

    def network() -> nn.Module:
        torch.manual_seed(1)
        return nn.Linear(10, 8, dtype=torch.float64)

    right = slope(alone, network(), x)
    found = {}
    for way in (alone, own_rows, all_rows, group):
        model = DistributedDataParallel(network())
        ours = slope(way, model, x.tensor_split(size)[rank])
        found[way.__name__] = (
            (ours - right).abs().max() / right.abs().max()
        ).item()
    return found
