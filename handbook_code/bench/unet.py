"""A U-Net small enough for one processor."""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class UNet(nn.Module):
    """Pictures (N, C, H, W) to logits (N, K, H, W), of any height and width.

    Down ``levels − 1`` times by pooling, up again beside what was kept
    (Ronneberger, Fischer, Brox 2015), with group norms, which do the same in
    training and after it.

    >>> UNet(channels=3, classes=2)(torch.zeros(1, 3, 21, 30)).shape
    torch.Size([1, 2, 21, 30])
    """

    def __init__(
        self,
        *,
        channels: int = 1,
        classes: int = 1,
        width: int = 8,
        levels: int = 2,
    ):
        super().__init__()
        if width % 4:
            raise ValueError(f"width: expected a multiple of 4, got {width}")
        widths = [width * 2**level for level in range(levels)]
        self.down = nn.ModuleList(
            map(_block, [channels, *widths[:-1]], widths)
        )
        joined = [a + b for a, b in pairwise(widths)]
        self.up = nn.ModuleList(map(_block, joined[::-1], widths[-2::-1]))
        self.head = nn.Conv2d(width, classes, 1)
        self.step = 2 ** (levels - 1)

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[-2:]
        odd = (0, -width % self.step, 0, -height % self.step)
        x = F.pad(x, odd, mode="replicate") if any(odd) else x
        kept = []
        for level, block in enumerate(self.down):
            x = block(F.max_pool2d(x, 2) if level else x)
            kept.append(x)
        kept.pop()
        for block in self.up:
            wide = F.interpolate(x, scale_factor=2.0)
            x = block(torch.cat([wide, kept.pop()], 1))
        return self.head(x)[..., :height, :width]


def _block(channels: int, width: int) -> nn.Sequential:
    layers = []
    for before in (channels, width):
        layers += [
            nn.Conv2d(before, width, 3, padding=1, bias=False),
            nn.GroupNorm(4, width),
            nn.ReLU(inplace=True),
        ]
    return nn.Sequential(*layers)
