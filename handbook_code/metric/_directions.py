"""Where embeddings point, whatever their length."""

from torch import Tensor


def directions(x: Tensor) -> Tensor:
    """The unit vectors along the last axis; zero stays zero.

    A division by the largest element first: squares of 1e-30 or 1e30 are
    no float32. A zero vector has the gradient of x itself, so that it can
    move.
    """
    largest = x.detach().abs().amax(dim=-1, keepdim=True)
    scaled = x / largest.masked_fill(largest == 0, 1)
    squared = (scaled * scaled).sum(dim=-1, keepdim=True)
    return scaled / squared.clamp(min=1).sqrt()  # less than 1 is 0


def pull_back(slope: Tensor, x: Tensor, u: Tensor) -> Tensor:
    """The slope in x, in place, of what has this one in its directions u.

    u = x / ‖x‖,  du = (dx − u (u·dx)) / ‖x‖, and dx where x is zero
    """
    length = (x * u).sum(dim=-1, keepdim=True)
    slope.addcmul_(u, (slope * u).sum(dim=-1, keepdim=True), value=-1)
    return slope.div_(length.masked_fill_(length == 0, 1))
