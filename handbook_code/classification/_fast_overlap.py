"""Sums over pixels and their slopes, block by block: no masks are held."""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from handbook_code._fused import block, is_batched

LEAST = 1 << 17  # probabilities, below which the formula is as fast


class Sums(torch.autograd.Function):
    """Terms of p and t, summed over blocks of pixels: (terms, N, K, blocks).

    Of p, (N, K, M), and masks of that shape or labels, (N, 1, M). The formula
    goes on from the sums, which are few, by ordinary autograd. Backward calls
    ``slope`` with p, t and the slopes in the sums; it turns t into that in p.
    """

    @staticmethod
    def forward(ctx, p, t, terms, slope):
        ctx.save_for_backward(p, t)
        ctx.terms, ctx.slope = terms, slope
        dtype, classes = _wide(p, t)
        sums = []
        for row in _images(p, t):
            parts = []
            for q, labels in _parts(*row):
                masks = _fill(
                    torch.empty_like(q, dtype=dtype), labels, classes
                )
                parts.append(_sum(terms(q.to(dtype), masks)))
            sums.append(torch.cat(parts, -1))
        return torch.cat(sums, 1)

    @staticmethod
    def backward(ctx, pull):
        p, t = ctx.saved_tensors
        pull = pull.narrow(-1, 0, 1)  # of one block; all have the same
        if torch.is_grad_enabled() or is_batched(pull):
            return _by_formula(ctx.terms, p, t, pull), None, None, None
        dtype, classes = _wide(p, t)
        slope = p.new_empty(p.shape, dtype=dtype)
        for *row, pulls in _images(p, t, slope, pull.movedim(0, -1)):
            pulls = pulls.unbind(-1)
            for q, labels, out in _parts(*row):
                _fill(out, labels, classes)
                ctx.slope(q.to(dtype), out, *pulls)
        return slope.to(p.dtype), None, None, None


def slope_of_counts(
    p: Tensor, t: Tensor, found: Tensor, extra: Tensor, missed: Tensor
) -> None:
    """Of p t, p (1 − t) and (1 − p) t: t, 1 − t and −t."""
    t.mul_(found - extra - missed).add_(extra)


def slope_of_squares(
    p: Tensor, t: Tensor, wrong: Tensor, areas: Tensor
) -> None:
    """Of (p − t)² and p² + t²: 2 (p − t) and 2 p."""
    t.sub_(p).mul_(-2 * wrong).addcmul_(p, 2 * areas)


def slope_of_errors(
    p: Tensor, t: Tensor, inside: Tensor, outside: Tensor, *areas: Tensor
) -> None:
    """Of (p − t)² t and of (p − t)² (1 − t): 2 (p − t) times t or 1 − t."""
    weight = (t * (outside - inside)).sub_(outside).mul_(2)
    t.sub_(p).mul_(weight)


def _images(p: Tensor, *others: Tensor) -> Iterable[tuple[Tensor, ...]]:
    """Some images at a time, or one."""
    classes, pixels = p.shape[1:]
    return _cut(block(p) // (classes * pixels), 0, p, *others)


def _parts(p: Tensor, *others: Tensor) -> Iterable[tuple[Tensor, ...]]:
    """Some of their pixels at a time."""
    return _cut(block(p) // p.shape[1], -1, p, *others)


def _cut(
    size: int, axis: int, *tensors: Tensor
) -> Iterable[tuple[Tensor, ...]]:
    if tensors[0].shape[axis] <= size:
        return [tensors]
    each = (x.split(max(1, size), axis) for x in tensors)
    return zip(*each, strict=True)


def _wide(p: Tensor, t: Tensor) -> tuple[torch.dtype, Tensor]:
    """In what to compute, and the indices of the classes in it."""
    common = torch.promote_types(p.dtype, t.dtype)
    dtype = torch.promote_types(common, torch.float32)
    classes = torch.arange(p.shape[1], device=p.device, dtype=dtype)
    return dtype, classes.unsqueeze(1)


def _fill(masks: Tensor, t: Tensor, classes: Tensor) -> Tensor:
    if t.shape[1] == masks.shape[1]:
        return masks.copy_(t)
    # A comparison of floats, to floats, is the quickest by far.
    return torch.eq(t.to(masks.dtype), classes, out=masks)


def _sum(terms: tuple[Tensor, ...]) -> Tensor:
    return torch.stack([term.sum(-1, keepdim=True) for term in terms])


def _by_formula(
    terms: Callable[..., tuple[Tensor, ...]],
    p: Tensor,
    t: Tensor,
    pull: Tensor,
) -> Tensor:
    """The slope, for whoever wants one of it or many of them."""
    dtype, classes = _wide(p, t)
    masks = _fill(torch.empty_like(p, dtype=dtype), t, classes)
    with torch.enable_grad():
        sums = _sum(terms(p.to(dtype), masks))
        return torch.autograd.grad(sums, p, pull, create_graph=True)[0]
