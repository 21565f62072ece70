"""Losses of a predicted probability, computed from its logits."""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from handbook_code._checks import (
    check_at_least,
    check_below_one,
    check_count,
    check_finite,
    check_floating,
    check_nonnegative,
    check_pair,
    check_positive,
    check_same_device,
    check_unit_interval,
)
from handbook_code._fused import fused
from handbook_code._reduce import reduce, widen
from handbook_code.classification import _fast_probabilistic as fast
from handbook_code.classification._across_batch import across_batch, of_all
from handbook_code.classification._curves import surprise
from handbook_code.classification._labels import (
    binary,
    counted,
    of_classes,
    of_one_class,
    shared_mean,
    shares,
)
from handbook_code.classification._odds import hardest, regions


@fused(fast.cross_entropy, "logits", least=1 << 19, when=fast.is_of_rows,
       shortcut=fast.torch_s_cross_entropy)  # fmt: skip
def cross_entropy_loss(
    logits: Tensor,
    target: Tensor,
    *,
    weight: Tensor | None = None,
    label_smoothing: float = 0.0,
    ignore_index: int = -100,
    reduction: str = "mean",
) -> Tensor:
    """The surprise of the model at the class that is true.

    L = −(1 − ε) wₜ log pₜ − ε/K Σₖ wₖ log pₖ,  p = softmax(z)

    Args:
        logits: z, of shape (N, K, …), for two or more classes.
        target: class indices t, integers of shape (N, …), or a distribution
            q over the classes, of the shape of ``logits``: probabilities, or
            one-hot in any dtype.
        weight: w, one number per class, of shape (K,).
        label_smoothing: 0 ≤ ε ≤ 1, the share of the target that all K
            classes divide among them, the true one included.
        ignore_index: samples with this index count nothing. A class that is
            ignored stays in the softmax. Not for a distribution.
        reduction: ``"none"`` (one value per sample and position), ``"mean"``
            or ``"sum"``. The mean of indices divides by the sum of wₜ over
            the samples that count; the mean of distributions by their
            number. Both are as in torch.

    Returns:
        The loss, ≥ 0. Where nothing counts the mean is a differentiable 0,
        and torch's is NaN. A class masked by a logit of −∞ costs nothing as
        long as its target is 0; smoothing gives it a share, and the loss is
        infinite.

    Raises:
        TypeError: if ``logits`` or ``weight`` is not floating-point, or
            indices are not integers.
        ValueError: if shapes or devices do not fit, there is one class only,
            ε is not from 0 to 1, or the reduction is unknown.

    Reference:
        Szegedy et al. (2016), Rethinking the Inception architecture for
        computer vision (label smoothing).

    >>> logits = torch.tensor([[0.0, 0.0], [2.0, 0.0]])
    >>> cross_entropy_loss(logits, torch.tensor([1, 1]), reduction="none")
    tensor([0.6931, 2.1269])
    """
    check_unit_interval(label_smoothing=label_smoothing)
    dtype, z, target, weight = of_classes(logits, target, weight)
    if target.dim() < z.dim():
        each = F.cross_entropy(
            z,
            target,
            weight,
            ignore_index=ignore_index,
            label_smoothing=label_smoothing,
            reduction="none",
        )
        share = shares(z, target, weight, ignore_index)
        return shared_mean(each, share, reduction, dtype)
    q = target.to(z.dtype)
    q = (1 - label_smoothing) * q + label_smoothing / z.shape[1]
    log_p = F.log_softmax(z, dim=1)
    # 0 log 0 = 0, and so is its slope
    terms = q * log_p.masked_fill((q == 0) & log_p.isneginf(), 0)
    if weight is not None:
        terms = terms * weight.view(-1, *[1] * (z.dim() - 2))
    return reduce(-terms.sum(dim=1), reduction, dtype)


