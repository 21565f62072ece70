"""Two roads to one loss: its formula, and value and slopes in one pass.

The formula is ordinary PyTorch: it compiles, vectorises, and differentiates
forward and any number of times. The pass needs less time and memory, and
knows only a first derivative. So the pass is taken where autograd, and nothing
else, watches the tensors; a second derivative goes back to the formula.
"""

import inspect
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from itertools import compress, repeat
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd import forward_ad
from torch.fx.experimental.proxy_tensor import get_proxy_mode

from handbook_code._reduce import cast, check_reduction, common

BLOCK = 1 << 16  # elements a thread: what its cache holds a few times over
_by_formula = ContextVar("by_formula", default=False)


@contextmanager
def formulas_only() -> Iterator[None]:
    """Inside, or decorated with it, every loss takes its plain formula.

    Some losses compute value and gradient together, by a faster road than the
    formula that the book shows. The two differ by rounding. This is for who
    wants to compare them, or to step through the formula; nothing else needs
    it, since a second derivative, ``torch.func`` and ``torch.compile`` take
    the formula by themselves.

    >>> from handbook_code import formulas_only, mse_loss
    >>> with formulas_only():
    ...     mse_loss(torch.tensor([3.0]), torch.tensor([1.0]))
    tensor(4.)
    """
    token = _by_formula.set(True)
    try:
        yield
    finally:
        _by_formula.reset(token)


def fused(
    one_pass: Callable[..., tuple[Tensor, tuple[Tensor | None, ...]]],
    *names: str,
    least: int = 0,
    size: Callable[..., int] | None = None,
    when: Callable[..., bool] | None = None,
    shortcut: Callable[..., Tensor | None] | None = None,
) -> Callable[[Callable[..., Tensor]], Callable[..., Tensor]]:
    """Give the formula below it a faster road, for first derivatives.

    Args:
        one_pass: called as the loss is, and with ``wanted``, a truth value
            for each of ``names``. It checks its arguments as the formula
            does, and gives the loss, reduced, and for each name the slope of
            the loss, or None if it is not wanted. A slope has the shape of
            its tensor. If the loss has axes, they are the first of the
            slope's, and each value depends on its own part of the tensor.
        names: of the tensors whose slope it knows. If autograd wants that of
            another, the formula is taken.
        least: the size below which the formula is as fast.
        size: called as the loss is; how large it is. By default the elements
            of the first tensor. Must not fail, whatever it is given.
        when: called as the loss is; whether the pass can do it. Must not
            fail, whatever it is given.
        shortcut: called as the loss is, where it is smaller than ``least``.
            It checks as the formula does and gives the same, by a kernel of
            torch that autograd knows, or None to leave it to the formula.
    """

    def decorate(formula: Callable[..., Tensor]) -> Callable[..., Tensor]:
        parameters = inspect.signature(formula).parameters
        every, known = tuple(parameters), set(names)
        allowed = set(every)
        positional = sum(p.kind != p.KEYWORD_ONLY for p in parameters.values())
        required = {n for n, p in parameters.items() if p.default is p.empty}

        def by_shortcut(*args, **keywords):
            if (
                _only_autograd_watches(args)
                and _only_autograd_watches(keywords.values())
                and (when is None or when(*args, **keywords))
            ):
                value = shortcut(*args, **keywords)
                if value is not None:
                    return value
            return formula(*args, **keywords)

        if shortcut is None:
            by_shortcut = formula
        else:  # what names it, if it is called with a wrong argument
            shortcut.__qualname__ = formula.__qualname__

        @wraps(formula)
        def loss(*args, **keywords):
            # First, since a compiler must not see what follows.
            if torch.compiler.is_compiling() or _by_formula.get():
                return formula(*args, **keywords)
            if size is None:
                x = args[0] if args else keywords.get(every[0])
                large = x.numel() if isinstance(x, Tensor) else 0
            else:
                large = size(*args, **keywords)
            if large < loss.least:
                return by_shortcut(*args, **keywords)
            given = dict(zip(every, args, strict=False)) | keywords
            needy = set()
            if torch.is_grad_enabled():
                needy = {n for n in given if _needs_slope(given[n])}
            if (
                # A call that is wrong, the formula tells of.
                len(given) != len(args) + len(keywords)
                or len(args) > positional
                or not required <= given.keys()
                or not allowed.issuperset(given)
                or not needy <= known
                or not _only_autograd_watches(given.values())
                or (when is not None and not when(*args, **keywords))
            ):
                return formula(*args, **keywords)
            wanted = tuple(name in needy for name in names)
            if not needy:
                return one_pass(*args, **keywords, wanted=wanted)[0]
            rest = {n: v for n, v in given.items() if n not in known}
            road = _Road(formula, one_pass, names, wanted, rest)
            return _OnePass.apply(road, *map(given.get, names))

        loss.one_pass, loss.names, loss.when = one_pass, names, when
        loss.least, loss.shortcut = least, shortcut
        return loss

    return decorate


def may_pass(*tensors: Tensor, known: Tensor, least: int = 0) -> bool:
    """Whether a pass is to be taken that knows the slope in one of them.

    For what is no loss by itself, such as sums from which losses are made.
    """
    return (
        not torch.compiler.is_compiling()
        and not _by_formula.get()
        and all(isinstance(t, Tensor) for t in tensors)
        and _only_autograd_watches(tensors)
        and known.numel() >= least
        and not (
            torch.is_grad_enabled()
            and any(t.requires_grad for t in tensors if t is not known)
        )
    )


