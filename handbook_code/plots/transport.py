"""Clouds of points: who sends how much to whom, where a loss moves them."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import torch
from matplotlib.collections import LineCollection
from torch import Tensor


def plans(x: Tensor, y: Tensor, panels: Mapping[str, Tensor]) -> None:
    """A line from each point to each other, as dark as what it sends."""
    _, axes = plt.subplots(1, len(panels), figsize=(6.8, 1.6), squeeze=False)
    ends = torch.stack(torch.broadcast_tensors(x[:, None], y), dim=2)
    for ax, (title, plan) in zip(axes[0], panels.items(), strict=True):
        share = (plan / plan.sum(1, keepdim=True)).flatten().clamp(0, 1)
        kept = share > 1e-3
        lines = LineCollection(
            ends.flatten(0, 1)[kept].tolist(), colors="0.5", lw=1.2,
            alpha=share[kept].tolist(), zorder=1,
        )  # fmt: skip
        ax.add_collection(lines)
        ax.plot(*x.T, "o", color="C0", ms=4)
        ax.plot(*y.T, "s", color="C1", ms=4)
        ax.set(title=title, aspect="equal", xticks=[], yticks=[])
        ax.margins(0.08)
        ax.spines[:].set_visible(False)
    plt.show()


def arrivals(rows: Mapping[str, Mapping[str, Tensor]], target: Tensor) -> None:
    """Where clouds ended, a row for each loss, over the shape to be met."""
    across = max(len(row) for row in rows.values())
    _, axes = plt.subplots(
        len(rows), across, figsize=(6.8, 6.8 / across * len(rows) + 0.2),
        squeeze=False, sharex=True, sharey=True,
    )  # fmt: skip
    for line, (name, row) in zip(axes, rows.items(), strict=True):
        for ax, (title, points) in zip(line, row.items(), strict=True):
            ax.plot(*target.T, "o", color="0.6", alpha=0.35, ms=4, mew=0)
            ax.plot(*points.T, "o", color="C1", ms=2.2, mew=0)
            ax.set(title=title, aspect="equal", xticks=[], yticks=[])
            ax.spines[:].set_visible(False)
        line[0].set_ylabel(name)
    plt.show()
