"""Losses of boxes by their pass: the corners at which formulas have a bend."""

from itertools import product

import pytest
import torch

from handbook_code import _fused, ciou_loss, formulas_only, giou_loss
from handbook_code.catalogue import CATALOGUE

LOSSES = [
    loss.function for loss in CATALOGUE if loss.chapter == "regression/boxes"
]
every_loss = pytest.mark.parametrize("loss", LOSSES)


def both_roads(loss, x, y, pull=None, **options):
    """Value and slope by the pass, and by the formula."""
    roads = []
    for road in (loss, formulas_only()(loss)):
        x = x.detach().requires_grad_()
        value = road(x, y, **options)
        (slope,) = torch.autograd.grad(
            value, x, torch.ones_like(value) if pull is None else pull
        )
        roads.append((value.detach(), slope))
    return roads


@pytest.fixture
def lattice():
    """All pairs of boxes with corners on a small grid: ties of every kind.

    Points, lines, inverted, equal, touching, one inside the other.
    """
    corners = [0.0, 1.0, 2.0]
    sides = torch.tensor(list(product(corners, corners, corners, corners)))
    n = len(sides)
    first = sides.repeat_interleave(n, 0)
    return first.double(), sides.repeat(n, 1).double()


@every_loss
@pytest.mark.parametrize("form", ["xyxy", "xywh", "cxcywh"])
def test_ties_and_degenerate_boxes_are_those_of_the_formula(
    loss, form, lattice
):
    """Every slope of the 6561 pairs, in every form, in many blocks."""
    x, y = lattice
    if form != "xyxy":  # sizes of either sign
        x, y = (torch.cat([b[:, :2], b[:, 2:] - 1], 1) for b in (x, y))
    actual, expected = both_roads(loss, x, y, form=form, reduction="none")
    torch.testing.assert_close(actual, expected)


@every_loss
@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_blocks_are_one_batch(loss, reduction, dtype, boxes, monkeypatch):
    monkeypatch.setattr(_fused, "BLOCK", 100)
    x, y = (b.to(dtype) for b in boxes)
    actual, expected = both_roads(loss, x, y, reduction=reduction)
    tolerance = {"rtol": 1e-4, "atol": 1e-5} if dtype == torch.float32 else {}
    torch.testing.assert_close(actual, expected, **tolerance)


@every_loss
def test_boxes_lie_in_memory_in_any_way(loss, boxes):
    """Columns apart, transposed, expanded, with several axes of boxes."""
    x, y = (b.view(20, 30, 4) for b in boxes)
    apart = torch.stack([x, x], -1)[..., 0]
    columns = x.permute(2, 1, 0).contiguous().permute(2, 1, 0)
    one = y[:1, :1].expand_as(y)
    for a, b in ((apart, y), (columns, y), (x.mT.contiguous().mT, one)):
        pull = torch.rand(20, 30, dtype=x.dtype)
        actual, expected = both_roads(loss, a, b, pull, reduction="none")
        torch.testing.assert_close(actual, expected)


@every_loss
def test_one_box_that_is_not_a_number_spoils_no_other(loss, boxes):
    x, y = (b.clone() for b in boxes)
    x[3, 2], y[5, 0] = torch.nan, torch.nan
    (value, slope), expected = both_roads(loss, x, y, reduction="none")
    assert value.isnan().nonzero().flatten().tolist() == [3, 5]
    fine = ~value.isnan()
    torch.testing.assert_close(value, expected[0], equal_nan=True)
    torch.testing.assert_close(slope[fine], expected[1][fine])
    assert slope[3].isnan().any() and slope[5].isnan().any()


@every_loss
def test_one_box_alone(loss):
    x = torch.tensor([0.0, 0.0, 2.0, 2.0])
    actual, expected = both_roads(loss, x, x + 1)
    torch.testing.assert_close(actual, expected)


def test_a_slope_in_the_target_is_that_of_the_formula(boxes):
    x, y = (b.clone().requires_grad_() for b in boxes)
    right = torch.autograd.grad(giou_loss(y, x), (y, x))
    mirrored = torch.autograd.grad(giou_loss(x, y), (y, x))
    torch.testing.assert_close(mirrored, right)


def test_a_box_of_half_precision_beside_one_of_single(boxes):
    x, y = boxes[0].half(), boxes[1].float()
    (value, slope), (right, slope_right) = both_roads(ciou_loss, x, y)
    assert value.dtype == torch.float32 and slope.dtype == torch.float16
    torch.testing.assert_close(value, right)
    torch.testing.assert_close(slope, slope_right, rtol=2e-3, atol=1e-5)
