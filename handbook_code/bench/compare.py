"""A record, read: who is best, how surely, and who ties.

A record is the dictionary of ``record.read_record``; a table of scores has
the axes loss, setting, seed, in the order of the record's lists.
"""

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

FAMILIES = {
    "distribution": (
        "cross_entropy", "balanced_cross_entropy", "focal", "softmax_focal",
        "ghm", "poly1", "topk_cross_entropy", "distance_map_cross_entropy",
    ),
    "region": (
        "dice", "dice_squared", "jaccard", "tversky", "focal_tversky",
        "sensitivity_specificity", "generalized_dice",
        "asymmetric_similarity", "penalty_dice", "lovasz_hinge",
        "lovasz_softmax",
    ),
    "boundary": ("boundary", "boundary_dice", "hausdorff_dice"),
    "compound": (
        "combo", "exponential_logarithmic", "dice_cross_entropy",
        "dice_focal", "dice_topk",
    ),
}  # fmt: skip


def scores(record: Mapping, name: str) -> Tensor:
    """One score of every run, (losses, settings, seeds).

    ``fall`` is the largest that the Dice index of the validation pictures
    fell between two looks.
    """
    axes = [record[axis] for axis in ("losses", "settings", "seeds")]
    table = torch.full([len(axis) for axis in axes], torch.nan).double()
    for run in record["runs"]:
        if run["role"] != "run":
            continue
        at = (run["loss"], run["setting"], run["seed"])
        place = [axis.index(x) for axis, x in zip(axes, at, strict=True)]
        table[tuple(place)] = _fall(run) if name == "fall" else run[name]
    if table.isnan().any():
        raise ValueError("record: expected every run, some are missing")
    return table


def _fall(run: Mapping) -> float:
    watched = torch.tensor(run["watched"])
    if len(watched) < 2:  # diverged before the second look
        return 0.0
    return -watched.diff().min().clamp(max=0).item()


def by_rate(record: Mapping) -> Tensor:
    """The validation Dice of the tunings: (losses, settings, rates)."""
    axes = [record[axis] for axis in ("losses", "tuned_on", "rates")]
    table = torch.full([len(axis) for axis in axes], torch.nan).double()
    for run in record["runs"]:
        if run["role"] == "tuning":
            at = (run["loss"], run["setting"], run["rate"])
            place = [axis.index(x) for axis, x in zip(axes, at, strict=True)]
            table[tuple(place)] = run["validation"]
    return table


def chosen(record: Mapping) -> dict[str, float]:
    """The rate of each loss."""
    return {
        run["loss"]: run["rate"]
        for run in record["runs"]
        if run["role"] == "run"
    }


def ties(table: Tensor, *, large: bool = True) -> Tensor:
    """Which losses tie with the best of a setting, (losses, settings).

    The best has the best mean; another ties if some seed of it reaches some
    seed of the best.
    """
    good = table if large else -table
    best = good.mean(-1).argmax(0)
    worst = good.amin(-1)[best, torch.arange(good.shape[1])]
    return good.amax(-1) >= worst


def ranks(values: Tensor) -> Tensor:
    """From 1, the largest, down the first axis; equals share their mean.

    >>> ranks(torch.tensor([0.5, 0.9, 0.5])).tolist()
    [2.5, 1.0, 2.5]
    """
    larger = (values[None] > values[:, None]).sum(1)
    equal = (values[None] == values[:, None]).sum(1)
    return larger + (equal + 1) / 2


def rank_correlation(a: Tensor, b: Tensor) -> float:
    """Spearman's, of two lists of values."""
    pair = torch.stack([ranks(a), ranks(b)])
    return torch.corrcoef(pair)[0, 1].item()


def sign_test(differences: Tensor) -> float:
    """How often chance alone would give a mean as far from 0: exact.

    Under the null hypothesis each pair could as well have had the other
    sign; all signs are tried. Up to 20 pairs.

    >>> sign_test(torch.tensor([1.0, 2.0, 3.0]))
    0.25
    """
    pairs = differences.flatten().double()
    if len(pairs) > 20:
        raise ValueError(f"differences: expected up to 20, got {len(pairs)}")
    sums = torch.zeros(1).double()
    for value in pairs:
        sums = torch.cat([sums + value, sums - value])
    far = sums.abs() >= pairs.sum().abs() * (1 - 1e-12)
    return far.double().mean().item()


def holm(p: Tensor, level: float = 0.05) -> Tensor:
    """Which of many hypotheses fall, with a chance of ``level`` of any
    error (Holm 1979).

    >>> holm(torch.tensor([0.02, 0.001, 0.04, 0.3])).tolist()
    [False, True, False, False]
    """
    order = p.argsort()
    steps = level / torch.arange(len(p), 0, -1)
    passed = (p[order] <= steps).cumprod(0).bool()
    fallen = torch.zeros(len(p)).bool()
    fallen[order] = passed
    return fallen


def markdown(
    record: Mapping,
    table: Tensor,
    *,
    large: bool = True,
    digits: int = 2,
    order: Sequence[int] | None = None,
    show: Callable[[str], str] = "`{}`".format,
) -> str:
    """Means over seeds ± half their range; ties with the best are bold."""
    head = ["loss", *record["settings"]]
    rows = [head, ["---"] * len(head)]
    best = ties(table, large=large)
    half = (table.amax(-1) - table.amin(-1)) / 2
    for n in order if order is not None else range(len(table)):
        cells = [show(record["losses"][n])]
        for mean, spread, bold in zip(
            table[n].mean(-1).tolist(), half[n].tolist(), best[n], strict=True
        ):
            mark = "**" if bold else ""
            cells.append(
                f"{mark}{mean:.{digits}f}{mark} ± {spread:.{digits}f}"
            )
        rows.append(cells)
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)