@fused(fast.focal, "logits", least=1 << 15)
def focal_loss(
    logits: Tensor,
    target: Tensor,
    *,
    alpha: float | None = 0.25,
    gamma: float = 2.0,
    reduction: str = "mean",
) -> Tensor:
    """Binary cross-entropy that looks away from what is already right.

    L = −αₜ (1 − pₜ)^γ log pₜ

    pₜ is the probability of what is true: p = σ(z) of a positive, 1 − p of a
    negative. So αₜ is α of a positive, 1 − α of a negative.

    Args:
        logits: z, one score per label, of any shape. Classes that exclude
            one another are for ``softmax_focal_loss``.
        target: labels y, 0 or 1, of the same shape and of any dtype. Not
            soft: average the loss for 0 and the loss for 1 instead.
        alpha: 0 ≤ α ≤ 1, the weight of the positives; ``None`` for αₜ = 1.
        gamma: γ ≥ 0, how soon to look away; 0 is cross-entropy.
        reduction: ``"none"`` (one value per label), ``"mean"`` or ``"sum"``.
            The paper divides the sum by the number of anchors that are
            assigned to an object.

    Returns:
        The loss, ≥ 0. Its gradient is finite for every finite logit, also
        for γ < 1.

    Raises:
        TypeError: if ``logits`` is not floating-point, or α or γ no number.
        ValueError: if shapes or devices differ, α is not from 0 to 1, γ is
            negative, or the reduction is unknown.

    Reference:
        Lin, Goyal, Girshick, He, Dollár (2017), Focal loss for dense object
        detection.

    >>> logits = torch.tensor([0.0, 4.0])
    >>> focal_loss(logits, torch.ones(2), alpha=None, reduction="none")
    tensor([1.7329e-01, 5.8716e-06])
    """
    check_nonnegative(gamma=gamma)
    dtype, z, y = binary(logits, target)
    each = _focal((1 - 2 * y) * z, gamma)
    if alpha is not None:
        check_unit_interval(alpha=alpha)
        each = each * (alpha * y + (1 - alpha) * (1 - y))
    return reduce(each, reduction, dtype)


@fused(fast.softmax_focal, "logits", least=1 << 13, when=fast.is_of_rows)
def softmax_focal_loss(
    logits: Tensor,
    target: Tensor,
    *,
    gamma: float = 2.0,
    weight: Tensor | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
) -> Tensor:
    """The focal loss of classes that exclude one another.

    L = −wₜ (1 − pₜ)^γ log pₜ,  p = softmax(z)

    Args:
        logits: z, of shape (N, K, …), for two or more classes.
        target: class indices t, integers of shape (N, …), or one-hot in
            integers or booleans, of the shape of ``logits``. Not soft.
        gamma: γ ≥ 0, how soon to look away; 0 is cross-entropy.
        weight: w, one number per class, of shape (K,).
        ignore_index: samples with this index count nothing.
        reduction: ``"none"`` (one value per sample and position), ``"mean"``
            or ``"sum"``. The mean divides by the sum of wₜ over the samples
            that count.

    Returns:
        The loss, ≥ 0, and a differentiable 0 where nothing counts.

    Raises:
        TypeError: if ``logits`` or ``weight`` is not floating-point, the
            target not of integers, or γ no number.
        ValueError: if shapes or devices do not fit, there is one class only,
            γ is negative, or the reduction is unknown.

    Reference:
        Lin, Goyal, Girshick, He, Dollár (2017), Focal loss for dense object
        detection (of sigmoids; the softmax came with its users).

    >>> logits = torch.tensor([[0.0, 0.0], [4.0, 0.0]])
    >>> softmax_focal_loss(logits, torch.tensor([0, 0]), reduction="none")
    tensor([1.7329e-01, 5.8716e-06])
    """
    check_nonnegative(gamma=gamma)
    dtype, u, share = _odds_against(logits, target, weight, ignore_index)
    return shared_mean(share * _focal(u, gamma), share, reduction, dtype)


