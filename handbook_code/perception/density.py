"""How probable a small grey picture is, by a model that reads it in order."""

import math

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from handbook_code._checks import (
    check_at_least,
    check_count,
    check_floating,
    check_same_device,
    check_shape,
)
from handbook_code._reduce import no_autocast, widen

UNIT = 32  # steps between levels are counted in this part of their range
NARROW = -5.0  # the least logarithm of a scale, in this unit
WIDEST = 60.0  # beyond it the mass of a level is no float32


def logistic_mixture_log_prob(
    level: Tensor,
    logits: Tensor,
    centres: Tensor,
    log_scales: Tensor,
    *,
    levels: int = 256,
) -> Tensor:
    """The log-probability of a level, by a mixture of rounded logistics.

    log P(v) = log Σₖ πₖ (σ((v + ½ − μₖ) / sₖ) − σ((v − ½ − μₖ) / sₖ)),
    π = softmax(logits),  s = exp(log_scales)

    The lowest level has all that is below it as well, with 0 for the second
    σ; the highest has all that is above, with 1 for the first. So the levels
    share out a mass of one.

    Args:
        level: v, whole numbers from 0 to levels − 1, (…).
        logits: of the K components, (…, K).
        centres: μ, in levels, (…, K).
        log_scales: of s in levels, (…, K); taken as −30 if less, and as 60
            if more.
        levels: how many, at least 2.

    Returns:
        The logarithm in nats, ≤ 0, (…), in the common dtype of what was
        given. It is finite however far a level is from all centres, as long
        as the dtype has numbers for the distance over the scale.

    Raises:
        TypeError: if a tensor is not floating-point, or levels no integer.
        ValueError: if shapes or devices do not fit, there is no component, or
            there are fewer than two levels.

    Reference:
        Salimans, Karpathy, Chen, Kingma (2017), PixelCNN++: Improving the
        PixelCNN with discretized logistic mixture likelihood and other
        modifications.

    >>> v, one = torch.tensor([0.0, 128.0]), torch.zeros(2, 1)
    >>> logistic_mixture_log_prob(v, one, 128 + one, one).exp()
    tensor([0.0000, 0.2449])
    """
    parts = {"logits": logits, "centres": centres, "log_scales": log_scales}
    check_floating(level=level, **parts)
    check_same_device(level=level, **parts)
    _check_levels(levels)
    for name, part in parts.items():
        if part.dim() == 0 or part.shape[:-1] != level.shape or (
            part.shape[-1] == 0
        ):  # fmt: skip
            raise ValueError(
                f"{name}: expected the shape of level and an axis of "
                f"components, ({', '.join(map(str, level.shape))}, K), "
                f"got {tuple(part.shape)}"
            )
        check_shape(name, part, "the shape of logits", logits.shape)
    dtype, v, pi, mu, s = widen(level, *parts.values())
    v, steep = v.unsqueeze(-1), torch.exp(-s.clamp(-30, WIDEST))
    # A difference of two sigmoids is 0 in the tails. Its logarithm is a sum
    # of three, of which an edge has one.
    below = F.logsigmoid((v + 0.5 - mu) * steep)
    above = F.logsigmoid((mu - v + 0.5) * steep)
    within = torch.log(-torch.expm1(-steep))
    low, high = v <= 0, v >= levels - 1
    mass = torch.where(high, 0, below) + torch.where(low, 0, above)
    mass = mass + torch.where(low | high, 0, within)
    return torch.logsumexp(F.log_softmax(pi, -1) + mass, -1).to(dtype)


