"""Losses of a network that learns to take noise out of data.

The network is an argument: the loss adds the noise, calls the network, and
compares.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from handbook_code._checks import (
    check_finite,
    check_floating,
    check_indices,
    check_pair,
    check_positive,
    check_same_device,
    check_shape,
)
from handbook_code._reduce import reduce, widen

Network = Callable[[Tensor, Tensor], Tensor]


def simple_diffusion_loss(
    model: Network,
    x0: Tensor,
    t: Tensor,
    alpha_bar: Tensor,
    *,
    noise: Tensor | None = None,
    weight: Tensor | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Has a network name the noise that was mixed into data.

    L = wₜ/D ‖ε_θ(xₜ, t) − ε‖²,  xₜ = √ᾱₜ x₀ + √(1 − ᾱₜ) ε

    Args:
        model: ε_θ, called as ``model(x_t, t)`` with x_t in the shape and dtype
            of x0; returns a tensor of that shape.
        x0: clean data, (N, …), of D elements a sample. The schedule supposes
            that they have a variance near 1.
        t: the time of each sample, whole numbers from 0 to T − 1, (N,).
        alpha_bar: ᾱ, the share of the variance at each time that is still
            data, (T,), between 0 and 1. A schedule in double precision keeps
            1 − ᾱ exact where hardly any noise is added.
        noise: ε, of the shape of x0; drawn from the standard normal
            distribution if not given.
        weight: w, the weight of each time, (T,); 1 if not given. It does not
            divide the mean.
        reduction: ``"none"`` (one value per sample, the mean over its
            elements), ``"mean"`` or ``"sum"``.

    Returns:
        The loss, ≥ 0. In general no network reaches 0 on average: the noise
        cannot be told from the data for certain.

    Raises:
        TypeError: if the model cannot be called or returns no floating-point
            tensor, or a tensor is of the wrong kind.
        ValueError: if shapes or devices differ, or the reduction is unknown.

    Reference:
        Ho, Jain, Abbeel (2020), Denoising diffusion probabilistic models.

    >>> x0, noise = torch.tensor([[4.0]]), torch.tensor([[2.0]])
    >>> alpha_bar = torch.tensor([0.75, 0.25])
    >>> simple_diffusion_loss(
    ...     lambda x, t: x, x0, torch.tensor([1]), alpha_bar, noise=noise
    ... )
    tensor(3.0000)
    """
    noise = _check_noise(noise, x0=x0)
    check_indices("t", t, _one_each("x0", x0), x0.shape[:1])
    check_floating(alpha_bar=alpha_bar)
    check_same_device(x0=x0, t=t, alpha_bar=alpha_bar)
    if alpha_bar.dim() != 1:
        got = tuple(alpha_bar.shape)
        raise ValueError(f"alpha_bar: expected a schedule, (T,), got {got}")
    if weight is not None:
        check_pair(alpha_bar=alpha_bar, weight=weight)
    dtype, x, e = widen(x0, noise)
    kept = widen(alpha_bar)[1]  # 1 − ᾱ before ᾱ has the precision of x
    kept = _at(kept, t, x)
    noisy = kept.sqrt().to(x) * x + (1 - kept).sqrt().to(x) * e
    error = _call("model", model, noisy.to(x0.dtype), t, "x0") - e
    loss = _samples(error * error).mean(1)
    if weight is not None:
        loss = weight.to(loss).gather(0, t.long()) * loss
    return reduce(loss, reduction, dtype)


def denoising_score_matching_loss(
    score: Callable[[Tensor, Tensor | float], Tensor],
    x: Tensor,
    sigma: Tensor | float,
    *,
    noise: Tensor | None = None,
    power: float = 0.0,
    reduction: str = "mean",
) -> Tensor:
    """Has a network point from noisy data back to where it came from.

    L = ½ σᵖ ‖s(x̃, σ) + ε/σ‖²,  x̃ = x + σ ε

    Args:
        score: s, called as ``score(x_noisy, sigma)`` with x_noisy in the shape
            and dtype of x, and sigma as it was given; returns a tensor of the
            shape of x.
        x: clean data, (N, …).
        sigma: σ > 0, the standard deviation of the noise, in the unit of x: a
            number, or one for each sample, (N,).
        noise: ε, of the shape of x; drawn from the standard normal
            distribution if not given.
        power: p of the weight σᵖ. Vincent's 0 weighs all σ alike, and then the
            smallest dominates; with Song and Ermon's 2 each σ counts about
            as much.
        reduction: ``"none"`` (one value per sample, the sum over its
            elements), ``"mean"`` or ``"sum"``.

    Returns:
        The loss, ≥ 0. On average it is least, and in general not zero, where
        s is the score of the density of the noisy data.

    Raises:
        TypeError: if the score cannot be called or returns no floating-point
            tensor, a tensor is not floating-point, or a number is none.
        ValueError: if shapes or devices differ, a number is out of its range,
            or the reduction is unknown.

    Reference:
        Vincent (2011), A connection between score matching and denoising
        autoencoders.

    >>> x, noise = torch.tensor([[3.0, 0.0]]), torch.tensor([[1.0, 2.0]])
    >>> denoising_score_matching_loss(
    ...     lambda x_noisy, sigma: -x_noisy, x, 0.5, noise=noise
    ... )
    tensor(5.6250)
    """
    noise = _check_noise(noise, x=x)
    check_finite(power=power)
    if isinstance(sigma, Tensor):
        check_floating(sigma=sigma)
        check_same_device(x=x, sigma=sigma)
        if sigma.dim() != 0:
            check_shape("sigma", sigma, _one_each("x", x), x.shape[:1])
    else:
        check_positive(sigma=sigma)
    dtype, clean, e = widen(x, noise)
    scale = torch.as_tensor(sigma, dtype=clean.dtype, device=x.device)
    scale = scale.reshape(-1, *[1] * (x.dim() - 1))
    noisy = (clean + scale * e).to(x.dtype)
    # σ s + ε and not s + ε/σ: with p = 2 nothing is divided by a small σ.
    error = scale * _call("score", score, noisy, sigma, "x") + e
    loss = scale ** (power - 2) * error * error / 2
    return reduce(_samples(loss).sum(1), reduction, dtype)


def _check_noise(noise: Tensor | None, **data: Tensor) -> Tensor:
    """The noise, drawn if there is none."""
    check_floating(**data)
    ((name, x),) = data.items()
    if x.dim() == 0:
        raise ValueError(f"{name}: expected a batch, (N, …), got ()")
    if noise is None:
        return torch.randn_like(x)
    check_pair(**data, noise=noise)
    return noise


def _one_each(name: str, x: Tensor) -> str:
    return f"one for each sample of {name}, {tuple(x.shape)}"


def _at(schedule: Tensor, t: Tensor, x: Tensor) -> Tensor:
    # Indexing by brackets would take t = −1 for the last.
    return schedule.gather(0, t.long()).view(-1, *[1] * (x.dim() - 1))


def _samples(values: Tensor) -> Tensor:
    """One row for each sample, also where it is a single number."""
    return values.unsqueeze(-1).flatten(1)


def _call(
    name: str,
    network: Callable,
    x: Tensor,
    condition: Tensor | float,
    like: str,
) -> Tensor:
    if not callable(network):
        got = type(network).__name__
        raise TypeError(f"{name}: expected a network to call, got {got}")
    output = network(x, condition)
    try:
        check_floating(output=output)
    except TypeError as error:
        raise TypeError(f"{name}: {error}") from None
    check_shape(name, output, f"an output of the shape of {like}", x.shape)
    return output.to(torch.promote_types(x.dtype, torch.float32))
