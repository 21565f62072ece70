"""Coders of images: small convolutional networks, and their training.

Several chapters train them on one loss or another. So that only the loss
differs, the network, its training and the count of its bits stand here.
"""

import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import torch
from torch import Generator, Tensor, nn

from handbook_code import CompressiveAutoencoder
from handbook_code._checks import check_count, check_positive
from handbook_code.side_by_side import Together, seeded

Loss = Callable[[Tensor, Tensor], Tensor]
Batches = Callable[[Generator], Tensor]
ADAM = partial(torch.optim.Adam, fused=True)


def image_coder(
    *,
    channels: int = 1,
    width: int = 32,
    codes: int = 16,
    strides: Sequence[int] = (2, 2, 2),
    kernel: int = 3,
    scale: float = 2.0,
) -> CompressiveAutoencoder:
    """An untrained coder of images, (N, channels, H, W), from 0 to 1.

    A layer of the encoder takes blocks of ``stride`` × ``stride`` pixels as
    channels and convolves; the decoder does so backwards.

    Args:
        channels: of the images, 1 for grey and 3 for coloured ones.
        width: channels of the layers between.
        codes: channels of the codes.
        strides: one for each layer. Their product divides the sides of the
            images, and is how many times smaller the sides of the codes are.
        kernel: the side of the convolutions' windows, odd. With 1 and a
            single stride every block is coded by itself.
        scale: of the ``EntropyBottleneck``.

    >>> coder = image_coder(channels=3, codes=4).eval()
    >>> coder.encode(torch.zeros(2, 3, 16, 24)).shape
    torch.Size([2, 4, 2, 3])
    >>> coder.reconstruct(torch.zeros(2, 3, 16, 24)).shape
    torch.Size([2, 3, 16, 24])
    """
    check_count(channels=channels, width=width, codes=codes, kernel=kernel)
    for stride in strides:
        check_count(strides=stride)
    if not kernel % 2:
        raise ValueError(f"kernel: expected an odd number, got {kernel}")
    sizes = [channels, *[width] * (len(strides) - 1), codes]
    down, up = [_Affine(2.0, -1.0)], [_Affine(0.5, 0.5)]
    for number, stride in enumerate(strides):
        fine, coarse = sizes[number] * stride**2, sizes[number + 1]
        if number:
            down.append(nn.SiLU())
            up.append(nn.SiLU())
        down += [nn.PixelUnshuffle(stride), _convolution(fine, coarse, kernel)]
        up += [nn.PixelShuffle(stride), _convolution(coarse, fine, kernel)]
    return CompressiveAutoencoder(
        nn.Sequential(*down), nn.Sequential(*reversed(up)), codes, scale=scale
    )


def _convolution(a: int, b: int, kernel: int) -> nn.Conv2d:
    return nn.Conv2d(
        a, b, kernel, padding=kernel // 2, padding_mode="replicate"
    )


class _Affine(nn.Module):
    def __init__(self, slope: float, shift: float):
        super().__init__()
        self.slope, self.shift = slope, shift

    def forward(self, x: Tensor) -> Tensor:
        return self.slope * x + self.shift


@torch.no_grad()
def decoded(
    coder: CompressiveAutoencoder | Together,
    images: Tensor,
    *,
    step: float = 1.0,
    batch: int = 64,
) -> tuple[Tensor, Tensor]:
    """What comes back of images, and what each cost in bits per pixel, (N,).

    Codes are rounded, to multiples of ``step``: a coder that was trained with
    1 spends fewer bits with a wider one. All is on the device of the images.

    >>> images = torch.rand(5, 1, 16, 16)
    >>> pictures, cost = decoded(image_coder(), images)
    >>> pictures.shape, cost.shape
    (torch.Size([5, 1, 16, 16]), torch.Size([5]))
    """
    was, device = coder.training, next(coder.parameters()).device
    coder.eval()
    parts = [_coded(coder, p.to(device), step) for p in images.split(batch)]
    coder.train(was)
    pictures, bits = zip(*parts, strict=True)
    bits = torch.cat(bits, -1) / images.shape[-2:].numel()
    return torch.cat(pictures, -4).to(images.device), bits.to(images.device)