@across_batch()
@fused(fast.ghm, "logits", least=1 << 12)
def ghm_loss(
    logits: Tensor,
    target: Tensor,
    *,
    bins: int = 10,
    mask: Tensor | None = None,
) -> Tensor:
    """Binary cross-entropy shared out evenly over hard and easy labels.

    L = Σᵢ CEᵢ / (M Rᵢ),  gᵢ = abs(σ(zᵢ) − yᵢ)

    The interval from 0 to 1 is cut into M bins. Rᵢ is how many labels of the
    batch have their g, the size of the slope of CE, in the bin of gᵢ; it is
    constant in the gradient.

    Args:
        logits: z, of any shape; all its elements are one batch.
        target: labels y, 0 or 1, of the same shape and of any dtype. Soft
            ones, between 0 and 1, are taken as they are.
        bins: M ≥ 1. The last bin includes g = 1.
        mask: which labels count, booleans of the same shape. Whatever the
            others are, NaN too, they change nothing.
        group: the processes on which the batch lies, each with its part. The
            value is that of the whole batch; the gradient in a part is
            multiplied by their number, which ``DistributedDataParallel``
            divides by.

    Returns:
        One number, ≥ 0; there is no loss of a label by itself. It jumps
        where a label moves to another bin.

    Raises:
        TypeError: if ``logits`` is not floating-point, ``mask`` not boolean,
            or M no whole number.
        ValueError: if shapes or devices differ, or M is below one.

    Reference:
        Li, Liu, Wang (2019), Gradient harmonized single-stage detector.

    >>> logits = torch.tensor([-3.0, -3.0, -3.0, 2.0])
    >>> ghm_loss(logits, torch.zeros(4))
    tensor(0.2176)
    """
    dtype, each, norm, counts = _surprises(logits, target, mask)
    place, histogram = _histogram(norm, counts, bins)
    return _harmonise(each, counts, histogram[place], bins).to(dtype)


@across_batch()
def ghm_regression_loss(
    input: Tensor,
    target: Tensor,
    *,
    mu: float = 0.02,
    bins: int = 10,
    mask: Tensor | None = None,
) -> Tensor:
    """A smooth absolute error, shared out evenly over large and small ones.

    L = Σᵢ (√(rᵢ² + μ²) − μ) / (M Rᵢ),  gᵢ = abs(rᵢ) / √(rᵢ² + μ²)

    r = input − target. Rᵢ is how many elements of the batch have their g, the
    size of the slope, in the same one of M bins between 0 and 1; it is
    constant in the gradient.

    Args:
        input: predictions, of any shape; all elements are one batch.
        target: observations, of the same shape.
        mu: μ > 0, in the units of the target, where the absolute error
            begins to be rounded.
        bins: M ≥ 1. The last bin includes g = 1.
        mask: which elements count, booleans of the same shape. Whatever the
            others are, NaN too, they change nothing.
        group: the processes on which the batch lies, each with its part. The
            value is that of the whole batch; the gradient in a part is
            multiplied by their number, which ``DistributedDataParallel``
            divides by.

    Returns:
        One number, ≥ 0; there is no loss of an element by itself.

    Raises:
        TypeError: if a tensor is not floating-point, ``mask`` not boolean,
            μ no number, or M no whole number.
        ValueError: if shapes or devices differ, μ is not positive, or M is
            below one.

    Reference:
        Li, Liu, Wang (2019), Gradient harmonized single-stage detector.

    >>> residual = torch.tensor([0.0, 0.0, 0.0, 3.0])
    >>> ghm_regression_loss(residual, torch.zeros(4), mu=4.0, bins=1)
    tensor(0.2500)
    """
    check_positive(mu=mu)
    check_pair(input=input, target=target)
    dtype, x, y = widen(input, target)
    counts = counted(x, mask, "input")
    r = (x - y).where(counts, 0)
    length = torch.hypot(r, r.new_tensor(mu))
    place, histogram = _histogram(r.abs() / length, counts, bins)
    # √(r² + μ²) − μ, where the two are all but equal as well
    each = r * (r / (length + mu))
    return _harmonise(each, counts, histogram[place], bins).to(dtype)


