"""Lovász losses of a batch whose pixels lie on several processes.

Each rank sorts its own errors, and they go round. A pixel's place among all
is its own place plus, for each visitor, how many of its errors are larger.
Of equal errors those of the rank before come first, as in one batch.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from handbook_code._across import Ranks
from handbook_code.classification._counts import share
from handbook_code.classification._fast_lovasz import _worst_first
from handbook_code.classification._masks import binary, masks


def lovasz_softmax(
    probs: Tensor,
    target: Tensor,
    *,
    per_image: bool = False,
    reduction: str = "mean",
    ranks: Ranks,
) -> Tensor:
    dtype, p, t = masks(probs, target)
    ranks.agree()
    each, size = _lovasz((p - t).abs(), t, "probs", ranks)
    present = size > 0
    loss = share((each * present).sum(), present.sum().to(p.dtype))
    return loss.to(dtype)


def lovasz_hinge(
    logits: Tensor,
    target: Tensor,
    *,
    per_image: bool = False,
    reduction: str = "mean",
    ranks: Ranks,
) -> Tensor:
    dtype, z, t = binary(logits, target)
    ranks.agree()
    errors = (1 - (2 * t - 1) * z).relu()
    each, _ = _lovasz(errors[:, None], t[:, None], "logits", ranks)
    return each[0].to(dtype)


def _lovasz(
    errors: Tensor, truth: Tensor, name: str, ranks: Ranks
) -> tuple[Tensor, Tensor]:
    """Of (N, K, M): the losses of the classes, and how large these are."""
    rise, size = _rises(errors.detach(), truth > 0.5, name, ranks)
    return ranks.sum((errors * rise).sum((0, 2))), size


def _rises(
    errors: Tensor, truth: Tensor, name: str, ranks: Ranks
) -> tuple[Tensor, Tensor]:
    """As ``_counts.rises``, by the places of the pixels among all."""
    rows = ranks.lengths[name]
    images, classes, pixels = errors.shape
    errors, truth = (x.transpose(0, 1).flatten(1) for x in (errors, truth))
    own = images * pixels
    order = _worst_first(errors).flip(-1)
    error, true = errors.gather(-1, order), truth.gather(-1, order)
    # Of each pixel, in this order: how many errors are worse, and how many
    # true pixels are less wrong.
    worse = torch.arange(own - 1, -1, -1, device=errors.device)
    worse = worse.expand(classes, own).clone()
    left = true.cumsum(-1) - true.long()
    size = true.sum(-1, keepdim=True)

    def visit(source: int, visitors: Tensor) -> None:
        if source == ranks.rank or not rows[source]:
            return
        for k, line in enumerate(visitors.view(classes, -1)):
            true_ones = F.pad(line.signbit().cumsum(0), (1, 0))
            # Of equal errors those of a rank before are the worse ones.
            below = torch.searchsorted(
                line.abs(), error[k], right=source > ranks.rank
            )
            worse[k] += len(line) - below
            left[k] += true_ones[below]
            size[k] += true_ones[-1]

    # An error has no sign. As one, it tells the true pixels from the others.
    told = torch.copysign(error, 0.5 - true.to(error.dtype))
    ranks.tour(name, visit, told.view(images, classes * pixels))
    rise = _rise(worse, left, true, size).to(errors.dtype)
    rise = torch.empty_like(errors).scatter_(-1, order, rise)
    rise = rise.view(classes, images, pixels).transpose(0, 1)
    return rise, size[:, 0]


def _rise(worse: Tensor, left: Tensor, true: Tensor, size: Tensor) -> Tensor:
    """By how much the Jaccard loss rises at a pixel, without cancellation."""
    others = left + worse
    part = torch.where(true, 1, left.double() / (others + 1))
    rise = part / (others + true).clamp(min=1)
    return torch.where((size == 0) & (worse == 0), 1, rise)
