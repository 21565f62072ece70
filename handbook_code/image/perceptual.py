"""Distances of what a model of vision makes of two pictures.

NLPD models the first stages of the eye by a formula; LPIPS asks a network
that has learnt to tell pictures apart.
"""

from collections.abc import Callable, Iterable, Sequence
from importlib.util import find_spec
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from handbook_code._checks import (
    check_count,
    check_finite,
    check_floating,
    check_pair,
    check_same_device,
    check_shape,
)
from handbook_code._fused import fused
from handbook_code._reduce import reduce, widen
from handbook_code.image import _fast_perceptual as fast
from handbook_code.image._pyramid import (
    FLOORS,
    POOLS,
    _double,
    _halve,
    check_luminance,
)
from handbook_code.metric._directions import directions

HEADS = {"alex": 5, "vgg": 5, "squeeze": 7}  # how many maps each gives


@fused(fast.nlpd, "input", "target")
def nlpd(input: Tensor, target: Tensor, *, reduction: str = "mean") -> Tensor:
    """Normalised Laplacian pyramid distance.

    L = 1/6 Σₛ √(mean over i of (uₛᵢ − vₛᵢ)²),
    uₛ = zₛ / (σₛ + Pₛ ∗ abs(zₛ))

    z₁ … z₅ are the bands of a Laplacian pyramid of the input, z₆ the low-pass
    residual; v is the same of the target. This follows the MATLAB function
    NLP_dist of the authors, with its constants and its borders.

    Args:
        input: luminance, (N, 1, H, W), from 0 (black) to 1 (white). The σₛ
            are in this unit.
        target: of the same shape.
        reduction: ``"none"`` (one value per picture), ``"mean"`` or
            ``"sum"``.

    Returns:
        The loss, ≥ 0, and 0 with the gradient 0 for two equal pictures.
        Sides should be 33 pixels or more: from 17 to 32 the residual is one
        pixel across, and where both sides are below 17 a band is zero, and
        this zero is in the mean.

    Raises:
        TypeError: if a tensor is not floating-point.
        ValueError: if shapes or devices differ, a picture is not grey or has
            no pixel, or the reduction is unknown.

    Reference:
        Laparra, Ballé, Berardino, Simoncelli (2016), Perceptual image quality
        assessment using a normalized Laplacian pyramid.

    >>> x = torch.linspace(0, 1, 64).expand(1, 1, 64, 64)
    >>> nlpd(x, x), nlpd(0.5 * x, x)
    (tensor(0.), tensor(0.5683))
    """
    check_pair(input=input, target=target)
    check_luminance(input=input)
    dtype, x, y = widen(input, target)
    seen = normalized_laplacian_pyramid(x), normalized_laplacian_pyramid(y)
    bands = [(u - v).flatten(1) for u, v in zip(*seen, strict=True)]
    # As a sum of products, the root has the gradient 0 at 0.
    rms = [(b * directions(b)).sum(1) / b.shape[1] ** 0.5 for b in bands]
    return reduce(torch.stack(rms).mean(dim=0), reduction, dtype)


def normalized_laplacian_pyramid(image: Tensor) -> list[Tensor]:
    """What NLPD compares: each band over a floor and its neighbourhood.

    uₛ = zₛ / (σₛ + Pₛ ∗ abs(zₛ)), with zeros around zₛ

    Args:
        image: luminance, (N, 1, H, W), from 0 (black) to 1 (white). Of
            several channels each is treated alone.

    Returns:
        Six scales, from fine to coarse, the last one the low-pass residual,
        in the dtype of the image.

    Raises:
        TypeError: if the image is not floating-point.
        ValueError: if it has not four axes, or no pixel.

    Reference:
        Laparra, Ballé, Berardino, Simoncelli (2016), Perceptual image quality
        assessment using a normalized Laplacian pyramid.

    >>> x = torch.full((1, 1, 64, 64), 0.5)
    >>> [u.shape[-1] for u in normalized_laplacian_pyramid(x)]
    [64, 32, 16, 8, 4, 2]
    """
    bands = laplacian_pyramid(image)
    parts = zip(bands, FLOORS, POOLS, strict=True)
    return [z / (floor + _pool(z.abs(), pool)) for z, floor, pool in parts]


def laplacian_pyramid(image: Tensor, scales: int = 6) -> list[Tensor]:
    """The bands of Burt and Adelson: what blurring by two takes away.

    z₁ = x − U D x, and so on with D x; the last one is what is left of x

    D blurs by [1, 5, 8, 5, 1] / 20, the picture mirrored at its borders with
    the border pixel, and takes every second pixel, from the first one on. U
    repeats the border pixel, puts zeros between pixels, doubles along each
    axis, and blurs.

    Args:
        image: (N, C, H, W), in any unit.
        scales: how many there are, with the residual, 1 or more.

    Returns:
        The bands, from fine to coarse; a side of n pixels has ⌈n / 2⌉ in the
        next. z₁ + U(z₂ + U(…)) is the picture.

    Raises:
        TypeError: if the image is not floating-point, or scales no integer.
        ValueError: if the image has not four axes, or no pixel, or scales is
            below 1.

    Reference:
        Burt, Adelson (1983), The Laplacian pyramid as a compact image code.

    >>> [z.shape[-1] for z in laplacian_pyramid(torch.ones(1, 1, 33, 33))]
    [33, 17, 9, 5, 3, 2]
    """
    _check_pictures(image=image)
    check_count(scales=scales)
    bands, x = [], image
    while len(bands) < scales - 1:
        low = _halve(_halve(x, -1), -2)
        bands.append(x - _double(_double(low, -1, x), -2, x))
        x = low
    return [*bands, x]


