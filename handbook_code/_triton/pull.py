"""A gradient times the slope of what follows, which mostly is one.

A card does not say that it is one without being waited for. So the slopes
are handed to a kernel that reads this number, and touches nothing else if it
is one: forward and backward then move each slope once and not three times.
"""

import triton
import triton.language as tl
from torch import Tensor

from handbook_code._triton.arithmetic import cdiv

BLOCK = 1 << 12


def times_(slope: Tensor, pull: Tensor) -> Tensor:
    """The slope, contiguous, times a number on its device, in place."""
    count = slope.numel()
    _times[(cdiv(count, BLOCK),)](slope, pull, count, BLOCK=BLOCK)
    return slope


@triton.jit
def _times(slope, pull, count, BLOCK: tl.constexpr):
    factor = tl.load(pull)
    if factor != 1:
        at = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
        inside = at < count
        each = tl.load(slope + at, mask=inside)
        tl.store(slope + at, each * factor, mask=inside)
