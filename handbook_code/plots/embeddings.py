"""Embeddings in the plane, where losses move them, and who is how hard."""

from collections.abc import Callable, Mapping
from itertools import cycle

import matplotlib.pyplot as plt
import torch
from matplotlib.patheffects import withStroke
from torch import Tensor

from handbook_code.plots.curves import DASHES

Pair = Callable[[Tensor, Tensor], Tensor]
MARKERS = ("o", "s", "^", "D", "v", "P")
OUTLINE = withStroke(linewidth=2, foreground="0.2")


def tracks(paths: Mapping[str, Tensor], kinds: Tensor) -> None:
    """Points (steps, points, 2) on their way; the ends are filled."""
    _, axes = plt.subplots(1, len(paths), squeeze=False)
    for ax, (title, path) in zip(axes[0], paths.items(), strict=True):
        for kind, marker in zip(kinds.unique(), cycle(MARKERS)):
            of = path[:, kinds == kind]
            colour = f"C{kind}"
            ax.plot(*of.unbind(-1), color=colour, lw=0.8)
            ax.plot(*of[0].T, marker, color=colour, ms=3, mfc="none", mew=0.7)
            ax.plot(*of[-1].T, marker, color=colour, ms=4.5)
        ax.plot(0, 0, "+", color="0.5", ms=6)
        ax.set(title=title, aspect="equal", xticks=[], yticks=[])
        ax.set(adjustable="datalim")
    plt.show()


def by_distance(losses: Mapping[str, Pair], extent: float) -> None:
    """Losses of a pair and, beside them, the slope in its distance."""
    d = torch.linspace(0, extent, 501).double().requires_grad_()
    _, (left, right) = plt.subplots(1, 2)
    for (label, loss), dash in zip(losses.items(), cycle(DASHES)):
        value = loss(d[:, None], torch.zeros_like(d)[:, None])
        (slope,) = torch.autograd.grad(value.sum(), d)
        left.plot(d.detach(), value.detach(), ls=dash, label=label)
        right.plot(d[1:].detach(), slope[1:], ls=dash)
    right.axhline(0, color="0.6", lw=0.8, zorder=0)
    left.set(title="loss of a pair", xlabel="distance $d$")
    right.set(title="slope in the distance", xlabel="distance $d$")
    left.legend(frameon=False, handlelength=2.5)
    plt.show()


def zones(panels: Mapping[str, Callable[..., Tensor]], extent: float) -> None:
    """A triplet's loss, anchor and positive fixed, for every negative."""
    side = torch.linspace(-extent, extent, 241).double()
    n = torch.cartesian_prod(side, side)
    anchor = torch.zeros_like(n)
    positive = anchor + torch.tensor([1.0, 0.0])
    figure, axes = plt.subplots(1, len(panels), squeeze=False)
    for ax, (title, loss) in zip(axes[0], panels.items(), strict=True):
        value = loss(anchor, positive, n).view(len(side), len(side)).T
        levels = torch.linspace(0, 2, 9).tolist()
        filled = ax.contourf(
            side, side, value, [1e-9, *levels[1:]], cmap="cividis",
            extend="max",
        )  # fmt: skip
        ax.add_patch(plt.Circle((0, 0), 1, fill=False, ls="--", ec="0.9"))
        ax.plot(0, 0, "o", color="C1", ms=5)
        ax.plot(1, 0, "s", color="C1", ms=5)
        for x, name in ((0, "$a$"), (1, "$p$")):
            ax.annotate(
                name, (x, 0), xytext=(0, -12), textcoords="offset points",
                ha="center", color="1", path_effects=[OUTLINE],
            )  # fmt: skip
        ax.set(title=title, aspect="equal", xticks=[], yticks=[])
    bar = figure.colorbar(filled, ax=axes[0].tolist(), label="loss")
    bar.set_ticks([1e-9, 0.5, 1, 1.5, 2], labels=["0", "½", "1", "1½", "2"])
    plt.show()


def clouds(panels: Mapping[str, Tensor], kinds: Tensor) -> None:
    """Embedded samples (N, 2), each drawn as the number of its kind."""
    _, axes = plt.subplots(1, len(panels), squeeze=False)
    for ax, (title, points) in zip(axes[0], panels.items(), strict=True):
        for kind in kinds.unique():
            ax.plot(
                *points[kinds == kind].T, ls="", marker=f"${kind}$", ms=4.5,
                color=f"C{kind % 6}", mew=0.2,
            )  # fmt: skip
        ax.set(title=title, xticks=[], yticks=[])
    plt.show()


def shares(steps: Tensor, panels: Mapping[str, Tensor]) -> None:
    """What share of all triplets is hard, semi-hard or easy, by step."""
    figure, axes = plt.subplots(1, len(panels), sharey=True, squeeze=False)
    names = ("hard", "semi-hard", "easy")
    for ax, (title, share) in zip(axes[0], panels.items(), strict=True):
        ax.stackplot(
            steps, share.T, labels=names, colors=("C1", "C5", "C4"),
            edgecolor="1", linewidth=0.5,
        )  # fmt: skip
        ax.set(title=title, xlabel="step", ylim=(0, 1))
        ax.margins(x=0)
    axes[0][0].set(ylabel="share of triplets")
    handles, labels = axes[0][0].get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="outside lower center", frameon=False, ncols=3
    )
    plt.show()


def ranking(runs: Mapping[str, Tensor], xlabel: str) -> None:
    """Every run of every method as a dot, and a bar at their mean."""
    _, ax = plt.subplots(figsize=(5.2, 0.35 * len(runs) + 0.7))
    for place, values in enumerate(reversed(runs.values())):
        ax.plot(values, [place] * len(values), "o", color="C0", ms=4)
        ax.plot(values.mean(), place, "|", color="C1", ms=14, mew=2)
    ax.set_yticks(range(len(runs)), reversed(runs), color="0.35")
    ax.set(xlabel=xlabel)
    ax.tick_params(axis="y", length=0)
    plt.show()
