"""Losses of two images by the statistics of what small windows show.

Compared is how bright a window is, how much its pixels vary, and whether they
vary together. Everything is written as what is missing to one, which keeps
its digits where two images are nearly the same.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from handbook_code._checks import check_positive, check_unit_interval
from handbook_code._fused import fused
from handbook_code._reduce import no_autocast, reduce
from handbook_code.image import _fast_mix as mix
from handbook_code.image import _fast_similarity as fast
from handbook_code.image._windows import (
    SIDE,
    SIGMA,
    WANG,
    ZHAO,
    _weighted,
    _windows,
    check_scales,
    images,
)


@fused(fast.ssim, "input", "target")
def ssim_loss(
    input: Tensor,
    target: Tensor,
    *,
    data_range: float,
    reduction: str = "mean",
) -> Tensor:
    """One minus the structural similarity, mean over all windows.

    L = 1 − (2 μₓ μᵧ + C₁)(2 σₓᵧ + C₂) / ((μₓ² + μᵧ² + C₁)(σₓ² + σᵧ² + C₂)),
    C₁ = (0.01 R)²,  C₂ = (0.03 R)²

    Mean, variance and covariance are weighted by a Gaussian of deviation 1.5
    in a window of 11 × 11 pixels; only windows inside the image count. Each
    channel is compared by itself.

    Args:
        input: x, images, (N, C, H, W), of at least 11 pixels a side.
        target: y, of the same shape.
        data_range: R > 0, the difference between white and black: 1 for
            images in [0, 1], 255 for bytes, 2 for images in [−1, 1].
        reduction: ``"none"`` (one value per image), ``"mean"`` or ``"sum"``.

    Returns:
        The loss, from 0 to below 2. Above 1 contrasts are reversed, or the
        means have opposite signs.

    Raises:
        TypeError: if an image is not floating-point, or the range no number.
        ValueError: if shapes or devices differ, the images are too small,
            the range is not positive and finite, or the reduction is
            unknown.

    Reference:
        Wang, Bovik, Sheikh, Simoncelli (2004), Image quality assessment:
        From error visibility to structural similarity.

    >>> grey, darker = torch.full((1, 1, 11, 11), 0.5), torch.zeros(1)
    >>> stripes = grey + 0.1 * (torch.arange(11) % 2 - 0.5)
    >>> ssim_loss(grey, stripes, data_range=1.0)
    tensor(0.7353)
    """
    check_positive(data_range=data_range)
    dtype, x, y = images(input, target, SIDE)
    with no_autocast(x):
        x, y, levels = _centred(x, y)
        windows = _windows(x, SIGMA, SIDE)
        dark, unlike = _lacks(x, y, levels, windows, data_range)
        loss = _either(dark, unlike).mean((1, 2, 3))
    return reduce(loss, reduction, dtype)


@fused(fast.ms_ssim, "input", "target")
def ms_ssim_loss(
    input: Tensor,
    target: Tensor,
    *,
    data_range: float,
    weights: Sequence[float] = WANG,
    reduction: str = "mean",
) -> Tensor:
    """One minus the similarity at several scales, each half as fine.

    L = 1 − S_M^w_M · ∏_{j<M} c_j^w_j,  mean over channels; c_j is the mean
    of the contrast-structure factor at scale j, S_M the mean similarity at
    the coarsest. If some of them are negative, where Wang's product is no
    real number, L = 1 + Σ w_j max(0, −c_j) / Σ w_j

    Args:
        input: x, images, (N, C, H, W), of at least 10 · 2^(M − 1) + 1 pixels
            a side: 161 for five scales, 11 for one.
        target: y, of the same shape.
        data_range: R > 0, the difference between white and black.
        weights: w, positive, one for each of the M scales, from fine to
            coarse. Wang's five sum to 1.0001.
        reduction: ``"none"`` (one value per image), ``"mean"`` or ``"sum"``.

    Returns:
        The loss, from 0 to below 2. It is continuous; as a factor falls to
        0 it rises ever more steeply, to 1, and from there on linearly.

    The mean over 2 × 2 pixels makes a scale of the one before. In a side of
    odd length the last pixel stands alone, as in Wang's own code.

    Raises:
        TypeError: if an image is not floating-point, or the range or a
            weight no number.
        ValueError: if shapes or devices differ, the images are too small for
            so many scales, the range or a weight is not positive and finite,
            there is no weight, or the reduction is unknown.

    Reference:
        Wang, Simoncelli, Bovik (2003), Multiscale structural similarity for
        image quality assessment.

    >>> x, y = torch.full((1, 1, 161, 161), 0.5), torch.zeros(1, 1, 161, 161)
    >>> ms_ssim_loss(x, y, data_range=1.0)
    tensor(0.6476)
    """
    check_positive(data_range=data_range)
    check_scales("weights", weights)
    scales = len(weights)
    least = (SIDE - 1) * 2 ** (scales - 1) + 1
    dtype, x, y = images(input, target, least, scales)
    with no_autocast(x):
        missing = []
        x, y, levels = _centred(x, y)
        for scale in range(1, scales + 1):
            windows = _windows(x, SIGMA, SIDE)
            dark, unlike = _lacks(x, y, levels, windows, data_range)
            if scale == scales:
                unlike = _either(dark, unlike)
            missing.append(unlike.mean((2, 3)))
            if scale < scales:
                x, y = (avg_pool2d(z, 2, ceil_mode=True) for z in (x, y))
        loss = _weighted(torch.stack(missing, -1), weights).mean(1)
    return reduce(loss, reduction, dtype)


@fused(mix.ms_ssim_l1, "input", "target")
def ms_ssim_l1_loss(
    input: Tensor,
    target: Tensor,
    *,
    data_range: float,
    alpha: float = 0.84,
    sigmas: Sequence[float] = ZHAO,
    reduction: str = "mean",
) -> Tensor:
    """A mix of similarity at several scales and absolute error.

    L = α (1 − l_M ∏_j c_j) + (1 − α) G_M ∗ ‖x − y‖₁ / R,  mean over the
    centres of all windows and over channels

    Unlike in ``ms_ssim_loss`` a scale is a wider Gaussian on the same pixels,
    all exponents are one, and the product is taken at each place.

    Args:
        input: x, images, (N, C, H, W), of at least 4 σ_M + 1 pixels a side:
            33 as long as σ_M is 8.
        target: y, of the same shape.
        data_range: R > 0, the difference between white and black. Absolute
            error counts in its unit.
        alpha: from 0 to 1, the share of the similarity.
        sigmas: the deviations of the Gaussians in pixels, positive; the last
            is σ_M, and all share its window of 4 σ_M + 1 pixels a side, where
            2 σ_M is rounded down.
        reduction: ``"none"`` (one value per image), ``"mean"`` or ``"sum"``.

    Returns:
        The loss, ≥ 0. Where an even number of factors is negative their
        product is positive, as in the paper.

    Raises:
        TypeError: if an image is not floating-point, or the range, alpha or a
            deviation no number.
        ValueError: if shapes or devices differ, the images are too small,
            the range or a deviation is not positive and finite, there is no
            deviation, alpha is not from 0 to 1, or the reduction is unknown.

    Reference:
        Zhao, Gallo, Frosio, Kautz (2017), Loss functions for image
        restoration with neural networks.

    >>> x, y = torch.full((1, 1, 33, 33), 0.5), torch.zeros(1, 1, 33, 33)
    >>> ms_ssim_l1_loss(x, y, data_range=1.0)
    tensor(0.9197)
    """
    check_positive(data_range=data_range)
    check_unit_interval(alpha=alpha)
    check_scales("sigmas", sigmas)
    side = 2 * int(2 * sigmas[-1]) + 1
    dtype, x, y = images(input, target, side)
    with no_autocast(x):
        missing, error = torch.zeros_like(x[..., :1, :1]), (x - y).abs()
        x, y, levels = _centred(x, y)
        for sigma in sigmas:
            windows = _windows(x, sigma, side)
            dark, unlike = _lacks(x, y, levels, windows, data_range)
            missing = _either(missing, unlike)
        missing = _either(missing, dark)
        error = _means(error, windows) / data_range
        loss = (alpha * missing + (1 - alpha) * error).mean((1, 2, 3))
    return reduce(loss, reduction, dtype)


def _means(image: Tensor, windows: tuple[Tensor, Tensor]) -> Tensor:
    """The weighted mean of every window."""
    down, across = windows
    return ((image @ across.mT).mT @ down.mT).mT


def _centred(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor, list[Tensor]]:
    """Images less a constant, which has no part in variances, and these.

    Without it the square of the mean would cancel their digits.
    """
    levels = [z.mean((-2, -1), keepdim=True).detach() for z in (x, y)]
    return x - levels[0], y - levels[1], levels


def _lacks(
    x: Tensor,
    y: Tensor,
    levels: list[Tensor],
    windows: tuple[Tensor, Tensor],
    data_range: float,
) -> tuple[Tensor, Tensor]:
    """1 − l and 1 − c of every window, from the sum and the difference."""
    both, both_vary = _moments(x + y, windows)
    gap, gap_varies = _moments(x - y, windows)
    both = both + (levels[0] + levels[1])
    gap = gap + (levels[0] - levels[1])
    c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    dark = gap**2 / ((both**2 + gap**2) / 2 + c1)
    unlike = gap_varies / ((both_vary + gap_varies) / 2 + c2)
    return dark, unlike


def _moments(
    image: Tensor, windows: tuple[Tensor, Tensor]
) -> tuple[Tensor, Tensor]:
    """Mean and variance of every window."""
    mean = _means(image, windows)
    return mean, _means(image**2, windows) - mean**2


def _either(a: Tensor, b: Tensor) -> Tensor:
    """1 − (1 − a)(1 − b), without the cancellation."""
    return a + b - a * b
