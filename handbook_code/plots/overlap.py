"""Losses of regions: what a pixel weighs, and what becomes of objects."""

from collections.abc import Callable, Mapping, Sequence
from itertools import cycle

import matplotlib.pyplot as plt
import torch
from torch import Tensor

from handbook_code.plots.curves import DASHES
from handbook_code.plots.pictures import panels

Curve = Callable[[Tensor], Tensor]
Losses = Mapping[str, Callable[..., Tensor]]


def curves(
    series: Mapping[str, Curve],
    extent: tuple[float, float],
    xlabel: str,
    *,
    limits: tuple[float, float] | None = None,
) -> None:
    """Functions of one number and, beside them, their slopes."""
    x = torch.linspace(*extent, 400).double().requires_grad_()
    figure, (left, right) = plt.subplots(1, 2)
    for (label, curve), dash in zip(series.items(), cycle(DASHES)):
        value = torch.stack([curve(v) for v in x])
        (slope,) = torch.autograd.grad(value.sum(), x)
        left.plot(x.detach(), value.detach(), ls=dash, label=label)
        right.plot(x.detach(), slope, ls=dash)
    left.set(title="loss", xlabel=xlabel)
    right.set(title="slope", xlabel=xlabel, ylim=limits)
    right.axhline(0, color="0.6", lw=0.8, zorder=0)
    _legend_below(figure, left)


def growing(losses: Losses) -> None:
    """The loss of a region that grows in and beyond one of area 1."""
    truth = torch.zeros(1, 1, 3).double()
    truth[..., 0] = 1

    def cost(loss: Callable[..., Tensor]) -> Curve:
        def by_area(area: Tensor) -> Tensor:
            beyond = (area - 1).relu()
            near = beyond.clamp(max=1)
            pixels = [area.clamp(max=1), near, beyond - near]
            return loss(torch.stack(pixels)[None, None], truth)

        return by_area

    series = {label: cost(loss) for label, loss in losses.items()}
    curves(series, (0.02, 2.5), "predicted area")


def weights(losses: Losses, pixels: int = 20_000) -> None:
    """The pull at a missed pixel, in those at a false alarm, by the share
    of the foreground; everything is predicted by one half."""
    figure, ax = plt.subplots(figsize=(4.8, 2.9))
    shares = torch.logspace(-3, -0.31, 25)
    probs = torch.full((1, 1, pixels), 0.5).double()
    for (label, loss), dash in zip(losses.items(), cycle(DASHES)):
        ratio = []
        for share in shares:
            target = torch.zeros_like(probs)
            target[..., : round(pixels * share.item())] = 1
            pull = torch.func.grad(loss)(probs, target).abs()[0, 0]
            ratio.append(pull[0] / pull[-1])
        ax.plot(shares, torch.stack(ratio), ls=dash, label=label)
    ax.set(
        xscale="log", yscale="log", xlabel="foreground, share of the picture",
        ylabel="pull, missed : false",
    )  # fmt: skip
    _legend_below(figure, ax)


def contours(
    sheets: Mapping[str, Callable[[Tensor, Tensor], Tensor]],
    extent: tuple[float, float],
    xlabel: str,
    ylabel: str,
) -> None:
    """Functions of two numbers as lines of equal height."""
    _, axes = plt.subplots(1, len(sheets), sharey=True, figsize=(6.8, 2.5))
    side = torch.linspace(*extent, 81).double()
    x, y = torch.meshgrid(side, side, indexing="xy")
    for ax, (title, function) in zip(axes, sheets.items(), strict=True):
        height = torch.vmap(torch.vmap(function))(x, y)
        lines = ax.contour(x, y, height, 9, linewidths=1, colors="C0")
        ax.clabel(lines, fontsize=6.5)
        ax.set(title=title, xlabel=xlabel, aspect="equal")
    axes[0].set(ylabel=ylabel)
    plt.show()


