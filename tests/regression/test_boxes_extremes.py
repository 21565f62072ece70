"""Losses of boxes: no area, no number, half precision; every message."""

import math

import pytest
import torch

from handbook_code import ciou_loss, siou_loss
from handbook_code.catalogue import CATALOGUE

LOSSES = [
    loss.function for loss in CATALOGUE if loss.chapter == "regression/boxes"
]

every_loss = pytest.mark.parametrize("loss", LOSSES)


def slope(loss, input, target):
    input = input.detach().requires_grad_()
    return torch.autograd.grad(loss(input, target).sum(), input)[0]


def box(*numbers, dtype=torch.float32):
    return torch.tensor(numbers, dtype=dtype)


# Extremes

DEGENERATE = {
    "point": (1.0, 1, 1, 1),
    "line": (1.0, 1, 1, 3),
    "inverted": (2.0, 2, 1, 1),
    "inverted in x": (2.0, 0, 1, 3),
    "unit": (0.0, 0, 1, 1),
}


@every_loss
@pytest.mark.parametrize("first", DEGENERATE)
@pytest.mark.parametrize("second", DEGENERATE)
def test_boxes_without_area_have_a_value_and_a_slope(
    loss, first, second, device
):
    x, y = box(*DEGENERATE[first]), box(*DEGENERATE[second])
    value, pull = loss(x, y), slope(loss, x, y)
    assert value.isfinite() and pull.isfinite().all()
    assert (value >= 1) if first != second else (value == 0)
    again = torch.func.hessian(loss)(x, y)
    assert again.isfinite().all()


@every_loss
@pytest.mark.parametrize("size", [1e-6, 1.0, 1e6])
def test_equal_boxes_cost_nothing_and_pull_nowhere(loss, size, boxes):
    x = size * boxes[0]
    for dtype in (torch.float32, torch.float64):
        same = x.to(dtype)
        assert (loss(same, same, reduction="none") == 0).all()
        assert (slope(loss, same, same).abs() <= 1e-4 / size).all()


@every_loss
def test_nan_and_infinity_are_not_hidden(loss, device):
    unit = box(0, 0, 1, 1)
    assert loss(box(0, 0, 1, math.nan), unit).isnan()
    assert loss(unit, box(math.nan, 0, 1, 1)).isnan()
    assert not loss(box(0, 0, math.inf, math.inf), unit) < 1


@every_loss
def test_large_boxes_do_not_overflow_half_precision(loss, device):
    x = box(0, 0, 1000, 1000, dtype=torch.float16)
    y = box(0, 0, 1000, 500, dtype=torch.float16)
    wide = loss(x.double(), y.double())
    assert (x[2] * x[3]).isinf()
    assert loss(x, y).item() == pytest.approx(wide.item(), rel=1e-3)
    assert slope(loss, x, y).isfinite().all()


def test_a_thin_box_has_a_steep_but_finite_ciou(device):
    """The slope of v is about 8 / π² times one over the size."""
    y = box(0, 0, 1, 2, dtype=torch.float64)
    for size in (1e-2, 1e-4, 1e-6):
        x = size * box(0, 0, 2, 1, dtype=torch.float64)
        steep = slope(ciou_loss, x, y).abs().max()
        assert 0.01 / size < steep < 1 / size


@every_loss
def test_an_inverted_box_costs_at_least_one_even_if_its_corners_fit(
    loss, device
):
    assert loss(box(1, 1, 0, 0), box(0, 0, 1, 1)) >= 1


@every_loss
def test_far_boxes_are_exact_to_single_precision(loss, boxes):
    """A small pair, a thousand units from the origin."""
    x, y = (b.float() + 1024 for b in boxes)
    torch.testing.assert_close(
        loss(x, y, reduction="none").double(),
        loss(x.double(), y.double(), reduction="none"),
        rtol=1e-5,
        atol=2e-6,
    )


# Messages


@every_loss
@pytest.mark.parametrize(
    ("form", "meaning"),
    [
        ("xyxy", "boxes x1, y1, x2, y2"),
        ("xywh", "boxes x1, y1, width, height"),
        ("cxcywh", "boxes of centre x, y, width, height"),
    ],
)
def test_the_last_axis_has_four_numbers(loss, form, meaning, device):
    with pytest.raises(
        ValueError,
        match=rf"^input: expected {meaning}, \(4, 4\), got \(4, 9\)$",
    ):
        loss(torch.ones(4, 9), torch.ones(4, 9), form=form)
    with pytest.raises(ValueError, match=r"^input: .* \(4,\), got \(\)$"):
        loss(torch.ones(()), torch.ones(()), form=form)


@every_loss
def test_boxes_come_in_pairs(loss, device):
    with pytest.raises(
        ValueError,
        match=r"^target: expected the shape of input, \(3, 4\), got \(4,\)$",
    ):
        loss(torch.ones(3, 4), torch.ones(4))


@every_loss
def test_an_unknown_form_is_refused(loss, device):
    with pytest.raises(
        ValueError,
        match=r"^form: expected 'xyxy', 'xywh' or 'cxcywh', got 'yolo'$",
    ):
        loss(torch.ones(3, 4), torch.ones(3, 4), form="yolo")
    with pytest.raises(ValueError, match=r"^form: .* got \['xyxy'\]$"):
        loss(torch.ones(3, 4), torch.ones(3, 4), form=["xyxy"])


@every_loss
def test_pixels_as_integers_are_refused(loss, device):
    with pytest.raises(
        TypeError,
        match=r"^target: expected a floating-point tensor, got torch.int64$",
    ):
        loss(torch.ones(3, 4), torch.ones(3, 4).long())


@pytest.mark.parametrize("theta", [0.99, -1, math.inf, math.nan])
def test_theta_is_at_least_one(theta, device):
    with pytest.raises(
        ValueError,
        match=rf"^theta: expected a finite number of at least 1, got {theta}$",
    ):
        siou_loss(torch.ones(3, 4), torch.ones(3, 4), theta=theta)
    with pytest.raises(TypeError, match=r"^theta: .* got str$"):
        siou_loss(torch.ones(3, 4), torch.ones(3, 4), theta="4")
