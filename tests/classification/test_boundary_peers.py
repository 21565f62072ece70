"""Losses by distance against other people's, and where these differ."""

from functools import partial

import numpy as np
import pytest
import torch
from scipy.ndimage import distance_transform_edt
from torch.nn.functional import cross_entropy, one_hot

from handbook_code import (
    boundary_loss,
    distance_map_cross_entropy_loss,
    hausdorff_loss,
    signed_distance_map,
)
from peers import peer


def masks_of(labels, classes=3):
    return one_hot(labels, classes).movedim(-1, 1).double()


def assert_same(ours, theirs, *arguments):
    """In value and in gradient; theirs counts distances in float32."""
    first, *rest = arguments
    results = []
    for loss in (ours, theirs):
        first = first.detach().requires_grad_()
        value = loss(first, *rest)
        slope = torch.autograd.grad(value.sum(), first)
        results.append((value.squeeze(), *slope))
    torch.testing.assert_close(*results, rtol=1e-6, atol=1e-6)


@pytest.fixture(params=[(9, 8), (4, 5, 6)], ids=["flat", "volume"])
def images(request, generator):
    """Probabilities of three classes, each of them drawn, each true."""
    shape = request.param
    logits = 3 * torch.randn(2, 3, *shape, generator=generator).double()
    labels = torch.randint(3, (2, *shape), generator=generator)
    return logits.softmax(1), labels


# MONAI: probabilities, a value for each image and class


@pytest.mark.parametrize("background", [True, False])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_monai_s_boundary(images, reduction, background):
    monai = peer("monai.losses")
    probs, labels = images
    theirs = monai.BoundaryLoss(
        include_background=background, reduction=reduction
    )
    ours = partial(
        boundary_loss,
        background=background,
        per_image=True,
        reduction=reduction,
    )
    assert_same(ours, theirs, probs, masks_of(labels))


@pytest.mark.parametrize("background", [True, False])
@pytest.mark.parametrize("alpha", [0.5, 1.0, 2.0, 3.0])
def test_monai_s_hausdorff(images, alpha, background):
    monai = peer("monai.losses")
    probs, labels = images
    for reduction in ("mean", "sum", "none"):
        theirs = monai.HausdorffDTLoss(
            alpha=alpha, include_background=background, reduction=reduction
        )
        ours = partial(
            hausdorff_loss,
            alpha=alpha,
            background=background,
            per_image=True,
            reduction=reduction,
        )
        target = masks_of(labels)
        assert_same(ours, theirs, probs, target)


def test_monai_leaves_the_background_out_of_one_loss_only():
    """By default: in, and out. Ours is in for both."""
    monai = peer("monai.losses")
    assert monai.BoundaryLoss().include_background
    assert not monai.HausdorffDTLoss().include_background


@pytest.mark.filterwarnings("ignore:single channel")
def test_monai_punishes_nothing_where_nothing_is():
    """False alarms on an empty mask: no cost, no slope. Ours has both."""
    monai = peer("monai.losses")
    target = torch.zeros(1, 1, 6, 6)
    probs = torch.full_like(target, 0.7, requires_grad=True)
    for theirs, ours in (
        (monai.BoundaryLoss(), boundary_loss),
        (monai.HausdorffDTLoss(), hausdorff_loss),
    ):
        (slope,) = torch.autograd.grad(theirs(probs, target), probs)
        assert theirs(probs, target) == 0 and (slope == 0).all()
        (slope,) = torch.autograd.grad(ours(probs, target), probs)
        assert ours(probs, target) > 0 and (slope > 0).all()


@pytest.mark.filterwarnings("ignore:single channel")
def test_monai_too_asks_no_distance_to_what_is_not_drawn():
    """All probabilities below one half, or all above."""
    monai = peer("monai.losses")
    target = torch.zeros(1, 1, 6, 6)
    target[..., 2:4, 2:4] = 1
    for p in (0.3, 0.7):
        probs = torch.full_like(target, p)
        assert_same(hausdorff_loss, monai.HausdorffDTLoss(), probs, target)