def _coded(
    coder: CompressiveAutoencoder | Together, images: Tensor, step: float
) -> tuple[Tensor, Tensor]:
    if step == 1:
        return coder(images)
    code = step * torch.round(coder.encode(images) / step)
    surprise = coder.bottleneck.surprise(code, step=step)
    return coder.decoder(code), surprise.flatten(1).sum(1)


@torch.no_grad()
def step_for(
    coder: CompressiveAutoencoder,
    images: Tensor,
    target: float,
    *,
    batch: int = 64,
) -> float:
    """The step of ``decoded`` with which images cost so many bits per pixel.

    By bisection, from a thirtieth to thirty; at these ends it stays if no
    step will do.
    """
    was, device = coder.training, next(coder.parameters()).device
    coder.eval()
    parts = [coder.encode(p.to(device)) for p in images.split(batch)]
    coder.train(was)
    code = torch.cat(parts)
    pixels = len(images) * images.shape[-2:].numel()
    low, high = math.log(1 / 30), math.log(30)
    for _ in range(14):
        middle = (low + high) / 2
        step = math.exp(middle)
        rounded = step * torch.round(code / step)
        cost = coder.bottleneck.surprise(rounded, step=step).sum() / pixels
        low, high = (middle, high) if cost > target else (low, middle)
    return math.exp((low + high) / 2)


def cosine(done: float) -> float:
    """Half a cosine, from 1 to 0: a schedule of the learning rate."""
    return (1 + math.cos(math.pi * done)) / 2