class GHM(nn.Module):
    """``ghm_loss`` with a histogram that remembers the batches before.

    S ← m S + (1 − m) R / N,  L = 1/N Σᵢ CEᵢ / (M Sᵢ)

    S is divided by its sum, so that the first batches are not counted as
    rarer than they are. The batch at hand always counts: in training S is
    kept for the next one, in evaluation it is not. The buffer ``histogram``
    is S; it stands in the ``state_dict``. Each process has its own, unless
    the call names a ``group``: then R is counted over all of it.

    Args:
        bins: M ≥ 1.
        momentum: 0 ≤ m < 1; with 0 the module is the function.

    Raises:
        TypeError: if M is no whole number, or m no number.
        ValueError: if M is below one, or m not from 0 to below 1.

    Reference:
        Li, Liu, Wang (2019), Gradient harmonized single-stage detector.

    >>> criterion = GHM(bins=4, momentum=0.5)
    >>> _ = criterion(torch.tensor([-3.0, 2.0]), torch.zeros(2))
    >>> criterion.histogram
    tensor([0.2500, 0.0000, 0.0000, 0.2500])
    """

    def __init__(self, bins: int = 10, momentum: float = 0.75):
        check_count(bins=bins)
        check_nonnegative(momentum=momentum)
        check_below_one(momentum=momentum)
        super().__init__()
        self.bins, self.momentum = bins, momentum
        self.register_buffer("histogram", torch.zeros(bins))

    @across_batch()
    def forward(
        self, logits: Tensor, target: Tensor, *, mask: Tensor | None = None
    ) -> Tensor:
        """The loss of a batch; arguments as of ``ghm_loss``."""
        dtype, each, norm, counts = _surprises(logits, target, mask)
        place, found = _histogram(norm, counts, self.bins)
        total = found.sum()
        rate = (1 - self.momentum) * (total > 0)  # of nothing, learn nothing
        known = self.histogram.to(each.dtype)
        known = known + rate * (found / total.clamp(min=1) - known)
        if self.training:
            self.histogram.copy_(known)
        density = total * known / known.sum().where(total > 0, 1)
        return _harmonise(each, counts, density[place], self.bins).to(dtype)

    def extra_repr(self) -> str:
        return f"bins={self.bins}, momentum={self.momentum}"


@fused(fast.poly1, "logits", least=1 << 13, when=fast.is_of_rows)
def poly1_loss(
    logits: Tensor,
    target: Tensor,
    *,
    epsilon: float = 1.0,
    weight: Tensor | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
) -> Tensor:
    """Cross-entropy with one coefficient of its series changed.

    L = −log pₜ + ε (1 − pₜ),  p = softmax(z)

    Args:
        logits: z, of shape (N, K, …), for two or more classes.
        target: class indices t, integers of shape (N, …), or one-hot in
            integers or booleans, of the shape of ``logits``. Not soft.
        epsilon: ε ≥ −1, by how much the first coefficient exceeds 1. Below
            −1 a more probable truth would cost more.
        weight: one number per class, of shape (K,), that multiplies the
            loss.
        ignore_index: samples with this index count nothing.
        reduction: ``"none"`` (one value per sample and position), ``"mean"``
            or ``"sum"``. The mean divides by the sum of the weights over the
            samples that count.

    Returns:
        The loss, ≥ 0 but for rounding near ε = −1, and a differentiable 0
        where nothing counts.

    Raises:
        TypeError: if ``logits`` or ``weight`` is not floating-point, the
            target not of integers, or ε no number.
        ValueError: if shapes or devices do not fit, there is one class only,
            ε is below −1, or the reduction is unknown.

    Reference:
        Leng et al. (2022), PolyLoss: a polynomial expansion perspective of
        classification loss functions.

    >>> logits = torch.tensor([[0.0, 0.0], [4.0, 0.0]])
    >>> poly1_loss(logits, torch.tensor([0, 0]), reduction="none")
    tensor([1.1931, 0.0361])
    """
    check_at_least(-1, epsilon=epsilon)
    dtype, u, share = _odds_against(logits, target, weight, ignore_index)
    each = share * (F.softplus(u) + epsilon * torch.sigmoid(u))
    return shared_mean(each, share, reduction, dtype)


