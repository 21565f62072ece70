"""Losses of two regions, one predicted and one true, by what they share.

Counted are true positives TP = Σ p t, false positives FP = Σ p (1 − t) and
false negatives FN = Σ (1 − p) t, over the pixels of a class. The losses are
written as the share of what is wrong, which is exact near zero and has a
meaning where both regions are empty: nothing is wrong.
"""

import torch
from torch import Tensor

from handbook_code._checks import (
    check_nonnegative,
    check_positive,
    check_unit_interval,
)
from handbook_code._fused import fused
from handbook_code._reduce import reduce
from handbook_code.classification import _across_lovasz as over
from handbook_code.classification import _fast_lovasz as fast
from handbook_code.classification._across_batch import across_batch
from handbook_code.classification._counts import (
    counts,
    rises,
    share,
    squared_errors,
    squares,
)
from handbook_code.classification._masks import binary, masks


@across_batch()
def dice_loss(
    probs: Tensor,
    target: Tensor,
    *,
    squared: bool = False,
    smooth: float = 0.0,
    per_image: bool = False,
    per_class: bool = True,
    reduction: str = "mean",
) -> Tensor:
    """One minus twice the overlap over the sum of both areas.

    L = 1 − (2 Σ p t + s) / (Σ p + Σ t + s), mean over classes; with
    ``squared`` the areas are Σ p² and Σ t²

    Args:
        probs: p, from 0 to 1, of shape (N, K, …); one channel, (N, 1, …), is
            binary foreground.
        target: t, a mask for each class, (N, K, …), of any dtype; or the
            class of each pixel, integers of shape (N, …); or for one channel
            the mask, (N, …). Soft masks, from 0 to 1, want ``squared``.
        squared: measure areas by squares.
        smooth: s ≥ 0, in pixels, half of them shared.
        per_image: a ratio for each image; else the batch is one image.
        per_class: a ratio for each class; else all classes are one.
        group: the processes on which the batch lies, each with its part. The
            value is that of the whole batch, or of the own images for
            ``"none"`` with ``per_image``; the gradient in a part is
            multiplied by their number, which ``DistributedDataParallel``
            divides by.
        reduction: ``"none"`` (one value per image and class, as the two
            above say), ``"mean"`` or ``"sum"``.

    Returns:
        The loss, from 0 to 1. A class that is in neither region costs 0.

    Raises:
        TypeError: if probs is not floating-point, or target (N, …) not
            integer where there are several classes.
        ValueError: if shapes or devices do not fit, s is negative, or the
            reduction is unknown.

    Reference:
        Drozdzal, Vorontsov, Chartrand, Kadoury, Pal (2016), The importance of
        skip connections in biomedical image segmentation; with squares
        Milletari, Navab, Ahmadi (2016), V-Net.

    >>> target = torch.tensor([[1, 1, 0, 0]])
    >>> dice_loss(torch.full((1, 1, 4), 0.5), target)
    tensor(0.5000)
    """
    check_nonnegative(smooth=smooth)
    here = probs, target, per_image, per_class
    if squared:
        dtype, wrong, areas = squares(*here)
    else:
        dtype, tp, fp, fn = counts(*here)
        wrong = fp + fn
        areas = 2 * tp + wrong
    return reduce(share(wrong, areas + smooth), reduction, dtype)


