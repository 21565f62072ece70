"""Losses of boxes: parity with peers, with loops from the papers, by hand."""

import math
from functools import partial

import pytest
import torch

from handbook_code import (
    ciou_loss,
    diou_loss,
    eiou_loss,
    giou_loss,
    iou_loss,
    siou_loss,
)
from handbook_code.catalogue import CATALOGUE
from naive import assert_agrees_with_loop
from peers import peer

LOSSES = [
    loss.function for loss in CATALOGUE if loss.chapter == "regression/boxes"
]
REDUCTIONS = ["none", "mean", "sum"]

every_loss = pytest.mark.parametrize("loss", LOSSES)


def slope(loss, input, target):
    input = input.detach().requires_grad_()
    return torch.autograd.grad(loss(input, target).sum(), input)[0]


def box(*numbers, dtype=torch.float32):
    return torch.tensor(numbers, dtype=dtype)


# Parity

TORCHVISION = {
    giou_loss: "generalized_box_iou_loss",
    diou_loss: "distance_box_iou_loss",
    ciou_loss: "complete_box_iou_loss",
}


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("loss", TORCHVISION)
def test_giou_diou_and_ciou_are_torchvision_s(loss, reduction, boxes):
    """In large units, where its ε (not forwarded by CIoU) is nothing."""
    theirs = getattr(peer("torchvision.ops"), TORCHVISION[loss])
    x, y = (1e4 * b for b in boxes)
    options = {"reduction": reduction}
    torch.testing.assert_close(loss(x, y, **options), theirs(x, y, **options))
    torch.testing.assert_close(
        slope(partial(loss, **options), x, y),
        slope(partial(theirs, **options), x, y),
    )


def test_giou_is_monai_s(boxes):
    """It takes batches (N, 4); its ε is the smallest step of float32."""
    theirs = peer("monai.losses").BoxGIoULoss(reduction="none")
    x, y = (1e4 * b for b in boxes)
    torch.testing.assert_close(
        giou_loss(x, y, reduction="none"), theirs(x, y).view(-1)
    )
    torch.testing.assert_close(
        slope(partial(giou_loss, reduction="none"), x, y), slope(theirs, x, y)
    )


def test_the_scores_of_torchmetrics_are_one_minus_the_losses(boxes):
    """All pairs at once, of which the diagonal is ours."""
    theirs = peer("torchmetrics.functional.detection")
    x, y = (1e4 * b[:50] for b in boxes)
    for loss, name in (
        (iou_loss, "intersection_over_union"),
        (giou_loss, "generalized_intersection_over_union"),
        (diou_loss, "distance_intersection_over_union"),
        (ciou_loss, "complete_intersection_over_union"),
    ):
        scores = getattr(theirs, name)(x, y, aggregate=False).diagonal()
        torch.testing.assert_close(loss(x, y, reduction="none"), 1 - scores)


def test_torchvision_is_not_ours_where_it_is_not_a_number(device):
    """A point, a line without height, small units."""
    ops = peer("torchvision.ops")
    unit, point, line = (
        box(0, 0, 1, 1),
        box(0.5, 0.5, 0.5, 0.5),
        box(0, 0, 1, 0),
    )
    assert ops.complete_box_iou_loss(point, unit).isnan()
    assert not slope(ops.complete_box_iou_loss, line, unit).isfinite().all()
    for first in (point, line):
        assert slope(ciou_loss, first, unit).isfinite().all()
    assert ops.generalized_box_iou_loss(1e-4 * unit, 1e-4 * unit) > 0.5
    assert giou_loss(1e-4 * unit, 1e-4 * unit) == 0


# Loops written from the papers, a box as four Python floats


def measures(b, g):
    """IoU, the enclosing box, the centres' distance, the sides."""
    shared = [
        max(0.0, min(b[k + 2], g[k + 2]) - max(b[k], g[k])) for k in (0, 1)
    ]
    sides = [[p[2] - p[0], p[3] - p[1]] for p in (b, g)]
    overlap = shared[0] * shared[1]
    union = sum(w * h for w, h in sides) - overlap
    hull = [max(b[k + 2], g[k + 2]) - min(b[k], g[k]) for k in (0, 1)]
    apart = [abs(b[k] + b[k + 2] - g[k] - g[k + 2]) / 2 for k in (0, 1)]
    return overlap / union, union, hull, apart, sides


def naive_iou(b, g):
    return 1 - measures(b, g)[0]


def naive_giou(b, g):
    iou, union, (width, height), _, _ = measures(b, g)
    return 1 - (iou - (width * height - union) / (width * height))


def naive_diou(b, g):
    iou, _, hull, apart, _ = measures(b, g)
    return 1 - iou + math.hypot(*apart) ** 2 / math.hypot(*hull) ** 2