# The authors' map


def authors_map(mask, spacing=None):
    """scipy's distance outside, and inside, less one, with a minus."""
    outside = distance_transform_edt(~mask, sampling=spacing)
    inside = distance_transform_edt(mask, sampling=spacing)
    return outside * ~mask - (inside - 1) * mask


@pytest.mark.parametrize("image", [(7, 9), (4, 5, 6)])
def test_the_authors_map(image, generator, device):
    masks = torch.rand(1, 3, *image, generator=generator) < 0.6
    ours = signed_distance_map(masks).cpu()
    theirs = [authors_map(m) for m in masks[0].cpu().numpy()]
    expected = torch.tensor(np.stack(theirs)).float()
    torch.testing.assert_close(ours[0], expected, rtol=1e-6, atol=1e-6)


def test_the_authors_map_is_of_a_wrong_sign_in_small_pixels():
    """Less one, whatever the unit (their issue 45). In pixels of half a
    millimetre the rim of the region then counts as lying outside."""
    mask = np.zeros((5, 5), bool)
    mask[1:4, 1:4] = True
    theirs = authors_map(mask, (0.5, 0.5))
    ours = signed_distance_map(
        torch.tensor(mask)[None, None], spacing=(0.5, 0.5)
    )
    assert theirs[1, 2] == 0.5
    assert ours[0, 0, 1, 2] == 0 and ours[0, 0, 2, 2] == -0.5


# SegLoss: the distance-map cross-entropy


def penalties_of_segloss(mask):
    """(max − d) / (max − min) on each side of the boundary by itself."""
    penalty = np.zeros(mask.shape)
    for side in (mask, ~mask):
        distance = distance_transform_edt(side)
        inverse = (distance.max() - distance) * side
        penalty += inverse / inverse.max()
    return penalty


def test_segloss_with_its_map(generator):
    """Each side has its own scale there; given its map, ours agrees."""
    labels = torch.zeros(2, 9, 9, dtype=torch.long)
    labels[0, 2:7, 3:8], labels[1, 1:5, 1:4] = 1, 1
    logits = torch.randn(2, 2, 9, 9, generator=generator)
    maps = [penalties_of_segloss(mask == 1) for mask in labels.numpy()]
    penalty = torch.tensor(np.stack(maps)).float()

    def theirs(logits, labels):
        each = cross_entropy(logits, labels, reduction="none")
        return ((1 + penalty) * each).mean()

    ours = partial(distance_map_cross_entropy_loss, distance_map=penalty)
    assert_same(ours, theirs, logits, labels)
    assert not torch.allclose(
        distance_map_cross_entropy_loss(logits, labels), ours(logits, labels)
    )


def test_segloss_divides_by_zero_where_a_region_is_thin():
    mask = np.zeros((5, 5), bool)
    mask[2, 1:4] = True  # all its pixels are one from the outside
    with np.errstate(invalid="ignore"):
        assert np.isnan(penalties_of_segloss(mask)).any()
    labels = torch.tensor(mask).long()[None]
    logits = torch.zeros(1, 2, 5, 5)
    assert distance_map_cross_entropy_loss(logits, labels).isfinite()


# kornia: another estimate


def test_kornia_s_erosion_does_not_see_a_speck():
    """The first erosion of one wrong pixel leaves nothing of it, wherever
    it lies; the loss by distance asks how far away it is."""
    kornia = peer("kornia.losses")
    labels = torch.zeros(1, 1, 16, 16, dtype=torch.long)
    labels[..., 6:10, 6:10] = 1
    truth = masks_of(labels[:, 0], 2).float()
    far, near = (truth.clone() for _ in range(2))
    far[0, :, 0, 0] = near[0, :, 5, 7] = torch.tensor([0.0, 1.0])
    loss = kornia.HausdorffERLoss()
    assert loss(far, labels) == loss(near, labels) == 0
    ours = hausdorff_loss(far, labels[:, 0])
    assert ours > 5 * hausdorff_loss(near, labels[:, 0]) > 0
