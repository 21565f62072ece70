"""Losses of one margin: parity, values by hand, extremes and messages."""

import math
from functools import partial

import pytest
import torch
import torch.nn.functional as F
from sklearn.metrics import hinge_loss as sklearn_hinge_loss
from sklearn.svm import LinearSVC

from handbook_code import (
    exponential_loss,
    hinge_loss,
    ramp_loss,
    smoothed_hinge_loss,
    squared_hinge_loss,
)
from handbook_code.catalogue import CATALOGUE

LOSSES = [
    loss.function
    for loss in CATALOGUE
    if loss.chapter == "classification/margin"
]
REDUCTIONS = ["none", "mean", "sum"]

every_loss = pytest.mark.parametrize("loss", LOSSES)


def slope(loss, input, target):
    input = input.detach().requires_grad_()
    return torch.autograd.grad(loss(input, target).sum(), input)[0]


def of_margin(loss, z):
    return loss(z, torch.ones_like(z), reduction="none")


# Parity


def test_hinge_is_scikit_learn_s(pair):
    x, y = (tensor.cpu().numpy() for tensor in pair)
    expected = sklearn_hinge_loss(y, x)
    assert hinge_loss(*pair).item() == pytest.approx(expected)


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_hinge_is_twice_torch_s_multi_margin_loss_of_two_scores(
    reduction, pair
):
    x, y = pair
    scores = torch.stack([-x / 2, x / 2], dim=1)
    theirs = F.multi_margin_loss(scores, (y > 0).long(), reduction=reduction)
    torch.testing.assert_close(
        hinge_loss(x, y, reduction=reduction), 2 * theirs
    )


def test_hinge_is_not_torch_s_hinge_embedding_loss(pair):
    x, y = pair
    theirs = F.hinge_embedding_loss(x, y, reduction="none")
    ours = hinge_loss(x, y, reduction="none")
    assert not torch.allclose(ours, theirs)
    torch.testing.assert_close(theirs[y > 0], x[y > 0])


def test_four_smoothed_hinges_are_scikit_learn_s_modified_huber(pair):
    sgd = pytest.importorskip("sklearn.linear_model._sgd_fast")
    if not hasattr(sgd.ModifiedHuber(), "py_loss"):
        pytest.skip("this scikit-learn does not show its losses")
    theirs = [
        sgd.ModifiedHuber().py_loss(score, label)
        for score, label in zip(*(t.tolist() for t in pair), strict=True)
    ]
    ours = smoothed_hinge_loss(*pair, gamma=2.0, reduction="none")
    torch.testing.assert_close(4 * ours, ours.new_tensor(theirs))


def test_the_squared_hinge_is_the_default_of_linear_svc():
    assert LinearSVC().loss == "squared_hinge"


# By hand


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        (hinge_loss, [4, 1.5, 0.5, 0]),
        (squared_hinge_loss, [16, 2.25, 0.25, 0]),
        (smoothed_hinge_loss, [3.5, 1, 0.125, 0]),
        (partial(smoothed_hinge_loss, gamma=2.0), [3, 0.5625, 0.0625, 0]),
        (ramp_loss, [2, 1.5, 0.5, 0]),
        (partial(ramp_loss, s=0.0), [1, 1, 0.5, 0]),
        (exponential_loss, [math.e**3, math.e**0.5, math.e**-0.5, math.e**-2]),
    ],
)
def test_by_hand(loss, expected, device):
    """Margins −3, −1/2, 1/2 and 2, from scores of either sign."""
    x, y = torch.tensor([3.0, -0.5, -0.5, 2]), torch.tensor([-1.0, 1, -1, 1])
    each = loss(x, y, reduction="none")
    torch.testing.assert_close(each, torch.tensor(expected))
    torch.testing.assert_close(loss(x, y), each.mean())
    torch.testing.assert_close(loss(x, y, reduction="sum"), each.sum())


# Extremes


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
@pytest.mark.parametrize(
    ("loss", "value", "pull"),
    [
        (hinge_loss, 1e4, -1),
        (smoothed_hinge_loss, 1e4, -1),
        (ramp_loss, 2, 0),
    ],
)
def test_a_hopeless_margin_pulls_with_a_bounded_force(
    loss, value, pull, dtype, device
):
    x = torch.tensor([-1e4, 1e4], dtype=dtype)
    one = torch.ones_like(x)
    each = loss(x, one, reduction="none")
    assert each.dtype == dtype
    assert each.tolist() == pytest.approx([value, 0], rel=1e-3)
    assert (2 * slope(loss, x, one)).tolist() == [pull, 0]


