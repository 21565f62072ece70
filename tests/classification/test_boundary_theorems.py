"""Losses by distance: what is true of them, by name."""

import math

import pytest
import torch
from scipy.spatial.distance import directed_hausdorff

from handbook_code import (
    boundary_loss,
    cross_entropy_loss,
    distance_map_cross_entropy_loss,
    hausdorff_loss,
    mse_loss,
    signed_distance_map,
    squared_distance_map,
)

LOSSES = [boundary_loss, hausdorff_loss, distance_map_cross_entropy_loss]
every_loss = pytest.mark.parametrize("loss", LOSSES)


def discs(*radii, size=41, at=(20, 20)):
    """Masks (1, 1, size, size) of discs around a pixel."""
    side = torch.arange(size, dtype=torch.float64)
    y, x = torch.meshgrid(side - at[0], side - at[1], indexing="ij")
    return [(x**2 + y**2 <= r**2)[None, None].double() for r in radii]


def with_slope(loss, probs, target, **options):
    probs = probs.detach().requires_grad_()
    value = loss(probs, target, **options)
    return value, *torch.autograd.grad(value.sum(), probs)


# Empty, full


@every_loss
@pytest.mark.parametrize("true", [0.0, 1.0])
def test_where_there_is_no_boundary_errors_still_count(loss, true, device):
    """The slope pulls towards the mask at every pixel, and is finite."""
    target = torch.full((2, 1, 4, 5), true)
    for predicted in (0.0, 0.01, 0.4, 0.6, 0.99, 1.0):
        probs = torch.full_like(target, predicted)
        value, slope = with_slope(loss, probs, target)
        assert value.isfinite() and slope.isfinite().all()
        if predicted != true or loss is not hausdorff_loss:
            assert (slope.sign() == 1 - 2 * true).all()


def test_an_absent_class_is_punished_where_it_is_drawn(device):
    labels = torch.zeros(1, 6, 6, dtype=torch.long)
    labels[:, 2:4, 2:4] = 1
    probs = torch.full((1, 3, 6, 6), 1 / 3)
    for loss in (boundary_loss, hausdorff_loss):
        _, slope = with_slope(loss, probs, labels)
        assert (slope[:, 2] > 0).all()


def test_touching_regions_of_one_class_are_one_region(device):
    """A map knows a mask and no objects: the seam of two is inside."""
    mask = torch.zeros(1, 1, 5, 8)
    mask[..., 1:4, 1:4] = mask[..., 1:4, 4:7] = 1
    seam = signed_distance_map(mask)[0, 0, 2, 3:5]
    assert (seam == -1).all()
    classes = torch.zeros(1, 5, 8, dtype=torch.long)
    classes[:, 1:4, 1:4], classes[:, 1:4, 4:7] = 1, 2
    both = signed_distance_map(classes, classes=3)[0, :, 2, 3:5]
    assert both[1].tolist() == [0, 1] and both[2].tolist() == [1, 0]


# The boundary loss


def test_the_truth_is_best_and_its_complement_worst(generator, device):
    """The range: from the mean of the map's negative part to the positive."""
    target = (torch.rand(3, 2, 7, 8, generator=generator) < 0.4).double()
    phi = signed_distance_map(target)
    low, high = phi.clamp(max=0).mean(), phi.clamp(min=0).mean()
    torch.testing.assert_close(boundary_loss(target, target), low)
    torch.testing.assert_close(boundary_loss(1 - target, target), high)
    for _ in range(20):
        probs = torch.rand(3, 2, 7, 8, generator=generator).double()
        assert low <= boundary_loss(probs, target) <= high


def test_the_loss_is_linear(generator, device):
    target = torch.rand(1, 2, 7, 8, generator=generator).round().double()
    a, b = torch.rand(2, 1, 2, 7, 8, generator=generator).double()
    between = boundary_loss(0.3 * a + 0.7 * b, target)
    ends = 0.3 * boundary_loss(a, target) + 0.7 * boundary_loss(b, target)
    torch.testing.assert_close(between, ends)


