"""Losses by distance: values by hand, forms of masks, messages."""

import pytest
import torch
from torch.nn.functional import (
    binary_cross_entropy_with_logits,
    cross_entropy,
    one_hot,
)

from handbook_code import (
    boundary_loss,
    distance_map_cross_entropy_loss,
    distance_penalty,
    hausdorff_loss,
    signed_distance_map,
    squared_distance_map,
)

MAPS = {
    boundary_loss: signed_distance_map,
    hausdorff_loss: squared_distance_map,
    distance_map_cross_entropy_loss: distance_penalty,
}
OF_PROBS = [boundary_loss, hausdorff_loss]

every_loss = pytest.mark.parametrize("loss", MAPS)
every_loss_of_probs = pytest.mark.parametrize("loss", OF_PROBS)


def masks_of(labels, classes):
    return one_hot(labels, classes).movedim(-1, 1).bool()


def with_slope(loss, probs, target, **options):
    probs = probs.detach().requires_grad_()
    value = loss(probs, target, **options)
    return value, *torch.autograd.grad(value.sum(), probs)


# By hand


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        # The map 2 1 0 -1 0 1, of which the last three are drawn.
        ({}, 0 / 6),
        ({"spacing": 0.5}, 0 / 6),
        # Given, whatever the mask: each drawn pixel counts its own number.
        ({"distance_map": torch.arange(6.0).view(1, 1, 6)}, 12 / 6),
    ],
)
def test_boundary_by_hand(options, expected, device):
    target = torch.tensor([[0, 0, 1, 1, 1, 0]])
    probs = torch.tensor([[[0.0, 0, 0, 1, 1, 1]]])
    if "distance_map" in options:
        options = {"distance_map": options["distance_map"].to(device)}
    value = boundary_loss(probs, target, **options)
    torch.testing.assert_close(value, torch.tensor(expected))


def test_the_truth_costs_what_lies_inside(device):
    """−1 of the one pixel that is not at the rim, over 6."""
    target = torch.tensor([[0, 0, 1, 1, 1, 0]])
    value = boundary_loss(target[:, None].float(), target)
    torch.testing.assert_close(value, torch.tensor(-1 / 6))


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        # Wrong are pixel 2, one away from both boundaries, and by half
        # pixel 0, three from the drawn boundary and two from the true one.
        ({}, (2 + (9 + 4) / 4) / 5),
        ({"alpha": 1.0}, (2 + 5 / 4) / 5),
        ({"alpha": 0.0}, (2 + 2 / 4) / 5),
        ({"spacing": 3.0}, 9 * (2 + (9 + 4) / 4) / 5),
        ({"distance_map": torch.ones(1, 1, 5)}, (2 + (9 + 1) / 4) / 5),
    ],
)
def test_hausdorff_by_hand(options, expected, device):
    target = torch.tensor([[0, 0, 1, 1, 1]])
    probs = torch.tensor([[[0.5, 0.0, 0.0, 1.0, 1.0]]])
    options = {
        name: v.to(device) if isinstance(v, torch.Tensor) else v
        for name, v in options.items()
    }
    value = hausdorff_loss(probs, target, **options)
    torch.testing.assert_close(value, torch.tensor(expected))


def test_distance_map_cross_entropy_by_hand(device):
    """Distances 2 1 1 2 3, of which 3 is the most: 1 + Φ is 2 less d/3."""
    target = torch.tensor([[1, 1, 0, 0, 0]])
    weight = 2 - torch.tensor([2.0, 1, 1, 2, 3]) / 3
    logits = torch.tensor([[[1.0, -2.0, 0.5, 3.0, 0.0]]])
    each = binary_cross_entropy_with_logits(
        logits[0], target.float(), reduction="none"
    )
    for given in (target, target[:, None].bool()):
        value = distance_map_cross_entropy_loss(
            logits, given, reduction="none"
        )
        torch.testing.assert_close(value, weight * each)
    two = torch.stack([torch.zeros_like(logits[:, 0]), logits[:, 0]], 1)
    torch.testing.assert_close(
        distance_map_cross_entropy_loss(two, target),
        (weight * each).mean(),
    )


def test_the_true_class_lends_its_distance(device):
    """Three classes in a row of 1, 2 and 3 pixels, each with its own map."""
    labels = torch.tensor([[0, 1, 1, 2, 2, 2]])
    logits = torch.randn(1, 3, 6)
    # Class 0 is 1 away at its pixel, at most 5; class 1 is 1 away at both of
    # its pixels, at most 3; class 2 is 1, 2, 3 away, at most 3.
    penalty = 1 - torch.tensor([1 / 5, 1 / 3, 1 / 3, 1 / 3, 2 / 3, 3 / 3])
    each = cross_entropy(logits, labels, reduction="none")
    value = distance_map_cross_entropy_loss(logits, labels, reduction="none")
    torch.testing.assert_close(value, (1 + penalty) * each)


