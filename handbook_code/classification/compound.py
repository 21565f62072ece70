"""Losses of regions and of their pixels at once, computed from logits."""

import torch
from torch import Tensor

from handbook_code._checks import (
    check_nonnegative,
    check_positive,
    check_unit_interval,
)
from handbook_code._reduce import reduce
from handbook_code.classification._counts import share, total
from handbook_code.classification._curves import (
    focal,
    power,
    root,
    surprise,
)
from handbook_code.classification._odds import (
    Regions,
    crossed,
    drawn,
    hardest,
    mean,
    of_each_class,
    of_pixels,
    pixels,
    regions,
)


def combo_loss(
    logits: Tensor,
    target: Tensor,
    *,
    alpha: float = 0.5,
    beta: float = 0.5,
    background: bool = True,
    smooth: float = 0.0,
    ignore_index: int = -100,
    per_image: bool = False,
    per_class: bool = True,
    reduction: str = "mean",
) -> Tensor:
    """Binary cross-entropy of every class, less the Dice index.

    L = −α ⟨β t log p + (1 − β)(1 − t) log(1 − p)⟩ − (1 − α) D

    ⟨ ⟩ is the mean over pixels and classes, D = (2 Σ p t + s) / (Σ p + Σ t +
    s) the Dice index, mean over classes.

    Args:
        logits: z, of shape (N, K, …), whose softmax is p; or of one channel,
            (N, 1, …), whose sigmoid is the foreground.
        target: t, the class of each pixel, integers of shape (N, …), or a
            mask for each class, (N, K, …), of any dtype; for one channel the
            mask, (N, 1, …) or (N, …).
        alpha: 0 ≤ α ≤ 1, the weight of the cross-entropy.
        beta: 0 ≤ β ≤ 1, the weight of a pixel of the class; 1 − β is that of
            any other. Above one half misses cost more than false alarms.
        background: whether class 0 is one of the classes.
        smooth: s ≥ 0, in pixels; the authors use 1.
        ignore_index: pixels with this label count nothing.
        per_image: each image by itself; else the batch is one image.
        per_class: a Dice index for each class; else all classes are one.
        reduction: ``"none"`` (one value per image, or one of the batch),
            ``"mean"`` or ``"sum"``.

    Returns:
        The loss, from α − 1 upwards: a perfect prediction costs less than
        nothing.

    Raises:
        TypeError: if logits is not floating-point, or target (N, …) not
            integer where there are several classes.
        ValueError: if shapes or devices do not fit, α or β is not from 0 to
            1, s is negative, or the reduction is unknown.

    Reference:
        Taghanaki et al. (2018), Combo loss: handling input and output
        imbalance in multi-organ segmentation.

    >>> logits = torch.zeros(1, 1, 4)
    >>> combo_loss(logits, torch.tensor([[1, 1, 0, 0]]))
    tensor(-0.0767)
    """
    check_unit_interval(alpha=alpha, beta=beta)
    seen = pixels(logits, target, ignore_index)
    both = of_pixels(seen, surprise)
    dice = _dice(both, background, smooth, per_image, per_class)
    u, t = (x[:, drawn(seen, background)] for x in (seen.odds, seen.truth))
    inside, outside = (
        crossed(t, u, surprise),
        crossed(seen.valid - t, -u, surprise),
    )
    cross = beta * inside + (1 - beta) * outside
    cross = mean(cross, seen.valid.expand_as(u), per_image)
    some = mean(seen.valid, seen.valid, per_image)  # 1, and of nothing 0
    loss = alpha * cross - (1 - alpha) * (some - dice)
    return reduce(loss, reduction, seen.dtype)


