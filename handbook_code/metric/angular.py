"""Losses of the angle between an embedding and the centre of its class.

Cross-entropies of cosines, in which the class itself counts for less.
"""

import math
from collections.abc import Callable
from inspect import signature
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from handbook_code._across import across
from handbook_code._checks import (
    check_count,
    check_nonnegative,
    check_positive,
    check_unit_interval,
)
from handbook_code._fused import fused
from handbook_code._reduce import no_autocast, reduce, widen
from handbook_code.metric import _across_angular as over
from handbook_code.metric import _fast_angular as fast
from handbook_code.metric._classes import (
    check_classes,
    check_radians,
    moments,
    usual,
)
from handbook_code.metric._directions import directions
from handbook_code.metric._line_up import pairs, reduced


@across(over.sphereface)
@fused(
    fast.sphereface, "embeddings", "centers",
    least=1 << 14, size=pairs, when=reduced,
)  # fmt: skip
def sphereface_loss(
    embeddings: Tensor,
    centers: Tensor,
    labels: Tensor,
    *,
    m: int = 4,
    blend: float = 0.0,
    reduction: str = "mean",
) -> Tensor:
    """Cross-entropy with the angle to the class's own centre multiplied.

    L = −log softmax at t of ‖x‖ cos θⱼ, with (λ cos θ + ψ(θ)) / (1 + λ) for
    the cosine of the class t itself, where ψ(θ) = (−1)ᵏ cos mθ − 2k and
    k = ⌊mθ / π⌋

    Args:
        embeddings: x, of shape (N, D), of any length.
        centers: one row for each class, of shape (K, D). Only its direction
            counts.
        labels: t, the class of every embedding, integers of shape (N,).
        m: a whole number ≥ 1 that multiplies the angle.
        blend: λ ≥ 0, how much of the plain cosine stays; a training loop
            lowers it, as from 1000 to 5.
        group: the processes on which embeddings and centers lie, each with
            its part; labels count through all classes in the order of ranks.
            The value is that of the whole batch. The gradient in a part of
            the embeddings is multiplied by their number, which
            ``DistributedDataParallel`` divides by; that in centers is not.
        reduction: ``"none"`` (one value per embedding), ``"mean"`` or
            ``"sum"``.

    Returns:
        The loss, ≥ 0. A zero vector is taken to be at 90° from all others.

    Raises:
        TypeError: if embeddings or centers are not floating-point, labels
            not integers, or m and λ not numbers.
        ValueError: if shapes or devices do not fit, m is below 1, λ is
            negative, or the reduction is unknown.

    Reference:
        Liu, Wen, Yu, Li, Raj, Song (2017), SphereFace: deep hypersphere
        embedding for face recognition.

    >>> x, centers = torch.tensor([[3.0, 4.0]]), torch.eye(2)
    >>> sphereface_loss(x, centers, torch.tensor([1]), m=1)
    tensor(0.3133)
    >>> sphereface_loss(x, centers, torch.tensor([1]), m=2)
    tensor(1.7839)
    """
    check_count(m=m)
    check_nonnegative(blend=blend)
    dtype, x, w, t = _check(embeddings, centers, labels)
    u, own = directions(x), w.index_select(0, t)
    theta = _angle(u, own)
    k = (m * theta.detach() / math.pi).floor()
    psi = (1 - 2 * (k % 2)) * (m * theta).cos() - 2 * k
    plain, hard = (x * own).sum(dim=-1), (x * u).sum(dim=-1) * psi
    target = (blend * plain + hard) / (1 + blend)
    return reduce(_cross_entropy(_products(x, w), target, t), reduction, dtype)


