"""Losses of probabilities with their slopes, in one pass over the logits."""

import math
from collections.abc import Callable
from itertools import repeat

import torch
import torch.nn.functional as F
from torch import Tensor

from handbook_code._checks import (
    check_at_least,
    check_count,
    check_nonnegative,
    check_unit_interval,
)
from handbook_code._fused import block, elementwise
from handbook_code._reduce import cast, check_reduction
from handbook_code.classification._labels import (
    binary,
    counted,
    of_classes,
    of_one_class,
    shares,
)


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
        sign = torch.rsub(y, 1, alpha=2)  # 1 − 2 y
        u = sign * z
        surprise, wrong = F.softplus(u), torch.sigmoid(u)
        weight = wrong.pow(gamma)
        if alpha is not None:
            weight.mul_((2 * alpha - 1) * y + (1 - alpha))
        if slope is not None:
            # d(q^γ s) = q^γ (q + γ (1 − q) s) du,  ds = q du
            right = 1 - wrong
            torch.addcmul(wrong, right, surprise, value=gamma, out=slope)
            slope.mul_(weight).mul_(sign)
        return surprise.mul_(weight)

    loss, slope = elementwise(kernel, logits, target, reduction, wanted[0])
    return loss, (slope,)


def is_of_rows(logits=None, target=None, *_, **__) -> bool:
    """One class per row: what the passes below can do."""
    return (
        isinstance(logits, Tensor)
        and isinstance(target, Tensor)
        and logits.dim() == 2
        and target.dim() == 1
    )


def cross_entropy(
    logits: Tensor,
    target: Tensor,
    *,
    weight: Tensor | None = None,
    label_smoothing: float = 0.0,
    ignore_index: int = -100,
    reduction: str = "mean",
    wanted: tuple[bool],
) -> tuple[Tensor, tuple[Tensor | None]]:
    check_unit_interval(label_smoothing=label_smoothing)
    dtype, z, t, weight = of_classes(logits, target, weight)
    share = shares(z, t, weight, ignore_index)
    # A class has of ε a part a, in the loss of whatever counts.
    a = label_smoothing / z.shape[1]
    all_a = label_smoothing
    if weight is not None:
        a = a * weight
        all_a = a.sum()

    def kernel(z, t, counts, share, pull, slope):
        of_true = (1 - label_smoothing) * share
        high = z.amax(dim=1, keepdim=True)
        below = torch.sub(z, high, out=slope)
        # L = (wₜ′ + Σ a) log Σ exp z − wₜ′ zₜ − Σ a z,  wₜ′ = (1 − ε) wₜ
        hit = of_true * below.gather(1, t[:, None])[:, 0]
        if label_smoothing and weight is None:
            hit += a * below.sum(dim=1)
        elif label_smoothing:
            hit += torch.mv(below, a)
        powers = below.exp_()
        total = powers.sum(dim=1)
        mass = of_true + all_a
        each = torch.where(counts, mass * total.log() - hit, 0)
        if slope is not None:
            pull = (pull * counts)[:, None]
            slope.mul_(pull * (mass / total)[:, None]).sub_(a * pull)
            slope.scatter_add_(1, t[:, None], -pull * of_true[:, None])
        return each

    return _by_rows(
        kernel, z, t, share, ignore_index, reduction, wanted, dtype
    )


def torch_s_cross_entropy(
    logits: Tensor,
    target: Tensor,
    *,
    weight: Tensor | None = None,
    label_smoothing: float = 0.0,
    ignore_index: int = -100,
    reduction: str = "mean",
) -> Tensor | None:
    check_unit_interval(label_smoothing=label_smoothing)
    dtype, z, t, weight = of_classes(logits, target, weight)
    check_reduction(reduction)
    if not z.is_cpu:  # since below a value is read
        return None
    loss = F.cross_entropy(
        z,
        t,
        weight,
        ignore_index=ignore_index,
        label_smoothing=label_smoothing,
        reduction=reduction,
    )
    # Of nothing that counts torch's mean is NaN.
    if reduction == "mean" and math.isnan(loss.item()):
        return None
    return cast(loss, dtype)


def softmax_focal(
    logits: Tensor,
    target: Tensor,
    *,
    gamma: float = 2.0,
    weight: Tensor | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    wanted: tuple[bool],
) -> tuple[Tensor, tuple[Tensor | None]]:
    check_nonnegative(gamma=gamma)

    def curve(u: Tensor) -> tuple[Tensor, Tensor]:
        surprise, wrong = F.softplus(u), torch.sigmoid(u)
        shade = wrong.pow(gamma)
        bend = torch.addcmul(wrong, 1 - wrong, surprise, value=gamma)
        return shade * surprise, shade * bend

    given = logits, target, weight, ignore_index
    return _by_odds(curve, *given, reduction, wanted)


def poly1(
    logits: Tensor,
    target: Tensor,
    *,
    epsilon: float = 1.0,
    weight: Tensor | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    wanted: tuple[bool],
) -> tuple[Tensor, tuple[Tensor | None]]:
    check_at_least(-1, epsilon=epsilon)

    def curve(u: Tensor) -> tuple[Tensor, Tensor]:
        q = torch.sigmoid(u)
        slope = q + epsilon * q * torch.sigmoid(-u)
        return F.softplus(u) + epsilon * q, slope

    given = logits, target, weight, ignore_index
    return _by_odds(curve, *given, reduction, wanted)


