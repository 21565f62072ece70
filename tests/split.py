"""A batch in parts, and what one process and several make of it."""

import torch
import torch.distributed as dist
from torch import Tensor

WAYS = {  # how 13 rows lie on two ranks, and on four
    2: [(7, 6), (4, 9), (0, 13), (12, 1)],
    4: [(4, 3, 3, 3), (1, 5, 0, 7), (13, 0, 0, 0), (0, 0, 6, 7)],
}
N = 13


def part(x: Tensor, lengths: tuple[int, ...]) -> Tensor:
    """That of this rank, a leaf of its own."""
    own = x.split(list(lengths))[dist.get_rank()].detach().clone()
    return own.requires_grad_(x.requires_grad)


def largest(answers: list) -> float:
    """Of what all ranks found; or the error of one."""
    for answer in answers:
        if isinstance(answer, Exception):
            raise answer
    return max(answers)


def compare(
    loss,
    whole: dict[str, Tensor],
    cuts: dict[str, tuple[int, ...]],
    shards: tuple[str, ...] = (),
    **keywords,
) -> float:
    """The largest difference of value and gradient, beside the largest.

    Args:
        loss: the public function.
        whole: its tensors, by name.
        cuts: how many rows of each are on each rank. A tensor without is
            the same on all.
        shards: those that belong to a rank, whose gradient is as it is.
        keywords: of the loss.
    """
    size, world = dist.get_world_size(), dist.group.WORLD
    parts = {n: part(x, cuts[n]) if n in cuts else x for n, x in whole.items()}
    value = loss(**parts, **keywords, group=world)
    right = loss(**whole, **keywords)
    rows = next(iter(cuts.values()))
    if value.dim():
        pull = torch.linspace(-1, 2, len(right), dtype=right.dtype)
        mine = pull.split(list(rows))[dist.get_rank()]
        expected = right.detach().split(list(rows))[dist.get_rank()]
        factor = 1
    else:
        # Ranks may make different things of the value: 1, 2, 3, … times it.
        mine = torch.tensor(1.0 + dist.get_rank(), dtype=right.dtype)
        pull, expected = torch.ones_like(right), right.detach()
        factor = size * (size + 1) / 2
    gaps = [_gap(value.detach(), expected)]
    needy = [n for n, x in whole.items() if x.requires_grad]
    ours = torch.autograd.grad(value, [parts[n] for n in needy], mine)
    slopes = torch.autograd.grad(right, [whole[n] for n in needy], pull)
    for name, own, slope in zip(needy, ours, slopes, strict=True):
        slope = slope * factor / (size if name in shards else 1)
        gaps.append(_gap(own, part(slope, cuts[name]), slope))
    return max(gaps)


def _gap(ours: Tensor, right: Tensor, scale: Tensor | None = None) -> float:
    if ours.shape != right.shape or not ours.isfinite().all():
        return float("inf")
    if not ours.numel():
        return 0.0
    most = (right if scale is None else scale).abs().max().clamp(min=1e-3)
    return ((ours - right).abs().max() / most).item()