def test_the_rim_of_the_region_is_free(device):
    """The map is 0 at pixels just inside: without them nothing is lost."""
    (target,) = discs(9)
    rim = signed_distance_map(target) == 0
    assert 20 < rim.sum() < 100
    thinner = torch.where(rim, 0, target)
    assert boundary_loss(thinner, target) == boundary_loss(target, target)


def test_a_loss_above_the_truth_s_is_what_is_wrong_by_its_distance(device):
    """Twice that is the squared distance of the contours, summed along the
    true one: 2πR h² for concentric circles, up to their curvature and the
    grid."""
    R, target = 30.0, discs(30, size=101, at=(50, 50))[0]
    for h in (6.0, 9.0, 12.0):
        (drawn,) = discs(R + h, size=101, at=(50, 50))
        more = boundary_loss(drawn, target) - boundary_loss(target, target)
        twice = 2 * drawn.numel() * more
        wrong = (drawn != target) * signed_distance_map(target).abs()
        torch.testing.assert_close(twice, 2 * wrong.sum().double())
        by_contour = 2 * math.pi * R * h**2 * (1 + 2 * h / (3 * R))
        assert twice.item() == pytest.approx(by_contour, rel=0.15)


def test_alone_it_empties_a_picture_of_a_small_object(device):
    """All pixels at one probability: the slope is the mean of the map."""
    (target,) = discs(4)
    p = torch.full_like(target, 0.5)
    _, slope = with_slope(boundary_loss, p, target)
    assert slope.sum() > 0
    _, slope = with_slope(mse_loss, p.fill_(0.01), target)
    assert slope.sum() < 0  # where squared errors turn back


def test_with_the_background_s_channel_misses_count_as_alarms(device):
    """Of two channels the difference is 2d − 1 outside and inside alike."""
    (target,) = discs(5)
    both = torch.cat([1 - target, target], 1)
    phi = signed_distance_map(both)
    difference = phi[:, 1] - phi[:, 0]
    d = squared_distance_map(target).sqrt()[:, 0]
    sign = 1 - 2 * target[:, 0]
    torch.testing.assert_close(difference.double(), sign * (2 * d - 1))


# The Hausdorff loss


def points(mask):
    return mask[0, 0].nonzero().cpu().numpy()


def hausdorff(a, b):
    return max(
        directed_hausdorff(points(a), points(b))[0],
        directed_hausdorff(points(b), points(a))[0],
    )


def test_the_hausdorff_distance_is_at_a_wrong_pixel(generator, device):
    """A false alarm is as far from the truth as the true map says, a miss as
    far from what is drawn as the other says; the largest is the distance."""
    for _ in range(20):
        a, b = torch.rand(2, 1, 1, 9, 11, generator=generator) < 0.1
        a[..., 0, 0] = b[..., 8, 10] = True
        to_a, to_b = (squared_distance_map(m).sqrt() for m in (a, b))
        largest = torch.maximum((b & ~a) * to_a, (a & ~b) * to_b).max()
        assert largest.item() == pytest.approx(hausdorff(a, b))


def test_a_root_of_the_sum_bounds_the_hausdorff_distance(generator, device):
    """The more closely the larger the power, but for the depth of what is
    wrong within its own region."""
    for _ in range(20):
        a, b = (torch.rand(2, 1, 1, 9, 11, generator=generator) < 0.3).double()
        roots = [
            (a.numel() * hausdorff_loss(a, b, alpha=alpha)) ** (1 / alpha)
            for alpha in (1.0, 2.0, 4.0, 16.0)
        ]
        assert roots == sorted(roots, reverse=True)
        assert roots[-1] > hausdorff(a, b) - 1e-6


def test_without_distance_it_is_twice_the_squared_error(generator, device):
    p = torch.rand(2, 3, 5, 6, generator=generator)
    t = torch.rand(2, 3, 5, 6, generator=generator).round()
    torch.testing.assert_close(
        hausdorff_loss(p, t, alpha=0.0), 2 * mse_loss(p, t)
    )