def _pool(size: Tensor, weights: Sequence[float]) -> Tensor:
    """The weighted sum of the pixels around each one."""
    wide = F.pad(size, (2, 1, 1, 1))
    height, width = size.shape[-2:]
    corners = ((2, 2), (1, 3), (1, 1), (0, 2), (1, 0))
    return sum(
        w * wide[..., top : top + height, left : left + width]
        for w, (top, left) in zip(weights, corners, strict=True)
        if w
    )


def lpips_layer_loss(
    input: Tensor, target: Tensor, weight: Tensor, *, reduction: str = "mean"
) -> Tensor:
    """What one layer adds to LPIPS: weighted squares of unit features.

    L = mean over places of Σ_c w_c (x_c / ‖x‖ − y_c / ‖y‖)²

    Args:
        input: x, a map of features, (N, C, H, W). Its vector at a place has
            C numbers, and only its direction counts.
        target: y, of the same shape.
        weight: w, one for each channel, (C,), not negative. It multiplies
            the squares; the paper's multiplies the features.
        reduction: ``"none"`` (one value per picture), ``"mean"`` or
            ``"sum"``.

    Returns:
        The loss, from 0 to four times the largest weight. A vector of zeros
        stays one, and its gradient is finite.

    Raises:
        TypeError: if a tensor is not floating-point.
        ValueError: if shapes or devices do not fit, or the reduction is
            unknown.

    Reference:
        Zhang, Isola, Efros, Shechtman, Wang (2018), The unreasonable
        effectiveness of deep features as a perceptual metric.

    >>> x = torch.tensor([3.0, 4.0]).view(1, 2, 1, 1)
    >>> y = torch.tensor([1.0, 0.0]).view(1, 2, 1, 1)
    >>> lpips_layer_loss(x, y, torch.tensor([1.0, 0.5]))
    tensor(0.4800)
    """
    check_pair(input=input, target=target)
    _check_pictures(input=input)
    check_floating(weight=weight)
    check_same_device(input=input, weight=weight)
    channels = f"a number for each channel of {tuple(input.shape)}"
    check_shape("weight", weight, channels, input.shape[1:2])
    dtype = widen(input, target)[0]
    return reduce(_layer(input, target, weight), reduction, dtype)


