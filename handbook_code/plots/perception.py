"""What distances between pictures say of the same distortions."""

from collections.abc import Mapping
from itertools import cycle

import matplotlib.pyplot as plt
from torch import Tensor

MARKERS = ("o", "s", "^", "D", "v", "P")


def standings(scores: Mapping[str, Mapping[str, Tensor]], unit: str) -> None:
    """For each distance, every distortion's value over that of ``unit``.

    A distance maps a distortion to one value a picture; dots are pictures,
    and the line goes through their medians.
    """
    _, ax = plt.subplots(figsize=(6.8, 3.2))
    names = list(next(iter(scores.values())))
    for place, (name, marker) in enumerate(zip(names, cycle(MARKERS))):
        colour, aside = f"C{place % 6}", 0.06 * (place - len(names) / 2)
        middles = []
        for column, values in enumerate(scores.values()):
            ratio = values[name] / values[unit]
            middles.append(ratio.median())
            ax.plot(
                [column + aside] * len(ratio), ratio, marker, ms=3,
                color=colour, alpha=0.5, mew=0,
            )  # fmt: skip
        ax.plot(
            [c + aside for c in range(len(scores))], middles, color=colour,
            marker=marker, ms=6, lw=1, label=name,
        )  # fmt: skip
    ax.set(yscale="log", ylabel=f"distance, relative to {unit}")
    ax.set_xticks(range(len(scores)), scores, color="0.35")
    ax.tick_params(axis="x", length=0)
    ax.legend(
        frameon=False, bbox_to_anchor=(1, 1), loc="upper left", fontsize=8
    )
    plt.show()
