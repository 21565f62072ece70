"""Kullback–Leibler divergences, of class probabilities and of Gaussians."""

from torch import Tensor

from handbook_code._checks import check_pair
from handbook_code._reduce import reduce, widen


def kl_divergence_loss(
    input_log_probs: Tensor,
    target_probs: Tensor,
    *,
    reduction: str = "mean",
) -> Tensor:
    """What it costs, on average, to expect q where p is true.

    L = Σₖ pₖ (log pₖ − log qₖ)

    This is KL(p ‖ q) = KL(target ‖ input), in nats. A 0 in p adds nothing,
    whatever q is there.

    Args:
        input_log_probs: log q, of shape (…, K): logarithms of probabilities
            that sum to 1 along the last axis, as ``log_softmax`` makes them.
            That they do is not checked, for it would read values: with
            other numbers the sum above is what is computed, and it may be
            negative.
        target_probs: p, of the same shape: probabilities, and no logarithms.
        reduction: ``"none"`` (one value per distribution, of shape (…)),
            ``"mean"`` or ``"sum"``. The mean divides by the number of
            distributions. Torch's ``kl_div`` divides by the number of all
            elements, and its ``"batchmean"`` by the first axis alone.

    Returns:
        The loss, ≥ 0 but for rounding, and 0 where q = p. It is infinite
        where q is 0 and p is not; the gradient in log q is −p even there.
        In p the gradient is log p − log q + 1, and 0 where p is 0: the
        derivative there is infinite, but a softmax would multiply it by p.

    Raises:
        TypeError: if an argument is not floating-point.
        ValueError: if shapes or devices differ, there is no axis to sum
            over, or the reduction is unknown.

    Reference:
        Kullback, Leibler (1951), On information and sufficiency.

    >>> import torch
    >>> p = torch.tensor([[0.5, 0.5], [1.0, 0.0]])
    >>> q = torch.tensor([[0.75, 0.25], [0.5, 0.5]])
    >>> kl_divergence_loss(q.log(), p, reduction="none")
    tensor([0.1438, 0.6931])
    """
    _check_last_axis(
        input_log_probs=input_log_probs, target_probs=target_probs
    )
    dtype, log_q, p = widen(input_log_probs, target_probs)
    absent = p == 0  # 0 log 0 = 0, and so is its slope
    log_p = p.masked_fill(absent, 1).log()
    surplus = log_p - log_q.masked_fill(absent, 0)
    return reduce((p * surplus).sum(-1), reduction, dtype)


def gaussian_kl_loss(
    mean: Tensor,
    log_variance: Tensor,
    *,
    reduction: str = "mean",
) -> Tensor:
    """What a Gaussian code tells beyond standard normal noise.

    L = ½ Σₖ (μₖ² + exp vₖ − 1 − vₖ),  v = log σ²

    This is KL(N(μ, diag σ²) ‖ N(0, I)), in nats: of independent Gaussians,
    the sum over the D dimensions.

    Args:
        mean: μ, of shape (…, D).
        log_variance: v, the logarithm of the variance, and not of the
            standard deviation, of the same shape.
        reduction: ``"none"`` (one value per Gaussian, of shape (…)),
            ``"mean"`` or ``"sum"``. The mean divides by the number of
            Gaussians, never by D. Beside it a reconstruction error must be
            a sum over pixels.

    Returns:
        The loss, ≥ 0, and 0 where the Gaussian is standard normal. exp v
        overflows above v = 88 in float32, and there value and gradient are
        infinite; a float16 result is from v = 12 on. Clamp log_variance
        where a network can get so far.

    Raises:
        TypeError: if an argument is not floating-point.
        ValueError: if shapes or devices differ, there is no axis to sum
            over, or the reduction is unknown.

    Reference:
        Kingma, Welling (2014), Auto-encoding variational Bayes.

    >>> import torch
    >>> mean = torch.tensor([[0.0, 0.0], [1.0, 0.0]])
    >>> log_variance = torch.tensor([[0.0, 0.0], [0.0, -2.0]])
    >>> gaussian_kl_loss(mean, log_variance, reduction="none")
    tensor([0.0000, 1.0677])
    """
    _check_last_axis(mean=mean, log_variance=log_variance)
    dtype, mu, v = widen(mean, log_variance)
    # Near v = 0, exp(v) − 1 would have lost the digits that expm1 keeps.
    each = mu * mu + (v.expm1() - v)
    return reduce(each.sum(-1) / 2, reduction, dtype)


def _check_last_axis(**tensors: Tensor) -> None:
    check_pair(**tensors)
    name, first = next(iter(tensors.items()))
    if first.dim() == 0:
        raise ValueError(
            f"{name}: expected an axis to sum over, (…, K), "
            f"got {tuple(first.shape)}"
        )
