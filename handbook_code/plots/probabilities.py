"""Losses of a probability, and how far the probabilities can be believed."""

from collections.abc import Callable, Mapping
from itertools import cycle

import matplotlib.pyplot as plt
import torch
from sklearn.metrics import precision_recall_curve
from torch import Tensor

from handbook_code.plots.curves import DASHES
from handbook_code.plots.margins import _legend_below

OfTwoClasses = Mapping[str, Callable[..., Tensor]]


def surprises(losses: OfTwoClasses, top: float = 4) -> None:
    """Losses of two classes by the probability of the truth, and their pull.

    The pull is the size of the slope in the logit of the true class.
    """
    u = torch.linspace(7, -7, 801).double().requires_grad_()
    rows = torch.stack([torch.zeros_like(u), u], dim=1)
    truth = torch.zeros(len(u), dtype=torch.long)
    p = torch.sigmoid(-u).detach()
    figure, (left, right) = plt.subplots(1, 2)
    for (label, loss), dash in zip(losses.items(), cycle(DASHES)):
        value = loss(rows, truth, reduction="none")
        (slope,) = torch.autograd.grad(value.sum(), u, retain_graph=True)
        left.plot(p, value.detach(), ls=dash, label=label)
        right.plot(p, slope, ls=dash)
    left.set(title="loss", ylim=(-0.04 * top, top))
    right.set(title="pull at the logit")
    for ax in (left, right):
        ax.set(xlabel="probability of the truth, $p_t$")
    _legend_below(figure, left)


def beliefs(losses: OfTwoClasses) -> None:
    """What a share of positives is fitted as, if the loss is all there is."""
    eta = torch.linspace(0.01, 0.99, 99).double()
    u = torch.linspace(-9, 9, 4001).double()
    rows = torch.stack([torch.zeros_like(u), u], dim=1)
    figure, ax = plt.subplots(figsize=(4.6, 3.2))
    ax.plot([0, 1], [0, 1], color="0.6", lw=0.8, zorder=0)
    for (label, loss), dash in zip(losses.items(), cycle(DASHES)):
        negative, positive = (
            loss(rows, torch.full((len(u),), t), reduction="none")
            for t in (0, 1)
        )
        risk = eta[:, None] * positive + (1 - eta[:, None]) * negative
        fitted = u[risk.argmin(dim=1)].sigmoid()
        ax.plot(eta, fitted, ls=dash, label=label)
    ax.set(xlabel="true share of positives", ylabel="fitted probability")
    _legend_below(figure, ax)


def reliability(
    logits: Mapping[str, Tensor], labels: Tensor, bins: int = 20
) -> None:
    """Observed against predicted shares in bins of equal size, on logs."""
    figure, ax = plt.subplots(figsize=(4.6, 3.4))
    ends = torch.tensor([1e-4, 1.0])
    ax.plot(ends, ends, color="0.6", lw=0.8, zorder=0)
    for (label, z), dash in zip(logits.items(), cycle(DASHES)):
        order = z.flatten().argsort()
        groups = order[: len(order) // bins * bins].view(bins, -1)
        said = z.flatten().sigmoid()[groups].mean(1)
        seen = labels.flatten()[groups].mean(1)
        some = seen > 0
        ax.plot(said[some], seen[some], marker="o", ms=3, ls=dash, label=label)
    ax.set(
        xscale="log", yscale="log", xlabel="predicted", ylabel="observed",
        xlim=ends.tolist(), ylim=ends.tolist(),
    )  # fmt: skip
    _legend_below(figure, ax)


def precision_recall(logits: Mapping[str, Tensor], labels: Tensor) -> None:
    """Precision over recall; a dot where the probability is one half."""
    figure, ax = plt.subplots(figsize=(4.6, 3.4))
    y = labels.flatten()
    for n, ((label, z), dash) in enumerate(zip(logits.items(), cycle(DASHES))):
        z = z.flatten()
        precision, recall, _ = precision_recall_curve(y, z)
        thin = slice(None, None, max(1, len(recall) // 2000))
        ax.plot(recall[thin], precision[thin], ls=dash, lw=1.2, label=label)
        hit = (y * (z > 0)).sum()
        ax.plot(hit / y.sum(), hit / (z > 0).sum(), "o", color=f"C{n}")
    ax.set(xlabel="recall", ylabel="precision", ylim=(0, 1.02))
    _legend_below(figure, ax)


def gains(series: Mapping[str, Tensor], xlabel: str) -> None:
    """One dot a run, one row a name, beside the line at zero."""
    _, ax = plt.subplots(figsize=(5.2, 0.5 + 0.34 * len(series)))
    ax.axvline(0, color="0.6", lw=0.8, zorder=0)
    for row, values in enumerate(series.values()):
        lift = torch.linspace(-0.18, 0.18, len(values))
        ax.plot(values, row + lift, "o", ms=3.5, color=f"C{row}", alpha=0.7)
        ax.plot(values.mean(), row, "|", ms=15, mew=2, color=f"C{row}")
    ax.set(xlabel=xlabel, yticks=range(len(series)), yticklabels=series)
    ax.invert_yaxis()
    plt.show()


def harmony(
    norms: Tensor, pulls: Mapping[str, Tensor], bins: int = 10
) -> None:
    """How many samples have a slope of what size, and what they pull."""
    place = (norms * bins).long().clamp(max=bins - 1)
    middle = (torch.arange(bins) + 0.5) / bins
    _, (left, right) = plt.subplots(1, 2)
    left.bar(middle, place.bincount(minlength=bins), 0.9 / bins, color="C4")
    left.set(title="how many samples", yscale="log")
    width = 0.8 / bins / len(pulls)
    for n, (label, pull) in enumerate(pulls.items()):
        share = torch.zeros(bins, dtype=pull.dtype)
        share = share.scatter_add(0, place, pull / pull.sum())
        offset = (n - (len(pulls) - 1) / 2) * width
        right.bar(middle + offset, share, width, label=label)
    right.set(title="share of the pull")
    right.legend(frameon=False)
    for ax in (left, right):
        ax.set(xlabel="size of the slope of cross-entropy, $g$")
    plt.show()
