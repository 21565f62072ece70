"""What the eye's model is made of: its filters and its numbers."""

import torch
from torch import Tensor

LOW_PASS = (0.05, 0.25, 0.4, 0.25, 0.05)
FLOORS = (0.0248, 0.0185, 0.0179, 0.0191, 0.0220, 0.2782)  # one a scale
# The pixel below, the one to the right, to the left, above, and two to the
# left: the kernels of NLP_dist.m, which conv2 turns by 180°.
POOLS = (
    (0.1011, 0.1493, 0.1460, 0.1015, 0.0072),
    (0.0757, 0.1986, 0.1846, 0.0837, 0.0),
    (0.0477, 0.2138, 0.2243, 0.0467, 0.0),
    (0.0, 0.2503, 0.2616, 0.0, 0.0),
    (0.0, 0.2598, 0.2552, 0.0, 0.0),
    (0.0, 0.2215, 0.0717, 0.0, 0.0),
)


def _halve(x: Tensor, dim: int) -> Tensor:
    """Blur along an axis and take every second pixel."""
    size = x.shape[dim]
    place = torch.arange(-2, size + 2, device=x.device) % (2 * size)
    mirrored = torch.minimum(place, 2 * size - 1 - place)
    x = x.index_select(dim, mirrored).movedim(dim, -1)
    taps = (w * x[..., t : t + size : 2] for t, w in enumerate(LOW_PASS))
    return sum(taps).movedim(-1, dim)


def _double(x: Tensor, dim: int, like: Tensor) -> Tensor:
    """Put zeros between pixels and blur, up to the size of another picture."""
    x = x.movedim(dim, -1)
    x = torch.cat([x[..., :1], x, x[..., -1:]], dim=-1)
    before, here, after = x[..., :-2], x[..., 1:-1], x[..., 2:]
    outer, inner, middle = (2 * w for w in LOW_PASS[:3])
    even = outer * before + middle * here + outer * after
    odd = inner * (here + after)
    both = torch.stack([even, odd], dim=-1).flatten(-2)
    return both[..., : like.shape[dim]].movedim(-1, dim)


def check_luminance(**tensors: Tensor) -> None:
    for name, tensor in tensors.items():
        shape = tuple(tensor.shape)
        if len(shape) != 4 or shape[1] != 1 or 0 in shape[2:]:
            raise ValueError(
                f"{name}: expected luminance, (N, 1, H, W), got {shape}"
            )
