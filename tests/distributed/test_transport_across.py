"""Transport between clouds whose points lie on several processes."""

from itertools import product

import torch
import torch.distributed as dist

from handbook_code import entropic_transport, sinkhorn_divergence
from split import WAYS, N, compare, largest


def points(n, seed):
    g = torch.Generator().manual_seed(seed)
    x = torch.randn(n, 3, generator=g, dtype=torch.float64)
    return x.requires_grad_()


def weights(n, seed):
    return points(n, seed)[:, 0].detach().exp().requires_grad_()


def gaps(size):
    cuts = WAYS[size]
    few = [tuple(min(n, 3) for n in cut) for cut in cuts]
    return max(
        compare(
            loss,
            {
                "x": points(N, 0),
                "y": points(sum(other), 1),
                "a": weights(N, 2),
                "b": weights(sum(other), 3),
            },
            {"x": cut, "y": other, "a": cut, "b": other},
            epsilon=epsilon,
            iterations=8,
        )
        for (loss, epsilon), (cut, other) in product(
            ((entropic_transport, 0.01), (sinkhorn_divergence, 1.0)),
            [*zip(cuts, cuts[::-1], strict=True), (cuts[1], few[2])],
        )
    )


def alike():
    x = points(N, 0)[dist.get_rank() :: 2]
    return sinkhorn_divergence(
        x, x, epsilon=0.1, group=dist.group.WORLD
    ).item()


def a_cost():
    x = points(3, 0)
    entropic_transport(
        x, x, epsilon=1.0, cost=torch.ones(3, 3), group=dist.group.WORLD
    )


def empty():
    x = points(0, 0)
    value = sinkhorn_divergence(x, x, epsilon=1.0, group=dist.group.WORLD)
    value.backward()
    return abs(value.item()) + x.grad.numel()


def test_values_and_gradients(everywhere):
    assert largest(everywhere(gaps, everywhere.size)) < 1e-12


def test_equal_clouds_cost_nothing_and_so_do_empty_ones(both):
    assert both(alike) == [0.0, 0.0]
    assert both(empty) == [0.0, 0.0]


def test_a_cost_is_refused(both):
    for answer in both(a_cost):
        assert str(answer).startswith("cost: expected None over several")