def _layer(input: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    _, x, y, w = widen(input, target, weight)
    x, y = (directions(f.movedim(1, -1)) for f in (x, y))
    return (w * (x - y) ** 2).sum(-1).mean((1, 2))


class LPIPS(nn.Module):
    """Learned perceptual image patch similarity, of a network you have.

    L = Σₗ mean over places of Σ_c w_lc (x_lc / ‖x_l‖ − y_lc / ‖y_l‖)²

    x_l is the l-th map of features of the input, and y_l of the target. A
    backbone that is a module is frozen, and stays in evaluation mode; what a
    function calls is left as it is. Call the result LPIPS only if the network
    and its heads were trained for it.

    Args:
        backbone: takes pictures (N, 3, H, W) from 0 to 1 and gives a sequence
            of maps (N, C, H′, W′), such as those after each ReLU that comes
            before a pooling. What a network wants of its input, such as the
            mean and deviation of ImageNet, it subtracts and divides itself.
        heads: the weights w_l, one vector (C,) for each map, not negative;
            ``lpips_heads`` gives the published ones. They are buffers.
        input_range: the numbers of black and white in the pictures.
        reduction: ``"none"`` (one value per picture), ``"mean"`` or
            ``"sum"``.

    Raises:
        TypeError: if the backbone cannot be called, or heads or pictures are
            not floating-point.
        ValueError: if a head is no vector or has a negative weight, the range
            is no interval, pictures are not coloured or differ in shape, or
            maps and heads do not fit.

    Reference:
        Zhang, Isola, Efros, Shechtman, Wang (2018), The unreasonable
        effectiveness of deep features as a perceptual metric.

    >>> loss = LPIPS(lambda x: [x, x[..., ::2]], heads=[torch.ones(3)] * 2)
    >>> red, blue = torch.eye(3)[[0, 2]].view(2, 1, 3, 1, 1).expand(
    ...     2, 1, 3, 4, 4)
    >>> loss(red, blue), loss(red, 0.5 * red)
    (tensor(4.), tensor(0.))
    """

    def __init__(
        self,
        backbone: Callable[[Tensor], Iterable[Tensor]],
        *,
        heads: Iterable[Tensor],
        input_range: tuple[float, float] = (0.0, 1.0),
        reduction: str = "mean",
    ):
        if not callable(backbone):
            got = type(backbone).__name__
            raise TypeError(f"backbone: expected a function, got {got}")
        _check_range(input_range)
        reduce(torch.zeros(1), reduction, torch.float32)
        super().__init__()
        self.backbone = backbone
        self.input_range, self.reduction = tuple(input_range), reduction
        self._names = []
        for number, head in enumerate(heads):
            _check_head(f"heads[{number}]", head)
            self._names.append(f"head{number}")
            self.register_buffer(self._names[-1], head.detach().clone())
        if not self._names:
            raise ValueError("heads: expected one for each map, got none")
        if isinstance(backbone, nn.Module):
            backbone.requires_grad_(False).eval()

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """The loss of pictures (N, 3, H, W) and what they shall be."""
        check_pair(input=input, target=target)
        _check_colour(input=input)
        low, high = self.input_range
        x, y = (
            list(self.backbone((picture - low) / (high - low)))
            for picture in (input, target)
        )
        heads = [getattr(self, name) for name in self._names]
        _check_maps(x, heads)
        layers = [_layer(*maps) for maps in zip(x, y, heads, strict=True)]
        return reduce(torch.stack(layers).sum(0), self.reduction, input.dtype)

    def train(self, mode: bool = True) -> "LPIPS":
        """Training mode for all but the backbone."""
        super().train(mode)
        if isinstance(self.backbone, nn.Module):
            self.backbone.eval()
        return self

    def extra_repr(self) -> str:
        return (
            f"heads={len(self._names)}, input_range={self.input_range}, "
            f"reduction={self.reduction!r}"
        )


def lpips_heads(network: str = "alex") -> list[Tensor]:
    """The weights of the published LPIPS, version 0.1.

    They are for ``LPIPS`` with maps of the very network that they were
    learnt with, trained on ImageNet: the package has no such network. It is
    read, not imported, since its import needs torchvision.

    Args:
        network: ``"alex"``, ``"vgg"`` or ``"squeeze"``.

    Returns:
        One vector (C,) for each map, 5 of them, or 7 of SqueezeNet.

    Raises:
        ModuleNotFoundError: if the package lpips is not installed.
        ValueError: if the network is another one.

    Reference:
        Zhang, Isola, Efros, Shechtman, Wang (2018), The unreasonable
        effectiveness of deep features as a perceptual metric.
    """
    if network not in HEADS:
        raise ValueError(
            f"network: expected one of {', '.join(HEADS)}, got {network!r}"
        )
    package = find_spec("lpips")
    if package is None:
        raise ModuleNotFoundError(
            "the heads of LPIPS are in the package lpips: "
            "pip install 'handbook-code[features]'"
        )
    folder = Path(package.origin).parent / "weights" / "v0.1"
    kept = torch.load(
        folder / f"{network}.pth", map_location="cpu", weights_only=True
    )
    names = (f"lin{n}.model.1.weight" for n in range(HEADS[network]))
    return [kept[name].flatten() for name in names]


def _check_pictures(**tensors: Tensor) -> None:
    check_floating(**tensors)
    for name, tensor in tensors.items():
        if tensor.dim() != 4 or 0 in tensor.shape[1:]:
            raise ValueError(
                f"{name}: expected pictures or maps, (N, C, H, W), "
                f"got {tuple(tensor.shape)}"
            )


def _check_colour(**tensors: Tensor) -> None:
    for name, tensor in tensors.items():
        shape = tuple(tensor.shape)
        if len(shape) != 4 or shape[1] != 3 or 0 in shape[2:]:
            raise ValueError(
                f"{name}: expected coloured pictures, (N, 3, H, W), got "
                f"{shape}; .expand(-1, 3, -1, -1) colours a grey one"
            )


def _check_range(input_range: tuple[float, float]) -> None:
    if not isinstance(input_range, tuple | list) or len(input_range) != 2:
        raise ValueError(
            f"input_range: expected two numbers, black and white, "
            f"got {input_range!r}"
        )
    low, high = input_range
    check_finite(**{"input_range[0]": low, "input_range[1]": high})
    if low >= high:
        raise ValueError(
            f"input_range: expected black below white, got {input_range}"
        )


def _check_head(name: str, head: Tensor) -> None:
    check_floating(**{name: head})
    if head.dim() != 1:
        raise ValueError(
            f"{name}: expected a vector, (C,), got {tuple(head.shape)}"
        )
    # Once, when the module is made, and not in a call.
    if (head < 0).any():
        raise ValueError(
            f"{name}: expected no negative weight, got {head.min().item()}"
        )


def _check_maps(maps: Sequence[Tensor], heads: Sequence[Tensor]) -> None:
    if len(maps) != len(heads):
        raise ValueError(
            f"backbone: expected a map for each of {len(heads)} heads, "
            f"got {len(maps)}"
        )
    for number, (features, head) in enumerate(zip(maps, heads, strict=True)):
        if features.dim() != 4 or features.shape[1:2] != head.shape:
            raise ValueError(
                f"backbone: expected as map {number} one of {len(head)} "
                f"channels, (N, {len(head)}, H, W), "
                f"got {tuple(features.shape)}"
            )
