"""Divergences: what they fit, what a code costs, and what it keeps."""

from collections.abc import Callable, Mapping, Sequence

import matplotlib.pyplot as plt
import torch
from torch import Tensor

BLUE, ORANGE = "C0", "C1"
MARKS = ("o", "s", "^", "D", "v", "P")


def covers(
    places: Tensor,
    worlds: Mapping[str, Tensor],
    fits: Mapping[str, Mapping[str, Sequence[tuple[Tensor, float]]]],
) -> None:
    """Histograms, and what each divergence fits to them from every start."""
    _, axes = plt.subplots(1, len(worlds), sharey=True, squeeze=False)
    looks = {"forward": (BLUE, "-"), "reverse": (ORANGE, "--")}
    step = (places[1] - places[0]).item()
    for ax, (title, mass) in zip(axes[0], worlds.items(), strict=True):
        ax.bar(places, mass, width=step, color="0.75")
        for way, (colour, dash) in looks.items():
            for number, (q, _) in enumerate(fits[title][way]):
                label = f"{way} divergence" if number == 0 else None
                ax.plot(places, q, dash, color=colour, label=label)
        ax.set(title=title, xlabel="measured", yticks=[])
    axes[0][0].set_ylabel("share")
    axes[0][-1].legend(frameon=False, handlelength=2)
    plt.show()


def code_costs(loss: Callable[..., Tensor]) -> None:
    """The Gaussian loss over mean and width, with descents from outside."""
    mean = torch.linspace(-3, 3, 121).double()
    v = torch.linspace(-6, 2, 121).double()
    grid = torch.cartesian_prod(mean, v)
    value = loss(*grid.split(1, dim=1), reduction="none").view(121, 121).T
    _, ax = plt.subplots(figsize=(4.6, 3))
    lines = ax.contour(
        mean, v, value, [0.05, 0.2, 0.5, 1, 2, 3, 4, 5],
        cmap="viridis", vmax=8,
    )  # fmt: skip
    ax.clabel(lines, fontsize=7)
    starts = [(-2.8, -5.5), (-2.6, 1.8), (1.2, -5.8), (2.8, 1.2), (2.8, -3)]
    at = torch.tensor(starts).double()
    path = [at]
    pull = torch.func.grad(lambda x: loss(*x.split(1, 1), reduction="sum"))
    for _ in range(400):
        at = at - 0.03 * pull(at)
        path.append(at)
    for track in torch.stack(path, dim=1):
        ax.plot(*track.T, color=ORANGE, lw=1)
        ax.plot(*track[0], "o", color=ORANGE, ms=3, mfc="none")
    ax.plot(0, 0, "+", color="0.5", ms=7)
    ticks = {"1/16": 1 / 16, "1/4": 1 / 4, "1": 1, "2": 2}
    ax.set_yticks(
        [2 * torch.tensor(t).log().item() for t in ticks.values()], ticks
    )
    ax.set(xlabel="mean $μ$", ylabel="width $σ$")
    plt.show()


def kept(kinds: Mapping[str, Tensor]) -> None:
    """Sharpness against what is missing, rows (missing, kept) by kind."""
    _, ax = plt.subplots(figsize=(4.6, 3.2))
    ax.plot([0, 1], [1, 0], color="0.6", lw=0.8, zorder=0)
    for number, (label, points) in enumerate(kinds.items()):
        ax.plot(
            *points.reshape(-1, 2).T, MARKS[number], color=f"C{number}", ms=5,
            mfc="none", mew=1.3, label=label,
        )  # fmt: skip
    ax.set(xlabel="squared edges of the error", ylabel="squared edges kept")
    ax.set(xlim=(0, 1), ylim=(0, 1))
    ax.legend(frameon=False, handletextpad=0.2)
    plt.show()


def on_prior(panels: Mapping[str, Tensor], kinds: Tensor) -> None:
    """Codes in the plane (N, 2), on the circles of a standard Gaussian."""
    _, axes = plt.subplots(1, len(panels), figsize=(6.8, 3.4), squeeze=False)
    for ax, (title, points) in zip(axes[0], panels.items(), strict=True):
        for kind in kinds.unique():
            ax.plot(
                *points[kinds == kind].T, ls="", marker=f"${kind}$", ms=4.5,
                color=f"C{kind % 6}", mew=0.2,
            )  # fmt: skip
        for radius in (1, 2, 3):
            ax.add_patch(
                plt.Circle((0, 0), radius, fill=False, ls="--", ec="0.5")
            )
        ax.set(title=title, aspect="equal")
        ax.set(xlabel="first number", ylabel="second number")
    plt.show()
