"""Densities, and what is fitted to them."""

from collections.abc import Callable, Mapping, Sequence

import matplotlib.pyplot as plt
import torch
from matplotlib.axes import Axes
from torch import Tensor
from torch.distributions import Distribution

Loss = Callable[..., Tensor]
BLUE, ORANGE, GREEN, PURPLE = "#0072B2", "#D55E00", "#009E73", "#CC79A7"
QUIET = "0.55"


def two_signs(extent: float) -> None:
    """exp(−r²/2) and exp(+r²/2), and the mass each has within ±R."""
    r = torch.linspace(0, extent, 1001).double()
    _, (left, right) = plt.subplots(1, 2)
    for sign, label in ((-1, "$-r^2/2$"), (1, "$+r^2/2$")):
        value = torch.exp(sign * r**2 / 2)
        inside = 2 * torch.cumulative_trapezoid(value, r)
        both = torch.cat([value[1:].flip(0), value])
        left.plot(torch.cat([-r[1:].flip(0), r]), both, label=label)
        right.semilogy(r[1:], inside)
    left.set(title=r"$\exp(\pm r^2/2)$", xlabel="residual $r$", ylim=(0, 4))
    left.legend(frameon=False, handlelength=1.2, title="exponent")
    right.set(title="mass within $\\pm R$", xlabel="$R$", ylim=(0.1, None))
    plt.show()


def widths(squared_errors: Sequence[float]) -> None:
    """Negative log-likelihood of a number against the width of the noise."""
    sigma = torch.linspace(0.15, 4, 1001).double()
    _, (left, right) = plt.subplots(1, 2, sharey=True)
    for error in squared_errors:
        misfit = error / (2 * sigma**2)
        whole = misfit + torch.log(2 * torch.pi * sigma**2) / 2
        best = torch.tensor(error).sqrt()
        (line,) = left.plot(sigma, whole, label=f"{error:g}")
        right.plot(sigma, misfit)
        least = 0.5 + torch.log(2 * torch.pi * best**2) / 2
        left.plot(best, least, "o", color=line.get_color(), markersize=5)
    left.set(title="with $\\log Z$", ylim=(0, 4), xlabel="width $\\sigma$")
    right.set(title="without", xlabel="width $\\sigma$")
    left.legend(title="MSE", frameon=False, handlelength=1.2)
    plt.show()


def noises(losses: Mapping[str, Loss], extent: float) -> None:
    """The densities exp(−ρ) / Z, and their logarithms."""
    far = torch.linspace(-40, 40, 16001).double()
    _, (left, right) = plt.subplots(1, 2)
    styles = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)))
    for (label, loss), style in zip(losses.items(), styles, strict=False):
        rho = loss(far, torch.zeros_like(far), reduction="none")
        log_density = -rho - torch.trapezoid(torch.exp(-rho), far).log()
        shown = far.abs() <= extent
        r, log_p = far[shown], log_density[shown]
        left.plot(r, log_p.exp(), linestyle=style, label=label)
        right.plot(r, log_p, linestyle=style)
    left.set(title="density, $e^{-ρ(r)}/Z$", xlabel="residual $r$")
    right.set(title="log density, $-ρ(r) - \\log Z$", xlabel="residual $r$")
    right.set_ylim(-9, 0)
    left.set_ylim(bottom=0)
    left.legend(frameon=False, handlelength=2.2, loc="upper left", fontsize=8)
    plt.show()


def fitted(truth: Distribution, fit: Distribution, *, extent: float) -> None:
    """A density, what was fitted to it, and samples of both."""
    x = torch.linspace(-extent, extent, 801)
    _, (top, bottom) = plt.subplots(
        2, 1, height_ratios=(4, 1), figsize=(6.8, 3.2), sharex=True
    )
    rows = ((truth, BLUE, "the density"), (fit, ORANGE, "the Gaussian fit"))
    for row, (density, colour, label) in enumerate(rows):
        top.plot(x, density.log_prob(x).exp(), color=colour, label=label)
        height = torch.full((120,), float(-row))
        bottom.plot(density.sample((120,)), height, "|", color=colour, ms=7)
    middle = fit.mean
    top.plot(middle, fit.log_prob(middle).exp(), "o", color=ORANGE, ms=5)
    top.annotate(
        "what is predicted",
        (middle, fit.log_prob(middle).exp()),
        xytext=(0, 9),
        textcoords="offset points",
        ha="center",
    )
    top.set(ylim=(0, None))
    top.legend(frameon=False, loc="upper left", handlelength=1.2)
    bottom.set(ylim=(-1.6, 0.6), xlim=(-extent, extent), xlabel="$x$")
    bottom.set_yticks([0, -1], ["samples of the density", "of the fit"])
    bottom.tick_params(axis="y", length=0)
    bottom.spines["left"].set_visible(False)
    plt.show()


