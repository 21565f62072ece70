"""What is true of entropic transport, and where a computer errs."""

import pytest
import torch
from scipy.optimize import linear_sum_assignment
from torch.testing import assert_close

from handbook_code import (
    entropic_transport,
    sinkhorn_divergence,
    transport_plan,
)


def test_it_comes_down_to_exact_transport_as_epsilon_does(clouds):
    x, y, *_ = clouds
    y = y.repeat(2, 1)[:12] + torch.arange(12)[:, None] / 50
    cost = torch.cdist(x, y).square()
    rows, columns = linear_sum_assignment(cost)
    exact = cost[rows, columns].mean()
    gaps = torch.stack(
        [
            entropic_transport(x, y, epsilon=e, iterations=500) - exact
            for e in (10.0, 1.0, 0.1, 0.01, 0.001)
        ]
    )
    assert (gaps.diff() < 0).all()
    assert 0 <= gaps[-1] < 0.001 * torch.tensor(12.0).log()
    plan = transport_plan(x, y, epsilon=1e-3, iterations=500)
    assert_close(plan.argmax(1), torch.as_tensor(columns))


def test_far_above_the_costs_only_the_means_count(clouds):
    x, y, a, b = clouds
    apart = (a @ x - b @ y).square().sum()
    value = sinkhorn_divergence(x, y, epsilon=1e6, a=a, b=b)
    assert_close(value, apart, rtol=1e-4, atol=0)
    cost = a @ torch.cdist(x, y).square() @ b
    value = entropic_transport(x, y, epsilon=1e6, a=a, b=b)
    assert_close(value, cost, rtol=1e-4, atol=0)


@pytest.mark.parametrize("epsilon", [1e-3, 0.1, 10.0])
def test_a_shift_costs_its_square_whatever_epsilon_is(clouds, epsilon):
    x, _, a, _ = clouds
    shift = torch.tensor([0.3, -0.4]).to(x)
    value = sinkhorn_divergence(x, x + shift, epsilon=epsilon, a=a, b=a)
    assert_close(value.item(), 0.25, rtol=0, atol=1e-5)


@pytest.mark.parametrize("epsilon", [1e-3, 0.1, 10.0])
def test_a_cloud_is_at_no_distance_from_itself(clouds, epsilon):
    x, _, a, _ = clouds
    x.requires_grad_()
    value = sinkhorn_divergence(x, x.detach(), epsilon=epsilon, a=a, b=a)
    assert value == 0
    (slope,) = torch.autograd.grad(value, x)
    assert slope.abs().max() < 2e-5
    assert entropic_transport(x, x, epsilon=epsilon, a=a, b=a) > 0


def test_the_divergence_is_never_negative(generator):
    like = {"generator": generator, "dtype": torch.float64}
    for epsilon in (0.1, 1.0, 10.0):
        for _ in range(20):
            x, y = torch.randn(2, 8, 2, **like)
            assert sinkhorn_divergence(x, y, epsilon=epsilon) > 0


def test_derivatives_of_clouds_weights_and_costs(clouds):
    """First and second, forward and backward, of all there is."""
    x, y, a, b = (t[:4].clone().requires_grad_() for t in clouds)

    def value(x, y, a, b):
        return entropic_transport(x, y, epsilon=0.8, a=a, b=b)

    def plan(x, y, a, b):
        return transport_plan(x, y[:3], epsilon=0.8, a=a, b=b[:3])

    def divergence(x, y, a, b):
        return sinkhorn_divergence(x, y, epsilon=0.8, a=a, b=b)

    def priced(cost, a, b):
        return entropic_transport(x, y, epsilon=0.8, a=a, b=b, cost=cost)

    cost = torch.cdist(x, y).detach().requires_grad_()
    calls = [(f, (x, y, a, b)) for f in (value, plan, divergence)]
    for function, arguments in [*calls, (priced, (cost, a, b))]:
        assert torch.autograd.gradcheck(
            function, arguments, check_forward_ad=True
        )
        if function is not plan:
            assert torch.autograd.gradgradcheck(function, arguments)


def test_the_slope_in_the_cost_is_the_plan(clouds):
    """The envelope theorem."""
    x, y, a, b = clouds
    cost = torch.cdist(x, y).requires_grad_()
    keywords = {"epsilon": 0.2, "a": a, "b": b, "cost": cost}
    (slope,) = torch.autograd.grad(entropic_transport(x, y, **keywords), cost)
    assert_close(slope, transport_plan(x, y, **keywords).detach())


