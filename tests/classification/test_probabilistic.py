"""Losses of a probability: values by hand and extremes."""

import math
from functools import partial

import pytest
import torch
import torch.nn.functional as F

from handbook_code import (
    class_weights,
    cross_entropy_loss,
    focal_loss,
    poly1_loss,
    poly_loss,
    softmax_focal_loss,
)

OF_CLASSES = [
    cross_entropy_loss,
    softmax_focal_loss,
    poly1_loss,
    partial(poly_loss, coefficients=[1.0, 0.5]),
]

every_loss_of_classes = pytest.mark.parametrize("loss", OF_CLASSES)


def slope(loss, logits, target, **options):
    logits = logits.detach().requires_grad_()
    return torch.autograd.grad(loss(logits, target, **options).sum(), logits)[
        0
    ]


@pytest.fixture
def batch(generator):
    """Five classes on a 2 × 3 grid, and an index for each of its places."""
    z = 3 * torch.randn(7, 5, 2, 3, generator=generator, dtype=torch.float64)
    return z, torch.randint(5, (7, 2, 3), generator=generator)


def one_hot(target, classes):
    return F.one_hot(target, classes).movedim(-1, 1)


# By hand


def test_cross_entropy_by_hand(device):
    """Probabilities 1/2 and 1/4 of the truth; half of ε = 0.2 each."""
    z = torch.tensor([[0.0, 0.0], [math.log(3), 0.0]])
    t = torch.tensor([0, 1])
    each = cross_entropy_loss(z, t, reduction="none")
    torch.testing.assert_close(each, torch.tensor([2.0, 4.0]).log())
    smooth = cross_entropy_loss(z, t, label_smoothing=0.2, reduction="none")
    expected = [math.log(2), 0.9 * math.log(4) + 0.1 * math.log(4 / 3)]
    torch.testing.assert_close(smooth, torch.tensor(expected))


def test_the_weighted_mean_divides_by_the_weights_of_what_counts(device):
    """(3 log 2 + 1 log 4) / (3 + 1), and not over two; the third is out."""
    z = torch.tensor([[0.0, 0.0], [math.log(3), 0.0], [9.0, 9.0]])
    t = torch.tensor([0, 1, -100])
    weight = torch.tensor([3.0, 1.0])
    loss = cross_entropy_loss(z, t, weight=weight)
    assert loss.item() == pytest.approx(5 * math.log(2) / 4)
    each = cross_entropy_loss(z, t, weight=weight, reduction="none")
    assert each.tolist() == pytest.approx([3 * math.log(2), math.log(4), 0])


def test_an_ignored_class_stays_in_the_softmax(device):
    z = torch.zeros(1, 3)
    loss = cross_entropy_loss(z, torch.tensor([0]), ignore_index=2)
    assert loss.item() == pytest.approx(math.log(3))


@pytest.mark.parametrize(
    ("y", "expected"),
    [
        (1, 0.25 * 0.25**2 * math.log(4 / 3)),
        (0, 0.75 * 0.75**2 * math.log(4)),
    ],
)
def test_focal_by_hand(y, expected, device):
    """p = 3/4: right by a quarter of doubt, or wrong by three of them."""
    z, y = torch.tensor([math.log(3)]), torch.tensor([float(y)])
    assert focal_loss(z, y).item() == pytest.approx(expected)
    plain = focal_loss(z, y, alpha=None, gamma=0.0)
    bce = F.binary_cross_entropy_with_logits(z, y)
    torch.testing.assert_close(plain, bce)


def test_softmax_focal_and_poly_by_hand(device):
    """p = (1/2, 1/4, 1/4), so that 1 − pₜ is 1/2 or 3/4."""
    z = torch.tensor([[2.0, 1.0, 1.0], [2.0, 1.0, 1.0]]).log()
    t = torch.tensor([0, 1])
    q = torch.tensor([0.5, 0.75])
    ce = torch.tensor([2.0, 4.0]).log()
    for loss, expected in (
        (softmax_focal_loss, q**2 * ce),
        (partial(softmax_focal_loss, gamma=0.5), q.sqrt() * ce),
        (poly1_loss, ce + q),
        (partial(poly1_loss, epsilon=-1.0), ce - q),
        (partial(poly_loss, coefficients=[3, 0, 2]), 3 * q + 2 * q**3),
    ):
        torch.testing.assert_close(loss(z, t, reduction="none"), expected)
        torch.testing.assert_close(loss(z, t), expected.mean())


def test_class_weights_by_hand(device):
    """90 and 10 samples; with β = 1/2, E = 2 (1 − 2⁻ⁿ) is 1 and 3/2."""
    balanced = class_weights(torch.tensor([90, 10]))
    torch.testing.assert_close(balanced, torch.tensor([100 / 180, 100 / 20]))
    effective = class_weights(torch.tensor([1.0, 2.0]), beta=0.5)
    scale = 3 / (1 + 2 * 2 / 3)
    expected = torch.tensor([scale, scale * 2 / 3])
    torch.testing.assert_close(effective, expected)