def compromise(
    losses: Mapping[str, Loss], points: Tensor, weights: Sequence[float]
) -> None:
    """The mean loss of every prediction where there are two answers."""
    low, high = points.min() - 1, points.max() + 1
    c = torch.linspace(low, high, 601)
    _, axes = plt.subplots(1, len(losses))
    shades = (BLUE, ORANGE, GREEN)
    for axis, (label, loss) in zip(axes, losses.items(), strict=True):
        for weight, shade in zip(weights, shades, strict=False):
            first, second = (
                loss(c, p.expand_as(c), reduction="none") for p in points
            )
            value = weight * first + (1 - weight) * second
            axis.plot(c, value, color=shade, label=f"{weight:.0%} left")
            least = value <= value.min() + 1e-5
            axis.plot(
                c[least],
                value[least],
                color=shade,
                linewidth=5,
                alpha=0.4,
                marker="o",
                markersize=5 if least.sum() < 5 else 0,
            )
        for p in points:
            axis.axvline(p, color=QUIET, linewidth=0.8, linestyle=":")
        axis.set(title=label, xlabel="prediction")
        axis.set_ylim(bottom=0)
    axes[0].legend(frameon=False, handlelength=1.2)
    plt.show()


def hollow(circle: Mapping[int, float], cube: Mapping[int, float]) -> None:
    """The density in the middle over that at a mode: many modes, many axes."""
    _, (left, right) = plt.subplots(1, 2)
    left.semilogy(list(circle), list(circle.values()), "o-", markersize=3.5)
    left.set_xscale("log", base=2)
    ticks = list(circle)[::2]
    left.set_xticks(ticks, [str(k) for k in ticks])
    left.set(title="modes on a circle", xlabel="number of modes")
    right.semilogy(list(cube), list(cube.values()), "o-", markersize=3.5)
    right.set(title="modes at the corners of a cube", xlabel="dimensions")
    for axis in (left, right):
        axis.axhline(1, color=QUIET, linewidth=0.8, linestyle=":")
        axis.set_ylim(top=10)
    plt.show()


def divergences(
    truth: Distribution,
    fits: Mapping[str, Sequence[Distribution]],
    slices: tuple[Tensor, Mapping[str, Tensor]],
    *,
    extent: float,
) -> None:
    """What each divergence fits, and its value for every centre of the fit."""
    x = torch.linspace(-extent, extent, 801)
    _, (left, right) = plt.subplots(1, 2)
    left.fill_between(x, truth.log_prob(x).exp(), color="0.8", linewidth=0)
    left.text(-extent, 0.42, "the density", color="0.45", va="center")
    centres, values = slices
    for (label, found), colour in zip(
        fits.items(), (BLUE, ORANGE), strict=True
    ):
        for number, fit in enumerate(found):
            left.plot(
                x,
                fit.log_prob(x).exp(),
                "-" if number == 0 else "--",
                color=colour,
            )
        right.plot(centres, values[label], color=colour, label=label)
    left.set(title="the fits", xlabel="$x$", ylim=(0, None))
    right.set(title="least divergence, given the centre", xlabel="centre $μ$")
    right.set_ylim(bottom=0)
    right.legend(frameon=False, handlelength=1.2)
    plt.show()


def conditionals(
    worlds: Mapping[str, tuple[Tensor, Tensor]], lines: Mapping[str, Tensor]
) -> None:
    """Input against output, the fitted line, and the outputs as a whole."""
    widths = [4, 1] * len(worlds)
    _, axes = plt.subplots(
        1, 2 * len(worlds), width_ratios=widths, sharey=True
    )
    for number, (label, (given, x)) in enumerate(worlds.items()):
        scatter, margin = axes[2 * number : 2 * number + 2]
        few = slice(0, 500)
        scatter.plot(given[few], x[few], ".", color=BLUE, ms=3, mew=0)
        ends = torch.stack([given.min(), given.max()])
        slope, offset = lines[label]
        scatter.plot(ends, slope * ends + offset, color=ORANGE)
        scatter.set(title=label, xlabel="input $c$")
        _bare_histogram(margin, x)
    axes[0].set_ylabel("output $x$")
    plt.show()


def _bare_histogram(axis: Axes, x: Tensor) -> None:
    axis.hist(x, bins=60, orientation="horizontal", color=BLUE, alpha=0.6)
    axis.spines["bottom"].set_visible(False)
    axis.spines["left"].set_visible(False)
    axis.tick_params(left=False, bottom=False, labelbottom=False)
    axis.set_xlabel("all $x$")