@across_batch()
def jaccard_loss(
    probs: Tensor,
    target: Tensor,
    *,
    smooth: float = 0.0,
    per_image: bool = False,
    per_class: bool = True,
    reduction: str = "mean",
) -> Tensor:
    """One minus the overlap over the area of the union.

    L = 1 − (TP + s) / (TP + FP + FN + s), mean over classes

    Args:
        probs: p, from 0 to 1, of shape (N, K, …); one channel, (N, 1, …), is
            binary foreground.
        target: t, a mask for each class, (N, K, …), of any dtype; or the
            class of each pixel, integers of shape (N, …); or for one channel
            the mask, (N, …).
        smooth: s ≥ 0, in pixels, all of them shared.
        per_image: a ratio for each image; else the batch is one image.
        per_class: a ratio for each class; else all classes are one.
        group: the processes on which the batch lies, each with its part. The
            value is that of the whole batch, or of the own images for
            ``"none"`` with ``per_image``; the gradient in a part is
            multiplied by their number, which ``DistributedDataParallel``
            divides by.
        reduction: ``"none"`` (one value per image and class, as the two
            above say), ``"mean"`` or ``"sum"``.

    Returns:
        The loss, from 0 to 1. A class that is in neither region costs 0.

    Raises:
        TypeError: if probs is not floating-point, or target (N, …) not
            integer where there are several classes.
        ValueError: if shapes or devices do not fit, s is negative, or the
            reduction is unknown.

    Reference:
        Rahman, Wang (2016), Optimizing intersection-over-union in deep neural
        networks for image segmentation.

    >>> target = torch.tensor([[1, 1, 0, 0]])
    >>> jaccard_loss(torch.full((1, 1, 4), 0.5), target)
    tensor(0.6667)
    """
    check_nonnegative(smooth=smooth)
    dtype, tp, fp, fn = counts(probs, target, per_image, per_class)
    wrong = fp + fn
    return reduce(share(wrong, tp + wrong + smooth), reduction, dtype)


@across_batch()
def tversky_loss(
    probs: Tensor,
    target: Tensor,
    *,
    alpha: float = 0.5,
    beta: float = 0.5,
    smooth: float = 0.0,
    per_image: bool = False,
    per_class: bool = True,
    reduction: str = "mean",
) -> Tensor:
    """One minus the overlap, against false positives and negatives by price.

    L = 1 − (TP + s) / (TP + α FP + β FN + s), mean over classes

    Args:
        probs: p, from 0 to 1, of shape (N, K, …); one channel, (N, 1, …), is
            binary foreground.
        target: t, a mask for each class, (N, K, …), of any dtype; or the
            class of each pixel, integers of shape (N, …); or for one channel
            the mask, (N, …).
        alpha: α ≥ 0, the price of a false positive.
        beta: β ≥ 0, the price of a false negative.
        smooth: s ≥ 0, in pixels, all of them shared.
        per_image: a ratio for each image; else the batch is one image.
        per_class: a ratio for each class; else all classes are one.
        group: the processes on which the batch lies, each with its part. The
            value is that of the whole batch, or of the own images for
            ``"none"`` with ``per_image``; the gradient in a part is
            multiplied by their number, which ``DistributedDataParallel``
            divides by.
        reduction: ``"none"`` (one value per image and class, as the two
            above say), ``"mean"`` or ``"sum"``.

    Returns:
        The loss, from 0 to 1. A class that is in neither region costs 0.

    Raises:
        TypeError: if probs is not floating-point, or target (N, …) not
            integer where there are several classes.
        ValueError: if shapes or devices do not fit, a number is negative, or
            the reduction is unknown.

    Reference:
        Salehi, Erdogmus, Gholipour (2017), Tversky loss function for image
        segmentation using 3D fully convolutional deep networks.

    >>> probs = torch.tensor([[[1.0, 0.0, 1.0, 0.0]]])
    >>> target = torch.tensor([[1, 1, 0, 0]])
    >>> tversky_loss(probs, target, alpha=0.3, beta=0.7)
    tensor(0.5000)
    """
    check_nonnegative(alpha=alpha, beta=beta, smooth=smooth)
    dtype, tp, fp, fn = counts(probs, target, per_image, per_class)
    wrong = alpha * fp + beta * fn
    return reduce(share(wrong, tp + wrong + smooth), reduction, dtype)


