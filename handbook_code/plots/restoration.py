"""Many losses by many measures: a table that is read by its colours."""

import math
from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import torch
from matplotlib.patches import Rectangle
from torch import Tensor

from handbook_code.plots.pictures import BLUE, GREEN, ORANGE

LOOKS = (("s", ORANGE), ("o", BLUE), ("D", GREEN))


def league(
    table: Mapping[str, Mapping[str, Tensor]],
    level: Mapping[str, Sequence[str]],
    home: Mapping[str, str],
    *,
    rule: int,
) -> None:
    """Means over the runs, by measure (columns) and method (rows).

    Half of the range of the runs stands below, smaller.

    ``level`` names for each measure the methods to be shaded, ``home`` for
    each method its measure, which gets a frame. A line before the column
    ``rule``.
    """
    rows = list(next(iter(table.values())))
    _, axis = plt.subplots(figsize=(6.8, 0.33 * len(rows) + 0.45))
    for column, (measure, methods) in enumerate(table.items()):
        half = {k: (v.max() - v.min()) / 2 for k, v in methods.items()}
        middle = torch.stack([*half.values()]).median()
        places = max(0, 1 + math.ceil(-math.log10(2 * middle)))
        for row, method in enumerate(rows):
            corner = (column - 0.46, row - 0.42)
            if method in level[measure]:
                shade = Rectangle(corner, 0.92, 0.84, color="#BFD9EA", lw=0)
                axis.add_patch(shade)
            if home.get(method) == measure:
                axis.add_patch(
                    Rectangle(
                        corner, 0.92, 0.84, fill=False, ec=ORANGE, lw=1.3
                    )
                )
            for value, sign, down, size, colour in (
                (methods[method].mean(), "", -0.12, 7.5, "black"),
                (half[method], "±", 0.24, 6, "0.35"),
            ):
                axis.text(
                    column,
                    row + down,
                    f"{sign}{value:.{places}f}",
                    ha="center",
                    va="center",
                    fontsize=size,
                    color=colour,
                )
    axis.axvline(rule - 0.5, color="0.6", lw=0.8)
    axis.set(xlim=(-0.6, len(table) - 0.4), ylim=(len(rows) - 0.4, -0.6))
    axis.set_xticks(
        range(len(table)), [m.replace(" ", "\n") for m in table], fontsize=7
    )
    axis.set_yticks(range(len(rows)), rows, fontsize=8)
    axis.xaxis.tick_top()
    axis.tick_params(length=0)
    axis.spines[:].set_visible(False)
    plt.show()


def places(
    standings: Mapping[str, Mapping[str, float]], order: Sequence[str]
) -> None:
    """Places, the first on the left, by whose measures they are.

    Each kind of measure maps methods to a place; rows are in ``order``.
    """
    _, axis = plt.subplots(figsize=(6.8, 0.24 * len(order) + 0.7))
    for row, method in enumerate(order):
        found = [s[method] for s in standings.values() if method in s]
        axis.plot([min(found), max(found)], [row, row], color="0.8", lw=1.2)
    for (kind, by_method), (mark, colour) in zip(
        standings.items(), LOOKS, strict=False
    ):
        at = [(by_method[m], n) for n, m in enumerate(order) if m in by_method]
        axis.plot(
            *zip(*at, strict=True), mark, color=colour, ms=6, label=kind, mew=0
        )
    axis.set_xticks(range(1, len(order) + 1))
    axis.set_yticks(range(len(order)), order)
    axis.set(xlabel="place", ylim=(len(order) - 0.5, -0.5))
    axis.tick_params(axis="y", length=0)
    axis.legend(
        frameon=False, fontsize=8, bbox_to_anchor=(1, 1), loc="upper left"
    )
    plt.show()