def test_a_soft_label_is_matched(generator, device):
    """Squared errors want the label itself, cross-entropy too where the map
    is one for all classes; the boundary loss asks only for its side."""
    t = torch.rand(1, 1, 5, 6, generator=generator).double()
    _, slope = with_slope(hausdorff_loss, t, t)
    assert (slope == 0).all()
    _, slope = with_slope(distance_map_cross_entropy_loss, t.logit(), t)
    torch.testing.assert_close(slope, torch.zeros_like(slope))
    torch.testing.assert_close(
        boundary_loss(t, t), boundary_loss(t, t.round())
    )


def test_a_soft_label_of_three_classes_is_bent_towards_the_near_one(device):
    """Each class has its own map: p is t (1 + Φ), normalised."""
    t = torch.tensor([[0.8, 0.1, 0.1], [0.2, 0.7, 0.1], [0.1, 0.1, 0.8]])
    t = t.mT[None].double()
    weight = 2 - squared_distance_map(t).sqrt() / squared_distance_map(
        t
    ).sqrt().amax(-1, keepdim=True)
    best = (t * weight) / (t * weight).sum(1, keepdim=True)
    assert not torch.allclose(best, t)
    _, slope = with_slope(distance_map_cross_entropy_loss, best.log(), t)
    torch.testing.assert_close(slope, torch.zeros_like(slope))


# The distance-map cross-entropy


def test_between_once_and_twice_the_cross_entropy(segmented, device):
    logits, labels = segmented
    plain = cross_entropy_loss(logits, labels, reduction="none")
    each = distance_map_cross_entropy_loss(logits, labels, reduction="none")
    assert (plain <= each).all() and (each < 2 * plain).all()
    nowhere = torch.zeros_like(labels)
    torch.testing.assert_close(
        distance_map_cross_entropy_loss(logits[:, :1], nowhere),
        -torch.nn.functional.logsigmoid(-logits[:, :1]).mean(),
    )


def test_two_classes_are_one_channel(generator, device):
    z = torch.randn(2, 1, 5, 6, generator=generator)
    labels = torch.randint(2, (2, 5, 6), generator=generator)
    two = torch.cat([torch.zeros_like(z), z], 1)
    torch.testing.assert_close(
        distance_map_cross_entropy_loss(two, labels),
        distance_map_cross_entropy_loss(z, labels),
    )


# Units


def test_in_other_units(segmented, device):
    """The boundary loss scales with the unit, the Hausdorff loss with its
    power, cross-entropy not at all."""
    probs, labels = segmented
    for loss, factor in zip(LOSSES, (2.5, 2.5**2, 1), strict=True):
        torch.testing.assert_close(
            loss(probs, labels, spacing=(2.5, 5.0)),
            factor * loss(probs, labels, spacing=(1.0, 2.0)),
        )


@every_loss
def test_a_map_is_a_constant(loss, generator, device):
    """No gradient in the target, and none through a drawn boundary."""
    p = torch.rand(1, 1, 6, 6, generator=generator).double()
    t = torch.rand(1, 1, 6, 6, generator=generator).double()
    made = torch.ones_like(p)
    drawn = squared_distance_map(p) if loss is hausdorff_loss else 0
    true = {
        boundary_loss: signed_distance_map(t),
        hausdorff_loss: squared_distance_map(t),
        distance_map_cross_entropy_loss: made,
    }[loss]
    _, slope = with_slope(loss, p, t, distance_map=true)
    if loss is boundary_loss:
        expected = true / p.numel()
    elif loss is hausdorff_loss:
        expected = 2 * (p - t) * (true + drawn) / p.numel()
    else:
        expected = 2 * (p.sigmoid() - t) / p.numel()
    torch.testing.assert_close(slope, expected)


def test_a_large_picture_in_half_precision(device):
    """The slope is right; the value, here beyond 65504, is not finite."""
    probs = torch.full((1, 1, 512, 512), 0.49, dtype=torch.float16)
    target = torch.zeros(1, 512, 512, dtype=torch.long)
    target[:, 250:260, 250:260] = 1
    value, slope = with_slope(hausdorff_loss, probs, target)
    assert value.isinf() and slope.isfinite().all() and (slope != 0).any()
    assert hausdorff_loss(probs.float(), target).isfinite()
    small = hausdorff_loss(probs, target, spacing=1 / 512)
    assert small.isfinite()