def poly_loss(
    logits: Tensor,
    target: Tensor,
    *,
    coefficients: Sequence[float] | Tensor,
    weight: Tensor | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
) -> Tensor:
    """A polynomial in the probability that goes to wrong classes.

    L = Σⱼ αⱼ (1 − pₜ)ʲ,  j = 1 … J,  p = softmax(z)

    Args:
        logits: z, of shape (N, K, …), for two or more classes.
        target: class indices t, integers of shape (N, …), or one-hot in
            integers or booleans, of the shape of ``logits``. Not soft.
        coefficients: α₁ … α_J, numbers or a tensor of shape (J,). Those of
            cross-entropy are 1/j, without end.
        weight: one number per class, of shape (K,), that multiplies the
            loss.
        ignore_index: samples with this index count nothing.
        reduction: ``"none"`` (one value per sample and position), ``"mean"``
            or ``"sum"``. The mean divides by the sum of the weights over the
            samples that count.

    Returns:
        The loss, ≥ 0 if no coefficient is negative, at most Σ αⱼ then.

    Raises:
        TypeError: if ``logits`` or ``weight`` is not floating-point, or the
            target not of integers.
        ValueError: if shapes or devices do not fit, there is one class only,
            no coefficient, or the reduction is unknown.

    Reference:
        Leng et al. (2022), PolyLoss: a polynomial expansion perspective of
        classification loss functions.

    >>> logits = torch.tensor([[0.0, 0.0]])
    >>> poly_loss(logits, torch.tensor([0]), coefficients=[1.0, 0.5])
    tensor(0.6250)
    """
    _check_coefficients(logits, coefficients)
    dtype, u, share = _odds_against(logits, target, weight, ignore_index)
    q = torch.sigmoid(u)  # 1 − pₜ, exact where pₜ rounds to one
    each = torch.zeros_like(q)
    for j in reversed(range(len(coefficients))):
        each = q * (coefficients[j] + each)
    return shared_mean(share * each, share, reduction, dtype)


def topk_cross_entropy_loss(
    logits: Tensor,
    target: Tensor,
    *,
    k: float = 0.1,
    ignore_index: int = -100,
    per_image: bool = False,
    reduction: str = "mean",
) -> Tensor:
    """The mean cross-entropy of the hardest samples.

    L = ⟨ℓ of the ⌈κ n⌉ largest⟩,  ℓ = −log p of the true class

    Args:
        logits: z, of shape (N, K, …), whose softmax is p; or of one channel,
            (N, 1, …), whose sigmoid is the foreground.
        target: the class of each pixel, integers of shape (N, …), or a mask
            or probability for each class, (N, K, …), of any dtype; for one
            channel the mask, (N, 1, …) or (N, …).
        k: 0 < κ ≤ 1, which part of the n samples that count is taken, and at
            least one; 1 is cross-entropy.
        ignore_index: samples with this label count nothing, not in n either.
        per_image: of each image its own hardest pixels; else of the batch.
        reduction: ``"none"`` (one value per image, or one of the batch),
            ``"mean"`` or ``"sum"``.

    Returns:
        The loss, ≥ 0, and a differentiable 0 where nothing counts. Of samples
        that are equally hard, which are taken is left to ``torch.topk``.

    Raises:
        TypeError: if logits is not floating-point, or target (N, …) not
            integer where there are several classes.
        ValueError: if shapes or devices do not fit, κ is not above 0 and at
            most 1, or the reduction is unknown.

    Reference:
        Wu, Shen, van den Hengel (2016), Bridging category-level and
        instance-level semantic image segmentation (with a threshold of p in
        place of a fraction).

    >>> logits = torch.tensor([[0.0, 0.0], [2.0, 0.0]])
    >>> topk_cross_entropy_loss(logits, torch.tensor([1, 1]), k=0.5)
    tensor(2.1269)
    """
    check_positive(k=k)
    check_unit_interval(k=k)
    seen = regions(logits, target, ignore_index, surprise)
    return reduce(hardest(seen, k, per_image), reduction, seen.dtype)