@across(over.cosface)
@fused(
    fast.cosface, "embeddings", "centers",
    least=1 << 14, size=pairs, when=reduced,
)  # fmt: skip
def cosface_loss(
    embeddings: Tensor,
    centers: Tensor,
    labels: Tensor,
    *,
    s: float = 64.0,
    m: float = 0.35,
    reduction: str = "mean",
) -> Tensor:
    """Cross-entropy of cosines, with a margin taken from the class's own.

    L = −log softmax at t of s cos θⱼ, with cos θ − m for the cosine of the
    class t itself

    Args:
        embeddings: x, of shape (N, D). Only the direction counts.
        centers: one row for each class, of shape (K, D). Only its direction
            counts.
        labels: t, the class of every embedding, integers of shape (N,).
        s: s > 0, the length that all embeddings are given.
        m: m ≥ 0, the margin, in units of the cosine.
        group: the processes on which embeddings and centers lie, each with
            its part; labels count through all classes in the order of ranks.
            The value is that of the whole batch. The gradient in a part of
            the embeddings is multiplied by their number, which
            ``DistributedDataParallel`` divides by; that in centers is not.
        reduction: ``"none"`` (one value per embedding), ``"mean"`` or
            ``"sum"``.

    Returns:
        The loss, ≥ 0, and never above log K + s (2 + m). A zero vector is
        taken to be at 90° from all others.

    Raises:
        TypeError: if embeddings or centers are not floating-point, labels
            not integers, or s and m not numbers.
        ValueError: if shapes or devices do not fit, s is not positive, m is
            negative, or the reduction is unknown.

    Reference:
        Wang, Wang, Zhou, Ji, Gong, Zhou, Li, Liu (2018), CosFace: large
        margin cosine loss for deep face recognition.

    >>> x, centers = torch.tensor([[3.0, 4.0]]), torch.eye(2)
    >>> cosface_loss(x, centers, torch.tensor([1]), s=1.0, m=0.0)
    tensor(0.5981)
    >>> cosface_loss(x, centers, torch.tensor([1]), s=1.0, m=0.2)
    tensor(0.6931)
    """
    check_positive(s=s)
    check_nonnegative(m=m)
    dtype, x, w, t = _check(embeddings, centers, labels)
    cosines = _products(directions(x), w)
    target = cosines.gather(1, t[:, None])[:, 0] - m
    loss = _cross_entropy(s * cosines, s * target, t)
    return reduce(loss, reduction, dtype)


@across(over.arcface)
@fused(
    fast.arcface, "embeddings", "centers",
    least=1 << 14, size=pairs, when=reduced,
)  # fmt: skip
def arcface_loss(
    embeddings: Tensor,
    centers: Tensor,
    labels: Tensor,
    *,
    s: float = 64.0,
    m: float = 0.5,
    reduction: str = "mean",
) -> Tensor:
    """Cross-entropy of cosines, with a margin added to the class's own angle.

    L = −log softmax at t of s cos θⱼ, with cos(θ + m) for the cosine of the
    class t itself, and −2 − cos(θ + m) once θ + m exceeds π

    Args:
        embeddings: x, of shape (N, D). Only the direction counts.
        centers: one row for each class, of shape (K, D). Only its direction
            counts.
        labels: t, the class of every embedding, integers of shape (N,).
        s: s > 0, the length that all embeddings are given.
        m: the margin in radians, from 0 to below π.
        group: the processes on which embeddings and centers lie, each with
            its part; labels count through all classes in the order of ranks.
            The value is that of the whole batch. The gradient in a part of
            the embeddings is multiplied by their number, which
            ``DistributedDataParallel`` divides by; that in centers is not.
        reduction: ``"none"`` (one value per embedding), ``"mean"`` or
            ``"sum"``.

    Returns:
        The loss, ≥ 0, rising with θ all the way to π. At θ = 0 and θ = π,
        where the angle has a corner, its gradient is taken to be 0. A zero
        vector is taken to be at 90° from all others.

    Raises:
        TypeError: if embeddings or centers are not floating-point, labels
            not integers, or s and m not numbers.
        ValueError: if shapes or devices do not fit, s is not positive, m is
            not in its range, or the reduction is unknown.

    Reference:
        Deng, Guo, Xue, Zafeiriou (2019), ArcFace: additive angular margin
        loss for deep face recognition.

    >>> x, centers = torch.tensor([[3.0, 4.0]]), torch.eye(2)
    >>> arcface_loss(x, centers, torch.tensor([1]), s=1.0, m=0.0)
    tensor(0.5981)
    >>> arcface_loss(x, centers, torch.tensor([1]), s=1.0)
    tensor(0.7902)
    """
    check_positive(s=s)
    check_radians(m)
    dtype, x, w, t = _check(embeddings, centers, labels)
    u = directions(x)
    angle = _angle(u, w.index_select(0, t)) + m
    cosine = angle.cos()
    target = torch.where(angle <= math.pi, cosine, -2 - cosine)
    loss = _cross_entropy(s * _products(u, w), s * target, t)
    return reduce(loss, reduction, dtype)


