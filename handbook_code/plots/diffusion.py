"""Points on their way between noise and data, and the arrows they follow."""

from collections.abc import Callable, Mapping
from itertools import cycle

import matplotlib.pyplot as plt
import torch
from torch import Tensor

MARKS = ("o", "^", "s", "D")


def swarms(
    rows: Mapping[str, Mapping[str, Tensor]], extent: float = 3.0
) -> None:
    """Points (N, 2) in square panels: each row a story, read from the left."""
    across = max(len(row) for row in rows.values())
    _, axes = plt.subplots(
        len(rows),
        across,
        figsize=(6.8, 6.8 / across * len(rows) + 0.25),
        squeeze=False,
    )
    for line, (name, row), colour in zip(
        axes, rows.items(), cycle(["C0", "C1", "C2"])
    ):
        for ax, (title, points) in zip(line, row.items(), strict=True):
            ax.plot(*points.T, ".", c=colour, ms=2, mew=0, rasterized=True)
            ax.set(title=title, aspect="equal", xticks=[], yticks=[])
            ax.set(xlim=(-extent, extent), ylim=(-extent, extent))
        line[0].set_ylabel(name)
    plt.show()


def arrows(
    panels: Mapping[str, Callable[[Tensor], Tensor]],
    extent: float,
    side: int = 19,
) -> None:
    """Fields of arrows of one length; the colour is how long they are."""
    axis = torch.linspace(-extent, extent, side)
    places = torch.cartesian_prod(axis, axis)
    found = [field(places).detach() for field in panels.values()]
    longest = max(f.norm(dim=1).quantile(0.98) for f in found)
    figure, axes = plt.subplots(
        1, len(panels), figsize=(6.8, 6.8 / len(panels)), squeeze=False
    )
    for ax, title, field in zip(axes[0], panels, found, strict=True):
        length = field.norm(dim=1)
        unit = field / length.clamp(min=1e-9)[:, None]
        drawn = ax.quiver(
            *places.T, *unit.T, length, cmap="cividis", pivot="mid",
            scale=side * 1.15, width=0.006, clim=(0, longest),
        )  # fmt: skip
        ax.set(title=title, aspect="equal", xticks=[], yticks=[])
    figure.colorbar(
        drawn, ax=axes[0].tolist(), label="length", shrink=0.7, aspect=15
    )
    plt.show()


def maps(
    panels: Mapping[str, Tensor], extent: float, label: str, top: float
) -> None:
    """Quantities on a square grid (side, side), one scale for all."""
    figure, axes = plt.subplots(
        1, len(panels), figsize=(6.8, 6.2 / len(panels)), squeeze=False
    )
    for ax, (title, values) in zip(axes[0], panels.items(), strict=True):
        drawn = ax.imshow(
            values.T, origin="lower", extent=(-extent, extent) * 2,
            vmin=0, vmax=top, cmap="cividis",
        )  # fmt: skip
        ax.set(title=title, xticks=[], yticks=[])
    figure.colorbar(
        drawn, ax=axes[0].tolist(), label=label, shrink=0.8, aspect=15
    )
    plt.show()


def attempts(
    x: Tensor, panels: Mapping[str, Mapping[str, Tensor]], xlabel: str
) -> None:
    """One mark for every run of every method, over a setting of it."""
    _, axes = plt.subplots(1, len(panels), squeeze=False)
    for ax, (title, methods) in zip(axes[0], panels.items(), strict=True):
        for n, ((name, values), mark) in enumerate(
            zip(methods.items(), cycle(MARKS))
        ):
            beside = x * 1.12 ** (n - (len(methods) - 1) / 2)
            ax.plot(
                beside, values, mark, ms=4.5, mfc="none", color=f"C{n}",
                label=name, clip_on=False,
            )  # fmt: skip
        ax.set(title=title, xlabel=xlabel, xscale="log")
    axes[0][0].legend(frameon=False, handletextpad=0.1)
    plt.show()