def class_weights(
    counts: Tensor | Sequence[float], *, beta: float | None = None
) -> Tensor:
    """Weights that let rare classes count as much as frequent ones.

    wₖ ∝ 1 / nₖ,  or with β  wₖ ∝ (1 − β) / (1 − β^nₖ)

    They are scaled so that the mean weight of a sample is one: a loss
    weighted by them stays on its scale, whichever way it is reduced.

    Args:
        counts: n, how many samples each class has, of shape (K,).
        beta: 0 ≤ β < 1; ``None`` for the inverse frequency, which is the
            limit of β → 1. With 0 all classes weigh the same.

    Returns:
        The weights, of shape (K,), in the dtype of ``counts`` if that is
        floating-point. A class without samples has weight 0.

    Raises:
        TypeError: if β is no number.
        ValueError: if ``counts`` is not one list of numbers, or β not from 0
            to below 1.

    Reference:
        Cui, Jia, Lin, Song, Belongie (2019), Class-balanced loss based on
        effective number of samples.

    >>> class_weights([90, 10])
    tensor([0.5556, 5.0000])
    """
    n = torch.as_tensor(counts)
    if n.dim() != 1:
        raise ValueError(
            f"counts: expected one number per class, (K,), "
            f"got {tuple(n.shape)}"
        )
    dtype = n.dtype if n.is_floating_point() else torch.get_default_dtype()
    n = effective = n.double()
    if beta is not None:
        check_nonnegative(beta=beta)
        check_below_one(beta=beta)
        effective = -torch.expm1(n * math.log(max(beta, 1e-300))) / (1 - beta)
    inverse = torch.where(n > 0, 1 / effective, 0)
    return (inverse * (n.sum() / (n * inverse).sum())).to(dtype)


def _focal(u: Tensor, gamma: float) -> Tensor:
    """(1 − p)^γ times −log p, of p = σ(−u)."""
    # A power of 1 − p has an infinite slope where that rounds to 0 and γ < 1.
    return torch.exp(gamma * F.logsigmoid(u)) * F.softplus(u)


def _odds_against(
    logits: Tensor, target: Tensor, weight: Tensor | None, ignore_index: int
) -> tuple[torch.dtype, Tensor, Tensor]:
    """The log odds u against the class that is true, and what each counts.

    As pₜ = σ(−u), 1 − pₜ = σ(u) is as exact near 0 as near 1.
    """
    dtype, z, t, weight = of_one_class(logits, target, weight)
    share = shares(z, t, weight, ignore_index)
    counts = (t != ignore_index).unsqueeze(1)
    # What is ignored may be masked as well, or NaN, which times 0 is NaN.
    z, t = z.where(counts, 0), t.unsqueeze(1).where(counts, 0)
    k = torch.arange(z.shape[1], device=z.device)
    true = k.view(-1, *[1] * (z.dim() - 2)) == t
    # Not −∞: where all others are, the slope of their sum would be NaN.
    others = z.masked_fill(true, torch.finfo(z.dtype).min)
    u = others.logsumexp(dim=1) - z.gather(1, t).squeeze(1)
    return dtype, u, share


def _check_coefficients(
    logits: Tensor, coefficients: Sequence[float] | Tensor
) -> None:
    if isinstance(coefficients, Tensor):
        check_floating(logits=logits, coefficients=coefficients)
        check_same_device(logits=logits, coefficients=coefficients)
        shape = tuple(coefficients.shape)
    else:
        each = {f"coefficients[{j}]": a for j, a in enumerate(coefficients)}
        check_finite(**each)
        shape = (len(coefficients),)
    if len(shape) != 1 or shape == (0,):
        raise ValueError(
            f"coefficients: expected one or more numbers, (J,), got {shape}"
        )


def _surprises(
    logits: Tensor, target: Tensor, mask: Tensor | None
) -> tuple[torch.dtype, Tensor, Tensor, Tensor]:
    """Cross-entropies, the sizes of their slopes, and which of them count."""
    dtype, z, y = binary(logits, target)
    counts = counted(z, mask, "logits")
    z, y = z.where(counts, 0), y.where(counts, 0)
    each = F.binary_cross_entropy_with_logits(z, y, reduction="none")
    return dtype, each, (z.sigmoid() - y).abs(), counts


def _histogram(
    norm: Tensor, counts: Tensor, bins: int
) -> tuple[Tensor, Tensor]:
    """The bin of each element, and how many of those that count are in it."""
    check_count(bins=bins)
    place = (norm.detach() * bins).long()
    place = place.clamp(0, bins - 1)  # as an integer a NaN is far below 0
    # In whole numbers: in float32 a count would end at 2²⁴.
    none = torch.zeros(bins, dtype=torch.long, device=norm.device)
    found = none.scatter_add(0, place.flatten(), counts.long().flatten())
    return place, of_all(found)


def _harmonise(
    each: Tensor, counts: Tensor, density: Tensor, bins: int
) -> Tensor:
    share = torch.where(counts, 1 / (bins * density), 0)
    return of_all((share * each).sum())