def _needs_slope(value: Any) -> bool:
    return isinstance(value, Tensor) and value.requires_grad


def _only_autograd_watches(values: Iterable[Any]) -> bool:
    return (
        # Inside torch.func: vmap, grad, jvp and their compositions.
        not torch._C._are_functorch_transforms_active()
        and not torch.jit.is_tracing()
        and get_proxy_mode() is None  # make_fx
        and all(_is_ordinary(v) for v in values if isinstance(v, Tensor))
    )


def _is_ordinary(tensor: Tensor) -> bool:
    # Tensors of another kind, fake or sharded, have other needs.
    kind = type(tensor)
    return (
        (kind is Tensor or kind is nn.Parameter)
        and tensor.numel() > 0
        and not tensor.is_meta
        and forward_ad.unpack_dual(tensor).tangent is None
    )


class _Road(NamedTuple):
    formula: Callable[..., Tensor]
    one_pass: Callable[..., tuple[Tensor, tuple[Tensor | None, ...]]]
    names: Sequence[str]
    wanted: Sequence[bool]
    rest: dict[str, Any]  # the arguments of other names


class _OnePass(torch.autograd.Function):
    @staticmethod
    def forward(ctx, road, *tensors):
        ours = dict(zip(road.names, tensors, strict=True))
        loss, slopes = road.one_pass(**ours, **road.rest, wanted=road.wanted)
        slopes = [
            cast(slope, tensor.dtype) if want else None
            for slope, tensor, want in zip(
                slopes, tensors, road.wanted, strict=True
            )
        ]
        ctx.road = road
        ctx.save_for_backward(*tensors, *slopes)
        return loss

    @staticmethod
    def backward(ctx, pull):
        road, saved = ctx.road, ctx.saved_tensors
        tensors, slopes = saved[: len(road.names)], saved[len(road.names) :]
        if torch.is_grad_enabled():  # a second derivative may follow
            ours = dict(zip(road.names, tensors, strict=True))
            loss = road.formula(**ours, **road.rest)
            needy = list(compress(tensors, road.wanted))
            slopes = torch.autograd.grad(loss, needy, pull, create_graph=True)
            slopes = iter(slopes)
            return None, *(next(slopes) if w else None for w in road.wanted)
        if _is_one(pull):
            return None, *slopes
        return None, *(s if s is None else _pull(pull, s) for s in slopes)


def _pull(pull: Tensor, slope: Tensor) -> Tensor:
    rest = [1] * (slope.dim() - pull.dim())
    return slope * pull.view(*pull.shape, *rest)


def _is_one(pull: Tensor) -> bool:
    """Whether a slope is the gradient as it is. To ask a GPU is to wait."""
    return (
        pull.dim() == 0
        and pull.is_cpu
        and not is_batched(pull)
        and pull.item() == 1
    )


def is_batched(pull: Tensor) -> bool:
    """Whether it stands for many, of which each wants its own gradient."""
    return (
        torch._C._are_functorch_transforms_active()
        or torch._C._functorch.is_legacy_batchedtensor(pull)
    )


def elementwise(
    kernel: Callable[[Tensor, Tensor, Tensor | None], Tensor],
    x: Tensor,
    y: Tensor,
    reduction: str,
    wanted: bool,
    *,
    axes: int = 0,
) -> tuple[Tensor, Tensor | None]:
    """The pass of a loss that compares element with element, by blocks.

    Args:
        kernel: gives the losses of a block of x and y, in float32 or wider;
            its last argument, if any, is of the shape of x, to be filled
            with the slopes in x. It may not change x and y.
        x: what the loss is differentiated in, of any shape.
        y: of the same shape, but for the axes of an element.
        reduction: of the loss.
        wanted: whether the slope is.
        axes: how many last axes an element has, such as the four numbers of
            a box; a block is of shape (n, …).
    """
    check_reduction(reduction)
    dtype, wide = common(x, y)
    own = x.dim() - axes  # the axes of an element begin here
    shape, element = x.shape[:own], x.shape[own:]
    if own != 1:
        x, y = x.reshape(-1, *element), y.reshape(-1, *y.shape[own:])
    slope = None
    if wanted:
        form = torch.contiguous_format
        slope = torch.empty_like(x, dtype=wide, memory_format=form)
    values = []
    for a, b, out in _blocks(x, y, slope):
        value = kernel(cast(a, wide), cast(b, wide), out)
        count = value.numel() // len(value) * len(x)
        if wanted and reduction == "mean":
            out.mul_(1 / count)
        values.append(value if reduction == "none" else value.sum())
    if reduction == "none":
        loss = torch.cat(values).view((*shape, *value.shape[1:]))
    else:
        loss = torch.stack(values).sum() if len(values) > 1 else values[0]
        if reduction == "mean":
            loss.div_(count)
    if wanted and own != 1:
        slope = slope.view((*shape, *element))
    return cast(loss, dtype), slope


def _blocks(
    x: Tensor, y: Tensor, slope: Tensor | None
) -> Iterable[tuple[Tensor, Tensor, Tensor | None]]:
    if x.numel() <= 2 * block(x):  # a little more costs less than two calls
        return [(x, y, slope)]
    rows = max(1, block(x) * len(x) // x.numel())
    outs = repeat(None) if slope is None else slope.split(rows)
    return zip(x.split(rows), y.split(rows), outs, strict=False)


def block(x: Tensor) -> int:
    """How many elements to take at a time, on the device of x."""
    if x.is_cpu:
        return BLOCK * torch.get_num_threads()
    return 64 * BLOCK