@across(over.adaface)
@fused(
    fast.adaface, "embeddings", "centers",
    least=1 << 14, size=pairs, when=reduced,
)  # fmt: skip
def adaface_loss(
    embeddings: Tensor,
    centers: Tensor,
    labels: Tensor,
    *,
    s: float = 64.0,
    m: float = 0.4,
    h: float = 0.333,
    norm_mean: float | Tensor | None = None,
    norm_std: float | Tensor | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Cross-entropy of cosines, with a margin that goes by the length of x.

    L = −log softmax at t of s cos θⱼ, with cos(θ − m ẑ) − m (1 + ẑ) for the
    cosine of the class t itself, where ẑ = h (‖x‖ − μ) / σ, clipped to
    [−1, 1] and held constant in the gradient

    Args:
        embeddings: x, of shape (N, D), not normalised: the length is taken
            for the quality of the image.
        centers: one row for each class, of shape (K, D). Only its direction
            counts.
        labels: t, the class of every embedding, integers of shape (N,).
        s: s > 0, the length that all embeddings are given.
        m: the margin, from 0 to below π: in radians as an angle, and in
            units of the cosine.
        h: h ≥ 0, ẑ at one standard deviation above the mean.
        norm_mean: μ ≥ 0, the usual length, a number or a tensor of one; that
            of the batch when not given.
        norm_std: σ ≥ 0, its standard deviation, likewise; but at least a
            thousandth of μ is taken, since equal lengths differ by rounding.
        group: the processes on which embeddings and centers lie, each with
            its part; labels count through all classes in the order of ranks.
            The value is that of the whole batch. The gradient in a part of
            the embeddings is multiplied by their number, which
            ``DistributedDataParallel`` divides by; that in centers is not.
        reduction: ``"none"`` (one value per embedding), ``"mean"`` or
            ``"sum"``.

    Returns:
        The loss, ≥ 0. The angle θ − m ẑ is clipped to [0, π]; where it is,
        and at θ = 0 and θ = π, the target has the gradient 0. With the
        statistics of a batch of one, ẑ = 0. A zero vector is taken to be at
        90° from all others.

    Raises:
        TypeError: if embeddings or centers are not floating-point, labels
            not integers, or a parameter not a number.
        ValueError: if shapes or devices do not fit, a parameter is not in
            its range, or the reduction is unknown.

    Reference:
        Kim, Jain, Liu (2022), AdaFace: quality adaptive margin for face
        recognition.

    >>> x = torch.tensor([[0.3, 0.4], [3.0, 4.0], [5.7, 7.6]])
    >>> labels = torch.tensor([1, 1, 1])
    >>> adaface_loss(
    ...     x, torch.eye(2), labels, s=1.0, h=1.0, reduction="none"
    ... )
    tensor([0.7427, 0.7981, 0.9308])
    """
    check_positive(s=s)
    check_nonnegative(h=h)
    check_radians(m)
    dtype, x, w, t = _check(embeddings, centers, labels)
    u = directions(x)
    lengths = (x * u).sum(dim=-1).detach()
    mean, std = usual(lengths, norm_mean=norm_mean, norm_std=norm_std)
    z = (h * (lengths - mean) / std).clamp(-1, 1)
    angle = (_angle(u, w.index_select(0, t)) - m * z).clamp(0, math.pi)
    target = angle.cos() - (m * z + m)
    loss = _cross_entropy(s * _products(u, w), s * target, t)
    return reduce(loss, reduction, dtype)


class _Centers(nn.Module):
    """A loss, its options as attributes, and one direction for each class."""

    _loss: Callable[..., Tensor]

    def __init__(self, features: int, classes: int, **keywords: Any):
        super().__init__()
        check_count(features=features, classes=classes)
        directed = directions(torch.randn(classes, features))
        self.centers = nn.Parameter(directed)
        known = {
            name: parameter.default
            for name, parameter in signature(self._loss).parameters.items()
            if parameter.kind is parameter.KEYWORD_ONLY and name != "group"
        }
        for name in keywords.keys() - known.keys():
            raise TypeError(
                f"{name}: expected a keyword argument of "
                f"{self._loss.__name__} ({', '.join(known)}), got {name!r}"
            )
        self.keywords = tuple(known)
        for name, default in known.items():
            self._keep(name, keywords.get(name, default))

    def _keep(self, name: str, value: Any) -> None:
        setattr(self, name, value)

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        options = {name: getattr(self, name) for name in self.keywords}
        return self._loss(embeddings, self.centers, labels, **options)

    def extra_repr(self) -> str:
        classes, features = self.centers.shape
        options = (f"{n}={getattr(self, n)!r}" for n in self.keywords)
        return ", ".join([f"{features}, {classes}", *options])


class SphereFace(_Centers):
    """``sphereface_loss`` with centers of its own.

    Args:
        features: D, the length of an embedding.
        classes: K. The centers start in random directions.
        keywords: m, blend and reduction of the loss. They are attributes:
            the training loop lowers ``blend``.

    >>> criterion = SphereFace(2, 10, blend=1000.0)
    >>> criterion.blend = 5.0  # later
    >>> criterion
    SphereFace(2, 10, m=4, blend=5.0, reduction='mean')
    """

    _loss = staticmethod(sphereface_loss)


class CosFace(_Centers):
    """``cosface_loss`` with centers of its own.

    Args:
        features: D, the length of an embedding.
        classes: K. The centers start in random directions.
        keywords: s, m and reduction of the loss. They are attributes.

    >>> CosFace(2, 10, s=30.0)
    CosFace(2, 10, s=30.0, m=0.35, reduction='mean')
    """

    _loss = staticmethod(cosface_loss)


class ArcFace(_Centers):
    """``arcface_loss`` with centers of its own.

    Args:
        features: D, the length of an embedding.
        classes: K. The centers start in random directions.
        keywords: s, m and reduction of the loss. They are attributes.

    >>> criterion = ArcFace(2, 10)
    >>> criterion(torch.randn(4, 2), torch.tensor([3, 1, 4, 1])).shape
    torch.Size([])
    """

    _loss = staticmethod(arcface_loss)


class AdaFace(_Centers):
    """``adaface_loss`` with centers of its own, and the usual length.

    In training, every batch of two and more first moves the averages a part
    ``momentum`` towards its own mean and standard deviation; the first such
    batch sets them, unless they were given. In evaluation they stay. Until
    they are set, the batch's own count.

    Args:
        features: D, the length of an embedding.
        classes: K. The centers start in random directions.
        momentum: from 0 to 1, what one batch counts for.
        keywords: s, m, h and reduction of the loss, as attributes, and
            norm_mean and norm_std, where the averages start, as buffers.

    >>> criterion = AdaFace(2, 10)
    >>> x = torch.tensor([[3.0, 4.0], [6.0, 8.0], [9.0, 12.0]])
    >>> loss = criterion(x, torch.tensor([3, 1, 4]))
    >>> criterion.norm_mean, criterion.norm_std
    (tensor(10.), tensor(5.))
    """

    _loss = staticmethod(adaface_loss)

    def __init__(
        self,
        features: int,
        classes: int,
        *,
        momentum: float = 0.01,
        **keywords: Any,
    ):
        check_unit_interval(momentum=momentum)
        super().__init__(features, classes, **keywords)
        self.momentum = momentum

    def _keep(self, name: str, value: Any) -> None:
        if not name.startswith("norm_"):
            return super()._keep(name, value)
        if value is not None:
            check_nonnegative(**{name: value})
        start = math.nan if value is None else float(value)
        self.register_buffer(name, torch.tensor(start))

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        _check(embeddings, self.centers, labels)
        _, x = widen(embeddings.detach())
        batch = torch.stack(moments((x * directions(x)).sum(dim=-1)))
        known = torch.stack([self.norm_mean, self.norm_std])
        known = torch.where(known.isnan(), batch, known)
        if self.training and len(embeddings) > 1:
            known = known + self.momentum * (batch - known)
            self.norm_mean.copy_(known[0])
            self.norm_std.copy_(known[1])
        options = {name: getattr(self, name) for name in self.keywords}
        options |= {"norm_mean": known[0], "norm_std": known[1]}
        return self._loss(embeddings, self.centers, labels, **options)


def _check(
    embeddings: Tensor, centers: Tensor, labels: Tensor
) -> tuple[torch.dtype, Tensor, Tensor, Tensor]:
    """Embeddings as they are, directions of centers, labels to index with."""
    dtype, x, w, t = check_classes(embeddings, centers, labels)
    return dtype, x, directions(w), t


def _products(x: Tensor, w: Tensor) -> Tensor:
    with no_autocast(x):
        return x @ w.T


def _angle(u: Tensor, w: Tensor) -> Tensor:
    """Of unit vectors, as Kahan computes it; 90° where one is zero.

    acos has no slope at 0 and π, and sees no angle below 2e-4 in float32.
    """
    apart = _root(((u - w) ** 2).sum(dim=-1))
    along = _root(((u + w) ** 2).sum(dim=-1))
    both_zero = (apart + along == 0).to(u.dtype)
    return 2 * torch.atan2(apart + both_zero, along + both_zero)


def _root(square: Tensor) -> Tensor:
    positive = square > 0
    return torch.where(positive, square, 1).sqrt() * positive


def _cross_entropy(logits: Tensor, target: Tensor, t: Tensor) -> Tensor:
    """With another logit for the class itself."""
    logits = logits.scatter(1, t[:, None], target[:, None])
    return F.cross_entropy(logits, t, reduction="none")
