"""Losses of pixels in a batch whose parts lie on several processes.

Most need no other road than their formula: what couples the batch is a few
sums, and ``of_all`` makes those of one rank those of all.
"""

import inspect
from collections.abc import Callable
from contextvars import ContextVar
from functools import partial

import torch
from torch import Tensor

from handbook_code._across import Ranks, across
from handbook_code._reduce import check_reduction

_ranks: ContextVar[Ranks | None] = ContextVar("ranks", default=None)


def of_all(x: Tensor) -> Tensor:
    """A sum over the batch, be that here or on several ranks."""
    return each_of_all(x)[0]


def each_of_all(*sums: Tensor) -> tuple[Tensor, ...]:
    """Several, of one shape, that are exchanged together.

    The first call in a loss is also where the ranks agree; all checks of
    arguments come before it.
    """
    if torch.compiler.is_compiling():
        return sums
    ranks = _ranks.get()
    if ranks is None:
        return sums
    if not ranks.lengths:
        ranks.agree()
    return ranks.sum(torch.stack(sums)).unbind()


def across_batch(
    of_batch: Callable[..., Tensor] | None = None,
) -> Callable[[Callable[..., Tensor]], Callable[..., Tensor]]:
    """Give the loss below it a keyword ``group``.

    If it has a keyword ``per_image``, and that is set, nothing couples the
    images but their mean.

    Args:
        of_batch: called as the loss is, and with ``ranks``, if the batch is
            one image. If None, the formula is, whose sums go by ``of_all``.
    """

    def decorate(formula: Callable[..., Tensor]) -> Callable[..., Tensor]:
        of_whole = of_batch or partial(_by_sums, inspect.unwrap(formula))
        signature = inspect.signature(formula)

        def over(*args, ranks: Ranks, **keywords) -> Tensor:
            given = signature.bind(*args, **keywords)
            given.apply_defaults()
            check_reduction(given.arguments.get("reduction", "none"))
            if given.arguments.get("per_image"):
                return _of_images(formula, given, ranks)
            return of_whole(*args, **keywords, ranks=ranks)

        return across(over)(formula)

    return decorate


def _by_sums(
    formula: Callable[..., Tensor], *args, ranks: Ranks, **keywords
) -> Tensor:
    token = _ranks.set(ranks)
    try:
        return formula(*args, **keywords)
    finally:
        _ranks.reset(token)


def _of_images(
    formula: Callable[..., Tensor],
    given: inspect.BoundArguments,
    ranks: Ranks,
) -> Tensor:
    """Each rank's own images, and their mean or sum over all."""
    arguments = given.arguments
    (name, x), (_, target), *_ = arguments.items()
    reduction = arguments["reduction"]
    if isinstance(x, Tensor) and x.is_floating_point():
        # Losses of images are rounded to half precision only as the mean.
        wide = torch.promote_types(x.dtype, torch.float32)
        arguments[name] = x.to(wide)
    arguments["reduction"] = "none"
    each = formula(*given.args, **given.kwargs)
    ranks.agree()
    if reduction != "none" and each.dim() > 1:
        classes = max(each.shape[1], 1) if reduction == "mean" else 1
        each = each.sum(1) / classes
    dtype = torch.promote_types(x.dtype, target.dtype)
    return ranks.reduce(each, reduction, dtype, name)
