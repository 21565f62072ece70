"""Training that can be stopped at any moment and goes on as if it had not."""

import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from handbook_code.bench.losses import Loss, probabilities
from handbook_code.bench.scenes import Picture
from handbook_code.bench.unet import UNet


@dataclass(frozen=True)
class Plan:
    """What all losses share.

    The rate falls to zero by half a cosine; ``looks`` is how often the
    network is watched on the way.
    """

    steps: int = 150
    batch: int = 8
    crop: int = 48
    width: int = 8
    levels: int = 2
    channels: int = 1
    classes: int = 1
    looks: int = 10

    def network(self) -> UNet:
        return UNet(
            channels=self.channels,
            classes=self.classes,
            width=self.width,
            levels=self.levels,
        )


@dataclass
class Training:
    """A network on its way, and all that its future depends on."""

    network: UNet
    adam: torch.optim.Optimizer
    generator: torch.Generator
    step: int = 0
    watched: list[float] = field(default_factory=list)
    diverged: int | None = None  # the step at which the loss was not finite

    def save(self, path: Path) -> None:
        """Whole or not at all: a kill leaves the file that was there."""
        state = {
            "network": self.network.state_dict(),
            "adam": self.adam.state_dict(),
            "generator": self.generator.get_state(),
            "step": self.step,
            "watched": self.watched,
            "diverged": self.diverged,
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        new = path.with_suffix(".new")
        torch.save(state, new)
        os.replace(new, path)

    def load(self, path: Path) -> None:
        state = torch.load(path, map_location="cpu", weights_only=True)
        self.network.load_state_dict(state["network"])
        self.adam.load_state_dict(state["adam"])
        self.generator.set_state(state["generator"])
        self.step, self.watched = state["step"], state["watched"]
        self.diverged = state["diverged"]


def train(
    loss: Loss,
    pictures: Sequence[Picture],
    plan: Plan,
    *,
    rate: float,
    seed: int,
    watch: Callable[[UNet], float] | None = None,
    device: torch.device | str = "cpu",
    checkpoint: Path | None = None,
    every: int = 100,
    on_step: Callable[[int, float], None] | None = None,
) -> Training:
    """A network trained by Adam on random crops, turned and mirrored.

    Args:
        loss: of logits, target and the share of the training that is done.
        pictures: images (C, H, W) and masks (H, W), read one by one.
        plan: steps, batch, crop and network.
        rate: of Adam, at the beginning.
        seed: of the network's first weights and of all crops.
        watch: what to note of the network, ``plan.looks`` times.
        device: where to train.
        checkpoint: a file to go on from, and to write each ``every`` steps.
        on_step: told the step and the value of the loss.

    Returns:
        The training; ``diverged`` says at which step it ended if the loss or
        a gradient was not finite.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = plan.network()
    network.to(device, memory_format=torch.channels_last)
    now = Training(
        network,
        torch.optim.Adam(network.parameters(), rate, fused=True),
        torch.Generator().manual_seed(seed),
    )
    if checkpoint and checkpoint.exists():
        now.load(checkpoint)
    look = max(plan.steps // plan.looks, 1)
    while now.step < plan.steps and now.diverged is None:
        done = now.step / plan.steps
        for group in now.adam.param_groups:
            group["lr"] = rate * (1 + math.cos(math.pi * done)) / 2
        x, t = crops(pictures, plan.crop, plan.batch, now.generator)
        x = x.to(device, memory_format=torch.channels_last)
        value = loss(network(x), t.to(device), done)
        now.adam.zero_grad()
        value.backward()
        if not _finite(value, network):
            now.diverged = now.step
            break
        now.adam.step()
        now.step += 1
        if on_step:
            on_step(now.step, value.item())
        if watch and now.step % look == 0:
            now.watched.append(watch(network))
        if checkpoint and (now.step % every == 0 or now.step == plan.steps):
            now.save(checkpoint)
    return now


def crops(
    pictures: Sequence[Picture],
    side: int,
    count: int,
    generator: torch.Generator,
) -> tuple[Tensor, Tensor]:
    """Squares of random pictures, all turned and mirrored by one draw.

    >>> picture = torch.zeros(1, 20, 30), torch.zeros(20, 30).long()
    >>> x, t = crops([picture], 8, 5, torch.Generator())
    >>> x.shape, t.shape
    (torch.Size([5, 1, 8, 8]), torch.Size([5, 8, 8]))
    """

    def random(below: int) -> int:
        return int(torch.randint(below, (), generator=generator))

    images, masks = [], []
    for _ in range(count):
        image, mask = pictures[random(len(pictures))]
        height, width = mask.shape
        y, x = random(height - side + 1), random(width - side + 1)
        images.append(image[:, y : y + side, x : x + side])
        masks.append(mask[y : y + side, x : x + side])
    x, t = torch.stack(images), torch.stack(masks)
    turns = random(4)
    x, t = x.rot90(turns, (-2, -1)), t.rot90(turns, (-2, -1))
    return (x.flip(-1), t.flip(-1)) if random(2) else (x, t)


@torch.no_grad()
def predict(
    network: UNet, pictures: Sequence[Picture], *, batch: int = 16
) -> list[Tensor]:
    """Probabilities (K, H, W) of each picture; pictures of one size share
    a pass."""
    device = next(network.parameters()).device
    found: list[Tensor] = []
    waiting: list[Tensor] = []

    def flush() -> None:
        if waiting:
            x = torch.stack(waiting).to(device)
            x = x.contiguous(memory_format=torch.channels_last)
            found.extend(probabilities(network(x)).cpu())
            waiting.clear()

    for image, _ in pictures:
        full = len(waiting) == batch
        if waiting and (full or waiting[0].shape != image.shape):
            flush()
        waiting.append(image)
    flush()
    return found


def _finite(value: Tensor, network: UNet) -> bool:
    slopes = (p.grad.sum() for p in network.parameters())
    return bool(torch.isfinite(sum(slopes, value.detach())))
