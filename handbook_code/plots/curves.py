"""Losses, fits and descents as curves."""

from collections.abc import Callable, Mapping, Sequence
from itertools import cycle

import matplotlib.pyplot as plt
import torch
from matplotlib.axes import Axes
from torch import Tensor

DASHES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (8, 3)))


def profile(losses: dict[str, Callable[..., Tensor]], extent: float) -> None:
    """Losses of one residual and, beside them, the pull of one sample."""

    def of(loss: Callable[..., Tensor]) -> Callable[[Tensor], Tensor]:
        return lambda r: loss(r, torch.zeros_like(r), reduction="none")

    curves = {label: of(loss) for label, loss in losses.items()}
    axes = _value_and_slope(curves, extent)
    axes[0].set(title="loss, $ρ(r)$", xlabel="residual $r$")
    axes[1].set(title="influence, $ρ′(r)$", xlabel="residual $r$")
    plt.show()


def in_company(
    loss: Callable[[Tensor, Tensor], Tensor],
    others: Mapping[str, float],
    extent: float,
) -> None:
    """The loss of two residuals, of which one moves, and the pull on it."""

    def beside(other: float) -> Callable[[Tensor], Tensor]:
        def both(r: Tensor) -> Tensor:
            pairs = torch.stack([r, torch.full_like(r, other)], dim=1)
            return torch.vmap(loss)(pairs, torch.zeros_like(pairs))

        return both

    curves = {label: beside(other) for label, other in others.items()}
    axes = _value_and_slope(curves, extent)
    axes[0].set(title="loss of the two", xlabel="residual of one")
    axes[1].set(title="influence of that one", xlabel="residual of one")
    plt.show()


def _value_and_slope(
    curves: Mapping[str, Callable[[Tensor], Tensor]], extent: float
) -> Sequence[Axes]:
    r = torch.linspace(-extent, extent, 501).double().requires_grad_()
    _, axes = plt.subplots(1, 2)
    for (label, curve), dash in zip(curves.items(), cycle(DASHES)):
        value = curve(r)
        (slope,) = torch.autograd.grad(value.sum(), r)
        axes[0].plot(r.detach(), value.detach(), label=label, ls=dash)
        axes[1].plot(r.detach(), slope, ls=dash)
    axes[0].legend(frameon=False, handlelength=2)
    return axes


def risks(
    samples: Mapping[str, Tensor],
    losses: Mapping[str, Callable[[Tensor, Tensor], Tensor]],
    extent: tuple[float, float],
) -> None:
    """What one prediction for all targets costs; dots mark the cheapest."""
    x = torch.linspace(*extent, 2001).double()
    _, axes = plt.subplots(1, len(losses), sharex=True, squeeze=False)
    for ax, (title, loss) in zip(axes[0], losses.items(), strict=True):
        for n, (label, y) in enumerate(samples.items()):
            value = torch.stack([loss(v.expand_as(y), y) for v in x])
            ax.plot(x, value, label=label, ls=DASHES[n], color=f"C{n}")
            best = value.argmin()
            ax.plot(x[best], value[best], "o", color=f"C{n}")
            ticks = 0.06 * (len(samples) - n)  # of the height of the panel
            ax.vlines(
                y, 0, ticks, lw=0.8, color=f"C{n}",
                transform=ax.get_xaxis_transform(),
            )  # fmt: skip
        ax.set(title=title, xlabel="prediction for all", ylim=(0, None))
    if len(samples) > 1:
        axes[0][0].legend(frameon=False, handlelength=2)
    plt.show()