def naive_eiou(b, g):
    _, _, hull, _, ((w, h), (w_t, h_t)) = measures(b, g)
    sides = (w - w_t) ** 2 / hull[0] ** 2 + (h - h_t) ** 2 / hull[1] ** 2
    return naive_diou(b, g) + sides


def naive_siou(b, g, theta=4.0):
    iou, _, hull, apart, (of_b, of_g) = measures(b, g)
    sine = apart[1] / math.hypot(*apart)
    angle = 1 - 2 * math.sin(math.asin(sine) - math.pi / 4) ** 2
    distance = shape = 0.0
    for k in (0, 1):
        rho = (apart[k] / hull[k]) ** 2
        distance += 1 - math.exp(-(2 - angle) * rho)
        omega = abs(of_b[k] - of_g[k]) / max(of_b[k], of_g[k])
        shape += (1 - math.exp(-omega)) ** theta
    return 1 - iou + (distance + shape) / 2


@pytest.mark.parametrize(
    ("loss", "loop"),
    [
        (iou_loss, naive_iou),
        (giou_loss, naive_giou),
        (diou_loss, naive_diou),
        (eiou_loss, naive_eiou),
        (siou_loss, naive_siou),
        (
            partial(siou_loss, theta=2.5),
            partial(naive_siou, theta=2.5),
        ),
    ],
)
def test_value_and_slope_are_those_of_a_loop_from_the_paper(loss, loop, boxes):
    each = partial(loss, reduction="none")
    assert_agrees_with_loop(each, loop, *boxes)


def test_the_value_of_ciou_is_that_of_a_loop_from_the_paper(boxes):
    """Not its slope, which takes α for a constant."""
    expected = []
    for b, g in zip(*(t.tolist() for t in boxes), strict=True):
        iou, *_, ((w, h), (w_t, h_t)) = measures(b, g)
        v = 4 / math.pi**2 * (math.atan(w_t / h_t) - math.atan(w / h)) ** 2
        expected.append(naive_diou(b, g) + v / (1 - iou + v) * v)
    actual = ciou_loss(*boxes, reduction="none")
    torch.testing.assert_close(actual, actual.new_tensor(expected))


# By hand


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        (iou_loss, 1 - 1 / 7),
        (giou_loss, 1 - 1 / 7 + 2 / 9),
        (diou_loss, 1 - 1 / 7 + 2 / 18),
        (ciou_loss, 1 - 1 / 7 + 2 / 18),
        (eiou_loss, 1 - 1 / 7 + 2 / 18),
        (siou_loss, 1 - 1 / 7 + 1 - math.exp(-1 / 9)),
    ],
)
def test_two_squares_by_hand(loss, expected, device):
    """Sides 2, one moved by (1, 1): I = 1, U = 7, C = 9.

    The centres are √2 apart, the diagonal is √18 long. Aspects and sides are
    the same. On the diagonal Λ = 1, so γ = 1, and (1 / 3)² = 1 / 9.
    """
    first, second = box(0, 0, 2, 2), box(1, 1, 3, 3)
    assert loss(first, second).item() == pytest.approx(expected)
    batch = torch.stack([first, second]), torch.stack([second, second])
    each = loss(*batch, reduction="none")
    assert each.tolist() == pytest.approx([expected, 0])
    assert loss(*batch).item() == pytest.approx(expected / 2)


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        (iou_loss, 1 / 2),
        (giou_loss, 1 / 2),
        (diou_loss, 1 / 2),
        (
            ciou_loss,
            1 / 2 + (4 / math.pi**2 * (math.atan(2) - math.pi / 4) ** 2),
        ),
        (eiou_loss, 3 / 4),
        (siou_loss, 1 / 2 + (1 - math.exp(-1 / 2)) ** 4 / 2),
    ],
)
def test_a_wide_box_around_a_square_by_hand(loss, expected, device):
    """4 × 2 around 2 × 2: I = 4, U = C = 8, and one centre."""
    value = loss(box(-2, -1, 2, 1), box(-1, -1, 1, 1)).item()
    if loss is ciou_loss:  # α = v / (1 / 2 + v)
        v = expected - 1 / 2
        expected = 1 / 2 + v**2 / (1 / 2 + v)
    assert value == pytest.approx(expected)


# Forms


@every_loss
def test_boxes_come_in_three_forms(loss, boxes):
    def of(form, b):
        first, last = b[..., :2], b[..., 2:]
        place = first if form == "xywh" else (first + last) / 2
        return torch.cat([place, last - first], dim=-1)

    expected = loss(*boxes, reduction="none")
    for form in ("xywh", "cxcywh"):
        actual = loss(
            *(of(form, b) for b in boxes), form=form, reduction="none"
        )
        torch.testing.assert_close(actual, expected)


@every_loss
@pytest.mark.parametrize("shape", [(4,), (7, 4), (2, 3, 4)])
def test_one_value_per_box(loss, shape, generator):
    x = torch.randn(shape, generator=generator)
    assert loss(x, x, reduction="none").shape == shape[:-1]
