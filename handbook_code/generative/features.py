"""Losses of what an extractor makes of two pictures, not of the pictures.

The extractor is any callable from pictures to a map or a list of maps, (N,
C, H, W): a module of this package, or a cut through a network of yours.
"""

from collections.abc import Callable, Sequence

from torch import Tensor

from handbook_code._checks import (
    check_floating,
    check_nonnegative,
    check_pair,
    check_same_device,
)
from handbook_code._reduce import no_autocast, reduce, widen
from handbook_code.generative._extractors import EnergyPyramid

Extractor = Callable[[Tensor], Tensor | Sequence[Tensor]]
ENERGIES = EnergyPyramid()


def perceptual_loss(
    input: Tensor,
    target: Tensor,
    *,
    extractor: Extractor | None = None,
    weights: Sequence[float] | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Squared distance of two pictures in the eyes of an extractor.

    L = Σⱼ wⱼ / (Cⱼ Hⱼ Wⱼ) · ‖φⱼ(x) − φⱼ(y)‖²

    Args:
        input: x, pictures, (N, C, H, W), or whatever the extractor takes.
        target: y, of the same shape.
        extractor: φ, from pictures to a map or to several. It gets them in
            float32 or wider. If None, ``EnergyPyramid()``, which wants values
            from 0 to 1. Freeze a network (``requires_grad_(False)``): else
            it is trained along, and a graph is kept for the target.
        weights: w, one number ≥ 0 for each map; 1 if None.
        reduction: ``"none"`` (one value per picture), ``"mean"`` or
            ``"sum"``.

    Returns:
        The loss, ≥ 0. Zero does not mean that the pictures are equal.

    Raises:
        TypeError: if pictures or maps are not floating-point.
        ValueError: if shapes or devices differ, maps do not have one row a
            picture, a weight is negative or not finite, there is not one for
            each map, or the reduction is unknown.

    Reference:
        Johnson, Alahi, Fei-Fei (2016), Perceptual losses for real-time style
        transfer and super-resolution.

    >>> import torch
    >>> x, y = torch.zeros(1, 1, 2, 2), torch.ones(1, 1, 2, 2)
    >>> perceptual_loss(x, y, extractor=lambda x: [x, 3 * x])
    tensor(10.)
    """
    check_pair(input=input, target=target)
    dtype, x, y = widen(input, target)
    layers = _maps(extractor, x, y, weights)
    loss = sum(w * _mean_square(f - g) for w, f, g in layers)
    return reduce(loss, reduction, dtype)


def gram_matrix(features: Tensor) -> Tensor:
    """Mean products of channels: how strong each is, and which meet where.

    G = F Fᵀ / (C · H · W),  F of C rows and H · W columns

    Args:
        features: maps, (N, C, H, W), or (N, C, …).

    Returns:
        (N, C, C), symmetric, with no negative eigenvalue. It is neither
        centred nor scaled, so no correlation, and where the positions are is
        lost: any order of them gives the same. In float32 or wider.

    Raises:
        TypeError: if features are not floating-point.
        ValueError: if they have no channels or positions.

    Reference:
        Gatys, Ecker, Bethge (2016), Image style transfer using convolutional
        neural networks.

    >>> import torch
    >>> gram_matrix(torch.tensor([[[1.0, 1.0], [1.0, -1.0]]]))
    tensor([[[0.5000, 0.0000],
             [0.0000, 0.5000]]])
    """
    check_floating(features=features)
    if features.dim() < 3 or 0 in features.shape[1:]:
        raise ValueError(
            f"features: expected maps, (N, C, H, W), "
            f"got {tuple(features.shape)}"
        )
    f = widen(features)[1].flatten(2)
    with no_autocast(f):
        return f @ f.mT / f.shape[1:].numel()


def style_loss(
    input: Tensor,
    target: Tensor,
    *,
    extractor: Extractor | None = None,
    weights: Sequence[float] | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Wants the same Gram matrices of features, wherever the features are.

    L = Σⱼ wⱼ · ‖G(φⱼ(x)) − G(φⱼ(y))‖²,  the squared Frobenius norm

    Args:
        input: x, pictures, (N, C, H, W), or whatever the extractor takes.
        target: y, as many pictures, of any size: Gram matrices have none.
            One style for many pictures is ``target.expand(N, -1, -1, -1)``.
        extractor: φ, from pictures to a map or to several, (N, C, H, W). It
            gets them in float32 or wider. If None, ``EnergyPyramid()``,
            which wants values from 0 to 1. Freeze a network.
        weights: w, one number ≥ 0 for each map; 1 if None. Layers have units
            of their own: with 1 / ‖G(φⱼ(y))‖² each counts alike.
        reduction: ``"none"`` (one value per picture), ``"mean"`` or
            ``"sum"``.

    Returns:
        The loss, ≥ 0, with the gradient 0 at features that are all 0.

    Raises:
        TypeError: if pictures or maps are not floating-point.
        ValueError: if numbers of pictures or devices differ, maps have no
            positions, a weight is negative or not finite, there is not one
            for each map, or the reduction is unknown.

    Reference:
        Gatys, Ecker, Bethge (2016), Image style transfer using convolutional
        neural networks.

    >>> import torch
    >>> x = torch.tensor([[[[1.0, 2.0, 3.0]]]])
    >>> style_loss(x, x.flip(-1), extractor=torch.nn.Identity())
    tensor(0.)
    """
    check_floating(input=input, target=target)
    check_same_device(input=input, target=target)
    if input.shape[:2] != target.shape[:2]:
        raise ValueError(
            f"target: expected the pictures and channels of input, "
            f"{tuple(input.shape[:2])}, got {tuple(target.shape[:2])}"
        )
    dtype, x, y = widen(input, target)
    layers = _maps(extractor, x, y, weights)
    loss = sum(
        w * (gram_matrix(f) - gram_matrix(g)).square().sum((1, 2))
        for w, f, g in layers
    )
    return reduce(loss, reduction, dtype)


def _mean_square(x: Tensor) -> Tensor:
    return x.square().flatten(1).mean(1)


def _maps(
    extractor: Extractor | None,
    x: Tensor,
    y: Tensor,
    weights: Sequence[float] | None,
) -> list[tuple[float, Tensor, Tensor]]:
    """For each map its weight, and the features of both pictures."""
    extract = ENERGIES if extractor is None else extractor
    layers = []
    for name, images in (("input", x), ("target", y)):
        maps = extract(images)
        maps = [maps] if isinstance(maps, Tensor) else list(maps)
        for features in maps:
            _check_map(features, name, images)
        layers.append([widen(features)[1] for features in maps])
    if weights is None:
        weights = [1.0] * len(layers[0])
    if len(weights) != len(layers[0]) or not layers[0]:
        raise ValueError(
            f"weights: expected one for each map, {len(layers[0])}, "
            f"got {len(weights)}"
        )
    for weight in weights:
        check_nonnegative(weights=weight)
    return list(zip(weights, *layers, strict=True))


def _check_map(features: Tensor, name: str, images: Tensor) -> None:
    check_floating(extractor=features)
    if features.dim() < 2 or len(features) != len(images):
        raise ValueError(
            f"extractor: expected maps with a row for each of the "
            f"{len(images)} pictures of {name}, got {tuple(features.shape)}"
        )
