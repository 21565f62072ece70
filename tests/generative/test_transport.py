"""Entropic transport: values by hand, other libraries, a plain loop."""

import math
import warnings

import pytest
import torch
from torch.testing import assert_close

import naive_transport
from handbook_code import (
    entropic_transport,
    sinkhorn_divergence,
    transport_plan,
)
from peers import peer


def slopes(value, *of):
    return torch.autograd.grad(value, of)


def test_value_by_hand_of_two_points(device):
    """0 and 1 to 0 and 1: straight costs 0, crossed 1; ε log 2 is added.

    With weights of one half, −ε log ((1 + exp(−1 / ε)) / 2).
    """
    x = torch.tensor([[0.0], [1.0]])
    for epsilon in (0.1, 1.0, 10.0):
        by_hand = -epsilon * math.log((1 + math.exp(-1 / epsilon)) / 2)
        value = entropic_transport(x, x, epsilon=epsilon)
        assert_close(value.item(), by_hand, rtol=2e-6, atol=0)


def test_one_point_sends_all_it_has(device):
    x, y = torch.zeros(1, 2), torch.tensor([[3.0, 4.0], [0.0, 1.0]])
    b = torch.tensor([0.25, 0.75])
    value = entropic_transport(x, y, epsilon=0.5, b=b)
    assert_close(value, torch.tensor(0.25 * 25 + 0.75 * 1))
    assert_close(transport_plan(x, y, epsilon=0.5, b=b)[0], b)


@pytest.mark.parametrize("epsilon", [0.3, 1.0, 5.0])
def test_a_plain_loop_finds_the_same(clouds, epsilon):
    x, y, a, b = clouds
    x.requires_grad_()
    lists = [t.tolist() for t in (x, y, a, b)]
    value, slope = naive_transport.transport(*lists, epsilon)
    ours = entropic_transport(x, y, epsilon=epsilon, a=a, b=b)
    assert_close(ours.item(), value)
    assert_close(slopes(ours, x)[0], torch.tensor(slope, dtype=x.dtype))
    cost = torch.cdist(x.detach(), y).square().tolist()
    plan = naive_transport.plan(cost, *lists[2:], epsilon)
    ours = transport_plan(x, y, epsilon=epsilon, a=a, b=b)
    assert_close(ours.detach(), torch.tensor(plan, dtype=x.dtype))


# ---- POT


@pytest.mark.parametrize("epsilon", [0.3, 2.0])
def test_pot_solves_the_same_problem(clouds, epsilon):
    """``solve`` with the divergence to a⊗b: value and slope; and the plan."""
    ot = peer("ot")
    x, y, a, b = (t.requires_grad_() for t in clouds)
    cost = torch.cdist(x, y).square()
    solved = ot.solve(
        cost, a, b, reg=epsilon, reg_type="KL", tol=1e-14, max_iter=100_000,
    )  # fmt: skip
    ours = entropic_transport(x, y, epsilon=epsilon, a=a, b=b)
    assert_close(ours, solved.value)
    assert_close(slopes(ours, x, y), slopes(solved.value, x, y))
    plan = transport_plan(x, y, epsilon=epsilon, a=a, b=b)
    assert_close(plan, solved.plan)


def test_pot_has_other_values_of_the_same_plan(clouds):
    """Cost alone is ``sinkhorn2``; the other entropy has another constant."""
    ot = peer("ot")
    x, y, a, b = clouds
    cost = torch.cdist(x, y).square()
    ours = entropic_transport(x, y, epsilon=1.0, a=a, b=b)
    plan = transport_plan(x, y, epsilon=1.0, a=a, b=b)
    bare = ot.sinkhorn2(a, b, cost, reg=1.0, stopThr=1e-14)
    assert_close((plan * cost).sum(), bare)
    assert bare < ours
    entropy = ot.solve(
        cost, a, b, reg=2.0, reg_type="entropy", tol=1e-14, max_iter=10_000
    )
    ours = entropic_transport(x, y, epsilon=2.0, a=a, b=b)
    marginals = (a * a.log()).sum() + (b * b.log()).sum()
    assert_close(entropy.value, ours + 2 * marginals)


def test_pot_leaves_the_entropies_out_of_its_divergence(clouds):
    """It is made of costs alone, as ``sinkhorn2`` gives them."""
    ot = peer("ot")
    x, y, a, b = clouds

    def bare(u, v, p, q):
        plan = transport_plan(u, v, epsilon=1.0, a=p, b=q)
        return (plan * torch.cdist(u, v).square()).sum()

    theirs = ot.bregman.empirical_sinkhorn_divergence(
        x, y, reg=1.0, a=a, b=b, stopThr=1e-14, numIterMax=100_000
    )
    sharp = bare(x, y, a, b) - (bare(x, x, a, a) + bare(y, y, b, b)) / 2
    assert_close(theirs.squeeze(), sharp)
    ours = sinkhorn_divergence(x, y, epsilon=1.0, a=a, b=b)
    assert not torch.isclose(ours, sharp, rtol=0.01)