def by_size(
    sizes: Sequence[str], sheets: Mapping[str, Mapping[str, Tensor]]
) -> None:
    """Mean and spread of the rows, for objects of each size."""
    figure, axes = plt.subplots(1, len(sheets), sharey=True, squeeze=False)
    for ax, (title, series) in zip(axes[0], sheets.items(), strict=True):
        for n, ((label, rows), dash) in enumerate(
            zip(series.items(), cycle(DASHES))
        ):
            shift = 0.11 * (n - (len(series) - 1) / 2)
            place = torch.arange(len(sizes)) + shift
            ax.errorbar(
                place, rows.mean(0), rows.std(0), marker="o", ms=3.5, ls=dash,
                lw=1.2, capsize=2, elinewidth=0.8, label=label,
            )  # fmt: skip
        ax.set(title=title, xticks=range(len(sizes)), ylim=(0, 1.05))
        ax.set_xticklabels(sizes)
    axes[0][0].set(ylabel="found, share of an object")
    _legend_below(figure, axes[0][0])


def balance(
    points: Mapping[str, Tensor], *, hollow: Sequence[str] = ()
) -> None:
    """Rows (precision, recall) as crosses, over lines of equal Dice."""
    figure, ax = plt.subplots(figsize=(5.4, 3.4))
    side = torch.linspace(0.05, 1, 96)
    recall, precision = torch.meshgrid(side, side, indexing="xy")
    dice = 2 * recall * precision / (recall + precision)
    lines = ax.contour(
        recall, precision, dice, torch.arange(0.2, 0.95, 0.1).tolist(),
        colors="0.7", linewidths=0.6,
    )  # fmt: skip
    ax.clabel(lines, fontsize=6.5)
    for n, ((label, rows), mark) in enumerate(
        zip(points.items(), cycle("osD^vPX"))
    ):
        mean, spread = rows.mean(0), rows.std(0)
        ax.errorbar(
            mean[1], mean[0], spread[0], spread[1], fmt=mark, ms=6,
            elinewidth=0.5, color=f"C{n % 6}", label=label,
            mfc="none" if label in hollow else None,
        )  # fmt: skip
    ax.set(
        xlabel="recall", ylabel="precision", xlim=(0.35, 1), ylim=(0.15, 0.9)
    )
    _legend_below(figure, ax)


def segmented(
    picture: Tensor, truth: Tensor, regions: Mapping[str, Tensor]
) -> None:
    """The picture, and each region in it: white where it is right, orange
    where it is missing, blue where it is too much."""
    shades = torch.tensor(
        [[0.0, 0.0, 0.0], [0.84, 0.37, 0.0], [0.34, 0.71, 0.91], [1, 1, 1]]
    )
    panels(
        {"picture": picture.clamp(0, 1)[..., None].expand(-1, -1, 3)}
        | {
            name: shades[truth.long() + 2 * region.long()]
            for name, region in regions.items()
        },
        across=4,
    )


def starts(
    sheets: Mapping[str, Mapping[str, Tensor]], ylabel: str, every: int = 5
) -> None:
    """Each run as a thin line and their mean as a thick one, by step."""
    figure, axes = plt.subplots(1, len(sheets), sharey=True, squeeze=False)
    for ax, (title, series) in zip(axes[0], sheets.items(), strict=True):
        for n, ((label, runs), dash) in enumerate(
            zip(series.items(), cycle(DASHES))
        ):
            whole = runs.shape[1] // every * every
            smooth = runs[:, :whole].unflatten(1, (-1, every)).mean(-1)
            step = every * (torch.arange(smooth.shape[1]) + 0.5)
            ax.plot(step, smooth.T, lw=0.5, alpha=0.5, color=f"C{n}")
            ax.plot(step, smooth.mean(0), ls=dash, color=f"C{n}", label=label)
        ax.set(title=title, xlabel="step", ylim=(-0.02, 1))
    axes[0][0].set(ylabel=ylabel)
    _legend_below(figure, *axes[0])


def _legend_below(figure: plt.Figure, *axes: plt.Axes) -> None:
    named = {}
    for ax in axes:
        handles, labels = ax.get_legend_handles_labels()
        named |= dict(zip(labels, handles, strict=True))
    figure.legend(
        named.values(), named.keys(), loc="outside lower center",
        frameon=False, ncols=min(len(named), 4), handlelength=2.5,
    )  # fmt: skip
    plt.show()