def exponential_logarithmic_loss(
    logits: Tensor,
    target: Tensor,
    *,
    dice_weight: float = 0.8,
    cross_weight: float = 0.2,
    dice_gamma: float = 0.3,
    cross_gamma: float = 0.3,
    frequencies: Tensor | None = None,
    background: bool = True,
    smooth: float = 1.0,
    ignore_index: int = -100,
    per_image: bool = False,
    per_class: bool = True,
    reduction: str = "mean",
) -> Tensor:
    """Powers of two logarithms, of the Dice index and of the probability.

    L = w_D ⟨(−log D)^γ_D⟩ + w_C ⟨v (−log p)^γ_C⟩,  v = √(Σ f / f of the class)

    The first mean is over classes, of D = (2 Σ p t + s) / (Σ p + Σ t + s);
    the second is over pixels, of the probability p of the class that is true.

    Args:
        logits: z, of shape (N, K, …), whose softmax is p; or of one channel,
            (N, 1, …), whose sigmoid is the foreground.
        target: t, the class of each pixel, integers of shape (N, …), or a
            mask for each class, (N, K, …), of any dtype; for one channel the
            mask, (N, 1, …) or (N, …).
        dice_weight: w_D ≥ 0.
        cross_weight: w_C ≥ 0.
        dice_gamma: γ_D > 0.
        cross_gamma: γ_C > 0. Below 1 a power is steep where nearly all is
            right, above 1 where much is wrong.
        frequencies: f, how frequent each class is in the training set, of
            shape (K,), in any unit; for one channel that of the background
            and that of the foreground. ``None`` counts the batch.
        background: whether class 0 is one of the classes of the Dice index.
        smooth: s > 0, in pixels. With 0 an absent class would cost infinity,
            whatever is predicted.
        ignore_index: pixels with this label count nothing.
        per_image: each image by itself; else the batch is one image.
        per_class: a Dice index for each class; else all classes are one.
        reduction: ``"none"`` (one value per image, or one of the batch),
            ``"mean"`` or ``"sum"``.

    Returns:
        The loss, ≥ 0. The gradient in the logits is finite, and goes to 0
        where nothing is wrong; that in p is infinite there for γ below 1.

    Raises:
        TypeError: if logits or frequencies is not floating-point, or target
            (N, …) not integer where there are several classes.
        ValueError: if shapes or devices do not fit, a number is negative, γ_D,
            γ_C or s is not positive, or the reduction is unknown.

    Reference:
        Wong, Moradi, Tang, Syeda-Mahmood (2018), 3D segmentation with
        exponential logarithmic loss for highly unbalanced object sizes.

    >>> logits = torch.tensor([[[1.0, 2.0, 0.0], [0.0, 0.0, 1.0]]])
    >>> exponential_logarithmic_loss(logits, torch.tensor([[0, 0, 1]]))
    tensor(0.6666)
    """
    check_nonnegative(dice_weight=dice_weight, cross_weight=cross_weight)
    check_positive(dice_gamma=dice_gamma, cross_gamma=cross_gamma)
    check_positive(smooth=smooth)
    seen = regions(logits, target, ignore_index, root(cross_gamma))
    wrong, found = _areas(seen, background, per_image, per_class)
    # −log D, as exact near 0 as far from it
    dice = power(torch.log1p(wrong / (2 * found + smooth)), dice_gamma)
    dice = dice.mean(-1) if per_class else dice
    if frequencies is None:
        frequencies = seen.truth.sum((0, 2))
    f = of_each_class("frequencies", frequencies, logits, seen)
    w = share(f.sum(), f).sqrt()
    cross = mean(w * seen.cost, seen.truth, per_image)
    loss = dice_weight * dice + cross_weight * cross
    return reduce(loss, reduction, seen.dtype)


