"""Losses of one batch whose parts lie on several processes.

Every process, a rank of the group, calls the loss with its part. What comes
back is the value of all parts together. The gradient is that of the mean
over ranks of what each rank makes of the value. In a rank's own part of the
batch it is multiplied by the number of ranks, since
``DistributedDataParallel`` divides by it; in a rank's own shard of the
parameters, which nobody averages, it is not.
"""

import inspect
import zlib
from collections import Counter
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from handbook_code._reduce import check_reduction

SLOTS = 8  # numbers that a rank tells about its tensors
sent = Counter()  # bytes that this process gave away, by the way they went

Visit = Callable[..., Tensor | None]


def across(
    over: Callable[..., Tensor],
) -> Callable[[Callable[..., Tensor]], Callable[..., Tensor]]:
    """Give the loss below it a keyword ``group``, and with it this road.

    Args:
        over: called as the loss is, without ``group`` and with ``ranks``. It
            checks its arguments as the loss does, then calls
            ``ranks.agree()``, and only then exchanges anything.
    """

    def decorate(formula: Callable[..., Tensor]) -> Callable[..., Tensor]:
        signature = inspect.signature(formula)

        @wraps(formula)
        def loss(*args, group=None, **keywords):
            if group is None:
                return formula(*args, **keywords)
            ranks = Ranks(group)
            try:
                call = signature.bind(*args, **keywords)
                call.apply_defaults()
                ranks.told = {"loss": formula.__name__} | call.arguments
                return over(*call.args, **call.kwargs, ranks=ranks)
            except Exception as error:
                ranks.fail(error)
                raise

        if hasattr(formula, "one_pass"):
            # One set of attributes: the road below reads ``least``.
            loss.__dict__ = formula.__dict__
        loss.__signature__ = _with_group(signature)
        loss.across = over
        return loss

    return decorate


def _with_group(signature: inspect.Signature) -> inspect.Signature:
    """Before reduction, which comes last."""
    group = inspect.Parameter(
        "group",
        inspect.Parameter.KEYWORD_ONLY,
        default=None,
        annotation=getattr(dist, "ProcessGroup", Any) | None,
    )
    own = list(signature.parameters.values())
    last = len(own) - (own[-1].name == "reduction")
    return signature.replace(parameters=[*own[:last], group, *own[last:]])


