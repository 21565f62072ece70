"""Autoencoders that pay for their codes, and the quantisers of theory."""

import math
from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from handbook_code._checks import (
    check_count,
    check_floating,
    check_nonnegative,
    check_positive,
    check_same_device,
    check_shape,
)
from handbook_code._reduce import no_autocast, widen

ROWS = 1 << 24  # distances that lloyd holds at a time


class EntropyBottleneck(nn.Module):
    """What a code costs in bits, by densities learnt for each channel.

    P(ŷ) = ∏ (c(ŷ + ½) − c(ŷ − ½)),  bits = − log₂ P(ŷ)

    The c of a channel is a cumulative distribution, a small network that can
    only rise. In training ŷ is y + u with noise u uniform in [−½, ½]: P is
    then the density of the noisy code, and bits a differential entropy. In
    evaluation ŷ is y rounded: P is a probability, and bits what an
    arithmetic coder spends. One set of weights serves both, since the density
    of the noisy code at a whole number is the mass that is rounded to it.

    Args:
        channels: how many, at least 1; each has its own c.
        widths: of the hidden layers of c.
        scale: the width of c at the start, > 0, in steps of the quantiser.
            Codes much wider than it are dear at first, and learnt slowly.

    Returns:
        A module. Called with y (N, channels, …) it gives ŷ, of the dtype of
        y, and the bits of each sample, (N,), in float32 or wider. ``noise``,
        of the shape of y, is added instead of a draw, or instead of rounding.
        The gradient of rounding is 0.

    Raises:
        TypeError: if y is not floating-point, or a number of the wrong type.
        ValueError: if a number is out of range, y has no axis of that many
            channels, or the noise another shape or device.

    Reference:
        Ballé, Minnen, Singh, Hwang, Johnston (2018), Variational image
        compression with a scale hyperprior, appendix 6.1.

    >>> bottleneck = EntropyBottleneck(2).eval()
    >>> code, bits = bottleneck(torch.tensor([[0.4, -1.6], [9.7, 0.2]]))
    >>> code, bits.shape
    (tensor([[ 0., -2.],
            [10.,  0.]]), torch.Size([2]))
    """

    def __init__(
        self,
        channels: int,
        *,
        widths: Sequence[int] = (3, 3, 3),
        scale: float = 10.0,
    ):
        super().__init__()
        check_count(channels=channels)
        check_positive(scale=scale)
        for width in widths:
            check_count(widths=width)
        self.channels = channels
        sizes = (1, *widths, 1)
        step = scale ** (1 / (len(sizes) - 1))
        draw = {"weights": [], "offsets": [], "bends": []}
        for a, b in pairwise(sizes):
            slope = 1 / step / b
            rise = slope + math.log(-math.expm1(-slope))
            draw["weights"].append(torch.full((channels, b, a), rise))
            draw["offsets"].append(torch.rand(channels, b, 1) - 0.5)
            draw["bends"].append(torch.zeros(channels, b, 1))
        draw["bends"].pop()
        for name, tensors in draw.items():
            setattr(self, name, nn.ParameterList(map(nn.Parameter, tensors)))

    def forward(
        self, y: Tensor, *, noise: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """The codes of a batch, and their bits."""
        self._check(y)
        if noise is None and self.training:
            noise = torch.rand_like(y) - 0.5
        if noise is None:
            code = torch.round(y)
        else:
            check_floating(noise=noise)
            check_same_device(y=y, noise=noise)
            check_shape("noise", noise, "the shape of y", y.shape)
            code = y + noise
        return code, self.bits(code)

    def bits(self, code: Tensor) -> Tensor:
        """What each sample of a code costs, (N,)."""
        return self.surprise(code).flatten(1).sum(1)

    def surprise(self, code: Tensor, *, step: float = 1.0) -> Tensor:
        """What each element of a code costs, of the code's shape.

        ``step`` is the width of the cells: the codes are multiples of it.
        """
        self._check(code)
        check_positive(step=step)
        # Half precision has no halves beside large whole numbers.
        _, code = widen(code)
        both = torch.cat([code - step / 2, code + step / 2])
        low, high = self.logits(both).chunk(2)
        # The logarithm of σ(high) − σ(low) without the difference, which is 0
        # in the tails. The clamp is for a rise that rounding has lost.
        rise = (high - low).clamp(min=torch.finfo(low.dtype).tiny)
        log = F.logsigmoid(high) + F.logsigmoid(-low)
        return -(log + torch.log(-torch.expm1(-rise))) / math.log(2)

    def logits(self, y: Tensor) -> Tensor:
        """Log odds of a smaller y, log c / (1 − c); of the shape of y."""
        self._check(y)
        _, wide, *weights = widen(y, *self.weights)
        channels_first = wide.transpose(0, 1)
        x = channels_first.reshape(self.channels, 1, -1)
        with no_autocast(x):
            for k, weight in enumerate(weights):
                x = F.softplus(weight) @ x + self.offsets[k]
                if k < len(self.bends):
                    x = x + torch.tanh(self.bends[k]) * torch.tanh(x)
        return x.view(channels_first.shape).transpose(0, 1)

    def _check(self, y: Tensor) -> None:
        check_floating(y=y)
        if y.dim() < 2 or y.shape[1] != self.channels:
            raise ValueError(
                f"y: expected (N, {self.channels}, …), got {tuple(y.shape)}"
            )

    def extra_repr(self) -> str:
        return f"{self.channels}"


class CompressiveAutoencoder(nn.Module):
    """An encoder, a bottleneck that counts bits, and a decoder.

    x̂, bits = d(ŷ), − log₂ P(ŷ),  y = e(x)

    ŷ is y with noise in training and y rounded in evaluation, as the
    bottleneck has it. The f of this book is ``reconstruct``, its e ``encode``.

    Args:
        encoder: e, from samples (N, …) to codes (N, channels, …).
        decoder: d, from codes to samples.
        channels: of the codes.
        widths: of the bottleneck's c.
        scale: of the bottleneck: how wide codes are at the start.

    Returns:
        A module. Called with samples it gives their reconstructions, and the
        bits of each, (N,); ``noise`` as in the bottleneck.

    Reference:
        Ballé, Chou, Minnen, Singh, Johnston, Agustsson, Hwang, Toderici
        (2021), Nonlinear transform coding.

    >>> coder = CompressiveAutoencoder(nn.Identity(), nn.Identity(), 2).eval()
    >>> coder.reconstruct(torch.tensor([[0.4, -1.6]]))
    tensor([[ 0., -2.]])
    """

    def __init__(
        self,
        encoder: Callable[[Tensor], Tensor],
        decoder: Callable[[Tensor], Tensor],
        channels: int,
        *,
        widths: Sequence[int] = (3, 3, 3),
        scale: float = 10.0,
    ):
        super().__init__()
        self.encoder, self.decoder = encoder, decoder
        self.bottleneck = EntropyBottleneck(
            channels, widths=widths, scale=scale
        )

    def forward(
        self, x: Tensor, *, noise: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Reconstructions, and the bits of each."""
        code, bits = self.bottleneck(self.encoder(x), noise=noise)
        return self.decoder(code), bits

    def encode(self, x: Tensor) -> Tensor:
        """The code before it is rounded, y = e(x)."""
        return self.encoder(x)

    def reconstruct(self, x: Tensor) -> Tensor:
        """The decoder's answer to the rounded code, f(x) = d(round(e(x)))."""
        return self.decoder(torch.round(self.encoder(x)))


def lloyd(
    samples: Tensor,
    codes: Tensor,
    *,
    mass: Tensor | None = None,
    weight: Tensor | None = None,
    price: float = 0.0,
    steps: int = 100,
) -> tuple[Tensor, Tensor, Tensor]:
    """Quantise for the least squared error, at a price for each bit.

    min Σᵢ mᵢ (wᵢ ‖xᵢ − c_k(i)‖² − price · log₂ q_k(i)),  q_k = share of code k

    In turns every sample takes the cheapest code, and every code moves to the
    mean of its samples and learns its share. With price 0 the number of codes
    is the limit (Lloyd); with a price the entropy is, and codes that nobody
    takes are left out (Chou, Lookabaugh, Gray).

    Args:
        samples: (N, D), or points of a grid.
        codes: K codes to begin with, (K, D).
        mass: how often each sample occurs, (N,), ≥ 0; 1 by default.
        weight: what its squared error counts for, (N,), > 0; 1 by default.
            Unlike mass it leaves shares and bits as they are.
        price: of a bit, ≥ 0, in squared units of the samples.
        steps: how many turns.

    Returns:
        The codes (K, D) and their shares (K,), 0 for those left out, in the
        common dtype of what was given, and for each sample the index of its
        code (N,).

    Raises:
        TypeError: if a tensor is not floating-point, or a number of the wrong
            type.
        ValueError: if shapes or devices do not fit, or a number is out of
            range.

    Reference:
        Lloyd (1982), Least squares quantization in PCM; Chou, Lookabaugh, Gray
        (1989), Entropy-constrained vector quantization.

    >>> x = torch.tensor([[0.0], [1.0], [8.0], [9.0]])
    >>> codes, shares, _ = lloyd(x, torch.tensor([[0.0], [1.0]]))
    >>> codes.flatten(), shares
    (tensor([0.5000, 8.5000]), tensor([0.5000, 0.5000]))
    """
    check_floating(samples=samples, codes=codes)
    check_same_device(samples=samples, codes=codes)
    check_nonnegative(price=price)
    check_count(steps=steps)
    if samples.dim() != 2 or not len(samples):
        raise ValueError(
            f"samples: expected (N, D), got {tuple(samples.shape)}"
        )
    if codes.shape[1:] != samples.shape[1:] or not len(codes):
        raise ValueError(
            f"codes: expected (K, {samples.shape[1]}), "
            f"got {tuple(codes.shape)}"
        )
    if mass is None:
        mass = torch.ones_like(samples[:, 0])
    if weight is None:
        weight = torch.ones_like(mass)
    for name, given in (("mass", mass), ("weight", weight)):
        check_floating(**{name: given})
        check_same_device(samples=samples, **{name: given})
        check_shape(name, given, "a number for each sample", samples.shape[:1])
    dtype, samples, codes, mass, weight = widen(samples, codes, mass, weight)
    # Far from the origin, squares would drown the distances.
    middle = samples.mean(0)
    samples, codes = samples - middle, codes - middle
    shares = torch.full_like(codes[:, 0], 1 / len(codes))
    for _ in range(steps):
        taken = _cheapest(samples, codes, shares, price, weight)
        total = torch.zeros_like(shares).index_add_(0, taken, mass)
        pull = torch.zeros_like(shares).index_add_(0, taken, mass * weight)
        moved = torch.zeros_like(codes)
        moved.index_add_(0, taken, (mass * weight)[:, None] * samples)
        used = pull > 0
        codes = torch.where(used[:, None], moved / pull[:, None], codes)
        shares = total / total.sum()
    taken = _cheapest(samples, codes, shares, price, weight)
    return (codes + middle).to(dtype), shares.to(dtype), taken


def _cheapest(
    samples: Tensor,
    codes: Tensor,
    shares: Tensor,
    price: float,
    weight: Tensor,
) -> Tensor:
    """The index of the code that costs each sample least."""
    length = codes.square().sum(1)
    bits = -torch.log2(shares)
    rows = max(1, ROWS // len(codes))
    found = []
    for part, w in zip(samples.split(rows), weight.split(rows), strict=True):
        cost = torch.addmm(length, part, codes.T, alpha=-2)
        # A code with share 0 costs infinitely many bits, where these count.
        if price:
            cost = torch.addr(cost, price / w, bits)
        found.append(cost.argmin(1))
    return torch.cat(found)