def dice_cross_entropy_loss(
    logits: Tensor,
    target: Tensor,
    *,
    dice_weight: float = 1.0,
    cross_weight: float = 1.0,
    weight: Tensor | None = None,
    background: bool = True,
    squared: bool = False,
    smooth: float = 0.0,
    ignore_index: int = -100,
    per_image: bool = False,
    per_class: bool = True,
    reduction: str = "mean",
) -> Tensor:
    """The Dice loss plus cross-entropy.

    L = w_D (1 − D) − w_C Σ w t log p / Σ w t

    D = (2 Σ p t + s) / (Σ p + Σ t + s) is the Dice index, mean over classes.

    Args:
        logits: z, of shape (N, K, …), whose softmax is p; or of one channel,
            (N, 1, …), whose sigmoid is the foreground.
        target: t, the class of each pixel, integers of shape (N, …), or a
            mask for each class, (N, K, …), of any dtype; for one channel the
            mask, (N, 1, …) or (N, …). Soft: with ``squared``.
        dice_weight: w_D ≥ 0.
        cross_weight: w_C ≥ 0.
        weight: w, one number per class, (K,), the background included; for
            one channel that of the background and that of the foreground. It
            weighs the pixels in the cross-entropy only.
        background: whether class 0 is one of the classes of the Dice index.
        squared: in D measure areas by squares, Σ p² + Σ t².
        smooth: s ≥ 0, in pixels, half of them shared.
        ignore_index: pixels with this label count nothing, in either part.
        per_image: each image by itself; else the batch is one image.
        per_class: a Dice index for each class; else all classes are one.
        reduction: ``"none"`` (one value per image, or one of the batch),
            ``"mean"`` or ``"sum"``.

    Returns:
        The loss, ≥ 0.

    Raises:
        TypeError: if logits or weight is not floating-point, or target (N,
            …) not integer where there are several classes.
        ValueError: if shapes or devices do not fit, a number is negative, or
            the reduction is unknown.

    Reference:
        Isensee et al. (2021), nnU-Net: a self-configuring method for deep
        learning-based biomedical image segmentation.

    >>> logits = torch.zeros(1, 1, 4)
    >>> dice_cross_entropy_loss(logits, torch.tensor([[1, 1, 0, 0]]))
    tensor(1.1931)
    """
    check_nonnegative(dice_weight=dice_weight, cross_weight=cross_weight)
    seen = regions(logits, target, ignore_index, surprise, squared)
    dice = _dice(seen, background, smooth, per_image, per_class)
    w = of_each_class("weight", weight, logits, seen)
    cross = mean(w * seen.cost, w * seen.truth, per_image)
    loss = dice_weight * dice + cross_weight * cross
    return reduce(loss, reduction, seen.dtype)


def dice_focal_loss(
    logits: Tensor,
    target: Tensor,
    *,
    dice_weight: float = 1.0,
    focal_weight: float = 1.0,
    alpha: float | None = None,
    gamma: float = 2.0,
    weight: Tensor | None = None,
    background: bool = True,
    squared: bool = False,
    smooth: float = 0.0,
    ignore_index: int = -100,
    per_image: bool = False,
    per_class: bool = True,
    reduction: str = "mean",
) -> Tensor:
    """The Dice loss plus the focal loss.

    L = w_D (1 − D) − w_C Σ w t (1 − p)^γ log p / Σ w t

    D = (2 Σ p t + s) / (Σ p + Σ t + s) is the Dice index, mean over classes.

    Args:
        logits: z, of shape (N, K, …), whose softmax is p; or of one channel,
            (N, 1, …), whose sigmoid is the foreground.
        target: t, the class of each pixel, integers of shape (N, …), or a
            mask for each class, (N, K, …), of any dtype; for one channel the
            mask, (N, 1, …) or (N, …). Not soft.
        dice_weight: w_D ≥ 0.
        focal_weight: w_C ≥ 0.
        alpha: 0 ≤ α ≤ 1, for one channel only: the focal loss of the
            foreground is multiplied by it and that of the background by
            1 − α, without division by their sum. ``None`` leaves both.
        gamma: γ ≥ 0, how soon to look away; 0 is cross-entropy.
        weight: w, one number per class, (K,), the background included; for
            one channel that of the background and that of the foreground. It
            weighs the pixels in the focal loss only.
        background: whether class 0 is one of the classes of the Dice index.
        squared: in D measure areas by squares, Σ p² + Σ t².
        smooth: s ≥ 0, in pixels, half of them shared.
        ignore_index: pixels with this label count nothing, in either part.
        per_image: each image by itself; else the batch is one image.
        per_class: a Dice index for each class; else all classes are one.
        reduction: ``"none"`` (one value per image, or one of the batch),
            ``"mean"`` or ``"sum"``.

    Returns:
        The loss, ≥ 0.

    Raises:
        TypeError: if logits or weight is not floating-point, or target (N,
            …) not integer where there are several classes.
        ValueError: if shapes or devices do not fit, a number is negative, α
            is given for several classes, or the reduction is unknown.

    Reference:
        Zhu et al. (2018), AnatomyNet: deep learning for fast and fully
        automated whole-volume segmentation of head and neck anatomy.

    >>> logits = torch.zeros(1, 1, 4)
    >>> dice_focal_loss(logits, torch.tensor([[1, 1, 0, 0]]))
    tensor(0.6733)
    """
    check_nonnegative(dice_weight=dice_weight, focal_weight=focal_weight)
    check_nonnegative(gamma=gamma)
    seen = regions(logits, target, ignore_index, focal(gamma), squared)
    dice = _dice(seen, background, smooth, per_image, per_class)
    w = of_each_class("weight", weight, logits, seen)
    cost = w * _balance(alpha, seen) * seen.cost
    hard = mean(cost, w * seen.truth, per_image)
    loss = dice_weight * dice + focal_weight * hard
    return reduce(loss, reduction, seen.dtype)


