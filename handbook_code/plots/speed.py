"""What losses cost beside those of others, and how the cost grows."""

from collections.abc import Mapping, Sequence
from textwrap import fill

import matplotlib.pyplot as plt
from matplotlib.ticker import LogLocator, NullFormatter

MARKS = "ovsD^P"


def times_ahead(
    rows: Mapping[str, Mapping[str, tuple[float, float]]],
    sizes: Sequence[str],
) -> None:
    """A row for each loss: the peer's time over ours, and its memory.

    ``rows[loss][size]`` are the two ratios.
    """
    figure, axes = plt.subplots(
        1, 2, sharey=True, figsize=(6.8, 0.2 * len(rows) + 1.1)
    )
    for n, size in enumerate(sizes):
        for ax, part in zip(axes, (0, 1), strict=True):
            known = [
                (found[size][part], -row)
                for row, found in enumerate(rows.values())
                if size in found
            ]
            x, y = zip(*known, strict=True)
            ax.scatter(
                x, y, s=12 + 9 * n, marker=MARKS[n], color=f"C{n}",
                label=size, zorder=3,
            )  # fmt: skip
    for ax, title in zip(axes, ("time", "memory"), strict=True):
        ax.axvline(1, color="0.5", lw=0.8)
        ax.set(xscale="log", title=f"fastest peer's {title} over ours")
        ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        ax.xaxis.set_major_formatter("{x:g}")
        ax.xaxis.set_minor_formatter(NullFormatter())
        ax.tick_params(axis="x", labelsize=7)
        ax.grid(axis="y", lw=0.3, alpha=0.5)
    names = [name.replace("_", " ") for name in rows]
    axes[0].set_yticks([-row for row in range(len(rows))], names)
    axes[0].tick_params(axis="y", labelsize=7, length=0)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="outside lower center", ncols=len(sizes),
        frameon=False, fontsize=7,
    )  # fmt: skip
    plt.show()


def growths(
    curves: Mapping[str, Mapping[str, Sequence[float]]], across: int = 5
) -> None:
    """Small panels, one for each loss: time against elements, log-log.

    ``curves[loss]`` has "elements", "ours" and "peer", the last as long as
    there is one.
    """
    down = -(-len(curves) // across)
    figure, axes = plt.subplots(
        down, across, figsize=(6.8, 1.25 * down + 0.4), squeeze=False
    )
    for ax, (name, curve) in zip(axes.flat, curves.items(), strict=False):
        for key, colour in (("peer", "C1"), ("ours", "C0")):
            if curve[key]:
                ax.loglog(
                    curve["elements"], curve[key], "o-", ms=2.5, lw=1.2,
                    color=colour, label=key,
                )  # fmt: skip
        title = fill(name.replace("_", " "), 24)
        ax.set_title(title, fontsize=5.5 + ("\n" not in title))
        ax.tick_params(labelsize=5.5)
        ax.minorticks_off()
    for ax in axes.flat[len(curves) :]:
        ax.axis("off")
    figure.supxlabel("elements", fontsize=8)
    figure.supylabel("milliseconds", fontsize=8)
    handles, _ = axes.flat[0].get_legend_handles_labels()
    figure.legend(
        handles[::-1], ["this package", "fastest peer"],
        loc="outside upper center", ncols=2, frameon=False, fontsize=7,
    )  # fmt: skip
    plt.show()