def test_a_class_without_samples_weighs_nothing(device):
    for beta in (None, 0.0, 0.9):
        weight = class_weights([0, 5, 5], beta=beta)
        assert weight[0] == 0 and weight[1:].tolist() == [1, 1]


# Extremes


@every_loss_of_classes
def test_nothing_that_counts_is_a_differentiable_nothing(loss, batch):
    z, t = batch
    nothing = torch.full_like(t, -100)
    zero = torch.zeros(5, dtype=z.dtype)
    for target, options in ((nothing, {}), (t, {"weight": zero})):
        for reduction in ("mean", "sum"):
            out = loss(z.requires_grad_(), target, reduction=reduction,
                       **options)  # fmt: skip
            (pull,) = torch.autograd.grad(out, z)
            assert out == 0 and (pull == 0).all()


@every_loss_of_classes
@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
def test_confident_logits_are_exact_and_their_slope_finite(
    loss, dtype, device
):
    z = torch.tensor([[3e4, -3e4, 0], [0, 0, 3e4]], dtype=dtype)
    t = torch.tensor([0, 0])
    each = loss(z, t, reduction="none")
    pull = slope(loss, z, t, reduction="none")
    assert each.isfinite().all() and pull.isfinite().all()
    assert each[0] == 0 and (pull[0] == 0).all()


@pytest.mark.parametrize("gamma", [0.1, 0.5, 0.99, 2.0])
@pytest.mark.parametrize("size", [20.0, 200.0, 3e38])
def test_a_sure_sample_has_a_finite_focal_slope(gamma, size, device):
    z = torch.tensor([size, -size])
    y = torch.ones(2)
    pull = slope(partial(focal_loss, gamma=gamma, alpha=None), z, y)
    assert pull.isfinite().all() and abs(2 * pull[1] + 1) < 1e-3
    rows = torch.stack([z, torch.zeros(2)], dim=1)
    loss = partial(softmax_focal_loss, gamma=gamma)
    assert slope(loss, rows, torch.zeros(2).long()).isfinite().all()


def test_the_focus_on_a_sure_sample_is_as_exact_as_on_a_doubtful_one(device):
    """1 − p = e⁻⁴⁰: in float32 it is no difference from one."""
    z = torch.tensor([40.0])
    expected = math.exp(-40 * 0.5) * math.exp(-40)
    loss = focal_loss(z, torch.ones(1), alpha=None, gamma=0.5)
    assert loss.item() == pytest.approx(expected, rel=1e-5)
    rows = torch.tensor([[40.0, 0.0]])
    loss = softmax_focal_loss(rows, torch.tensor([0]), gamma=0.5)
    assert loss.item() == pytest.approx(expected, rel=1e-5)


@every_loss_of_classes
def test_a_masked_class_costs_nothing(loss, device):
    """A logit of −∞ takes a class away; the others are as without it."""
    z = torch.tensor([[1.0, -math.inf, 0.5], [0.2, -math.inf, 0.3]])
    t = torch.tensor([0, 2])
    expected = loss(z[:, [0, 2]], torch.tensor([0, 1]))
    torch.testing.assert_close(loss(z, t), expected)
    assert slope(loss, z, t).isfinite().all()
    alone = torch.tensor([[1.0, -math.inf]])
    assert loss(alone, torch.tensor([0])) == 0
    assert (slope(loss, alone, torch.tensor([0])) == 0).all()


@pytest.mark.parametrize("junk", [-math.inf, math.inf, math.nan])
@pytest.mark.parametrize(
    "loss",
    [softmax_focal_loss, poly1_loss, partial(poly_loss, coefficients=[1.0])],
)
def test_what_is_ignored_changes_nothing_whatever_it_is(loss, junk, device):
    z = torch.tensor([[junk, 0.3, 1.0], [0.2, 0.5, -1.0]])
    t = torch.tensor([-100, 1])
    torch.testing.assert_close(loss(z, t), loss(z[1:], t[1:]))
    pull = slope(loss, z, t)
    assert (pull[0] == 0).all() and pull[1].isfinite().all()
    assert loss(z[:1], t[:1]) == 0


def test_smoothing_gives_a_masked_class_its_share_and_that_is_infinite(device):
    z = torch.tensor([[1.0, -math.inf, 0.5]])
    t = torch.tensor([0])
    rows = one_hot(t, 3).float()
    for target in (t, rows):
        assert cross_entropy_loss(z, target).isfinite()
        smooth = cross_entropy_loss(z, target, label_smoothing=0.1)
        assert smooth == math.inf


def test_a_soft_target_of_a_masked_class_has_a_finite_slope(device):
    z = torch.tensor([[1.0, -math.inf, 0.5]])
    q = torch.tensor([[0.5, 0.0, 0.5]], requires_grad=True)
    (pull,) = torch.autograd.grad(cross_entropy_loss(z, q), q)
    assert pull.isfinite().all()
    assert slope(cross_entropy_loss, z, q.detach()).isfinite().all()