def dice_topk_loss(
    logits: Tensor,
    target: Tensor,
    *,
    k: float = 0.1,
    dice_weight: float = 1.0,
    cross_weight: float = 1.0,
    background: bool = True,
    squared: bool = False,
    smooth: float = 0.0,
    ignore_index: int = -100,
    per_image: bool = False,
    per_class: bool = True,
    reduction: str = "mean",
) -> Tensor:
    """The Dice loss plus the cross-entropy of the hardest pixels.

    L = w_D (1 − D) + w_C ⟨ℓ of the ⌈κ n⌉ largest⟩

    ℓ is −log p of the true class,
    D = (2 Σ p t + s) / (Σ p + Σ t + s) is the Dice index, mean over classes.

    Args:
        logits: z, of shape (N, K, …), whose softmax is p; or of one channel,
            (N, 1, …), whose sigmoid is the foreground.
        target: t, the class of each pixel, integers of shape (N, …), or a
            mask for each class, (N, K, …), of any dtype; for one channel the
            mask, (N, 1, …) or (N, …). Soft: with ``squared``.
        k: 0 < κ ≤ 1, which part of the n pixels that count is taken, and at
            least one pixel.
        dice_weight: w_D ≥ 0.
        cross_weight: w_C ≥ 0.
        background: whether class 0 is one of the classes of the Dice index.
        squared: in D measure areas by squares, Σ p² + Σ t².
        smooth: s ≥ 0, in pixels, half of them shared.
        ignore_index: pixels with this label count nothing, in either part.
        per_image: each image by itself; else the batch is one image.
        per_class: a Dice index for each class; else all classes are one.
        reduction: ``"none"`` (one value per image, or one of the batch),
            ``"mean"`` or ``"sum"``.

    Returns:
        The loss, ≥ 0. Of pixels that are equally hard, which are taken is
        left to ``torch.topk``.

    Raises:
        TypeError: if logits is not floating-point, or target (N, …) not
            integer where there are several classes.
        ValueError: if shapes or devices do not fit, κ is not above 0 and at
            most 1, a number is negative, or the reduction is unknown.

    Reference:
        Isensee et al. (2021), nnU-Net: a self-configuring method for deep
        learning-based biomedical image segmentation.

    >>> logits = torch.tensor([[[0.0, 0.0, 0.0, 2.0]]])
    >>> dice_topk_loss(logits, torch.tensor([[1, 1, 0, 0]]), k=0.25)
    tensor(2.6704)
    """
    check_nonnegative(dice_weight=dice_weight, cross_weight=cross_weight)
    check_positive(k=k)
    check_unit_interval(k=k)
    seen = regions(logits, target, ignore_index, surprise, squared)
    dice = _dice(seen, background, smooth, per_image, per_class)
    loss = dice_weight * dice + cross_weight * hardest(seen, k, per_image)
    return reduce(loss, reduction, seen.dtype)


def _dice(
    seen: Regions,
    background: bool,
    smooth: float,
    per_image: bool,
    per_class: bool,
) -> Tensor:
    """The Dice loss, what is wrong over both areas, mean over classes."""
    check_nonnegative(smooth=smooth)
    wrong, found = _areas(seen, background, per_image, per_class)
    each = share(wrong, 2 * found + wrong + smooth)
    return each.mean(-1) if per_class else each


def _areas(
    seen: Regions, background: bool, per_image: bool, per_class: bool
) -> tuple[Tensor, Tensor]:
    parts = (x[:, drawn(seen, background)] for x in (seen.wrong, seen.found))
    return tuple(total(x, per_image, per_class) for x in parts)


def _balance(alpha: float | None, seen: Regions) -> Tensor:
    if alpha is None:
        return seen.truth.new_ones(())
    check_unit_interval(alpha=alpha)
    if seen.channels > 1:
        raise ValueError(
            f"alpha: expected None for {seen.channels} classes, got {alpha}; "
            "their balance is weight"
        )
    return seen.truth.new_tensor([[1 - alpha], [alpha]])