def test_the_squared_hinge_of_a_half_precision_score_is_squared_in_float32(
    device,
):
    """The mean fits in float16, the square of 301 does not."""
    x = torch.tensor([-300.0, 9, 9, 9], dtype=torch.float16)
    one = torch.ones_like(x)
    assert squared_hinge_loss(x, one).item() == pytest.approx(
        301**2 / 4, rel=1e-3
    )
    x = torch.tensor([-1e4], dtype=torch.float32)
    loss = squared_hinge_loss(x, torch.ones(1))
    assert loss.item() == pytest.approx((1e4 + 1) ** 2)


def test_the_smoothed_hinge_of_a_tiny_gamma_does_not_overflow(device):
    x = torch.tensor([-1e4, 0.5])
    loss = partial(smoothed_hinge_loss, gamma=1e-30)
    torch.testing.assert_close(of_margin(loss, x), of_margin(hinge_loss, x))
    assert slope(loss, x, torch.ones(2)).tolist() == [-0.5, -0.5]


@pytest.mark.parametrize(
    ("dtype", "last"), [(torch.float32, 88), (torch.float64, 709)]
)
def test_the_exponential_overflows_one_margin_too_far(dtype, last, device):
    x = torch.tensor([-last, -last - 1, 1e4], dtype=dtype)
    each = of_margin(exponential_loss, x)
    assert each.isfinite().tolist() == [True, False, True]
    assert each[2] == 0


def test_a_half_precision_exponential_is_computed_in_float32(device):
    """e^12 is beyond float16; the mean of it and 15 zeros is not."""
    x = torch.full((16,), 60.0, dtype=torch.float16)
    x[0] = -12
    loss = exponential_loss(x, torch.ones_like(x))
    assert loss.item() == pytest.approx(math.e**12 / 16, rel=1e-3)


@every_loss
def test_an_infinite_score_on_the_right_side_is_free_and_nan_stays(
    loss, device
):
    x = torch.tensor([math.inf, math.nan])
    each = of_margin(loss, x)
    assert each[0] == 0 and each[1].isnan()


# Messages


@every_loss
def test_shapes_are_never_broadcast(loss, device):
    with pytest.raises(
        ValueError,
        match=r"^target: expected the shape of input, \(64, 1\), got \(64,\)$",
    ):
        loss(torch.ones(64, 1), torch.ones(64))


@every_loss
def test_integer_labels_and_an_unknown_reduction_are_refused(loss, device):
    ones = torch.ones(3)
    with pytest.raises(
        TypeError,
        match=r"^target: expected a floating-point tensor, got torch.int64$",
    ):
        loss(ones, ones.long())
    with pytest.raises(
        ValueError,
        match=r"^reduction: expected 'none', 'mean' or 'sum', got 'average'$",
    ):
        loss(ones, ones, reduction="average")


@pytest.mark.parametrize("gamma", [0.0, -1.0, math.inf, math.nan])
def test_gamma_is_positive_and_finite(gamma, device):
    with pytest.raises(
        ValueError,
        match=r"^gamma: expected a positive finite number, got ",
    ):
        smoothed_hinge_loss(torch.ones(3), torch.ones(3), gamma=gamma)


@pytest.mark.parametrize("s", [1.0, 2.0, -math.inf, math.nan])
def test_s_is_below_one_and_finite(s, device):
    with pytest.raises(
        ValueError, match=r"^s: expected a finite number below 1, got "
    ):
        ramp_loss(torch.ones(3), torch.ones(3), s=s)


@pytest.mark.parametrize(
    ("loss", "name"), [(smoothed_hinge_loss, "gamma"), (ramp_loss, "s")]
)
def test_a_parameter_is_one_number(loss, name, device):
    with pytest.raises(
        TypeError, match=rf"^{name}: expected a .* number.*, got str$"
    ):
        loss(torch.ones(3), torch.ones(3), **{name: "half"})