@across_batch()
def focal_tversky_loss(
    probs: Tensor,
    target: Tensor,
    *,
    alpha: float = 0.5,
    beta: float = 0.5,
    gamma: float = 4 / 3,
    smooth: float = 0.0,
    per_image: bool = False,
    per_class: bool = True,
    reduction: str = "mean",
) -> Tensor:
    """A root of the Tversky loss of each class.

    L = (1 − (TP + s) / (TP + α FP + β FN + s))^(1/γ), mean over classes

    Args:
        probs: p, from 0 to 1, of shape (N, K, …); one channel, (N, 1, …), is
            binary foreground.
        target: t, a mask for each class, (N, K, …), of any dtype; or the
            class of each pixel, integers of shape (N, …); or for one channel
            the mask, (N, …).
        alpha: α ≥ 0, the price of a false positive; the paper's is β.
        beta: β ≥ 0, the price of a false negative; the paper's is α.
        gamma: γ > 0; above 1 it is a root, below 1 a power.
        smooth: s ≥ 0, in pixels, all of them shared.
        per_image: a ratio for each image; else the batch is one image.
        per_class: a ratio for each class; else all classes are one.
        group: the processes on which the batch lies, each with its part. The
            value is that of the whole batch, or of the own images for
            ``"none"`` with ``per_image``; the gradient in a part is
            multiplied by their number, which ``DistributedDataParallel``
            divides by.
        reduction: ``"none"`` (one value per image and class, as the two
            above say), ``"mean"`` or ``"sum"``.

    Returns:
        The loss, from 0 to 1. A class that is in neither region costs 0.
        Where nothing is wrong its gradient, infinite for γ > 1, is taken
        to be 0.

    Raises:
        TypeError: if probs is not floating-point, or target (N, …) not
            integer where there are several classes.
        ValueError: if shapes or devices do not fit, a number is negative, γ
            is not positive, or the reduction is unknown.

    Reference:
        Abraham, Khan (2019), A novel focal Tversky loss function with
        improved attention U-Net for lesion segmentation.

    >>> probs = torch.tensor([[[1.0, 0.0, 1.0, 0.0]]])
    >>> target = torch.tensor([[1, 1, 0, 0]])
    >>> focal_tversky_loss(probs, target, gamma=2.0)
    tensor(0.7071)
    """
    check_nonnegative(alpha=alpha, beta=beta, smooth=smooth)
    check_positive(gamma=gamma)
    dtype, tp, fp, fn = counts(probs, target, per_image, per_class)
    wrong = alpha * fp + beta * fn
    tversky = share(wrong, tp + wrong + smooth)
    # A root of zero would have an infinite slope. NaN stays NaN.
    some = ~(tversky <= 0)
    root = torch.where(some, tversky, 1) ** (1 / gamma)
    return reduce(torch.where(some, root, 0), reduction, dtype)


@across_batch()
def sensitivity_specificity_loss(
    probs: Tensor,
    target: Tensor,
    *,
    w: float = 0.05,
    smooth: float = 0.0,
    per_image: bool = False,
    per_class: bool = True,
    reduction: str = "mean",
) -> Tensor:
    """The mean squared error of the positives, and that of the negatives.

    L = w Σ (p − t)² t / (Σ t + s) + (1 − w) Σ (p − t)² (1 − t) / (Σ (1 − t) +
    s), mean over classes

    Args:
        probs: p, from 0 to 1, of shape (N, K, …); one channel, (N, 1, …), is
            binary foreground.
        target: t, a mask for each class, (N, K, …), of any dtype; or the
            class of each pixel, integers of shape (N, …); or for one channel
            the mask, (N, …).
        w: from 0 to 1, the weight of the positives.
        smooth: s ≥ 0, in pixels, without an error.
        per_image: a ratio for each image; else the batch is one image.
        per_class: a ratio for each class; else all classes are one.
        group: the processes on which the batch lies, each with its part. The
            value is that of the whole batch, or of the own images for
            ``"none"`` with ``per_image``; the gradient in a part is
            multiplied by their number, which ``DistributedDataParallel``
            divides by.
        reduction: ``"none"`` (one value per image and class, as the two
            above say), ``"mean"`` or ``"sum"``.

    Returns:
        The loss, from 0 to 1. No positives, or no negatives, cost 0.

    Raises:
        TypeError: if probs is not floating-point, or target (N, …) not
            integer where there are several classes.
        ValueError: if shapes or devices do not fit, w is not from 0 to 1, s
            is negative, or the reduction is unknown.

    Reference:
        Brosch, Yoo, Tang, Li, Traboulsee, Tam (2015), Deep convolutional
        encoder networks for multiple sclerosis lesion segmentation.

    >>> probs = torch.tensor([[[1.0, 0.0, 1.0, 0.0]]])
    >>> target = torch.tensor([[1, 1, 0, 0]])
    >>> sensitivity_specificity_loss(probs, target, w=0.1)
    tensor(0.5000)
    """
    check_unit_interval(w=w)
    check_nonnegative(smooth=smooth)
    dtype, inside, outside, positives, negatives = squared_errors(
        probs, target, per_image, per_class
    )
    hit = share(inside, positives + smooth)
    miss = share(outside, negatives + smooth)
    return reduce(w * hit + (1 - w) * miss, reduction, dtype)


