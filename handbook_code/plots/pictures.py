"""Grids of pictures, and what is measured on pictures."""

from collections.abc import Mapping, Sequence
from io import BytesIO

import matplotlib.pyplot as plt
import torch
from IPython.display import Image, display
from matplotlib.axes import Axes
from torch import Tensor

BLUE, ORANGE, GREEN, PURPLE = "#0072B2", "#D55E00", "#009E73", "#CC79A7"
SKY, QUIET = "#56B4E9", "0.55"
COLOURS = (BLUE, ORANGE, GREEN, PURPLE, SKY, "#E69F00")
LINES = ("-", "--", "-.", ":")


def grid(
    columns: Mapping[str, Tensor],
    rows: Sequence[str] = (),
    *,
    rule: Sequence[int] = (),
) -> None:
    """Pictures side by side, from black (0) to white (1).

    A column holds as many pictures as there are rows; wider ones get more
    room. ``rule`` draws a line before these rows.
    """
    sheets = [sheet.detach().flatten(0, -3) for sheet in columns.values()]
    height, shapes = len(sheets[0]), [sheet.shape[-2:] for sheet in sheets]
    ratios = [w / h for h, w in shapes]
    side = 6.6 / sum(ratios)
    figure, axes = plt.subplots(
        height,
        len(sheets),
        figsize=(6.8, side * height + 0.45),
        width_ratios=ratios,
        squeeze=False,
    )
    _close(figure)
    for column, (title, sheet) in enumerate(zip(columns, sheets, strict=True)):
        axes[0, column].set_title(title, loc="center", fontsize=7.5)
        for axis, picture in zip(axes[:, column], sheet, strict=True):
            _picture(axis, picture)
    for axis, label in zip(axes[:, 0], rows, strict=False):
        axis.set_ylabel(label, fontsize=7.5)
    figure.draw_without_rendering()  # only then the rows have their places
    for row in rule:
        above, below = (axes[r, 0].get_position() for r in (row - 1, row))
        middle = (above.y0 + below.y1) / 2
        figure.add_artist(
            plt.Line2D([0, 1], [middle] * 2, color=QUIET, linewidth=0.8)
        )
    _show_png(figure)


def panels(pictures: Mapping[str, Tensor], *, across: int) -> None:
    """A few pictures, large, ``across`` of them in a row.

    They are grey (H, W), or coloured (H, W, 3).
    """
    down = -(-len(pictures) // across)
    shape = next(iter(pictures.values())).shape
    side = 6.7 / across
    figure, axes = plt.subplots(
        down,
        across,
        figsize=(6.8, down * (side * shape[0] / shape[1] + 0.22)),
        squeeze=False,
    )
    _close(figure)
    for axis in axes.flat:
        axis.axis("off")
    for axis, (title, picture) in zip(
        axes.flat, pictures.items(), strict=False
    ):
        axis.axis("on")
        axis.set_title(title, fontsize=8)
        _picture(axis, picture.detach())
    _show_png(figure)


def tradeoff(worlds: Mapping[str, Mapping[str, Tensor]]) -> None:
    """How sharp a method is against how many of the answers it reaches.

    A world maps a method to rows (sharpness, share reached), one a seed.
    """
    _, axes = plt.subplots(1, len(worlds), sharey=True)
    marks = "osD^vP"
    for axis, (world, methods) in zip(axes, worlds.items(), strict=True):
        axis.axvline(1, color=QUIET, linewidth=0.8, linestyle=":")
        for (label, rows), colour, mark in zip(
            methods.items(), COLOURS, marks, strict=False
        ):
            sharp, reached = rows.reshape(-1, 2).T
            axis.plot(
                sharp,
                reached,
                mark,
                color=colour,
                markersize=6,
                markerfacecolor="none",
                markeredgewidth=1.4,
                label=label,
                clip_on=False,
            )
        axis.set_xscale("log")
        axis.set_xlim(0.28, 4)
        axis.set_xticks([0.3, 0.5, 1, 2, 3], ["0.3", "0.5", "1", "2", "3"])
        axis.minorticks_off()
        axis.set(title=world, xlabel="sharpness", ylim=(-0.03, 1.03))
    axes[0].set_ylabel("share of answers reached")
    axes[-1].legend(
        frameon=False,
        fontsize=8,
        handletextpad=0.2,
        bbox_to_anchor=(1.0, 1.0),
        loc="upper left",
    )
    plt.show()


def bands(
    ratios: Mapping[str, Tensor],
    sums: Mapping[str, Tensor],
    *,
    known: float,
) -> None:
    """Power by frequency, relative to the truth's; ``known`` is the last
    frequency that the input can carry."""
    looks = dict(zip(ratios, zip(COLOURS, LINES, strict=False), strict=False))
    _, (left, right) = plt.subplots(1, 2, sharey=True)
    for axis, lines in ((left, ratios), (right, sums)):
        axis.axvspan(known, 1, color="0.93", linewidth=0)
        axis.axhline(1, color=QUIET, linewidth=0.8, linestyle=":")
        for label, value in lines.items():
            colour, line = looks[label]
            middle = (torch.arange(len(value)) + 0.5) / len(value)
            axis.plot(middle, value, line, color=colour, label=label)
        axis.set(xlabel="frequency, of the highest", xlim=(0, 1))
        axis.set_ylim(0, 1.4)
        axis.legend(frameon=False, fontsize=8, handlelength=2.2)
    left.set_title("power of the restored picture")
    right.set_title("… and of its error, together")
    plt.show()


def fading(depth: Tensor, energy: Tensor) -> None:
    """Squared gradients inside a filled hole, by distance to its border."""
    _, axis = plt.subplots(figsize=(3.4, 2.4))
    axis.axhline(1, color=QUIET, linewidth=0.8, linestyle=":")
    axis.plot(depth, energy, "o-", markersize=4)
    axis.set(xlabel="pixels from the border", ylabel="sharpness")
    axis.set_ylim(bottom=0)
    plt.show()


def _picture(axis: Axes, picture: Tensor) -> None:
    axis.imshow(
        picture.clamp(0, 1), cmap="gray", vmin=0, vmax=1, aspect="auto"
    )
    axis.set_xticks([])
    axis.set_yticks([])
    for spine in axis.spines.values():
        spine.set_visible(False)


def _close(figure: plt.Figure) -> None:
    engine = figure.get_layout_engine()
    engine.set(w_pad=0.02, h_pad=0.03, wspace=0.0, hspace=0.0)


def _show_png(figure: plt.Figure) -> None:
    """Pictures as pixels, on white in either theme."""
    file = BytesIO()
    figure.savefig(file, format="png", dpi=200, facecolor="white")
    plt.close(figure)
    display(Image(file.getvalue(), width=816))