def test_weights_are_relative_and_may_be_zero(clouds):
    x, y, a, b = (t.requires_grad_() for t in clouds)
    twice = entropic_transport(x, y, epsilon=0.5, a=2 * a, b=3 * b)
    assert_close(twice, entropic_transport(x, y, epsilon=0.5, a=a, b=b))
    none = a.detach().clone()
    none[:5] = 0
    none.requires_grad_()
    value = entropic_transport(x, y, epsilon=0.5, a=none, b=b)
    fewer = entropic_transport(x[5:], y, epsilon=0.5, a=a[5:], b=b)
    assert_close(value, fewer)
    slopes = torch.autograd.grad(value, (x, none, y), create_graph=True)
    assert all(slope.isfinite().all() for slope in slopes)
    assert (slopes[0][:5] == 0).all()
    little = none.detach().clone()
    little[0] = 1e-7
    more = entropic_transport(x, y, epsilon=0.5, a=little, b=b)
    assert_close((more - value) / 1e-7, slopes[1][0], rtol=1e-4, atol=1e-6)
    swapped = entropic_transport(y, x, epsilon=0.5, a=b, b=none)
    assert_close(swapped, value)
    again = torch.autograd.grad(swapped, (x, none, y))
    assert_close(again, slopes)


def test_two_far_points_of_no_weight_do_no_harm(device):
    x = torch.tensor([[0.0], [1e3]], requires_grad=True)
    y = torch.tensor([[1.0], [1e3]], requires_grad=True)
    weight = torch.tensor([1.0, 0.0], requires_grad=True)
    value = entropic_transport(x, y, epsilon=0.1, a=weight, b=weight)
    assert_close(value, torch.tensor(1.0), rtol=1e-3, atol=0)
    for slope in torch.autograd.grad(value, (x, y, weight)):
        assert slope.isfinite().all()


@pytest.mark.parametrize("share", [1e-1, 1e-2, 1e-3, 1e-4])
def test_single_precision_serves_down_to_small_epsilon(clouds, share):
    x, y, a, b = clouds
    spread = torch.cdist(x, y).square().max().item()
    wide = entropic_transport(x, y, epsilon=share * spread, a=a, b=b)
    narrow = [t.float().requires_grad_() for t in clouds]
    x, y, a, b = narrow
    value = entropic_transport(x, y, epsilon=share * spread, a=a, b=b)
    assert_close(value.double(), wide, rtol=0, atol=1e-6 * spread)
    for slope in torch.autograd.grad(value, narrow):
        assert slope.isfinite().all()


@pytest.mark.parametrize(
    ("share", "left"),
    [(1e-1, 1e-12), (1e-2, 1e-6), (1e-3, 1e-4), (1e-4, 1e-3)],
)
def test_what_a_hundred_rounds_leave(clouds, share, left):
    """As a share of the largest cost, and always from below."""
    x, y, *_ = clouds
    spread = torch.cdist(x, y).square().max().item()
    short, long = (
        entropic_transport(x, y, epsilon=share * spread, iterations=n)
        for n in (100, 20_000)
    )
    assert -1e-12 <= (long - short) / spread < left


def test_where_the_clouds_lie_does_not_count(device):
    """In single precision, a thousand diameters from the origin."""
    x = torch.linspace(0, 1, 20)[:, None].expand(20, 3)
    y = x**2
    near, far = (
        [f(x + c, y + c, epsilon=0.01) for f in (entropic_transport,
         sinkhorn_divergence)]
        for c in (0.0, 1024.0)
    )  # fmt: skip
    assert_close(near, far, rtol=0, atol=1e-4)
    assert sinkhorn_divergence(x + 1024, x + 1024, epsilon=0.01) == 0


def test_the_plan_shows_what_the_loop_has_left(clouds):
    x, y, a, b = clouds
    for few, many in (((x, y, a, b), True), ((y, x, b, a), False)):
        u, v, p, q = few
        astray = []
        for rounds in (4, 20, 100):
            plan = transport_plan(
                u, v, epsilon=0.3, a=p, b=q, iterations=rounds
            )
            sums, weights = (plan.sum(1), p) if many else (plan.sum(0), q)
            assert_close(sums, weights)
            rest = plan.sum(0) - q if many else plan.sum(1) - p
            astray.append(rest.abs().sum())
        assert astray[0] > astray[1] > astray[2] and astray[2] < 1e-5


def test_an_empty_cloud_has_an_empty_plan():
    plan = transport_plan(torch.zeros(0, 2), torch.zeros(3, 2), epsilon=1.0)
    assert plan.shape == (0, 3)
    value = sinkhorn_divergence(
        torch.zeros(0, 2), torch.zeros(0, 2), epsilon=1.0, a=torch.zeros(0)
    )
    assert value == 0


def test_a_cost_may_be_negative_or_all_the_same(clouds):
    x, y, a, b = clouds
    cost = torch.cdist(x, y)
    here, lower = (
        entropic_transport(x, y, epsilon=0.5, cost=c)
        for c in (cost, cost - 100)
    )
    assert_close(here - 100, lower)
    flat = torch.full_like(cost, 3.0)
    value = entropic_transport(x, y, epsilon=0.5, a=a, b=b, cost=flat)
    assert_close(value, flat[0, 0])
