"""How far a distance agrees with an opinion: correlations, with intervals."""

from collections.abc import Callable, Hashable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from scipy import stats
from torch import Tensor

STATISTICS: dict[str, Callable] = {
    "spearman": stats.spearmanr,
    "kendall": stats.kendalltau,
    "pearson": stats.pearsonr,
}


class Correlation(NamedTuple):
    """A coefficient, and where it comes to lie with other references."""

    value: float
    low: float
    high: float


def correlation(
    distance: Tensor,
    opinion: Tensor,
    references: Sequence[Hashable] | Tensor,
    *,
    statistic: str = "spearman",
    resamples: int = 1000,
    coverage: float = 0.95,
    seed: int = 0,
) -> Correlation:
    """How a distance goes with an opinion, over pictures of some references.

    An opinion score is high where a picture is good, and a distance high
    where it is bad: of a distance that follows opinion the coefficient is
    near −1. With another distance in place of the opinion it is near 1.

    Pictures made from one reference are not independent. So the interval is a
    percentile bootstrap over references: each draw takes as many of them as
    there are, with all their pictures.

    Args:
        distance: one number a picture, (N,).
        opinion: as many.
        references: what each picture was made from, (N,), a tensor or names.
        statistic: ``"spearman"``, ``"kendall"`` or ``"pearson"``, of scipy.
        resamples: draws of the bootstrap; 0 for none, and a nan interval.
        coverage: of the interval, between 0 and 1.
        seed: of the draws.

    Returns:
        The coefficient, and the ends of its interval.

    Raises:
        ValueError: if lengths differ, a number is not finite, one of the two
            is constant, or the statistic is unknown.

    >>> far, good = torch.tensor([0., 1, 2, 3]), torch.tensor([9., 7, 6, 1])
    >>> correlation(far, good, [1, 1, 2, 2]).value
    -1.0
    """
    if statistic not in STATISTICS:
        raise ValueError(
            f"statistic: expected one of {', '.join(STATISTICS)}, "
            f"got {statistic!r}"
        )
    of = STATISTICS[statistic]
    d, s = (_column(n, v) for n, v in [("distance", distance),
                                       ("opinion", opinion)])  # fmt: skip
    groups = [getattr(name, "item", lambda n=name: n)() for name in references]
    if not len(d) == len(s) == len(groups):
        raise ValueError(
            f"opinion, references: expected one for each of {len(d)} "
            f"distances, got {len(s)} and {len(groups)}"
        )
    members = [
        np.array([n for n, name in enumerate(groups) if name == group])
        for group in dict.fromkeys(groups)
    ]
    dice, drawn = np.random.default_rng(seed), []
    for _ in range(resamples):
        of_these = dice.integers(len(members), size=len(members))
        rows = np.concatenate([members[k] for k in of_these])
        if np.ptp(d[rows]) > 0 and np.ptp(s[rows]) > 0:
            drawn.append(of(d[rows], s[rows]).statistic)
    tail = (1 - coverage) / 2
    ends = np.quantile(drawn, [tail, 1 - tail]) if drawn else [np.nan] * 2
    return Correlation(float(of(d, s).statistic), *map(float, ends))


def within(
    distance: Tensor,
    opinion: Tensor,
    references: Sequence[Hashable] | Tensor,
    parts: Sequence[Hashable] | Tensor,
    **keywords,
) -> dict[Hashable, Correlation]:
    """``correlation`` in each part by itself: a kind, a level, a reference.

    Over all kinds and levels together, much of a correlation may be that
    stronger distortions are larger in every distance. Within a kind it is
    nearly all that there is; within a level it is not there.
    """
    keys = [getattr(part, "item", lambda p=part: p)() for part in parts]
    found = {}
    for part in dict.fromkeys(keys):
        rows = [n for n, key in enumerate(keys) if key == part]
        found[part] = correlation(
            torch.as_tensor(distance)[rows],
            torch.as_tensor(opinion)[rows],
            [references[n] for n in rows],
            **keywords,
        )
    return found


def _column(name: str, values: Tensor) -> np.ndarray:
    column = torch.as_tensor(values).detach().cpu().double().numpy()
    if column.ndim != 1 or not np.isfinite(column).all():
        raise ValueError(
            f"{name}: expected a finite number for each picture, (N,), got "
            f"{tuple(column.shape)} with "
            f"{int((~np.isfinite(column)).sum())} that are not finite"
        )
    if len(column) < 2 or np.ptp(column) == 0:
        raise ValueError(
            f"{name}: expected two different numbers at least, "
            f"got {column[:1].tolist() or 'none'} alone"
        )
    return column
