"""What a group of ranks agrees on, and what becomes of one that fails."""

import os
import re
import time
from datetime import timedelta

import pytest
import torch
import torch.distributed as dist

from handbook_code import _across, info_nce_loss
from handbook_code.bench.processes import Processes


def pairs(n=3, width=5, dtype=torch.float64):
    return torch.ones(n, width, dtype=dtype), torch.ones(n, width, dtype=dtype)


def call(query, positive, **keywords):
    return info_nce_loss(query, positive, group=dist.group.WORLD, **keywords)


def another_width():
    return call(*pairs(width=5 + dist.get_rank()))


def another_dtype():
    return call(*pairs(dtype=(torch.float32, torch.float64)[dist.get_rank()]))


def another_keyword():
    return call(*pairs(), temperature=0.5 / (1 + dist.get_rank()))


def a_gradient_on_one():
    query, positive = pairs()
    return call(query.requires_grad_(dist.get_rank() == 0), positive)


def negatives_on_one():
    query, positive = pairs()
    return call(query, positive, negatives=(None, query)[dist.get_rank()])


def a_bad_temperature():
    return call(*pairs(), temperature=1 - 2 * dist.get_rank())


def a_missing_argument():
    query, positive = pairs()
    if dist.get_rank():
        return info_nce_loss(query, group=dist.group.WORLD)
    return call(query, positive)


def test_bad_input_on_one_rank_is_an_error_on_all(both):
    kept = "as on rank 0, got"
    for work, kind, message in (
        (another_width, ValueError, rf"query: .* \(\*, 5\) .* {kept} .*, 6\)"),
        (another_dtype, ValueError, rf"query: .*float32 .* {kept} .*float64"),
        (another_keyword, ValueError, f"temperature: expected 0.5 {kept} 0.2"),
        (a_gradient_on_one, ValueError, f"query: .* with a .* {kept} .*out a"),
        (negatives_on_one, ValueError, f"negatives: .* None {kept} a tensor"),
        (a_bad_temperature, ValueError, "temperature: expected a positive"),
        (a_missing_argument, TypeError, "missing a required argument"),
    ):
        for answer in both(work):
            assert type(answer) is kind, answer
            assert re.search(message, str(answer)), answer
        assert both(agree) == [None, None]  # nobody still waits


def agree():
    call(*pairs())


def no_group():
    found = []
    for group in ("WORLD", dist.new_group([1])):
        try:
            info_nce_loss(*pairs(), group=group)
        except (TypeError, ValueError) as error:
            found.append(str(error))
    return found


def test_a_group_is_a_group_that_one_belongs_to(both):
    first, second = both(no_group)
    assert first == [
        "group: expected a process group of torch.distributed, got str",
        "group: expected one that this process belongs to, got one of others",
    ]
    assert second == first[:1]


def test_without_torch_distributed_a_group_is_refused(monkeypatch):
    monkeypatch.setattr(dist, "is_available", lambda: False)
    with pytest.raises(RuntimeError, match=r"^group: expected a PyTorch with"):
        info_nce_loss(*pairs(), group=object())
    info_nce_loss(*pairs(), group=None)


def within_func():
    return torch.func.grad(call)(*pairs())


def second():
    query, positive = pairs()
    query.requires_grad_()
    (slope,) = torch.autograd.grad(
        call(query, positive), query, create_graph=True
    )
    torch.autograd.grad(slope.sum(), query)


def test_what_is_not_supported_says_so(both):
    for answer in both(second):
        assert "group: expected None where second deriv" in str(answer)
    for answer in both(within_func):
        assert "group: expected None inside torch.func" in str(answer)


def falls_asleep():
    group = dist.new_group(timeout=timedelta(seconds=2))
    if dist.get_rank() == 1:
        time.sleep(4)
    info_nce_loss(*pairs(), group=group)


def test_a_rank_that_does_not_come_is_an_error_and_no_hang(both):
    for answer in both(falls_asleep):
        assert isinstance(answer, RuntimeError), answer
    assert both(agree) == [None, None]


def dies():
    """In the first pair of ranks early, in the second on the way."""
    one, other = dist.new_group([0, 1]), dist.new_group([2, 3])
    if dist.get_rank() == 1:
        os._exit(1)
    if dist.get_rank() == 3:
        _across.Ranks._pass_on = lambda *_: os._exit(1)
    info_nce_loss(*pairs(), group=one if dist.get_rank() < 2 else other)


def test_a_rank_that_dies_is_an_error_and_no_hang():
    with Processes(4) as processes:
        first, dead, third, also_dead = processes(dies)
    assert isinstance(first, RuntimeError), first
    assert isinstance(third, RuntimeError), third
    assert isinstance(dead, ChildProcessError)
    assert isinstance(also_dead, ChildProcessError)
