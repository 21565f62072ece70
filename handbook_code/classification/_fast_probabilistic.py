"""Losses of probabilities with their slopes, in one pass over the logits."""

import torch
import torch.nn.functional as F
from torch import Tensor

from handbook_code._checks import check_nonnegative, check_unit_interval
from handbook_code._fused import elementwise
from handbook_code.classification._labels import binary


def focal(
    logits: Tensor,
    target: Tensor,
    *,
    alpha: float | None = 0.25,
    gamma: float = 2.0,
    reduction: str = "mean",
    wanted: tuple[bool],
) -> tuple[Tensor, tuple[Tensor | None]]:
    check_nonnegative(gamma=gamma)
    if alpha is not None:
        check_unit_interval(alpha=alpha)
    binary(logits, target)

    def kernel(z: Tensor, y: Tensor, slope: Tensor | None) -> Tensor:
        sign = 1 - 2 * y
        u = sign * z
        surprise, wrong = F.softplus(u), torch.sigmoid(u)
        weight = wrong.pow(gamma)
        if alpha is not None:
            weight.mul_((2 * alpha - 1) * y + (1 - alpha))
        if slope is not None:
            torch.mul(1 - wrong, surprise, out=slope).mul_(gamma)
            slope.add_(wrong).mul_(weight).mul_(sign)
        return surprise.mul_(weight)

    loss, slope = elementwise(kernel, logits, target, reduction, wanted[0])
    return loss, (slope,)