@across_batch()
def generalized_dice_loss(
    probs: Tensor,
    target: Tensor,
    *,
    smooth: float = 0.0,
    per_image: bool = False,
    reduction: str = "mean",
) -> Tensor:
    """Dice of all classes at once, each in units of its own area squared.

    L = 1 − (2 Σₖ vₖ TPₖ + s) / (Σₖ vₖ (Pₖ + Tₖ) + s),  vₖ = 1 / Tₖ²

    Pₖ and Tₖ are the areas Σ p and Σ t. A class without a true pixel gets the
    largest weight of the others.

    Args:
        probs: p, from 0 to 1, of shape (N, K, …); one channel, (N, 1, …), is
            binary foreground.
        target: t, a mask for each class, (N, K, …), of any dtype; or the
            class of each pixel, integers of shape (N, …); or for one channel
            the mask, (N, …).
        smooth: s ≥ 0, compared with weighted areas, which are far below one.
        per_image: a ratio for each image; else the batch is one image.
        group: the processes on which the batch lies, each with its part. The
            value is that of the whole batch, or of the own images for
            ``"none"`` with ``per_image``; the gradient in a part is
            multiplied by their number, which ``DistributedDataParallel``
            divides by.
        reduction: ``"none"`` (one value per image, or one of the batch),
            ``"mean"`` or ``"sum"``.

    Returns:
        The loss, from 0 to 1. If all is empty, in both regions, it is 0.

    Raises:
        TypeError: if probs is not floating-point, or target (N, …) not
            integer where there are several classes.
        ValueError: if shapes or devices do not fit, s is negative, or the
            reduction is unknown.

    Reference:
        Sudre, Li, Vercauteren, Ourselin, Cardoso (2017), Generalised Dice
        overlap as a deep learning loss function for highly unbalanced
        segmentations.

    >>> probs = torch.tensor([[[1.0, 1.0, 1.0, 0.0], [0.0, 0.0, 0.0, 1.0]]])
    >>> generalized_dice_loss(probs, torch.tensor([[0, 0, 1, 1]]))
    tensor(0.2500)
    """
    check_nonnegative(smooth=smooth)
    dtype, *sums = counts(probs, target, per_image)
    loss = _generalized_dice(*sums, smooth)
    return reduce(loss, reduction, dtype)


@across_batch()
def asymmetric_similarity_loss(
    probs: Tensor,
    target: Tensor,
    *,
    beta: float = 1.5,
    smooth: float = 0.0,
    per_image: bool = False,
    per_class: bool = True,
    reduction: str = "mean",
) -> Tensor:
    """One minus the F-score that counts recall β times as much as precision.

    L = 1 − ((1 + β²) TP + s) / ((1 + β²) TP + β² FN + FP + s), mean over
    classes

    Args:
        probs: p, from 0 to 1, of shape (N, K, …); one channel, (N, 1, …), is
            binary foreground.
        target: t, a mask for each class, (N, K, …), of any dtype; or the
            class of each pixel, integers of shape (N, …); or for one channel
            the mask, (N, …).
        beta: β ≥ 0, how much more recall counts than precision.
        smooth: s ≥ 0, in pixels, of which a shared one counts 1 + β².
        per_image: a ratio for each image; else the batch is one image.
        per_class: a ratio for each class; else all classes are one.
        group: the processes on which the batch lies, each with its part. The
            value is that of the whole batch, or of the own images for
            ``"none"`` with ``per_image``; the gradient in a part is
            multiplied by their number, which ``DistributedDataParallel``
            divides by.
        reduction: ``"none"`` (one value per image and class, as the two
            above say), ``"mean"`` or ``"sum"``.

    Returns:
        The loss, from 0 to 1. A class that is in neither region costs 0.

    Raises:
        TypeError: if probs is not floating-point, or target (N, …) not
            integer where there are several classes.
        ValueError: if shapes or devices do not fit, a number is negative, or
            the reduction is unknown.

    Reference:
        Hashemi, Salehi, Erdogmus, Prabhu, Warfield, Gholipour (2019),
        Asymmetric loss functions and deep densely-connected networks for
        highly-imbalanced medical image segmentation.

    >>> probs = torch.tensor([[[1.0, 0.0, 0.0, 0.0]]])
    >>> target = torch.tensor([[1, 1, 0, 0]])
    >>> asymmetric_similarity_loss(probs, target, beta=2.0)
    tensor(0.4444)
    """
    check_nonnegative(beta=beta, smooth=smooth)
    dtype, tp, fp, fn = counts(probs, target, per_image, per_class)
    wrong = beta**2 * fn + fp
    whole = (1 + beta**2) * tp + wrong
    return reduce(share(wrong, whole + smooth), reduction, dtype)


