"""What distances say of the same pairs, and where responses are sensitive."""

from collections.abc import Callable, Mapping
from itertools import cycle

import matplotlib.pyplot as plt
import torch
from torch import Tensor

from handbook_code.perception.distances import response_jacobian

MARKERS = ("o", "s", "^", "D", "v", "P")


def standings(scores: Mapping[str, Mapping[str, Tensor]], unit: str) -> None:
    """For each distance, every distortion's value over that of ``unit``.

    A distance maps a distortion to one value a picture; dots are pictures,
    and the line goes through their medians.
    """
    _, ax = plt.subplots(figsize=(6.8, 3.2))
    names = list(next(iter(scores.values())))
    for place, (name, marker) in enumerate(zip(names, cycle(MARKERS))):
        colour, aside = f"C{place % 6}", 0.06 * (place - len(names) / 2)
        middles = []
        for column, values in enumerate(scores.values()):
            ratio = values[name] / values[unit]
            middles.append(ratio.median())
            ax.plot(
                [column + aside] * len(ratio), ratio, marker, ms=3,
                color=colour, alpha=0.5, mew=0,
            )  # fmt: skip
        ax.plot(
            [c + aside for c in range(len(scores))], middles, color=colour,
            marker=marker, ms=6, lw=1, label=name,
        )  # fmt: skip
    ax.set(yscale="log", ylabel=f"distance, relative to {unit}")
    ax.set_xticks(range(len(scores)), scores, color="0.35")
    ax.tick_params(axis="x", length=0)
    ax.legend(
        frameon=False, bbox_to_anchor=(1, 1), loc="upper left", fontsize=8
    )
    plt.show()


def indicatrices(
    density: Callable[[Tensor], Tensor],
    responses: Mapping[str, Callable[[Tensor], Tensor]],
    centres: Tensor,
    *,
    size: float,
    extent: float,
) -> None:
    """What is just noticed around points of the plane, under a density.

    An outline holds all changes that move the response by ``size``: it is
    narrow where and along which the response is sensitive.
    """
    axis = torch.linspace(-extent, extent, 161).double()
    plane = torch.stack(torch.meshgrid(axis, axis, indexing="xy"), dim=-1)
    height = density(plane.flatten(0, 1)).view(plane.shape[:2])
    turn = torch.linspace(0, 2 * torch.pi, 73).double()
    circle = size * torch.stack([turn.cos(), turn.sin()])
    _, axes = plt.subplots(
        1, len(responses), sharey=True, figsize=(6.8, 2.9), squeeze=False
    )
    for ax, (title, response) in zip(axes[0], responses.items(), strict=True):
        ax.contour(axis, axis, height, 6, colors="0.6", linewidths=0.6)
        jacobian = response_jacobian(response, centres)
        outlines = torch.linalg.solve(jacobian, circle) + centres[..., None]
        for x, y in outlines:
            ax.plot(x, y, color="C0", lw=1.2)
        ax.set(
            title=title, aspect="equal", xlim=(-extent, extent),
            ylim=(-extent, extent), xlabel="$x_1$",
        )  # fmt: skip
    axes[0][0].set(ylabel="$x_2$")
    plt.show()


def exponents(
    found: Mapping[str, tuple[Tensor, Tensor, float]], xlabel: str, ylabel: str
) -> None:
    """Powers of a density: points, and a line of the slope of the theory."""
    _, axes = plt.subplots(
        2, 3, sharex=True, figsize=(6.8, 4.2), squeeze=False
    )
    for ax, (title, (p, s, slope)) in zip(
        axes.flat, found.items(), strict=True
    ):
        ax.plot(p, s, "o", color="C0", ms=3)
        ends = torch.stack([p.min(), p.max()])
        through = (s.log() - slope * p.log()).median()
        ax.plot(
            ends, (through + slope * ends.log()).exp(), color="C1", lw=1.2,
            ls="--", label=f"$\\gamma$ = {slope:.2g}",
        )  # fmt: skip
        ax.set(title=title, xscale="log", yscale="log")
        ax.minorticks_off()
        low, high = s.min() / 1.6, s.max() * 1.6
        ax.set_ylim(min(low, high / 8), max(high, 8 * low))
        ax.legend(frameon=False, loc="upper left")
    for ax in axes[-1]:
        ax.set(xlabel=xlabel)
    for ax in axes[:, 0]:
        ax.set(ylabel=ylabel)
    plt.show()


def equalised(x: Tensor, p: Tensor, responses: Mapping[str, Tensor]) -> None:
    """A density, responses to it, and how sensitive these are."""
    _, (left, right) = plt.subplots(1, 2)
    right.fill_between(x, p / p.max(), color="0.85", label="density")
    for (label, response), ls in zip(
        responses.items(), cycle(("-", "--", "-.", ":"))
    ):
        left.plot(x, response, ls=ls, label=label)
        slope = torch.gradient(response, spacing=(x,))[0]
        right.plot(x, slope / slope.max(), ls=ls)
    left.set(title="response, $S(x)$", xlabel="$x$")
    right.set(title="sensitivity, $S′(x)$, over its peak", xlabel="$x$")
    left.set_ylim(-0.05, 1.55)
    left.legend(frameon=False, loc="upper left")
    right.legend(frameon=False)
    plt.show()
