"""A small network that restores photographs, and measures that judge it.

Two chapters train it on many losses. So that only the loss differs, the
network, its training and the measures stand here.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import deepcopy

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from handbook_code import mae_loss, ms_ssim_loss, mse_loss, ssim_loss

Measure = Callable[[Tensor, Tensor], Tensor]


class Restore(nn.Sequential):
    """Three layers on blocks of 2 × 2 pixels, which is faster.

    Nothing of the input is added to the output, so that every tone has to be
    learnt.
    """

    def __init__(self, width: int = 32):
        super().__init__(
            nn.PixelUnshuffle(2),
            _layer(12, width),
            nn.ReLU(),
            _layer(width, width),
            nn.ReLU(),
            _layer(width, 12),
            nn.PixelShuffle(2),
        )

    def forward(self, picture: Tensor) -> Tensor:
        return super().forward(2 * picture - 1) + 0.5


def _layer(a: int, b: int) -> nn.Conv2d:
    return nn.Conv2d(a, b, 3, padding=1, padding_mode="replicate")


def train(
    loss: Measure,
    clean: Tensor,
    spoil: Callable[[Tensor, Generator], Tensor],
    *,
    rate: float,
    seed: int,
    steps: int,
    batch: int = 8,
    start: Restore | None = None,
) -> Restore:
    """A network that has learnt to undo ``spoil``.

    The same seed gives the same start, unless one is given, and the same
    batches and damage, whatever the loss.
    """
    torch.manual_seed(seed)
    model = Restore() if start is None else deepcopy(start).train()
    model.to(clean.device)
    draw = torch.Generator().manual_seed(seed)
    adam = torch.optim.Adam(model.parameters(), rate)
    slow = torch.optim.lr_scheduler.OneCycleLR(adam, rate, steps)
    for _ in range(steps):
        truth = clean[torch.randint(len(clean), (batch,), generator=draw)]
        adam.zero_grad()
        loss(model(spoil(truth, draw)), truth).backward()
        adam.step()
        slow.step()
    return model.eval()


def noisy(clean: Tensor, draw: Generator) -> Tensor:
    """Normal noise with a deviation of a tenth in each channel."""
    noise = torch.randn(clean.shape, generator=draw)
    return clean + 0.1 * noise.to(clean.device)


def luma(picture: Tensor) -> Tensor:
    """How light a picture is, (…, 3, H, W) → (…, 1, H, W)."""
    weight = picture.new_tensor([0.299, 0.587, 0.114]).view(3, 1, 1)
    return (picture * weight).sum(-3, keepdim=True)


def light_off(picture: Tensor, truth: Tensor) -> Tensor:
    """By how many hundredths the light of broad areas is off.

    Areas are blocks of 16 × 16 pixels.
    """
    return 100 * luma(F.avg_pool2d(picture - truth, 16)).abs().mean()


def colour_off(picture: Tensor, truth: Tensor) -> Tensor:
    """The same for the colours that are left without the light."""
    error = F.avg_pool2d(picture - truth, 16)
    return 100 * (error - luma(error)).abs().mean()


def contrast(picture: Tensor, truth: Tensor) -> Tensor:
    """How much contrast is left where the truth has most: a share of it.

    Contrast is the deviation in windows of 5 × 5 pixels, most is a quarter.
    """
    busy = _busy(truth)
    return _deviation(picture)[busy].sum() / _deviation(truth)[busy].sum()


def detail(picture: Tensor, truth: Tensor) -> Tensor:
    """How much of its own finest part such a place got back.

    The finest part of the result is projected on that of the truth, so that
    noise does not count.
    """
    busy = _busy(truth)
    found, own = _fine(picture)[busy], _fine(truth)[busy]
    return (found * own).sum() / own.square().sum()


def _busy(truth: Tensor) -> Tensor:
    deviation = _deviation(truth)
    return deviation > deviation.quantile(0.75)


def _deviation(picture: Tensor) -> Tensor:
    light = luma(picture)
    mean = F.avg_pool2d(light, 5, 1)
    return (F.avg_pool2d(light**2, 5, 1) - mean**2).clamp(min=0).sqrt()


def _fine(picture: Tensor) -> Tensor:
    light = luma(picture)
    return (light - F.avg_pool2d(light, 3, 1, 1))[..., 2:-2, 2:-2]


def psnr(picture: Tensor, truth: Tensor) -> Tensor:
    """In decibel, for pictures from 0 to 1."""
    return -10 * mse_loss(picture, truth).log10()


MEASURES: dict[str, Measure] = {
    "PSNR": psnr,
    "L1 ×100": lambda x, y: 100 * mae_loss(x, y),
    "SSIM": lambda x, y: 1 - ssim_loss(x, y, data_range=1.0),
    "MS-SSIM": lambda x, y: 1 - ms_ssim_loss(x, y, data_range=1.0),
    "light off": light_off,
    "colour off": colour_off,
    "contrast": contrast,
    "detail": detail,
}


@torch.no_grad()
def judged(
    methods: Mapping[str, Iterable[Callable[[Tensor], Tensor]]],
    pairs: Sequence[tuple[Tensor, Tensor]],
    measures: Mapping[str, Measure] = MEASURES,
) -> dict[str, dict[str, Tensor]]:
    """For each measure and method a value for each run of it.

    A run is a callable that restores. The value is the mean over the pairs
    of a spoilt picture and the truth.
    """
    table = {name: {} for name in measures}
    for method, runs in methods.items():
        rows = []
        for restore in runs:
            restored = [(restore(spoilt), truth) for spoilt, truth in pairs]
            rows.append(
                [
                    torch.stack([measure(*pair) for pair in restored]).mean()
                    for measure in measures.values()
                ]
            )
        columns = torch.tensor(rows).T
        for name, column in zip(measures, columns, strict=True):
            table[name][method] = column
    return table