@across_batch()
def penalty_dice_loss(
    probs: Tensor,
    target: Tensor,
    *,
    k: float = 2.5,
    smooth: float = 0.0,
    per_image: bool = False,
    reduction: str = "mean",
) -> Tensor:
    """The generalised Dice loss with every wrong pixel counted 1 + k times.

    L = 1 − D / (1 + k (1 − D)),  D = 1 − ``generalized_dice_loss``

    Args:
        probs: p, from 0 to 1, of shape (N, K, …); one channel, (N, 1, …), is
            binary foreground.
        target: t, a mask for each class, (N, K, …), of any dtype; or the
            class of each pixel, integers of shape (N, …); or for one channel
            the mask, (N, …).
        k: k ≥ 0, by how much a wrong pixel counts more.
        smooth: s ≥ 0, compared with weighted areas, which are far below one.
        per_image: a ratio for each image; else the batch is one image.
        group: the processes on which the batch lies, each with its part. The
            value is that of the whole batch, or of the own images for
            ``"none"`` with ``per_image``; the gradient in a part is
            multiplied by their number, which ``DistributedDataParallel``
            divides by.
        reduction: ``"none"`` (one value per image, or one of the batch),
            ``"mean"`` or ``"sum"``.

    Returns:
        The loss, from 0 to 1.

    Raises:
        TypeError: if probs is not floating-point, or target (N, …) not
            integer where there are several classes.
        ValueError: if shapes or devices do not fit, a number is negative, or
            the reduction is unknown.

    Reference:
        Yang et al. (2019), Major vessel segmentation on X-ray coronary
        angiography using deep networks with a novel penalty loss function.

    >>> probs = torch.tensor([[[1.0, 1.0, 1.0, 0.0], [0.0, 0.0, 0.0, 1.0]]])
    >>> penalty_dice_loss(probs, torch.tensor([[0, 0, 1, 1]]))
    tensor(0.5385)
    """
    check_nonnegative(k=k, smooth=smooth)
    dtype, *sums = counts(probs, target, per_image)
    dice = _generalized_dice(*sums, smooth)
    return reduce((1 + k) * dice / (1 + k * dice), reduction, dtype)


@across_batch(over.lovasz_softmax)
@fused(fast.lovasz_softmax, "probs", least=1 << 15)
def lovasz_softmax_loss(
    probs: Tensor,
    target: Tensor,
    *,
    per_image: bool = False,
    reduction: str = "mean",
) -> Tensor:
    """The Jaccard loss of sets, made a function of probabilities by sorting.

    L = Σᵢ (eᵢ − eᵢ₊₁) · i / size of (Y ∪ {1, …, i}),  e₁ ≥ e₂ ≥ … ≥ 0, mean
    over the classes that have a true pixel

    The pixels are numbered by falling error e = ‖p − t‖; Y is the set of true
    pixels of the class.

    Args:
        probs: p, from 0 to 1, of shape (N, K, …); one channel, (N, 1, …), is
            binary foreground.
        target: t, a mask of zeros and ones for each class, (N, K, …), of any
            dtype; or the class of each pixel, integers of shape (N, …); or
            for one channel the mask, (N, …). Soft masks are no sets.
        per_image: sort the pixels of each image; else those of the batch.
        group: the processes on which the batch lies, each with its part. The
            value is that of the whole batch, or of the own images for
            ``"none"`` with ``per_image``; the gradient in a part is
            multiplied by their number, which ``DistributedDataParallel``
            divides by.
        reduction: ``"none"`` (one value per image, or one of the batch),
            ``"mean"`` or ``"sum"``.

    Returns:
        The loss, from 0 to 1; 0 where no class has a true pixel. Of equal
        errors the earlier pixel is sorted first; their gradients differ.

    Raises:
        TypeError: if probs is not floating-point, or target (N, …) not
            integer where there are several classes.
        ValueError: if shapes or devices do not fit, or the reduction is
            unknown.

    Reference:
        Berman, Triki, Blaschko (2018), The Lovász-softmax loss: a tractable
        surrogate for the optimization of the intersection-over-union measure
        in neural networks.

    >>> probs = torch.tensor([[[0.9, 0.4, 0.2]]])
    >>> lovasz_softmax_loss(probs, torch.tensor([[1, 1, 0]]))
    tensor(0.3667)
    """
    dtype, p, t = masks(probs, target)
    if not per_image:
        p, t = (x.transpose(0, 1).flatten(1).unsqueeze(0) for x in (p, t))
    each = _lovasz((p - t).abs(), t)
    present = t.sum(-1) > 0
    loss = share((each * present).sum(-1), present.sum(-1).to(p.dtype))
    return reduce(loss if per_image else loss[0], reduction, dtype)


