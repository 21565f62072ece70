"""Losses of boxes: their inequalities, and where their slopes vanish."""

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

LOSSES = [
    loss.function for loss in CATALOGUE if loss.chapter == "regression/boxes"
]

every_loss = pytest.mark.parametrize("loss", LOSSES)


def each(loss, *boxes):
    return loss(*boxes, reduction="none")


def slope(loss, input, target):
    input = input.detach().requires_grad_()
    return torch.autograd.grad(loss(input, target).sum(), input)[0]


def box(*numbers):
    return torch.tensor(numbers, dtype=torch.float64)


def centred(*numbers):
    """From centre and sides."""
    x, y, w, h = numbers
    return box(x - w / 2, y - h / 2, x + w / 2, y + h / 2)


def moved(pull):
    """The slope when the box moves as a whole, in x and in y."""
    return pull[..., :2] + pull[..., 2:]


def grown(pull):
    """The slope when the box grows about its centre, in w and in h."""
    return (pull[..., 2:] - pull[..., :2]) / 2


# Inequalities


def test_iou_is_below_the_others_and_diou_below_ciou_and_eiou(boxes):
    iou, giou, diou, ciou, eiou, siou = (each(f, *boxes) for f in LOSSES)
    for other in (giou, diou, siou):
        assert (iou <= other + 1e-12).all()
    assert (diou <= ciou).all() and (diou <= eiou).all()


def test_one_minus_iou_obeys_the_triangle_inequality(boxes):
    """The Jaccard distance is a metric."""
    x, y = boxes
    z = x.roll(1, dims=0)
    assert (each(iou_loss, x, z) <= each(iou_loss, x, y)
            + each(iou_loss, y, z) + 1e-12).all()  # fmt: skip


def test_only_equal_boxes_cost_nothing(boxes):
    x, _ = boxes
    nudge = 1e-3 * torch.eye(4, dtype=x.dtype)
    for loss in LOSSES:
        assert (each(loss, x, x) == 0).all()
        for step in nudge:
            assert (each(loss, x + step, x) > 0).all()


@pytest.mark.parametrize(
    ("loss", "bound", "extreme"),
    [
        (iou_loss, 1, box(9, 9, 10, 10)),
        (giou_loss, 2, box(1e9, 1e9, 1e9 + 1, 1e9 + 1)),
        (diou_loss, 2, box(1e9, 1e9, 1e9 + 1, 1e9 + 1)),
        (ciou_loss, 2.5, box(1e9, 1e9, 1e9 + 1, 1e9)),
        (eiou_loss, 3.25, box(1, 1, 1, 1)),
        (
            siou_loss,
            2 - math.exp(-2) + (1 - math.exp(-1)) ** 4,
            box(1e14, 1e6, 1e14 + 1e-3, 1e6 + 1e-3),
        ),
    ],
)
def test_the_bound_is_reached_in_the_limit(loss, bound, extreme, device):
    tall = box(0, 0, 1e-9 if loss is ciou_loss else 1, 1)
    value = loss(extreme, tall)
    if loss is siou_loss:  # of shape, a point far away; 1e6 is not far enough
        value = loss(box(1e12, 1e6, 1e12, 1e6), box(0, 0, 1, 1))
    assert bound - 1e-3 < value <= bound


# Where there is no slope


def test_disjoint_boxes_move_all_losses_but_iou(device):
    x, y = centred(5, 3, 2, 1), centred(0, 0, 1, 1)
    for loss in LOSSES:
        pull = moved(slope(loss, x, y))
        if loss is iou_loss:
            assert (slope(loss, x, y) == 0).all()
        else:
            assert (pull != 0).any()


@every_loss
def test_inside_another_box_iou_and_giou_do_not_move(loss, device):
    """Off centre: only who looks at centres is drawn to the middle."""
    for x, y in (
        (centred(1, -0.5, 1, 1), centred(0, 0, 4, 3)),
        (centred(1, -0.5, 6, 6), centred(0, 0, 2, 3)),
    ):
        pull = slope(loss, x, y)
        if loss in (iou_loss, giou_loss):
            torch.testing.assert_close(moved(pull), torch.zeros(2).double())
        else:
            assert (moved(pull) * box(1, -1) > 0).all()
        assert (grown(pull) != 0).all()


@every_loss
def test_on_the_same_centre_nothing_moves_and_everything_grows(loss, device):
    x, y = centred(0, 0, 2, 2), centred(0, 0, 4, 4)
    pull = slope(loss, x, y)
    torch.testing.assert_close(moved(pull), torch.zeros(2).double())
    assert (grown(pull) < 0).all()


def test_a_point_at_the_centre_is_stuck_under_iou_giou_and_diou(device):
    point, y = centred(0, 0, 0, 0), centred(0, 0, 4, 2)
    for loss in LOSSES:
        stuck = (slope(loss, point, y) == 0).all()
        assert stuck == (loss in (iou_loss, giou_loss, diou_loss, ciou_loss))


