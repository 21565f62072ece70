"""The bench of segmentation losses: many losses, few settings."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import torch
from matplotlib.ticker import LogLocator
from matplotlib.transforms import Bbox
from torch import Tensor

MARKS = "osD^"


def contest(
    names: Sequence[str],
    sheets: Mapping[str, tuple[Tensor, Tensor]],
    families: Mapping[str, Sequence[str]],
    xlabel: str,
    labels: tuple[str, str],
    limits: tuple[float, float] | None = None,
) -> None:
    """One row a loss: a hollow mark and a filled one with its range.

    Each sheet has two tables (losses, seeds).
    """
    count = len(sheets)
    figure, axes = plt.subplots(
        1, count, sharey=True, figsize=(6.8, 0.17 * len(names) + 1.0)
    )
    rows = torch.arange(len(names), 0, -1)
    colour = _colours(names, families)
    for ax, (title, (hollow, filled)) in zip(
        axes, sheets.items(), strict=True
    ):
        for n, row in enumerate(rows):
            ax.plot(
                [filled[n].min(), filled[n].max()], [row, row], lw=1.6,
                color=colour[n], solid_capstyle="butt",
            )  # fmt: skip
        ax.scatter(
            hollow.mean(-1), rows, s=16, facecolors="none", edgecolors=colour,
            linewidths=0.9,
        )  # fmt: skip
        ax.scatter(filled.mean(-1), rows, s=16, color=colour)
        ax.axvline(filled.mean(-1).max(), color="0.6", lw=0.7, zorder=0)
        ax.set_title(title.replace(", ", ",\n"), fontsize=7.5)
        ax.set(xlim=limits)
        ax.tick_params(axis="x", labelsize=6.5)
        ax.grid(axis="y", lw=0.3, alpha=0.5)
    axes[0].set_yticks(rows, [name.replace("_", " ") for name in names])
    axes[0].tick_params(axis="y", labelsize=6.5, length=0)
    middle = 0.5 if count % 2 else 0
    axes[count // 2].set_xlabel(xlabel, fontsize=8, x=middle)
    handles = [
        plt.Line2D([], [], color=f"C{n}", lw=2) for n in range(len(families))
    ]
    for face in ("none", "0.5"):
        handles.append(plt.Line2D(
            [], [], ls="", marker="o", ms=4, mfc=face, mec="0.5"
        ))  # fmt: skip
    figure.legend(
        handles, [*families, *labels], loc="outside lower center",
        frameon=False, ncols=len(families) + 2, fontsize=7, handlelength=1,
        columnspacing=1.2,
    )  # fmt: skip
    plt.show()


def between_scores(
    points: Mapping[str, tuple[float, float]],
    families: Mapping[str, Sequence[str]],
    xlabel: str,
    ylabel: str,
    named: Sequence[str] = (),
) -> None:
    """A mark for each loss between two scores; some have their names."""
    figure, ax = plt.subplots(figsize=(5.6, 3.4))
    for n, (family, members) in enumerate(families.items()):
        some = [points[name] for name in members if name in points]
        if some:
            x, y = zip(*some, strict=True)
            ax.scatter(
                x, y, marker=MARKS[n], s=24, color=f"C{n}", label=family
            )
    ax.set(xlabel=xlabel, ylabel=ylabel, yscale="log")
    ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    ax.yaxis.set_major_formatter("{x:g}")
    ax.minorticks_off()
    ax.margins(0.08)
    figure.legend(
        loc="outside lower center", frameon=False, ncols=len(families)
    )
    figure.draw_without_rendering()
    taken = [ax.transData.transform(point) for point in points.values()]
    boxes = [Bbox.from_bounds(x - 4, y - 4, 8, 8) for x, y in taken]
    for name in named:
        boxes.append(_label(ax, name.replace("_", " "), points[name], boxes))
    plt.show()


def _label(
    ax: plt.Axes, text: str, point: tuple[float, float], taken: list[Bbox]
) -> Bbox:
    """Beside a mark, where it covers least of what is there already."""
    found = []
    for y in (3, -9, 12, -18):
        for x, side in ((4, "left"), (-4, "right")):
            label = ax.annotate(
                text, point, xytext=(x, y), textcoords="offset points",
                ha=side, fontsize=6.5,
            )  # fmt: skip
            box = label.get_window_extent()
            out = not ax.bbox.x0 <= box.x0 <= box.x1 <= ax.figure.bbox.x1
            found.append((box.count_overlaps(taken) + 9 * out, label, box))
    best = min(range(len(found)), key=lambda n: found[n][0])
    for n, (_, label, _) in enumerate(found):
        if n != best:
            label.remove()
    return found[best][2]


def over_settings(
    columns: Sequence[str],
    lines: Mapping[str, Tensor],
    families: Mapping[str, Sequence[str]],
    ylabel: str,
    named: Sequence[str] = (),
) -> None:
    """A line for each loss over columns, the smallest on top; the named ones
    are thick."""
    _, ax = plt.subplots(figsize=(6.2, 3.2))
    colour = dict(zip(lines, _colours(list(lines), families), strict=True))
    for name, values in lines.items():
        thick = name in named
        ax.plot(
            values, color=colour[name], lw=1.8 if thick else 0.7,
            alpha=1 if thick else 0.45, marker="o", ms=4 if thick else 2,
        )  # fmt: skip
        if thick:
            ax.annotate(
                name.replace("_", " "), (len(columns) - 1, values[-1]),
                xytext=(6, -2), textcoords="offset points", fontsize=7,
            )  # fmt: skip
    ax.set_xticks(
        range(len(columns)), [c.replace(", ", ",\n") for c in columns]
    )
    ax.set(ylabel=ylabel, xlim=(-0.2, len(columns) + 0.4))
    ax.invert_yaxis()
    plt.show()


def _colours(
    names: Sequence[str], families: Mapping[str, Sequence[str]]
) -> list[str]:
    of = {
        name: f"C{n}"
        for n, members in enumerate(families.values())
        for name in members
    }
    return [of[name] for name in names]