def test_pot_has_our_divergence_too(clouds):
    ot = peer("ot")
    x, y, a, b = clouds

    def solved(u, v, p, q):
        cost = torch.cdist(u, v).square()
        keywords = {"reg": 1.0, "reg_type": "KL", "tol": 1e-14}
        return ot.solve(cost, p, q, max_iter=100_000, **keywords).value

    theirs = solved(x, y, a, b) - solved(x, x, a, a) / 2
    theirs = theirs - solved(y, y, b, b) / 2
    ours = sinkhorn_divergence(x, y, epsilon=1.0, a=a, b=b)
    assert_close(ours, theirs)


def test_where_pot_underflows_there_still_is_a_plan(clouds):
    ot = peer("ot")
    x, y, a, b = clouds
    cost = torch.cdist(x, y).square()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = ot.sinkhorn(a, b, cost, reg=1e-3, warn=False)
    assert not theirs.sum() > 0.5
    ours = transport_plan(x, y, epsilon=1e-3, a=a, b=b, iterations=3000)
    assert_close(ours.sum(1), a)
    assert (ours.sum(0) - b).abs().sum() < 0.02
    exact = ot.emd2(a, b, cost)
    assert_close((ours * cost).sum(), exact, rtol=0.02, atol=0)


# ---- geomloss


def test_geomloss_halves_cost_and_value(clouds):
    """Its C is ½‖x − y‖², its ε the square of blur: ours is twice that."""
    geomloss = peer("geomloss")
    x, y, a, b = clouds
    x.requires_grad_()
    for debias, ours in (
        (False, entropic_transport(x, y, epsilon=0.5, a=a, b=b)),
        (True, sinkhorn_divergence(x, y, epsilon=0.5, a=a, b=b)),
    ):
        loss = geomloss.SamplesLoss(
            "sinkhorn", p=2, blur=0.5, scaling=0.99, debias=debias,
            backend="tensorized",
        )  # fmt: skip
        theirs = 2 * loss(a, x, b, y)
        assert_close(ours, theirs, rtol=1e-4, atol=0)
        assert_close(slopes(ours, x), slopes(theirs, x), rtol=0, atol=5e-3)


def test_where_geomloss_refuses_coincident_clouds_there_is_a_value():
    geomloss = peer("geomloss")
    x = torch.ones(3, 2, requires_grad=True)
    loss = geomloss.SamplesLoss("sinkhorn", p=2, blur=0.1)
    with pytest.raises(ValueError, match=r"."):
        loss(x, x.detach())
    for ours in (entropic_transport, sinkhorn_divergence):
        value = ours(x, x.detach().clone(), epsilon=0.01)
        assert value.abs() < 1e-6
        assert (slopes(value, x)[0] == 0).all()


# ---- messages


def test_messages():
    x, y = torch.zeros(3, 2), torch.zeros(4, 2)
    calls = {
        "epsilon: expected a positive finite number, got 0": {"epsilon": 0},
        "iterations: expected a whole number of at least 1, got 0": {
            "iterations": 0
        },
        "a: expected a weight for each point of x, (3,), got (4,)": {
            "a": torch.ones(4)
        },
        "b: expected a weight for each point of y, (4,), got (4, 1)": {
            "b": torch.ones(4, 1)
        },
        "cost: expected a cost for each pair, (3, 4), got (4, 3)": {
            "cost": torch.zeros(4, 3)
        },
    }
    for message, keywords in calls.items():
        for function in (entropic_transport, transport_plan):
            with pytest.raises(ValueError) as caught:
                function(x, y, **{"epsilon": 1.0} | keywords)
            assert str(caught.value) == message
    for wrong in (torch.zeros(4), torch.zeros(4, 3)):
        with pytest.raises(ValueError, match=r"^y: .* like those of x, \(M, "):
            sinkhorn_divergence(x, wrong, epsilon=1.0)
    with pytest.raises(ValueError, match=r"^x: expected one point a row"):
        sinkhorn_divergence(torch.zeros(3), y, epsilon=1.0)
    for wrong in ({"a": torch.ones(3).long()}, {"b": [1.0] * 4}):
        with pytest.raises(TypeError, match=r"^[ab]: expected a "):
            sinkhorn_divergence(x, y, epsilon=1.0, **wrong)
    with pytest.raises(TypeError, match=r"^epsilon: expected a positive"):
        sinkhorn_divergence(x, y, epsilon=torch.tensor(1.0))