def ghm(
    logits: Tensor,
    target: Tensor,
    *,
    bins: int = 10,
    mask: Tensor | None = None,
    wanted: tuple[bool],
) -> tuple[Tensor, tuple[Tensor | None]]:
    dtype, z, y = binary(logits, target)
    check_count(bins=bins)
    slope = z.new_empty(z.numel()) if wanted[0] else None
    place = torch.empty(z.numel(), dtype=torch.int32, device=z.device)
    # What the mask leaves out is in a bin of its own, which weighs nothing.
    found = torch.zeros(bins + 1, dtype=torch.long, device=z.device)
    flat = [z.reshape(-1), y.reshape(-1)]
    if mask is not None:
        flat.append(counted(z, mask, "logits").reshape(-1))
    parts = [slice(i, i + block(z)) for i in range(0, len(place), block(z))]

    def pair(part: slice) -> tuple[Tensor, ...]:
        x, y, *valid = (t[part] for t in flat)
        return (x.where(*valid, 0), y.where(*valid, 0)) if valid else (x, y)

    for part in parts:
        x, y = pair(part)
        out = None if slope is None else slope[part]
        error = torch.sigmoid(x, out=out).sub_(y)
        k = (error.abs() * bins).to(torch.int32).clamp_(0, bins - 1)
        if mask is not None:
            k.masked_fill_(~flat[2][part], bins)
        place[part] = k
        found += _count(k, bins + 1)
    weight = torch.where(found > 0, 1 / (bins * found), 0).to(z.dtype)
    weight[bins] = 0
    values = []
    for part in parts:
        x, y = pair(part)
        w = weight.index_select(0, place[part])
        each = F.binary_cross_entropy_with_logits(x, y, reduction="none")
        values.append(torch.dot(w, each))
        if slope is not None:
            slope[part].mul_(w)
    loss = torch.stack(values).sum().to(dtype)
    return loss, (None if slope is None else slope.view(z.shape),)


def _count(k: Tensor, bins: int) -> Tensor:
    """How often each number occurs. On a GPU bincount would wait."""
    if k.device.type == "cpu":
        return torch.bincount(k, minlength=bins)
    none = torch.zeros(bins, dtype=torch.long, device=k.device)
    return none.scatter_add_(0, k.long(), torch.ones_like(k).long())


def _by_odds(
    curve: Callable[[Tensor], tuple[Tensor, Tensor]],
    logits: Tensor,
    target: Tensor,
    weight: Tensor | None,
    ignore_index: int,
    reduction: str,
    wanted: tuple[bool],
) -> tuple[Tensor, tuple[Tensor | None]]:
    """A loss of the log odds u against what is true.

    u = log Σ exp zₖ − zₜ, of k ≠ t; its slope in zₖ is the part of k in the
    sum, and −1 in zₜ.
    """
    dtype, z, t, weight = of_one_class(logits, target, weight)
    share = shares(z, t, weight, ignore_index)

    def kernel(z, t, counts, share, pull, slope):
        place = t[:, None]
        others = torch.empty_like(z) if slope is None else slope
        others.copy_(z).scatter_(1, place, torch.finfo(z.dtype).min)
        high = others.amax(dim=1, keepdim=True)
        powers = others.sub_(high).exp_()
        total = powers.sum(dim=1, keepdim=True)
        u = (total.log() + (high - z.gather(1, place)))[:, 0]
        value, bend = curve(u)
        if slope is not None:
            pull = (pull * share * bend)[:, None]
            slope.mul_(pull / total).scatter_(1, place, -pull)
            # What is ignored may be NaN. To ask a GPU is to wait.
            if z.device.type != "cpu" or not counts.all():
                slope.masked_fill_(~counts[:, None], 0)
        return torch.where(counts, share * value, 0)

    return _by_rows(
        kernel, z, t, share, ignore_index, reduction, wanted, dtype
    )


def _by_rows(
    kernel: Callable[..., Tensor],
    z: Tensor,
    t: Tensor,
    share: Tensor,
    ignore_index: int,
    reduction: str,
    wanted: tuple[bool],
    dtype: torch.dtype,
) -> tuple[Tensor, tuple[Tensor | None]]:
    """The pass of a loss of a row of logits and its class, by blocks.

    ``kernel`` takes rows, their classes, which of them count, the share of
    each, what to multiply slopes by, and where to put them, if anywhere.
    """
    check_reduction(reduction)
    counts = t != ignore_index
    t = t.where(counts, 0)
    pull = torch.ones_like(share)
    if reduction == "mean":
        total = share.sum()
        pull = pull / total.where(total != 0, 1)
    slope = z.new_empty(z.shape) if wanted[0] else None
    given = (z, t, counts, share, pull)
    rows = max(1, 2 * block(z) // z.shape[1])  # little else is kept
    if len(z) <= rows:
        each = kernel(*given, slope)
    else:
        outs = repeat(None) if slope is None else slope.split(rows)
        blocks = zip(*(x.split(rows) for x in given), outs, strict=False)
        each = torch.cat([kernel(*parts) for parts in blocks])
    loss = each if reduction == "none" else (each.sum() * pull[0])
    return loss.to(dtype), (slope,)
