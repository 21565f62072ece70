"""What losses of structure do, and what networks trained on them show."""

import math
from collections.abc import Mapping

import matplotlib.pyplot as plt
import torch
from torch import Tensor

from handbook_code.plots.pictures import COLOURS, LINES, QUIET


def profiles(
    panels: Mapping[str, tuple[Tensor, Mapping[str, Tensor]]], label: str
) -> None:
    """Curves over an axis of their own in each panel."""
    _, axes = plt.subplots(1, len(panels), sharey=True)
    for axis, (title, (at, curves)) in zip(axes, panels.items(), strict=True):
        for (name, curve), colour, line in zip(
            curves.items(), COLOURS, LINES, strict=False
        ):
            axis.plot(at, curve, line, color=colour, label=name)
        axis.axhline(1, color=QUIET, linewidth=0.6, linestyle=":")
        axis.set(xlabel=title, ylim=(0, None))
    axes[0].set_ylabel(label)
    axes[-1].legend(frameon=False, fontsize=8)
    plt.show()


def scores(table: Mapping[str, Mapping[str, Tensor]]) -> None:
    """A table of measures (columns) of methods (rows), a dot for each run.

    ``table`` maps a measure to the values of every method; the number is
    their mean, to as many places as the runs bear.
    """
    rows = list(next(iter(table.values())))
    figure, axes = plt.subplots(
        1,
        len(table),
        sharey=True,
        figsize=(6.8, 0.32 * len(rows) + 0.75),
    )
    figure.get_layout_engine().set(w_pad=0.02, wspace=0)
    for axis, (measure, methods) in zip(axes, table.items(), strict=True):
        spreads = torch.stack([v.max() - v.min() for v in methods.values()])
        places = max(0, math.ceil(-math.log10(spreads.median())))
        for row, method in enumerate(rows):
            runs = methods[method]
            axis.plot(
                runs,
                [row + 0.15] * len(runs),
                "o",
                color=COLOURS[row % len(COLOURS)],
                markersize=4,
                alpha=0.7,
                markeredgewidth=0,
            )
            axis.text(
                0.5,
                row - 0.22,
                f"{runs.mean():.{places}f}",
                transform=axis.get_yaxis_transform(),
                ha="center",
                va="center",
                fontsize=7,
                color="0.35",
            )
        axis.set_title(measure, fontsize=7.5, loc="center")
        axis.set_yticks(range(len(rows)), rows)
        axis.tick_params(axis="x", labelsize=6)
        axis.locator_params(axis="x", nbins=2)
        axis.margins(x=0.25)
        axis.grid(axis="y", linewidth=0.3, color="0.85")
        axis.tick_params(axis="y", length=0)
    axes[0].set_ylim(len(rows) - 0.4, -0.6)
    plt.show()
