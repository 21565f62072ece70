"""Where embeddings point, whatever their length."""

import torch
from torch import Tensor


def directions(x: Tensor) -> Tensor:
    """The unit vectors along the last axis; zero stays zero.

    A division by the largest element first: squares of 1e-30 or 1e30 are
    no float32. A zero vector has the gradient of x itself, so that it can
    move.
    """
    largest = x.detach().abs().amax(dim=-1, keepdim=True)
    scaled = x / torch.where(largest > 0, largest, 1)
    squared = (scaled * scaled).sum(dim=-1, keepdim=True)
    return scaled / torch.where(squared > 0, squared, 1).sqrt()
