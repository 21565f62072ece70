"""What a drawn region is worth: overlap, distance of borders, calibration.

Regions are masks (H, W) of bool; probabilities are of the foreground.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F


def dice(drawn: Tensor, truth: Tensor) -> float:
    """2 |A ∩ B| / (|A| + |B|); two empty regions agree: 1.

    >>> dice(torch.tensor([[True, True]]), torch.tensor([[True, False]]))
    0.6666666666666666
    """
    areas = int(drawn.sum() + truth.sum())
    return 2 * int((drawn & truth).sum()) / areas if areas else 1.0


def border(region: Tensor) -> Tensor:
    """Where the pixels are, (M, 2), that touch the outside by a side.

    What lies beyond the picture is outside.
    """
    around = F.pad(region, (1, 1, 1, 1))
    inside = (
        around[:-2, 1:-1] & around[2:, 1:-1]
        & around[1:-1, :-2] & around[1:-1, 2:]
    )  # fmt: skip
    return (region & ~inside).nonzero()


def hd95(drawn: Tensor, truth: Tensor) -> float:
    """The distance, in pixels, within which 95 % of either border lies.

    The larger of two numbers: the 95th percentile of the distances from the
    border of one region to the nearest border pixel of the other, and the
    reverse. Two empty regions agree: 0. If one alone is empty, the diagonal
    of the picture, which is further than any two of its pixels.

    >>> region = torch.zeros(9, 9).bool()
    >>> region[2:5, 2:5] = True
    >>> hd95(region, region.roll(2, 1))
    2.0
    """
    a, b = border(drawn).float(), border(truth).float()
    if len(a) == 0 or len(b) == 0:
        alone = len(a) + len(b) > 0
        return math.hypot(*drawn.shape) if alone else 0.0
    return max(
        _nearest(here, there).quantile(0.95).item()
        for here, there in ((a, b), (b, a))
    )


def _nearest(here: Tensor, there: Tensor) -> Tensor:
    # In rows: all pairs of a large picture would not fit.
    exact = "donot_use_mm_for_euclid_dist"
    rows = (
        torch.cdist(part, there, compute_mode=exact).amin(1)
        for part in here.split(1024)
    )
    return torch.cat(list(rows))


def expected_calibration_error(
    probs: Tensor, truth: Tensor, *, bins: int = 15
) -> float:
    """How far probabilities are from frequencies.

    Pixels in bins of equal width by their probability; in each the absolute
    difference between the mean probability and the share of the foreground;
    their mean, weighted by pixels.

    >>> probs = torch.tensor([0.2, 0.2, 0.2, 0.2, 0.2])
    >>> truth = torch.tensor([1, 1, 1, 0, 0]).bool()
    >>> round(expected_calibration_error(probs, truth), 3)
    0.4
    """
    p, t = probs.flatten().double(), truth.flatten().double()
    index = (p * bins).long().clamp(max=bins - 1)
    gap = torch.zeros(bins, dtype=p.dtype, device=p.device)
    return (gap.index_add(0, index, p - t).abs().sum() / len(p)).item()


def brier(probs: Tensor, truth: Tensor) -> float:
    """The mean squared difference of probability and truth."""
    return (probs.double() - truth.double()).square().mean().item()


def best_level(probs: Tensor, truth: Tensor) -> tuple[float, float]:
    """The level to cut at for the largest Dice, and this Dice.

    Every cut that differs is tried, half-way between two probabilities. Of
    cuts as good the one nearest to one half.

    >>> probs = torch.tensor([0.125, 0.5, 0.25])
    >>> best_level(probs, torch.tensor([False, True, False]))
    (0.375, 1.0)
    """
    p, order = probs.flatten().double().sort(descending=True)
    t = truth.flatten()[order].double()
    drawn = torch.arange(1, len(t) + 1, device=t.device)
    index = 2 * t.cumsum(0) / (drawn + t.sum())
    below = torch.cat([p[1:], p.new_zeros(1)])
    index = torch.where(p > below, index, -1.0)
    level = (p + below) / 2
    far = torch.where(index == index.max(), (level - 0.5).abs(), 1.0)
    best = far.argmin()
    return level[best].item(), index[best].item()


def judge(
    probs: Sequence[Tensor],
    masks: Sequence[Tensor],
    *,
    level: float | None = None,
) -> dict[str, float]:
    """Scores of pictures whose classes are predicted.

    Args:
        probs: for each picture those of the foreground, (1, H, W), cut at one
            half; or of all classes, (K, H, W), of which the largest is drawn.
        masks: the class of each pixel, (H, W).
        level: found on other pictures to cut a lone foreground at; then
            ``dice_cut`` and ``hd95_cut`` are the scores of that cut.

    Returns:
        ``dice`` of all pictures as one, and ``hd95``, the mean over the
        pictures that have a true pixel; ``ece`` and ``brier`` of all pixels;
        ``area``, drawn over true. Of several classes each is judged against
        the rest, and the mean is taken without class 0.
    """
    classes = len(probs[0])
    if classes == 1:
        p = [picture[0] for picture in probs]
        truth = [mask > 0 for mask in masks]
        found = _judge([x > 0.5 for x in p], truth, p)
        if level is not None:
            cut = _judge([x.double() > level for x in p], truth, p)
            found |= {f"{name}_cut": cut[name] for name in ("dice", "hd95")}
        return found
    each = [
        _judge(
            [picture.argmax(0) == k for picture in probs],
            [mask == k for mask in masks],
            [picture[k] for picture in probs],
        )
        for k in range(1, classes)
    ]
    return {
        name: sum(found[name] for found in each) / len(each)
        for name in each[0]
    }


def _judge(
    drawn: Sequence[Tensor], truth: Sequence[Tensor], probs: Sequence[Tensor]
) -> dict[str, float]:
    d, t, p = (
        torch.cat([picture.flatten() for picture in pictures])
        for pictures in (drawn, truth, probs)
    )
    borders = [
        hd95(a, b) for a, b in zip(drawn, truth, strict=True) if b.any()
    ]
    return {
        "dice": dice(d, t),
        "hd95": sum(borders) / max(len(borders), 1),
        "ece": expected_calibration_error(p, t),
        "brier": brier(p, t),
        "area": int(d.sum()) / max(int(t.sum()), 1),
    }
