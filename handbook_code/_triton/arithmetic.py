"""What several kernels compute."""

import triton
import triton.language as tl


@triton.jit
def log1p(e):
    """log(1 + e), for 0 ≤ e ≤ 1, to the last digits of a small one.

    What 1 + e loses of e, it loses in the logarithm and below the line.
    """
    more = 1 + e
    exact = tl.log(more) * (e / tl.where(more == 1, 1, more - 1))
    return tl.where(more == 1, e, exact)


@triton.jit
def softplus(u):
    return tl.maximum(u, 0) + log1p(tl.exp(-tl.abs(u)))


@triton.jit
def finite(top):
    """What to take from exponents: their largest, unless all are −∞."""
    return tl.where(top == -float("inf"), 0, top)


def cdiv(count: int, size: int) -> int:
    return -(-count // size)


def power(count: int, least: int = 16, most: int = 1 << 14) -> int:
    """The power of two that holds so many, within bounds."""
    return min(max(least, 1 << (count - 1).bit_length()), most)