@across_batch(over.lovasz_hinge)
@fused(fast.lovasz_hinge, "logits", least=1 << 14)
def lovasz_hinge_loss(
    logits: Tensor,
    target: Tensor,
    *,
    per_image: bool = False,
    reduction: str = "mean",
) -> Tensor:
    """The Jaccard loss of sets, made convex: a hinge on pixels, worst first.

    L = Σᵢ (eᵢ − eᵢ₊₁) · i / size of (Y ∪ {1, …, i}),  e₁ ≥ e₂ ≥ … ≥ 0

    The pixels are numbered by falling hinge error, e = max(0, 1 − z) for those
    in the set Y of true ones and max(0, 1 + z) for the others.

    Args:
        logits: z, real scores, of shape (N, …).
        target: a mask of zeros and ones, of the same shape and any dtype; the
            channel of logits (N, 1, …) may be missing.
        per_image: sort the pixels of each image; else those of the batch.
        group: the processes on which the batch lies, each with its part. The
            value is that of the whole batch, or of the own images for
            ``"none"`` with ``per_image``; the gradient in a part is
            multiplied by their number, which ``DistributedDataParallel``
            divides by.
        reduction: ``"none"`` (one value per image, or one of the batch),
            ``"mean"`` or ``"sum"``.

    Returns:
        The loss, ≥ 0. Of equal errors the earlier pixel is sorted first;
        their gradients differ.

    Raises:
        TypeError: if logits is not floating-point.
        ValueError: if shapes or devices do not fit, or the reduction is
            unknown.

    Reference:
        Berman, Triki, Blaschko (2018), The Lovász-softmax loss: a tractable
        surrogate for the optimization of the intersection-over-union measure
        in neural networks.

    >>> logits = torch.tensor([[3.0, -0.5, -2.0]])
    >>> lovasz_hinge_loss(logits, torch.tensor([[1, 1, 0]]))
    tensor(0.7500)
    """
    dtype, z, t = binary(logits, target)
    if not per_image:
        z, t = z.reshape(-1), t.reshape(-1)
    errors = (1 - (2 * t - 1) * z).relu()
    return reduce(_lovasz(errors, t), reduction, dtype)


def _generalized_dice(
    tp: Tensor, fp: Tensor, fn: Tensor, smooth: float
) -> Tensor:
    area = tp + fn
    # A soft mask of less has a weight that overflows.
    present = area > 1e-12
    weight = torch.where(present, area, 1) ** -2
    most = torch.where(present, weight, 0).amax(-1, keepdim=True)
    weight = torch.where(present, weight, torch.where(most > 0, most, 1))
    wrong = (weight * (fp + fn)).sum(-1)
    right = (weight * tp).sum(-1)
    return share(wrong, 2 * right + wrong + smooth)


def _lovasz(errors: Tensor, truth: Tensor) -> Tensor:
    """Errors, worst first, times what each adds to the Jaccard loss."""
    errors, order = errors.sort(dim=-1, descending=True, stable=True)
    rise = rises(truth.gather(-1, order))
    return (errors * rise.to(errors.dtype)).sum(-1)
