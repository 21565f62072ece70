"""Losses of two regions that ask how far a wrong pixel is from the boundary.

All maps come from one: the distance of a pixel to the nearest one on the
other side of the boundary. Where a true mask is empty or full there is no
other side, and the distance is the diagonal of the image, farther than any
pixel: what is wrong there is wrong by as much as can be, and nothing is
infinite. A boundary that is not drawn lends no distance.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn.functional import log_softmax, logsigmoid
from torch.utils.data import Dataset

from handbook_code._checks import (
    check_count,
    check_floating,
    check_nonnegative,
    check_same_device,
)
from handbook_code._reduce import reduce
from handbook_code.classification._counts import total
from handbook_code.classification._distances import (
    pixel,
    squared_to_other_side,
)
from handbook_code.classification._masks import masks

Spacing = float | Sequence[float] | None


def boundary_loss(
    probs: Tensor,
    target: Tensor,
    *,
    distance_map: Tensor | None = None,
    spacing: Spacing = None,
    background: bool = True,
    per_image: bool = False,
    per_class: bool = True,
    reduction: str = "mean",
) -> Tensor:
    """The mean of the probability times the signed distance to the truth.

    L = mean of φ p,  φ = d outside of the true region, −(d − s) inside

    d is the distance to the nearest pixel on the other side of the boundary,
    s the smallest spacing: the map is 0 at the pixels just inside. Linear in
    p, it has no interest in how sure the network is; use it beside a loss of
    regions.

    Args:
        probs: p, from 0 to 1, of shape (N, K, …); one channel, (N, 1, …), is
            binary foreground.
        target: a mask for each class, (N, K, …), of any dtype; or the class
            of each pixel, integers of shape (N, …); or for one channel the
            mask, (N, …). Inside is what is above one half.
        distance_map: φ, of the shape of ``probs``, as from
            ``signed_distance_map``. Then the values of target do not count.
        spacing: the size of a pixel, in the unit in which to measure, such
            as millimetres: one number, or one for each axis of the image. If
            None, 1.
        background: count class 0 where there are several.
        per_image: a value for each image; else the batch is one image.
        per_class: a value for each class; else all classes are one.
        reduction: ``"none"`` (one value per image and class, as the two
            above say), ``"mean"`` or ``"sum"``.

    Returns:
        The loss, in the unit of ``spacing``: from the mean of the negative
        part of φ, which is the value at the truth, to the mean of its
        positive part. In an image without the class φ is the diagonal of the
        image everywhere; in one full of it s less the diagonal.

    Raises:
        TypeError: if probs or distance_map is not floating-point, or target
            (N, …) not integer where there are several classes.
        ValueError: if shapes or devices do not fit, a spacing is not
            positive, or the reduction is unknown.

    Reference:
        Kervadec, Bouchtiba, Desrosiers, Granger, Dolz, Ben Ayed (2019),
        Boundary loss for highly unbalanced segmentation.

    >>> probs = torch.tensor([[[0.5, 0.5, 0.5, 0.5]]])
    >>> target = torch.tensor([[1, 1, 0, 0]])  # map −1, 0, 1, 2
    >>> boundary_loss(probs, target)
    tensor(0.2500)
    """
    dtype, p, t = masks(probs, target)
    if distance_map is None:
        phi = _signed(t, probs.shape[2:], spacing)
    else:
        phi = _given(distance_map, probs).to(p)
    return reduce(
        _mean(p * phi, background, per_image, per_class), reduction, dtype
    )


def hausdorff_loss(
    probs: Tensor,
    target: Tensor,
    *,
    alpha: float = 2.0,
    distance_map: Tensor | None = None,
    spacing: Spacing = None,
    background: bool = True,
    per_image: bool = False,
    per_class: bool = True,
    reduction: str = "mean",
) -> Tensor:
    """Squared errors, weighted by how far they are from both boundaries.

    L = mean of (p − t)² (d(p)^α + d(t)^α)

    d is the distance to the nearest pixel on the other side of the boundary,
    for the truth and for the pixels with p > ½; both are constants to the
    gradient, and the loss jumps where a probability crosses one half.

    Args:
        probs: p, from 0 to 1, of shape (N, K, …); one channel, (N, 1, …), is
            binary foreground.
        target: t, a mask for each class, (N, K, …), of any dtype; or the
            class of each pixel, integers of shape (N, …); or for one channel
            the mask, (N, …). Soft masks, from 0 to 1, have their boundary at
            one half.
        alpha: α ≥ 0, how much the distance counts.
        distance_map: the squares d(t)², of the shape of ``probs``, as from
            ``squared_distance_map`` with the same spacing; d(p) is computed.
        spacing: the size of a pixel, in the unit in which to measure, such
            as millimetres: one number, or one for each axis of the image. If
            None, 1.
        background: count class 0 where there are several.
        per_image: a value for each image; else the batch is one image.
        per_class: a value for each class; else all classes are one.
        reduction: ``"none"`` (one value per image and class, as the two
            above say), ``"mean"`` or ``"sum"``.

    Returns:
        The loss, ≥ 0, in the unit of ``spacing`` to the power α. The boundary
        of a true mask that is empty or full is the diagonal of the image
        away; where none is drawn, no p or every p being above ½, d(p) is 0.
        In half precision large images overflow: give probabilities in
        float32, or a smaller spacing.

    Raises:
        TypeError: if probs or distance_map is not floating-point, or target
            (N, …) not integer where there are several classes.
        ValueError: if shapes or devices do not fit, α is negative, a spacing
            is not positive, or the reduction is unknown.

    Reference:
        Karimi, Salcudean (2020), Reducing the Hausdorff distance in medical
        image segmentation with convolutional neural networks.

    >>> probs = torch.tensor([[[1.0, 1.0, 1.0, 0.0]]])
    >>> target = torch.tensor([[1, 1, 0, 0]])  # the third pixel: 1² + 1²
    >>> hausdorff_loss(probs, target)
    tensor(0.5000)
    """
    check_nonnegative(alpha=alpha)
    dtype, p, t = masks(probs, target)
    image = probs.shape[2:]
    if distance_map is None:
        true = _squared(t, image, spacing)
    else:
        true = _given(distance_map, probs).to(p)
    # A diagonal can hold a network at drawing nothing.
    above = p > 0.5
    bounded = (above.any(-1) != above.all(-1)).unsqueeze(-1)
    drawn = _squared(p, image, spacing) * bounded
    distance = true ** (alpha / 2) + drawn ** (alpha / 2)
    each = (p - t) ** 2 * distance
    return reduce(
        _mean(each, background, per_image, per_class), reduction, dtype
    )


def distance_map_cross_entropy_loss(
    logits: Tensor,
    target: Tensor,
    *,
    distance_map: Tensor | None = None,
    spacing: Spacing = None,
    reduction: str = "mean",
) -> Tensor:
    """Cross-entropy that counts a pixel at the boundary up to twice.

    L = −(1 + Φₜ) log pₜ,  p = softmax(z),  Φ = 1 − d / max d

    d is the distance to the nearest pixel on the other side of the boundary
    of the class, and its maximum that over the image. With one channel p is
    the sigmoid of z.

    Args:
        logits: z, of shape (N, K, …); one channel, (N, 1, …), is binary
            foreground.
        target: t, the class of each pixel, integers of shape (N, …); or a
            mask for each class, (N, K, …), of any dtype, also soft, with the
            boundary at one half; or for one channel the mask, (N, …). A
            pixel in no mask, or whose index is no class, costs 0.
        distance_map: Φ, of the shape of ``logits``, as from
            ``distance_penalty``; or for several classes one for all of them,
            (N, …) or (N, 1, …).
        spacing: the size of a pixel: one number, or one for each axis of the
            image. If None, 1. Only their ratios count.
        reduction: ``"none"`` (one value per pixel, (N, …)), ``"mean"`` or
            ``"sum"``. The mean divides by the number of pixels, and not by
            the sum of weights.

    Returns:
        The loss, ≥ 0: from the cross-entropy to twice that. Where a mask is
        empty or full nothing is near a boundary, and Φ is 0.

    Raises:
        TypeError: if logits or distance_map is not floating-point, or target
            (N, …) not integer where there are several classes.
        ValueError: if shapes or devices do not fit, a spacing is not
            positive, or the reduction is unknown.

    Reference:
        Calivá, Iriondo, Morales Martinez, Majumdar, Pedoia (2019), Distance
        map loss penalty term for semantic segmentation.

    >>> logits = torch.zeros(1, 1, 4)
    >>> target = torch.tensor([[1, 1, 0, 0]])  # weights 1, 3/2, 3/2, 1
    >>> distance_map_cross_entropy_loss(logits, target)
    tensor(0.8664)
    """
    dtype, z, t = masks(logits, target, "logits")
    if distance_map is None:
        phi = _penalty(_squared(t, logits.shape[2:], spacing))
    else:
        phi = _given(distance_map, logits, "logits", shared=True).to(z)
    if z.shape[1] == 1:
        fit = t * logsigmoid(z) + (1 - t) * logsigmoid(-z)
    else:
        log_p = log_softmax(z, 1)
        # 0 log 0 = 0, and so is its slope
        fit = t * log_p.masked_fill((t == 0) & log_p.isneginf(), 0)
    each = -((1 + phi) * fit).sum(1)
    pixels = (logits.shape[0], *logits.shape[2:])
    return reduce(each.reshape(pixels), reduction, dtype)


def signed_distance_map(
    target: Tensor, *, classes: int | None = None, spacing: Spacing = None
) -> Tensor:
    """The map of the boundary loss: positive outside, negative inside.

    φ = d outside, −(d − s) inside, s the smallest spacing

    Args:
        target: masks (N, K, …), boolean or floating-point, inside where they
            are above one half; or with ``classes`` the class of each pixel,
            integers (N, …).
        classes: their number K, of which an index is one. With 1 the target
            is a mask, (N, …), of any dtype.
        spacing: the size of a pixel: one number, or one for each axis of the
            image. If None, 1.

    Returns:
        The map φ, (N, K, …), in float64 for a float64 target, else float32.
        Without the class it is the diagonal of the image; in an image full
        of it s less the diagonal.

    Raises:
        TypeError: if a target without ``classes`` is of integers, or one
            with several is not.
        ValueError: if shapes do not fit or a spacing is not positive.

    >>> signed_distance_map(torch.tensor([[0, 1, 1, 1, 0, 0]]), classes=1)
    tensor([[[ 1.,  0., -1.,  0.,  1.,  2.]]])
    """
    regions, image = _regions(target, classes)
    return _signed(regions, image, spacing).reshape(*regions.shape[:2], *image)


def squared_distance_map(
    target: Tensor, *, classes: int | None = None, spacing: Spacing = None
) -> Tensor:
    """The map of the Hausdorff loss: squared distances on either side.

    d² to the nearest pixel on the other side of the boundary

    Args:
        target: masks (N, K, …), boolean or floating-point, inside where they
            are above one half; or with ``classes`` the class of each pixel,
            integers (N, …).
        classes: their number K, of which an index is one. With 1 the target
            is a mask, (N, …), of any dtype.
        spacing: the size of a pixel: one number, or one for each axis of the
            image. If None, 1.

    Returns:
        The map d², (N, K, …), in float64 for a float64 target, else float32.
        Where a mask is empty or full it is the squared diagonal of the image.

    Raises:
        TypeError: if a target without ``classes`` is of integers, or one
            with several is not.
        ValueError: if shapes do not fit or a spacing is not positive.

    >>> squared_distance_map(torch.tensor([[0, 1, 1, 1, 0, 0]]), classes=1)
    tensor([[[1., 1., 4., 1., 1., 4.]]])
    """
    regions, image = _regions(target, classes)
    squared = _squared(regions, image, spacing)
    return squared.reshape(*regions.shape[:2], *image)


def distance_penalty(
    target: Tensor, *, classes: int | None = None, spacing: Spacing = None
) -> Tensor:
    """The map of the distance-map cross-entropy: large at the boundary.

    Φ = 1 − d / max d, the maximum being that of the image

    Args:
        target: masks (N, K, …), boolean or floating-point, inside where they
            are above one half; or with ``classes`` the class of each pixel,
            integers (N, …).
        classes: their number K, of which an index is one. With 1 the target
            is a mask, (N, …), of any dtype.
        spacing: the size of a pixel: one number, or one for each axis of the
            image. If None, 1.

    Returns:
        The map Φ, (N, K, …), from 0 to below 1, in float64 for a float64
        target, else float32. Where a mask is empty or full it is 0.

    Raises:
        TypeError: if a target without ``classes`` is of integers, or one
            with several is not.
        ValueError: if shapes do not fit or a spacing is not positive.

    >>> distance_penalty(torch.tensor([[1, 1, 0, 0]]), classes=1)
    tensor([[[0.0000, 0.5000, 0.5000, 0.0000]]])
    """
    regions, image = _regions(target, classes)
    penalty = _penalty(_squared(regions, image, spacing))
    return penalty.reshape(*regions.shape[:2], *image)


class DistanceMaps(Dataset):
    """A data set of images and masks that brings the map of each mask.

    Each map is computed when it is first asked for, and kept. The workers of
    a ``DataLoader`` keep theirs to themselves and lose them with the epoch,
    unless they are persistent: ``fill`` computes all maps before they start.

    Args:
        dataset: pairs of an image and a mask, which is (K, …), or with
            ``classes`` the class of each pixel, (…). What crops or turns the
            picture at random comes after the maps, not before.
        compute: ``signed_distance_map``, ``squared_distance_map`` or
            ``distance_penalty``.
        classes: as those take it.
        spacing: as those take it, for all images.

    Returns:
        Triples of image, mask and map, (K, …).

    >>> masks = [torch.tensor([0, 1, 1]), torch.tensor([0, 0, 1])]
    >>> dataset = DistanceMaps([(torch.rand(3), m) for m in masks], classes=1)
    >>> dataset[1][2]
    tensor([[2., 1., 0.]])
    """

    def __init__(
        self,
        dataset: Sequence,
        compute: Callable[..., Tensor] = signed_distance_map,
        *,
        classes: int | None = None,
        spacing: Spacing = None,
    ):
        self.dataset, self.compute = dataset, compute
        self.keywords = {"classes": classes, "spacing": spacing}
        self.maps: dict[int, Tensor] = {}

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor, Tensor]:
        image, mask = self.dataset[index]
        place = range(len(self))[index]
        if place not in self.maps:
            batch = torch.as_tensor(mask).unsqueeze(0)
            (self.maps[place],) = self.compute(batch, **self.keywords)
        # A copy, which may be changed in place.
        return image, mask, self.maps[place].clone()

    def fill(self) -> "DistanceMaps":
        """Compute all maps now."""
        for index in range(len(self)):
            self[index]
        return self


def _regions(
    target: Tensor, classes: int | None
) -> tuple[Tensor, Sequence[int]]:
    """Masks as (N, K, M), and the shape of the image."""
    if not isinstance(target, Tensor):
        raise TypeError(
            f"target: expected a tensor, got {type(target).__name__}"
        )
    shape = tuple(target.shape)
    integers = not target.is_floating_point() and target.dtype != torch.bool
    if classes is None and integers:
        raise TypeError(
            "target: expected masks, boolean or floating-point, or the number "
            f"of classes for integer classes, got {target.dtype}"
        )
    if classes is not None:
        check_count(classes=classes)
        if classes > 1 and not integers:
            raise TypeError(
                f"target: expected integer classes, got {target.dtype}"
            )
        target = target.unsqueeze(1)
        if classes > 1:
            index = torch.arange(classes, device=target.device)
            target = target == index.view(-1, *[1] * (target.dim() - 2))
    if target.dim() < 3:
        raise ValueError(
            "target: expected (N, K, …) masks, or (N, …) with the number of "
            f"classes, got {shape}"
        )
    return target.flatten(2), target.shape[2:]


def _squared(t: Tensor, image: Sequence[int], spacing: Spacing) -> Tensor:
    """Squared distances, (N, K, M), to the other side of the boundary."""
    wide = t.dtype if t.dtype == torch.float64 else torch.float32
    image = image or (1,)
    inside = (t > 0.5).reshape(*t.shape[:2], *image)
    size = pixel(spacing, len(image))
    return squared_to_other_side(inside, size, wide).flatten(2)


def _signed(t: Tensor, image: Sequence[int], spacing: Spacing) -> Tensor:
    distance = _squared(t, image, spacing).sqrt()
    step = min(pixel(spacing, len(image) or 1))
    return torch.where(t > 0.5, step - distance, distance)


def _penalty(squared: Tensor) -> Tensor:
    if not squared.numel():
        return squared
    distance = squared.sqrt()
    return 1 - distance / distance.amax(-1, keepdim=True)


def _given(
    distance_map: Tensor,
    model: Tensor,
    name: str = "probs",
    *,
    shared: bool = False,
) -> Tensor:
    """A map of the shape of the prediction, or one for all its classes."""
    check_floating(distance_map=distance_map)
    check_same_device(**{name: model, "distance_map": distance_map})
    batch, classes, *image = model.shape
    shapes = [model.shape]
    if shared and classes > 1:
        shapes += [(batch, *image), (batch, 1, *image)]
    if distance_map.shape not in shapes:
        raise ValueError(
            f"distance_map: expected the shape of {name}, "
            f"{tuple(model.shape)}, got {tuple(distance_map.shape)}"
        )
    if distance_map.dim() < model.dim():
        distance_map = distance_map.unsqueeze(1)
    return distance_map.flatten(2) if image else distance_map.unsqueeze(2)


def _mean(
    values: Tensor, background: bool, per_image: bool, per_class: bool
) -> Tensor:
    """Over pixels, and over images and classes unless kept apart."""
    if not background and values.shape[1] > 1:
        values = values[:, 1:]
    sums = total(values, per_image, per_class)
    return sums / max(1, values.numel() // max(1, sums.numel()))