# Forms


@every_loss
def test_a_map_may_be_given(loss, segmented, device):
    probs, labels = segmented
    value = with_slope(loss, probs, labels, spacing=(2.0, 0.7))
    made = MAPS[loss](labels, classes=4, spacing=(2.0, 0.7)).double()
    assert made.shape == probs.shape
    options = {"spacing": (2.0, 0.7)} if loss is hausdorff_loss else {}
    given = with_slope(loss, probs, labels, distance_map=made, **options)
    torch.testing.assert_close(given, value, rtol=1e-6, atol=1e-6)
    other = loss(probs, labels, distance_map=made + 1)
    assert not torch.allclose(other, value[0])


def test_one_weight_for_all_classes(segmented, device):
    """As the paper writes it: the map of a pixel, not that of its class."""
    logits, labels = segmented
    weight = torch.rand(labels.shape, dtype=torch.float64)
    expected = (1 + weight) * cross_entropy(logits, labels, reduction="none")
    for form in (weight, weight[:, None]):
        each = distance_map_cross_entropy_loss(
            logits, labels, distance_map=form, reduction="none"
        )
        torch.testing.assert_close(each, expected)


@every_loss
def test_indices_and_masks_are_the_same(loss, segmented, device):
    probs, labels = segmented
    expected = with_slope(loss, probs, labels)
    hot = masks_of(labels, 4)
    for target in (hot, hot.long(), hot.double(), hot.to(torch.uint8)):
        torch.testing.assert_close(with_slope(loss, probs, target), expected)
    short = with_slope(loss, probs, labels.short())
    torch.testing.assert_close(short, expected)


@every_loss
def test_one_channel_takes_any_mask(loss, mask, device):
    probs, target = mask
    expected = with_slope(loss, probs, target)
    for form in (target[:, 0], target.bool(), target[:, 0].long()):
        torch.testing.assert_close(with_slope(loss, probs, form), expected)


@every_loss
def test_channels_last_is_the_same(loss, segmented, device):
    probs, labels = segmented
    turned = probs.detach().to(memory_format=torch.channels_last)
    torch.testing.assert_close(
        with_slope(loss, turned, labels),
        with_slope(loss, probs, labels),
    )


@every_loss
def test_one_pixel_an_image(loss, device):
    """(N, K) with (N,): nothing has another side, and a step is a step."""
    probs = torch.rand(6, 3, dtype=torch.float64)
    labels = torch.arange(6) % 3
    torch.testing.assert_close(
        loss(probs, labels).reshape(()),
        loss(probs[..., None], labels[:, None]).reshape(()),
    )


@every_loss_of_probs
def test_a_value_for_each_image_and_class(loss, segmented, device):
    probs, labels = segmented
    whole = loss(probs, labels)
    for per_image in (False, True):
        for per_class in (False, True):
            each = loss(
                probs,
                labels,
                per_image=per_image,
                per_class=per_class,
                reduction="none",
            )
            assert each.shape == (2,) * per_image + (4,) * per_class
            torch.testing.assert_close(each.mean(), whole)
    torch.testing.assert_close(
        each[1, 2], loss(probs[1:, 2:3], masks_of(labels, 4)[1:, 2:3])
    )
    without = loss(probs, labels, background=False, reduction="none")
    torch.testing.assert_close(
        without, loss(probs, labels, reduction="none")[1:]
    )


@every_loss_of_probs
def test_one_channel_is_no_background(loss, mask, device):
    torch.testing.assert_close(loss(*mask, background=False), loss(*mask))


@every_loss
def test_in_thick_slices_each_slice_is_a_picture(loss, device):
    """A slice is ten times as thick as a pixel is wide: no way to the other
    side leads through another slice, where the region is in one of three."""
    probs = torch.rand(1, 2, 3, 4, 5, dtype=torch.float64)
    labels = torch.zeros(1, 3, 4, 5, dtype=torch.long)
    labels[0, 1, 1:3, 1:4] = 1
    flat = MAPS[loss](labels[:, 1], classes=2)
    for spacing, same in (((10.0, 1.0, 1.0), True), (None, False)):
        thick = MAPS[loss](labels, classes=2, spacing=spacing)
        if loss is not distance_map_cross_entropy_loss:  # its scale differs
            assert torch.equal(thick[:, :, 1], flat) or not same
        expected = loss(probs, labels, spacing=spacing)
        if loss is hausdorff_loss:
            continue
        given = loss(probs, labels, distance_map=thick)
        torch.testing.assert_close(given, expected, rtol=1e-6, atol=1e-6)
    assert not torch.allclose(
        loss(probs, labels), loss(probs, labels, spacing=(10.0, 1.0, 1.0))
    )