@pytest.mark.parametrize("loss", [giou_loss, diou_loss])
def test_the_pull_of_a_far_box_fades_like_two_over_the_distance_squared(
    loss, device
):
    """Unit boxes, d apart: 2 d / (d + 1) for GIoU's share."""
    for d in (1e2, 1e3, 1e4):
        x, y = centred(d, 0, 1, 1), centred(0, 0, 1, 1)
        pull = moved(slope(loss, x, y))[0].item()
        assert pull == pytest.approx(2 / d**2, rel=5 / d)


@pytest.mark.parametrize("loss", [giou_loss, diou_loss, ciou_loss])
def test_a_box_beside_its_target_is_told_to_grow(loss, device):
    x, y = centred(4, 0, 1, 1), centred(0, 0, 1, 1)
    assert grown(slope(loss, x, y))[0] < 0


def test_at_the_right_size_diou_ciou_and_eiou_are_one_loss(boxes):
    """So growing to get closer is as cheap under any of them."""
    x, _ = boxes
    y = x + box(1, -0.5, 1, -0.5)
    for loss in (ciou_loss, eiou_loss):
        torch.testing.assert_close(each(loss, x, y), each(diou_loss, x, y))
        torch.testing.assert_close(slope(loss, x, y), slope(diou_loss, x, y))


# GIoU


def test_nested_boxes_have_the_iou_loss_for_a_giou_loss(device):
    x, y = centred(1, -0.5, 1, 1), centred(0, 0, 4, 3)
    torch.testing.assert_close(giou_loss(x, y), iou_loss(x, y))
    torch.testing.assert_close(slope(giou_loss, x, y), slope(iou_loss, x, y))


# CIoU


def test_the_pull_of_the_aspect_ratio_never_scales_a_box(boxes):
    x, y = boxes
    turn = slope(ciou_loss, x, y) - slope(diou_loss, x, y)
    size = x[:, 2:] - x[:, :2]
    along = (grown(turn) * size).sum(-1)
    torch.testing.assert_close(along, torch.zeros_like(along))
    torch.testing.assert_close(moved(turn), torch.zeros_like(moved(turn)))


def test_alpha_is_a_constant_to_the_gradient(boxes):
    x, y = boxes

    def aspect(b):
        return torch.atan((b[:, 2] - b[:, 0]) / (b[:, 3] - b[:, 1]))

    v = 4 / math.pi**2 * (aspect(x) - aspect(y)) ** 2
    alpha = v / (each(iou_loss, x, y) + v)
    (pull,) = torch.autograd.grad(
        (alpha * 4 / math.pi**2 * (aspect(b := x.clone().requires_grad_())
                                   - aspect(y)) ** 2).sum(), b
    )  # fmt: skip
    torch.testing.assert_close(
        slope(partial(ciou_loss, reduction="sum"), x, y),
        slope(partial(diou_loss, reduction="sum"), x, y) + pull,
    )


def test_equal_aspects_make_ciou_the_diou(boxes):
    x, _ = boxes
    y = 1.5 * x + 0.3
    torch.testing.assert_close(each(ciou_loss, x, y), each(diou_loss, x, y))


# SIoU


def test_at_the_same_offsets_in_the_enclosing_box_a_diagonal_costs_less(
    device,
):
    """The angle lowers γ from 2 to 1, so it rewards 45° at equal ρ."""
    square, wide = centred(0, 0, 1, 1), centred(0, 0, 8, 1)
    diagonal = siou_loss(square + 3, square)
    aligned = siou_loss(wide + box(24, 3, 24, 3), wide)
    assert diagonal < aligned


@pytest.mark.parametrize("distance", [1.5, 3.0, 10.0])
def test_a_level_box_stands_on_a_ridge(distance, device):
    """To either side of the axis the loss falls, in the first order."""
    y = centred(0, 0, 1, 1)
    step = 1e-6
    level, left, right = (
        siou_loss(centred(x, distance, 1, 1), y) for x in (0, -step, step)
    )
    assert left < level > right
    rate = (level - right) / step
    rho = (distance / (distance + 1)) ** 2
    assert rate.item() == pytest.approx(
        rho * math.exp(-2 * rho) / distance, rel=1e-4
    )


@pytest.mark.parametrize("loss", [diou_loss, ciou_loss, eiou_loss])
def test_a_growing_diagonal_makes_a_ridge_as_well(loss, device):
    """ρ² grows with the square of a small offset, c² with the offset."""
    y, step = centred(0, 0, 1, 1), 1e-6
    level, right = (loss(centred(x, 3, 1, 1), y) for x in (0, step))
    rate = ((level - right) / step).item()
    assert rate == pytest.approx(2 * 3**2 / (1 + 4**2) ** 2, rel=1e-4)


def test_giou_alone_wants_boxes_level(device):
    y = centred(0, 0, 1, 1)
    left, level, right = (
        giou_loss(centred(x, 3, 1, 1), y) for x in (-0.1, 0, 0.1)
    )
    assert left > level < right
