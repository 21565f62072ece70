"""Maps of distances, and what a loss makes of an error by its place."""

from collections.abc import Mapping
from itertools import cycle

import matplotlib.pyplot as plt
from matplotlib.colors import TwoSlopeNorm
from torch import Tensor

from handbook_code.plots.curves import DASHES
from handbook_code.plots.pictures import COLOURS, _show_png


def terrain(picture: Tensor, mask: Tensor, maps: Mapping[str, Tensor]) -> None:
    """A picture and, beside it, maps of its mask, outlined in each."""
    figure, axes = plt.subplots(
        1, 1 + len(maps), figsize=(6.8, 2.5), layout="constrained"
    )
    image = axes[0].imshow(picture, cmap="gray")
    axes[0].set_title("picture and mask")
    place = {"orientation": "horizontal", "shrink": 0.9, "aspect": 14}
    # An unseen bar keeps the picture as large as the maps.
    figure.colorbar(image, ax=axes[0], **place).ax.set_visible(False)
    for ax, (title, sheet) in zip(axes[1:], maps.items(), strict=True):
        low, high = sheet.min().item(), sheet.max().item()
        looks, outline = {"cmap": "cividis"}, "w"
        if low < 0:
            # Inside shallow and outside deep: each side has half the colours.
            norm = TwoSlopeNorm(0, min(low, -1e-6), max(high, 1e-6))
            looks, outline = {"cmap": "PuOr", "norm": norm}, "0.2"
        image = ax.imshow(sheet, **looks)
        ticks = [low, 0, high] if low < 0 else [low, high]
        bar = figure.colorbar(image, ax=ax, ticks=ticks, **place)
        digits = 0 if high > 10 else 2
        bar.ax.set_xticklabels([f"{tick:.{digits}f}" for tick in ticks])
        bar.outline.set_visible(False)
        ax.set_title(title)
        ax.contour(mask, [0.5], colors=outline, linewidths=0.7)
    axes[0].contour(mask, [0.5], colors="#D55E00", linewidths=0.7)
    for ax in axes:
        ax.set(xticks=[], yticks=[])
        ax.spines[:].set_visible(False)
    _show_png(figure)


def by_place(
    sheets: Mapping[str, tuple[Tensor, Mapping[str, Tensor]]], ylabel: str
) -> None:
    """What an error costs by where it lies or how large it is.

    A sheet maps what is on its axis to numbers and a curve for each loss.
    """
    figure, axes = plt.subplots(1, len(sheets), squeeze=False)
    for ax, (xlabel, (x, series)) in zip(axes[0], sheets.items(), strict=True):
        for (label, values), dash in zip(series.items(), cycle(DASHES)):
            ax.plot(x, values, ls=dash, label=label)
        ax.axhline(0, color="0.6", lw=0.8, zorder=0)
        ax.set(xlabel=xlabel)
    axes[0][0].set(ylabel=ylabel)
    handles, labels = axes[0][0].get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="outside lower center", frameon=False,
        ncols=min(len(labels), 4), handlelength=2.5,
    )  # fmt: skip
    plt.show()


def standoff(
    sheets: Mapping[str, Mapping[str, Tensor]],
    xlabels: Mapping[str, str],
    ylabel: str,
) -> None:
    """Rows (x, y), one a run, as small marks, and their mean as a large."""
    figure, axes = plt.subplots(1, len(sheets), sharey=True, squeeze=False)
    for ax, (title, points) in zip(axes[0], sheets.items(), strict=True):
        for (label, rows), mark, colour in zip(
            points.items(), cycle("osD^vP"), cycle(COLOURS)
        ):
            ax.plot(*rows.T, mark, color=colour, ms=3, alpha=0.6, mew=0)
            ax.plot(
                *rows.mean(0), mark, color=colour, ms=8, mfc="none", mew=1.4,
                label=label,
            )  # fmt: skip
        ax.set(title=title, xlabel=xlabels[title])
    axes[0][0].set(ylabel=ylabel)
    handles, labels = axes[0][0].get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="outside lower center", frameon=False,
        ncols=min(len(labels), 4), handletextpad=0.2,
    )  # fmt: skip
    plt.show()