@every_loss
def test_half_precision_takes_the_dtype_of_prediction_and_mask(
    loss, segmented, device
):
    probs, labels = segmented
    assert loss(probs.half(), labels).dtype == torch.float16
    assert loss(probs.half(), masks_of(labels, 4)).dtype == torch.float16
    made = MAPS[loss](labels, classes=4)
    given = loss(probs.half(), labels, distance_map=made)
    assert given.dtype == torch.float16


def test_a_masked_logit_costs_nothing(device):
    logits = torch.tensor([[0.0, 1.0, -torch.inf]])[..., None].repeat(1, 1, 3)
    value, slope = with_slope(
        distance_map_cross_entropy_loss, logits, torch.tensor([[0, 1, 1]])
    )
    assert value.isfinite() and slope.isfinite().all()


def test_what_is_no_class_costs_nothing(segmented, device):
    logits, labels = segmented
    labels[0, 0, 5] = 255
    each = distance_map_cross_entropy_loss(logits, labels, reduction="none")
    assert each[0, 0, 5] == 0 and (each > 0).sum() == each.numel() - 1


# Messages


@every_loss
def test_the_wrong_form_is_told_both_shapes(loss, device):
    name = "logits" if loss not in OF_PROBS else "probs"
    probs = torch.full((2, 3, 4, 5), 0.3)
    for target, error in (
        (torch.zeros(2, 1, 4, 5).long(), ValueError),
        (torch.zeros(2, 5, 4).long(), ValueError),
        (torch.zeros(2, 4, 5), TypeError),
    ):
        with pytest.raises(error) as raised:
            loss(probs, target)
        assert str(raised.value) == (
            "target: expected a mask per class, (2, 3, 4, 5), or integer "
            f"classes, (2, 4, 5), got {target.dtype}, {tuple(target.shape)}"
        )
    with pytest.raises(
        ValueError, match=rf"^{name}: expected shape \(N, K, …\), got \(4,\)$"
    ):
        loss(torch.ones(4), torch.ones(4))


@every_loss
def test_a_map_has_the_shape_of_the_prediction(loss, device):
    name = "logits" if loss not in OF_PROBS else "probs"
    for probs, shape in (
        (torch.full((2, 3, 4, 5), 0.3), (2, 3, 5, 4)),
        (torch.full((2, 1, 4, 5), 0.3), (2, 4, 5)),
    ):
        target = torch.zeros(2, 4, 5).long()
        with pytest.raises(ValueError) as raised:
            loss(probs, target, distance_map=torch.zeros(shape))
        assert str(raised.value) == (
            f"distance_map: expected the shape of {name}, "
            f"{tuple(probs.shape)}, got {shape}"
        )
        with pytest.raises(TypeError, match=r"^distance_map: .* torch.int64$"):
            loss(probs, target, distance_map=torch.zeros(probs.shape).long())
        with pytest.raises(ValueError, match=r"^distance_map: .* the device"):
            loss(probs, target, distance_map=torch.zeros(shape, device="meta"))


@every_loss
@pytest.mark.parametrize(
    ("spacing", "error", "message"),
    [
        ((1.0, 2.0, 3.0), ValueError, "one for each of 2 axes, got 3"),
        (-1.0, ValueError, "expected a positive finite number, got -1.0"),
        ((1.0, 0.0), ValueError, "expected a positive finite number, got 0.0"),
        ((1.0, "2"), TypeError, "a positive finite number, got str"),
        (torch.ones(2), TypeError, "a sequence of numbers, got Tensor"),
    ],
)
def test_a_spacing_is_positive_numbers(loss, spacing, error, message, device):
    probs, target = torch.full((1, 1, 4, 5), 0.3), torch.zeros(1, 4, 5)
    with pytest.raises(error, match=rf"^spacing: .*{message}"):
        loss(probs, target, spacing=spacing)


def test_alpha_is_not_negative(device):
    probs, target = torch.full((1, 1, 4), 0.3), torch.zeros(1, 4)
    with pytest.raises(ValueError, match=r"^alpha: expected .* got -1.0$"):
        hausdorff_loss(probs, target, alpha=-1.0)