class MaskedConv2d(nn.Conv2d):
    """A convolution that sees only what was read before.

    Reading goes by rows, from left to right. What is above a pixel, and to
    the left of it in its row, comes before it. The output has the size of the
    input, with zeros around it.

    Args:
        inputs: channels.
        outputs: channels.
        window: side of the kernel, odd.
        own: whether the input at the pixel itself is seen, too. The first
            layer of a density must not see it.

    Raises:
        TypeError: if a number is not whole.
        ValueError: if a number is below 1, or the window even.

    Reference:
        van den Oord, Kalchbrenner, Kavukcuoglu (2016), Pixel recurrent neural
        networks.

    >>> layer = MaskedConv2d(1, 1, 3, own=False)
    >>> layer.mask[0, 0]
    tensor([[1., 1., 1.],
            [1., 0., 0.],
            [0., 0., 0.]])
    """

    mask: Tensor

    def __init__(self, inputs: int, outputs: int, window: int, *, own: bool):
        check_count(inputs=inputs, outputs=outputs, window=window)
        if window % 2 == 0:
            raise ValueError(f"window: expected an odd number, got {window}")
        super().__init__(inputs, outputs, window, padding=window // 2)
        mask = torch.zeros(window * window)
        mask[: window * window // 2 + own] = 1
        mask = mask.view(1, 1, window, window)
        self.register_buffer("mask", mask, persistent=False)

    def forward(self, input: Tensor) -> Tensor:
        """The maps (N, outputs, H, W) of maps (N, inputs, H, W)."""
        weight = self.weight * self.mask
        return F.conv2d(input, weight, self.bias, padding=self.padding)


class PixelCNN(nn.Module):
    """The probability of a grey picture, one pixel after the other.

    log P(x) = Σᵢ log P(xᵢ given x₁ … xᵢ₋₁)

    Pixels are read by rows. Of what was read, a network of masked
    convolutions sees a neighbourhood, and from it expects the next pixel as a
    mixture of logistics, rounded to levels. The same network serves pictures
    of every size: outside there are zeros, which it can tell from grey. The
    probabilities of all pictures of one size sum to one.

    It is the model of PixelCNN++ in its likelihood, and not in its network,
    which is a small one without down-sampling and without dropout.

    Args:
        width: channels of the maps.
        layers: how many residual layers of 3 × 3 pixels follow the first.
        window: side of the first layer's neighbourhood, odd. Together they
            see window // 2 + layers + 1 rows above, as much to the left, and
            one less to the right, where a corner is hidden from them.
        components: of the mixture.
        levels: of grey, at least 2.

    Returns:
        A module. Called with pictures x (N, 1, H, W) from 0 (black) to 1
        (white), which are first rounded to the levels, it gives the
        log-probability of each, (N,), in nats, ≤ 0, in float32 or wider.

    Raises:
        TypeError: if x is not floating-point, or a number not whole.
        ValueError: if x is not grey or has no pixel, or a number is too
            small, or the window even.

    Reference:
        van den Oord, Kalchbrenner, Kavukcuoglu (2016), Pixel recurrent neural
        networks; Salimans, Karpathy, Chen, Kingma (2017), PixelCNN++.

    >>> model = PixelCNN(width=4)
    >>> model(torch.full((2, 1, 8, 8), 0.5)).shape
    torch.Size([2])
    """

    def __init__(
        self,
        *,
        width: int = 32,
        layers: int = 2,
        window: int = 5,
        components: int = 4,
        levels: int = 256,
    ):
        super().__init__()
        check_count(width=width, layers=layers, components=components)
        _check_levels(levels)
        self.components, self.levels = components, levels
        self.first = MaskedConv2d(4, width, window, own=False)
        self.layers = nn.ModuleList(
            MaskedConv2d(width, width, 3, own=True) for _ in range(layers)
        )
        self.last = nn.Conv2d(width, 3 * components, 1)

    def forward(self, x: Tensor) -> Tensor:
        """The log-probability of each picture, (N,)."""
        return -self.surprise(x).sum((1, 2, 3))

    def surprise(self, x: Tensor) -> Tensor:
        """What each pixel adds to −log P, in nats; of the shape of x."""
        self._check(x)
        level, logits, centres, log_scales = self._expected(x)
        return -logistic_mixture_log_prob(
            level, logits, centres, log_scales, levels=self.levels
        ).unsqueeze(1)

    def mixture(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """What is expected of each pixel, from those before it.

        Logits, centres and logarithms of scales, both in levels, each
        (N, H, W, K).
        """
        self._check(x)
        return self._expected(x)[1:]

    def _expected(self, x: Tensor) -> tuple[Tensor, ...]:
        _, x, _ = widen(x, self.last.weight)
        half, unit = (self.levels - 1) / 2, self.levels / UNIT
        level = torch.round(2 * half * x).clamp(0, 2 * half)
        left = F.pad(level, (1, 0), value=half)[..., :-1]
        above = F.pad(level, (0, 0, 1, 0), value=half)[..., :-1, :]
        # Steps beside the level itself: a step of the picture is a small
        # part of its range, and would be learnt late.
        seen = [level / half - 1, (level - left) / unit]
        seen += [(level - above) / unit, torch.ones_like(level)]
        with no_autocast(x):
            h = self.first(torch.cat(seen, 1))
            for layer in self.layers:
                h = h + layer(F.silu(h))
            found = self.last(F.silu(h)).unflatten(1, (3, -1))
        logits, centres, log_scales = found.movedim(2, -1).unbind(1)
        centres = left.squeeze(1).unsqueeze(-1) + unit * centres
        log_scales = log_scales.clamp(min=NARROW) + math.log(unit)
        return level.squeeze(1), logits, centres, log_scales

    @torch.no_grad()
    def sample(
        self,
        count: int,
        height: int,
        width: int,
        *,
        generator: Generator | None = None,
    ) -> Tensor:
        """Pictures drawn from the model, (count, 1, height, width).

        A pass over the picture for each pixel: for small ones.
        """
        check_count(count=count, height=height, width=width)
        like = self.last.weight
        x = like.new_zeros(count, 1, height, width)
        for i in range(height):
            for j in range(width):
                seen = self.mixture(x[:, :, : i + 1])
                logits, mu, s = (part[:, i, j] for part in seen)
                k = torch.multinomial(
                    logits.softmax(-1), 1, generator=generator
                )
                u = torch.rand(
                    k.shape, generator=generator, dtype=x.dtype,
                    device=x.device,
                )  # fmt: skip
                v = mu.gather(1, k) + s.gather(1, k).exp() * torch.logit(
                    u, eps=torch.finfo(x.dtype).eps
                )
                top = self.levels - 1
                x[:, :, i, j] = v.round().clamp(0, top) / top
        return x

    def _check(self, x: Tensor) -> None:
        check_floating(x=x)
        if x.dim() != 4 or x.shape[1] != 1 or 0 in x.shape[2:]:
            raise ValueError(
                f"x: expected grey pictures (N, 1, H, W), got {tuple(x.shape)}"
            )

    def extra_repr(self) -> str:
        return f"components={self.components}, levels={self.levels}"


def _check_levels(levels: int) -> None:
    check_count(levels=levels)
    check_at_least(2, levels=levels)