def two_scales(
    loss: Callable[[Tensor, Tensor], Tensor], target: float, factor: float
) -> None:
    """One target, many predictions, on an axis of sums and of products."""
    powers = torch.linspace(-1, 1, 401).double()
    x = (1 + target) * factor**powers - 1
    y = torch.full_like(x, target)
    value = torch.vmap(loss)(x[:, None], y[:, None])
    _, (left, right) = plt.subplots(1, 2, sharey=True)
    for ax in (left, right):
        ax.plot(x + 1, value)
        ax.axvline(target + 1, color="0.6", lw=0.8, zorder=0)
        ax.set(xlabel="1 + prediction")
    left.set(title="equal steps are equal differences", ylabel="loss")
    right.set(title="equal steps are equal ratios", xscale="log")
    ratios = {"÷ 4": 0.25, "÷ 2": 0.5, "1 + target": 1, "× 2": 2, "× 4": 4}
    right.set_xticks([(1 + target) * v for v in ratios.values()], ratios)
    right.minorticks_off()
    plt.show()


def fits(
    panels: Mapping[str, tuple[Tensor, Tensor, Mapping[str, Tensor]]],
) -> None:
    """Data and the lines (offset, slope) that losses draw through them."""
    _, axes = plt.subplots(1, len(panels), sharey=True, squeeze=False)
    for ax, (title, (x, y, lines)) in zip(
        axes[0], panels.items(), strict=True
    ):
        ax.plot(x, y, "o", color="0.6", ms=2.5)
        ends = torch.stack([x.min(), x.max()])
        for (label, line), dash in zip(lines.items(), cycle(DASHES)):
            ax.plot(ends, line[0] + line[1] * ends, ls=dash, label=label)
        ax.set(title=title, xlabel="input")
    axes[0][0].set(ylabel="target")
    axes[0][0].legend(frameon=False, handlelength=2)
    plt.show()


def descents(
    panels: Mapping[str, Mapping[str, Tensor]],
    distance: str,
    steps: str = "linear",
) -> None:
    """How far from the best, step by step."""
    _, axes = plt.subplots(1, len(panels), sharey=True, squeeze=False)
    for ax, (title, runs) in zip(axes[0], panels.items(), strict=True):
        for (label, path), dash in zip(runs.items(), cycle(DASHES)):
            ax.plot(range(1, len(path) + 1), path, ls=dash, label=label)
        ax.set(title=title, xlabel="step", xscale=steps, yscale="log")
    axes[0][0].set(ylabel=distance)
    axes[0][-1].legend(frameon=False, handlelength=2)
    plt.show()


def against(
    x: Tensor,
    panels: Mapping[str, Mapping[str, Tensor]],
    xlabel: str,
    levels: Mapping[str, float] | None = None,
) -> None:
    """Quantities against a positive one, beside levels to compare with."""
    _, axes = plt.subplots(1, len(panels), squeeze=False)
    for ax, (title, series) in zip(axes[0], panels.items(), strict=True):
        dots = "o" if len(x) < 20 else ""
        for (label, values), dash in zip(series.items(), cycle(DASHES)):
            ax.plot(x, values, marker=dots, ms=3, ls=dash, label=label)
        ax.set(title=title, xlabel=xlabel, xscale="log")
        if len(series) > 1:
            ax.legend(frameon=False, handlelength=2)
    for name, level in (levels or {}).items():
        axes[0][-1].axhline(level, color="0.6", lw=0.8, zorder=0)
        axes[0][-1].annotate(
            name, (1, level), xycoords=("axes fraction", "data"), va="bottom",
            ha="right", color="0.35",
        )  # fmt: skip
    plt.show()


def intervals(bounds: Tensor, centre: Tensor, observed: Tensor) -> None:
    """Predicted intervals, in the order of their centres; misses stand out."""
    order = centre.argsort()
    low, high = bounds[order].unbind(-1)
    y = observed[order]
    hit = (low <= y) & (y <= high)
    place = torch.arange(len(y))
    _, ax = plt.subplots()
    ax.vlines(place, low, high, color="C4", lw=1.2, alpha=0.6)
    ax.plot(place, centre[order], color="C0", lw=1, label="median")
    ax.plot(place[hit], y[hit], "o", color="0.35", ms=2.5, label="inside")
    ax.plot(place[~hit], y[~hit], "X", color="C1", ms=5, label="outside")
    ax.set(xlabel="samples, by predicted median", ylabel="target")
    ax.legend(frameon=False, ncols=3, handlelength=1.2)
    plt.show()
