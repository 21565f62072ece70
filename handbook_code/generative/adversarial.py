"""Losses of two networks of which one makes samples and one judges them.

Means are over all elements: a judge may give one number a sample, or one a
patch. Real and made samples need not be equally many.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from handbook_code._checks import (
    check_floating,
    check_nonnegative,
    check_pair,
    check_positive,
    check_same_device,
    check_shape,
)
from handbook_code._reduce import no_autocast, reduce, widen


def minimax_discriminator_loss(
    real_logits: Tensor, fake_logits: Tensor
) -> Tensor:
    """What a discriminator minimises: cross-entropy of telling the two apart.

    L = −mean log D(x) − mean log(1 − D(x̃)),  D = σ(logit)

    Args:
        real_logits: the discriminator's logits of real samples, any shape.
        fake_logits: its logits of made samples, any shape and number.

    Returns:
        One number, ≥ 0: the sum of the two means. A discriminator without
        an idea pays 2 log 2. The mean of no samples is 0.

    Raises:
        TypeError: if a tensor is not floating-point.
        ValueError: if devices differ.

    Reference:
        Goodfellow et al. (2014), Generative adversarial nets.

    >>> minimax_discriminator_loss(torch.zeros(3), torch.zeros(5))
    tensor(1.3863)
    """
    check_floating(real_logits=real_logits, fake_logits=fake_logits)
    check_same_device(real_logits=real_logits, fake_logits=fake_logits)
    dtype, real, fake = widen(real_logits, fake_logits)
    missed = reduce(F.softplus(-real), "mean", real.dtype)
    return (missed + reduce(F.softplus(fake), "mean", fake.dtype)).to(dtype)


def minimax_generator_loss(fake_logits: Tensor) -> Tensor:
    """The generator's share of the same game: it minimises what D maximises.

    L = mean log(1 − D(x̃)),  D = σ(logit)

    Its slope in a logit is −σ: where the discriminator is sure that a sample
    is fake, next to nothing.

    Args:
        fake_logits: the discriminator's logits of made samples, any shape.

    Returns:
        One number, ≤ 0. The mean of no samples is 0.

    Raises:
        TypeError: if the tensor is not floating-point.

    Reference:
        Goodfellow et al. (2014), Generative adversarial nets.

    >>> minimax_generator_loss(torch.zeros(3))
    tensor(-0.6931)
    """
    check_floating(fake_logits=fake_logits)
    dtype, fake = widen(fake_logits)
    return reduce(-F.softplus(fake), "mean", dtype)


def non_saturating_generator_loss(fake_logits: Tensor) -> Tensor:
    """Wants made samples to be taken for real; slopes where the other fades.

    L = −mean log D(x̃),  D = σ(logit)

    Its slope in a logit is −(1 − σ).

    Args:
        fake_logits: the discriminator's logits of made samples, any shape.

    Returns:
        One number, ≥ 0. The mean of no samples is 0.

    Raises:
        TypeError: if the tensor is not floating-point.

    Reference:
        Goodfellow et al. (2014), Generative adversarial nets.

    >>> non_saturating_generator_loss(torch.zeros(3))
    tensor(0.6931)
    """
    check_floating(fake_logits=fake_logits)
    dtype, fake = widen(fake_logits)
    return reduce(F.softplus(-fake), "mean", dtype)


def wasserstein_critic_loss(
    real_scores: Tensor, fake_scores: Tensor
) -> Tensor:
    """What a critic minimises: by how much it scores the made ones higher.

    L = mean f(x̃) − mean f(x)

    Over all critics f of Lipschitz constant 1 its least value is minus the
    Wasserstein distance. Nothing in the loss bounds the critic: that takes
    ``gradient_penalty`` or ``clip_weights``.

    Args:
        real_scores: the critic's scores of real samples, any shape.
        fake_scores: its scores of made samples, any shape and number.

    Returns:
        One number, of any sign. The mean of no samples is 0.

    Raises:
        TypeError: if a tensor is not floating-point.
        ValueError: if devices differ.

    Reference:
        Arjovsky, Chintala, Bottou (2017), Wasserstein generative adversarial
        networks.

    >>> wasserstein_critic_loss(torch.tensor([3.0, 5.0]), torch.tensor([1.0]))
    tensor(-3.)
    """
    check_floating(real_scores=real_scores, fake_scores=fake_scores)
    check_same_device(real_scores=real_scores, fake_scores=fake_scores)
    dtype, real, fake = widen(real_scores, fake_scores)
    made = reduce(fake, "mean", fake.dtype)
    return (made - reduce(real, "mean", real.dtype)).to(dtype)


def wasserstein_generator_loss(fake_scores: Tensor) -> Tensor:
    """Wants made samples to be scored high.

    L = −mean f(x̃)

    Args:
        fake_scores: the critic's scores of made samples, any shape.

    Returns:
        One number, of any sign. The mean of no samples is 0.

    Raises:
        TypeError: if the tensor is not floating-point.

    Reference:
        Arjovsky, Chintala, Bottou (2017), Wasserstein generative adversarial
        networks.

    >>> wasserstein_generator_loss(torch.tensor([1.0, 2.0]))
    tensor(-1.5000)
    """
    check_floating(fake_scores=fake_scores)
    dtype, fake = widen(fake_scores)
    return reduce(-fake, "mean", dtype)


def gradient_penalty(
    critic: Callable[[Tensor], Tensor],
    real: Tensor,
    fake: Tensor,
    *,
    weight: float = 10.0,
    mixing: Tensor | None = None,
) -> Tensor:
    """Wants a critic's slope to have length 1, between real and made samples.

    L = λ mean (‖∇f(x̂)‖ − 1)²,  x̂ = ε x + (1 − ε) x̃

    Args:
        critic: f, which takes samples (N, …) and returns one score for each,
            (N,) or (N, 1, …), that depends on no other sample: without batch
            normalisation. It is called once, by ``torch.func.grad``, outside
            autocast, with x̂ in float32 or wider.
        real: x, (N, …). The norm is over all elements of a sample.
        fake: x̃, of the same shape. Detach it where the critic learns.
        weight: λ ≥ 0.
        mixing: ε, (N,). If None, drawn from [0, 1) for each sample.

    Returns:
        One number, ≥ 0, that can be differentiated in what the critic is
        made of. A sample where the critic is flat costs λ and pulls nowhere.

    Raises:
        TypeError: if a tensor is not floating-point, the weight no number,
            or the critic cannot be called.
        ValueError: if shapes or devices differ, the critic does not return
            one score a sample, or the weight is negative or not finite.

    Reference:
        Gulrajani, Ahmed, Arjovsky, Dumoulin, Courville (2017), Improved
        training of Wasserstein GANs.

    >>> x = torch.randn(4, 3)
    >>> gradient_penalty(lambda x: 2 * x[:, 0], x, x + 1)
    tensor(10.)
    """
    check_nonnegative(weight=weight)
    if not callable(critic):
        got = type(critic).__name__
        raise TypeError(f"critic: expected a function, got {got}")
    _check_samples(real, fake, mixing)
    dtype, x, made = widen(real, fake)
    if mixing is None:
        mixing = torch.rand(len(x), dtype=x.dtype, device=x.device)
    share = mixing.to(x.dtype).view(-1, *[1] * (x.dim() - 1))

    def total(x: Tensor) -> Tensor:
        scores = critic(x)
        _check_scores(scores, x)
        return scores.sum()

    # Autocast would round the slope before its length is compared with 1.
    with no_autocast(x):
        slope = torch.func.grad(total)(share * x + (1 - share) * made)
    square = slope.flatten(1).square().sum(1) if x.dim() > 1 else slope**2
    # The root of zero has no slope, and no slope of its slope.
    flat = square == 0
    length = torch.where(flat, 0.0, torch.where(flat, 1.0, square).sqrt())
    return reduce(weight * (length - 1) ** 2, "mean", dtype)


@torch.no_grad()
def clip_weights(critic: nn.Module, *, limit: float = 0.01) -> None:
    """Sets every parameter of a critic that leaves [−c, c] to its end.

    Called after each step of the critic's optimiser, it changes the critic in
    place. Linear layers and activations of bounded slope thereby have a
    Lipschitz constant together; it is not 1.

    Args:
        critic: its parameters are clipped, its buffers are not.
        limit: c > 0.

    Raises:
        TypeError: if the critic is no module, or the limit no number.
        ValueError: if the limit is not positive and finite.

    Reference:
        Arjovsky, Chintala, Bottou (2017), Wasserstein generative adversarial
        networks.

    >>> critic = torch.nn.Linear(2, 1)
    >>> clip_weights(critic, limit=1e-3)
    >>> bool(critic.weight.abs().max() <= 1e-3)
    True
    """
    if not isinstance(critic, nn.Module):
        got = type(critic).__name__
        raise TypeError(f"critic: expected a module, got {got}")
    check_positive(limit=limit)
    for parameter in critic.parameters():
        parameter.clamp_(-limit, limit)


def _check_samples(real: Tensor, fake: Tensor, mixing: Tensor | None) -> None:
    check_pair(real=real, fake=fake)
    if real.dim() == 0:
        raise ValueError("real: expected a batch of samples, (N, …), got ()")
    if mixing is not None:
        check_floating(mixing=mixing)
        check_same_device(real=real, mixing=mixing)
        meaning = f"a number for each sample of {tuple(real.shape)}"
        check_shape("mixing", mixing, meaning, real.shape[:1])


def _check_scores(scores: Tensor, x: Tensor) -> None:
    if scores.shape[:1] != x.shape[:1] or set(scores.shape[1:]) - {1}:
        raise ValueError(
            f"critic: expected one score for each sample of "
            f"{tuple(x.shape)}, ({len(x)},), got {tuple(scores.shape)}"
        )