class Ranks:
    """The processes of a group, in one call of a loss.

    ``lengths`` holds, of every tensor of the call, how long it is on each.
    """

    def __init__(self, group: Any):
        if not dist.is_available():
            raise RuntimeError(
                "group: expected a PyTorch with torch.distributed, "
                "got one without"
            )
        if group == dist.GroupMember.NON_GROUP_MEMBER:
            raise ValueError(
                "group: expected one that this process belongs to, got one "
                "of others"
            )
        if not isinstance(group, dist.ProcessGroup):
            raise TypeError(
                f"group: expected a process group of torch.distributed, "
                f"got {type(group).__name__}"
            )
        if torch._C._are_functorch_transforms_active():
            raise RuntimeError(
                "group: expected None inside torch.func, got a process group"
            )
        self.group = group
        self.rank, self.size = dist.get_rank(group), dist.get_world_size(group)
        self.told: dict[str, Any] = {}
        self.lengths: dict[str, list[int]] = {}
        self._met = False

    def agree(self, **numbers: int) -> dict[str, list[int]]:
        """All ranks call the same loss on tensors that belong together.

        Otherwise, or if a rank has failed before, an error on every rank.

        Args:
            numbers: what each rank tells the others beside its lengths.

        Returns:
            For each of them, that of every rank.
        """
        facts, lengths = {}, dict(numbers)
        for name, value in self.told.items():
            if isinstance(value, Tensor):
                lengths[name] = len(value) if value.dim() else 1
            facts[name] = _describe(value)
        everyone = self._meet(facts, list(lengths.values()))
        for name, row in zip(lengths, everyone, strict=False):
            self.lengths[name] = row
        return {name: self.lengths.pop(name) for name in numbers}

    def fail(self, error: Exception) -> None:
        """Tell those who are about to agree. Afterwards nobody listens."""
        if not self._met:
            self._meet(error, [])

    def _meet(
        self, facts: dict[str, str] | Exception, numbers: list[int]
    ) -> list[list[int]]:
        """The numbers of all ranks, if there is nothing to complain about."""
        self._met = True
        failed = isinstance(facts, Exception)
        digest = zlib.crc32(repr(facts).encode())
        row = [failed, digest, *numbers, *[0] * (SLOTS - len(numbers))]
        nccl = dist.get_backend(self.group) == "nccl"
        mine = torch.tensor(row, device="cuda" if nccl else "cpu")
        table = [torch.empty_like(mine) for _ in range(self.size)]
        sent["agreed"] += mine.nbytes
        dist.all_gather(table, mine, group=self.group)
        (any_failed, digests, *numbers) = torch.stack(table).T.tolist()
        if any(any_failed) or len(set(digests)) > 1:
            everyone: list[Any] = [None] * self.size
            what = (type(facts).__name__, str(facts)) if failed else facts
            dist.all_gather_object(everyone, what, group=self.group)
            if not failed:
                _complain(everyone)
        return numbers

    def sum(self, x: Tensor) -> Tensor:
        """Over all ranks, of tensors of one shape; differentiable."""
        return _Sum.apply(x, self)

    def max(self, x: Tensor) -> Tensor:
        """Over all ranks, of tensors of one shape; not differentiable."""
        return self._all_reduce(x, dist.ReduceOp.MAX)

    def shard(self, x: Tensor) -> Tensor:
        """What nobody but this rank holds: its gradient is not multiplied."""
        return _Shard.apply(x, self.size)

    def reduce(
        self, loss: Tensor, reduction: str, dtype: torch.dtype, name: str
    ) -> Tensor:
        """As ``_reduce.reduce``; one loss for each row of the tensor named."""
        check_reduction(reduction)
        if reduction == "none":
            return loss.to(dtype)
        total = self.sum(loss.sum())
        if reduction == "mean":
            total = total / max(sum(self.lengths[name]), 1)
        return total.to(dtype)

    def first(self, name: str) -> int:
        """Where the own part of a tensor begins among all parts."""
        return sum(self.lengths[name][: self.rank])

    def tour(
        self,
        name: str,
        visit: Visit,
        *blocks: Tensor,
        merge: Callable[[Tensor, Tensor], Tensor] = torch.add,
    ) -> Tensor | None:
        """Send blocks round the ring of ranks, from each rank to the next.

        A rank holds its own block, the one it works on, and the next, which
        arrives meanwhile. What the visits to one block give is merged on its
        way, and comes home with it.

        Args:
            name: the tensor of the call whose rows the blocks' rows are.
            visit: called with the rank that a visitor is from and with its
                blocks. On all ranks it gives None, or on all a tensor of a
                row for each of the visitor's.
            blocks: of one length on a rank, and but for that of
                one shape and dtype on all.
            merge: of what two visits gave.

        Returns:
            For the own block, what all visits gave together.
        """
        rows, blocks = self.lengths[name], [b.contiguous() for b in blocks]
        result, under_way = None, None
        for k in range(self.size):
            source = (self.rank - k) % self.size
            follows = rows[source - 1]
            coming = None
            if k < self.size - 1:
                coming = self._pass_on(blocks, follows)
            result = visit(source, *blocks)
            if under_way is not None:
                (before,) = _arrived(*under_way)
                result = merge(result, before)
            if result is not None and self.size > 1:
                under_way = self._pass_on([result.contiguous()], follows)
            if coming is not None:
                blocks = _arrived(*coming)
        return result if under_way is None else _arrived(*under_way)[0]

    def _pass_on(
        self, blocks: Sequence[Tensor], length: int
    ) -> tuple[list[Tensor], list[Any], Sequence[Tensor]]:
        """To the next rank, and from the one before blocks of that length."""
        after, before = (
            dist.get_global_rank(self.group, (self.rank + k) % self.size)
            for k in (1, -1)
        )
        into = [b.new_empty(length, *b.shape[1:]) for b in blocks]
        moves = [
            dist.P2POp(move, block, peer, self.group)
            for move, some, peer in (
                (dist.isend, blocks, after),
                (dist.irecv, into, before),
            )
            for block in some
            if block.numel()
        ]
        sent["ring"] += sum(b.nbytes for b in blocks)
        works = dist.batch_isend_irecv(moves) if moves else []
        return into, works, blocks  # what is on its way must live

    def _all_reduce(self, x: Tensor, op: Any = None) -> Tensor:
        x = x.detach().clone(memory_format=torch.contiguous_format)
        if self.size > 1:
            sent["reduced"] += x.nbytes
            dist.all_reduce(x, op or dist.ReduceOp.SUM, group=self.group)
        return x


def _arrived(into: list[Tensor], works: list[Any], _: Any) -> list[Tensor]:
    for work in works:
        work.wait()
    return into


def _describe(value: Any) -> str:
    """What must be alike on all ranks; the length of a tensor need not."""
    if not isinstance(value, Tensor):
        return repr(value)
    shape = ", ".join(map(str, ("*", *value.shape[1:])[: value.dim()]))
    watched = value.requires_grad and torch.is_grad_enabled()
    return (
        f"a tensor ({shape}) of {value.dtype} on {value.device.type} "
        f"with{'' if watched else 'out'} a gradient"
    )


def _complain(everyone: list[dict[str, str] | tuple[str, str]]) -> None:
    """The same error on each rank that has none of its own."""
    for rank, told in enumerate(everyone):
        if isinstance(told, tuple):
            kinds = {"TypeError": TypeError, "ValueError": ValueError}
            kind, message = told
            raise kinds.get(kind, RuntimeError)(f"{message} (on rank {rank})")
    model, *others = everyone
    for rank, told in enumerate(others, 1):
        for name, right in model.items():
            if told.get(name) != right:
                raise ValueError(
                    f"{name}: expected {right} as on rank 0, "
                    f"got {told.get(name)} on rank {rank}"
                )


def first_only(backward: Callable[..., Any]) -> Callable[..., Any]:
    """A backward of a ``Function`` that is no function of the tensors."""

    @wraps(backward)
    def checked(ctx, *pulls):
        if torch.is_grad_enabled():
            raise RuntimeError(
                "group: expected None where second derivatives are taken "
                "(create_graph=True), got a process group"
            )
        return backward(ctx, *pulls)

    return checked


class _Sum(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, ranks):
        ctx.ranks = ranks
        return ranks._all_reduce(x)

    @staticmethod
    def backward(ctx, pull):
        return _Sum.apply(pull, ctx.ranks), None


class _Shard(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, size):
        ctx.size = size
        return x.view_as(x)

    @staticmethod
    def backward(ctx, pull):
        return pull / ctx.size, None
