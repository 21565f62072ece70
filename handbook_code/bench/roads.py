"""The roads to a loss and its slopes on a graphics card."""

from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from handbook_code import formulas_only
from handbook_code.bench.timings import OURS
from handbook_code.bench.workloads import Loss, Workload

Both = Callable[..., tuple[Tensor, Sequence[Tensor]]]


def roads(work: Workload, compiler: str = "inductor") -> dict[str, Loss]:
    """Ours, but for kernels: each is a loss of the workload's tensors.

    The formula, operation by operation; what the public function does, which
    is the pass for a loss that has one; the formula compiled, forward and
    backward each by itself; and compiled in one, so that the slopes are made
    while the numbers are at hand.
    """
    torch.compiler.reset()  # it gives up on code that it has met too often
    formula = formulas_only()(work.ours)
    build = partial(
        torch.compile, backend=compiler, fullgraph=True, dynamic=False
    )
    places = tuple(range(work.slopes))
    at_once = build(torch.func.grad_and_value(work.ours, argnums=places))

    def both(*tensors: Tensor) -> tuple[Tensor, Sequence[Tensor]]:
        slopes, value = at_once(*tensors)
        return value, slopes

    return {
        "formula": formula,
        OURS: work.ours,
        "compiled": build(work.ours),
        "compiled in one": with_slopes(both),
    }


def with_slopes(both: Both) -> Loss:
    """A loss, of a function that gives it and its slopes.

    The slopes are of the first tensors; of a graph that is kept they are
    computed again, since the first time they became the gradients.
    """

    def loss(*tensors: Tensor) -> Tensor:
        return _WithSlopes.apply(both, *tensors)

    return loss


class _WithSlopes(torch.autograd.Function):
    @staticmethod
    def forward(ctx, both, *tensors):
        value, ctx.slopes = both(*(t.detach() for t in tensors))
        ctx.both = both
        ctx.save_for_backward(*tensors)
        return value

    @staticmethod
    @once_differentiable
    def backward(ctx, pull):
        slopes, ctx.slopes = ctx.slopes, None
        tensors = ctx.saved_tensors
        if slopes is None:
            _, slopes = ctx.both(*(t.detach() for t in tensors))
        slopes = [_times(slope, pull) for slope in slopes]
        return None, *slopes, *[None] * (len(tensors) - len(slopes))


def _times(slope: Tensor, pull: Tensor) -> Tensor:
    if not slope.is_cuda:
        return slope.mul_(pull)
    from handbook_code._triton.pull import times_

    return times_(slope.contiguous(), pull)