@dataclass
class Training:
    """A coder on its way, and all that its future depends on."""

    coder: CompressiveAutoencoder | Together
    optimiser: torch.optim.Optimizer
    generator: Generator
    weight: Tensor
    gap: Tensor  # log of the target over the bits per pixel
    step: int = 0
    bits_per_pixel: list = field(default_factory=list)
    watched: list = field(default_factory=list)

    def save(self, path: Path, plan: dict) -> None:
        """Whole or not at all: a kill leaves the file that was there."""
        state = {
            "plan": plan,
            "coder": self.coder.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "generator": self.generator.get_state(),
            "weight": self.weight,
            "gap": self.gap,
            "step": self.step,
            "bits_per_pixel": self.bits_per_pixel,
            "watched": self.watched,
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        new = path.with_name(f"{path.name}.new")
        torch.save(state, new)
        os.replace(new, path)

    def load(self, path: Path, plan: dict) -> None:
        state = torch.load(path, map_location="cpu", weights_only=True)
        if state["plan"] != plan:
            raise ValueError(
                f"checkpoint: expected one of the training {plan}, "
                f"got {path} of {state['plan']}"
            )
        self.coder.load_state_dict(state["coder"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.generator.set_state(state["generator"])
        self.weight, self.gap = state["weight"], state["gap"]
        self.step = state["step"]
        self.bits_per_pixel = state["bits_per_pixel"]
        self.watched = state["watched"]


def train(
    build: Callable[[], CompressiveAutoencoder | Together],
    loss: Loss,
    batches: Batches,
    *,
    weight: float | Sequence[float],
    rate: float,
    seed: int,
    steps: int,
    target: float | None = None,
    target_images: Tensor | None = None,
    schedule: Callable[[float], float] = cosine,
    optimiser: Callable[..., torch.optim.Optimizer] = ADAM,
    watch: Callable[[CompressiveAutoencoder], object] | None = None,
    looks: int = 10,
    device: torch.device | str = "cpu",
    checkpoint: Path | None = None,
    every: int = 100,
    on_step: Callable[[int, float], None] | None = None,
) -> Training:
    """A coder that has learnt to spend few bits and to lose little.

    min E[bits per pixel + λ D(x̂, x)]

    Args:
        build: gives an untrained coder, such as ``image_coder``.
        loss: D, a number for a batch of reconstructions and of images.
        batches: from a generator the next images, (N, C, H, W), 0 to 1.
        weight: λ, > 0; where it begins if there is a target.
        rate: of the optimiser, which the schedule multiplies.
        seed: of the first weights, the batches and the noise.
        steps: how many updates.
        target: bits per pixel that λ is to bring about, on the batches. It
            is then changed in every step, by the gap that is left and by its
            sum. What a short training reaches is only near it.
        target_images: on which to reach the target instead, with rounded
            codes. They tell the training no more than their bits.
        schedule: from the share of steps done to a factor of the rate.
        optimiser: is called with parameters and ``lr``; Adam by default.
        watch: what to note of the coder, ``looks`` times, in evaluation mode.
        device: where to train.
        checkpoint: a file to go on from, if it is there, and to write each
            ``every`` steps. The result is that of a training at one go.
        on_step: told the step and the bits per pixel of its batch.

    Returns:
        The training, with its coder in evaluation mode, the λ of the last
        step, the bits per pixel of every step, and what was watched.

    Raises:
        ValueError: if a number is out of range, or the checkpoint is that of
            another training.
    """
    weights = torch.as_tensor(weight, dtype=torch.float64)
    for number in weights.flatten().tolist():
        check_positive(weight=number)
    check_positive(rate=rate)
    check_count(steps=steps, looks=looks, every=every)
    if target is not None:
        check_positive(target=target)
    plan = {"weight": weights.tolist(), "rate": rate, "seed": seed}
    plan |= {"steps": steps, "target": target}
    coder = seeded(build, seed).to(device)
    now = Training(
        coder,
        optimiser(coder.parameters(), lr=rate),
        torch.Generator().manual_seed(seed),
        weights,
        torch.zeros_like(weights),
    )
    if checkpoint and checkpoint.exists():
        now.load(checkpoint, plan)
    look = max(steps // looks, 1)
    while now.step < steps:
        factor = schedule(now.step / steps)
        for group in now.optimiser.param_groups:
            group["lr"] = rate * factor
        x = batches(now.generator).to(device)
        x_hat, cost = noisy(coder.train(), x, now.generator)
        now.optimiser.zero_grad()
        weight = (now.weight * now.gap.exp()).to(cost)
        (cost + weight * loss(x_hat, x)).sum().backward()
        now.optimiser.step()
        now.step += 1
        now.bits_per_pixel.append(cost.tolist())
        if target is not None:
            if target_images is None or now.step % 5 == 0:
                now.gap = _gap(now, target, target_images)
            now.weight = now.weight * (0.02 * factor * now.gap).exp()
        if on_step:
            on_step(now.step, now.bits_per_pixel[-1])
        if watch and now.step % look == 0:
            now.watched.append(watch(coder.eval()))
        if checkpoint and (now.step % every == 0 or now.step == steps):
            now.save(checkpoint, plan)
    coder.eval()
    return now


def apiece(loss: Loss) -> Loss:
    """For ``Together``: a loss with a value per image, as one per coder."""

    def means(x_hat: Tensor, x: Tensor) -> Tensor:
        values = loss(x_hat.flatten(0, 1), x.expand_as(x_hat).flatten(0, 1))
        return values.view(x_hat.shape[:2]).mean(1)

    return means


def noisy(
    coder: CompressiveAutoencoder, images: Tensor, generator: Generator
) -> tuple[Tensor, Tensor]:
    """Reconstructions from noisy codes, and the mean bits per pixel.

    The noise is drawn on the generator's device, so that every device trains
    with the same.
    """
    code = coder.encode(images)
    noise = torch.rand(code.shape, generator=generator) - 0.5
    code, bits = coder.bottleneck(code, noise=noise.to(code))
    return coder.decoder(code), bits.mean(-1) / images.shape[-2:].numel()


def _gap(now: Training, target: float, images: Tensor | None) -> Tensor:
    """The logarithm of what is wanted over what is spent, limited."""
    spent = now.bits_per_pixel[-1]
    if images is not None:
        spent = decoded(now.coder, images)[1].mean(-1).tolist()
    spent = torch.tensor(spent, dtype=torch.float64)
    return (target / spent.clamp(min=1e-6)).log().clamp(-1, 1)
