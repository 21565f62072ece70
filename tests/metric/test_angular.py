"""Angular margins: parity and values by hand."""

import math
from functools import partial

import pytest
import torch
import torch.nn.functional as F

import naive_angular
from handbook_code import (
    adaface_loss,
    arcface_loss,
    cosface_loss,
    sphereface_loss,
)
from peers import peer

LOSSES = [sphereface_loss, cosface_loss, arcface_loss, adaface_loss]


def slope(loss, x, centers, labels, **options):
    """By embeddings and by centers."""
    x, centers = (a.detach().clone().requires_grad_() for a in (x, centers))
    value = loss(x, centers, labels, reduction="sum", **options)
    return torch.autograd.grad(value, (x, centers))


# Parity


def assert_is_theirs(ours, theirs, batch):
    """In value, and in slope by embeddings and by centers."""
    x, centers, labels = (a.cpu() for a in batch)
    theirs.W.data = centers.T.clone()
    x = x.requires_grad_()
    value = theirs(x, labels)
    pull, turn = torch.autograd.grad(value, (x, theirs.W))
    torch.testing.assert_close(ours(x, centers, labels), value)
    expected = len(x) * pull, len(x) * turn.T
    torch.testing.assert_close(slope(ours, x, centers, labels), expected)


@pytest.mark.parametrize("m", [1, 2, 3, 4, 5])
def test_sphereface_is_pytorch_metric_learning_s(m, batch):
    losses = peer("pytorch_metric_learning.losses")
    theirs = losses.SphereFaceLoss(7, 5, margin=m)
    assert_is_theirs(partial(sphereface_loss, m=m), theirs, batch)


@pytest.mark.parametrize(("s", "m"), [(64, 0.35), (30, 0.35), (5, 0)])
def test_cosface_is_pytorch_metric_learning_s(s, m, batch):
    losses = peer("pytorch_metric_learning.losses")
    theirs = losses.CosFaceLoss(7, 5, margin=m, scale=s)
    assert_is_theirs(partial(cosface_loss, s=s, m=m), theirs, batch)


def below_pi(batch, m):
    """Without the samples beyond π − m, where the two differ."""
    x, centers, labels = batch
    cosine = torch.cosine_similarity(x, centers[labels])
    keep = cosine.acos() < math.pi - m
    assert keep.any()
    return x[keep], centers, labels[keep]


@pytest.mark.parametrize(("s", "m"), [(64, 0.5), (5, 1.0)])
def test_arcface_is_pytorch_metric_learning_s_up_to_pi(s, m, batch):
    """Their margin is in degrees."""
    losses = peer("pytorch_metric_learning.losses")
    theirs = losses.ArcFaceLoss(7, 5, margin=math.degrees(m), scale=s)
    ours = partial(arcface_loss, s=s, m=m)
    assert_is_theirs(ours, theirs, below_pi(batch, m))


def their_arcface(x, centers, labels):
    losses = peer("pytorch_metric_learning.losses")
    theirs = losses.ArcFaceLoss(2, 2, margin=math.degrees(0.5), scale=1)
    theirs.W.data = centers.T.clone()
    return theirs(x, labels)


def test_pytorch_metric_learning_s_arcface_jumps_at_pi_and_ours_does_not():
    theta = torch.tensor([math.pi - 0.501, math.pi - 0.499]).double()
    x = torch.stack([theta.cos(), theta.sin()], dim=1)
    centers = torch.tensor([[1.0, 0], [0, -1]]).double()
    labels = torch.zeros(2, dtype=torch.long)
    ours = arcface_loss(x, centers, labels, s=1, reduction="none")
    theirs = torch.stack(
        [their_arcface(v[None], centers, labels[:1]) for v in x]
    )
    assert abs(ours.diff().item()) < 0.01 < 0.05 < theirs.diff().item()


def test_pytorch_metric_learning_s_arcface_is_nan_at_its_centre():
    x = torch.tensor([[1.0, 0], [1, 1]], dtype=torch.double)
    x.requires_grad_()
    labels = torch.zeros(2, dtype=torch.long)
    for loss, lost in ((their_arcface, True), (arcface_loss, False)):
        value = loss(x, torch.eye(2).double(), labels)
        (pull,) = torch.autograd.grad(value, x)
        assert pull[0].isnan().any() == lost


@pytest.mark.parametrize("m", [1, 2, 3, 4])
@pytest.mark.parametrize("blend", [0.0, 0.7, 1000.0])
def test_sphereface_is_the_paper_s(m, blend, batch):
    ours = sphereface_loss(*batch, m=m, blend=blend, reduction="none")
    torch.testing.assert_close(
        ours.cpu(), naive_angular.sphereface(*batch, m=m, blend=blend)
    )


@pytest.mark.parametrize("s", [1.0, 64.0])
@pytest.mark.parametrize("m", [0.0, 0.5, 1.2])
def test_cosface_and_arcface_are_the_papers(s, m, batch):
    for loss, expected in (
        (cosface_loss, naive_angular.cosface),
        (arcface_loss, naive_angular.arcface),
    ):
        ours = loss(*batch, s=s, m=m, reduction="none")
        torch.testing.assert_close(ours.cpu(), expected(*batch, s=s, m=m))


@pytest.mark.parametrize("known", [{}, {"mean": 5.0, "std": 2.0}])
@pytest.mark.parametrize(("m", "h"), [(0.4, 0.333), (0.9, 1.5), (0.0, 0.3)])
def test_adaface_is_the_paper_s(known, m, h, batch):
    """With the moments of the batch (the unbiased deviation), or given."""
    given = {f"norm_{name}": value for name, value in known.items()}
    ours = adaface_loss(*batch, m=m, h=h, **given, reduction="none")
    expected = naive_angular.adaface(*batch, s=64.0, m=m, h=h, **known)
    torch.testing.assert_close(ours.cpu(), expected)
    tensors = {name: torch.tensor(value) for name, value in given.items()}
    again = adaface_loss(*batch, m=m, h=h, **tensors, reduction="none")
    torch.testing.assert_close(again, ours)


# By hand

FIVE = 5 * math.acos(0.8)


@pytest.mark.parametrize(
    ("loss", "own"),
    [
        (partial(sphereface_loss, m=1), 5 * 0.8),
        (partial(sphereface_loss, m=2), 5 * (2 * 0.8**2 - 1)),
        (partial(sphereface_loss, m=5), 5 * (-math.cos(FIVE) - 2)),
        (
            partial(sphereface_loss, m=2, blend=3.0),
            5 * (3 * 0.8 + 2 * 0.8**2 - 1) / 4,
        ),
        (partial(cosface_loss, s=5.0), 5 * (0.8 - 0.35)),
        (partial(arcface_loss, s=5.0), 5 * math.cos(math.acos(0.8) + 0.5)),
        (partial(adaface_loss, s=5.0), 5 * (0.8 - 0.4)),
    ],
)
def test_by_hand(loss, own, device):
    """x = (3, 4) is 5 long, at cosines 0.6 and 0.8 to the axes.

    Five times the angle is 184.3°: beyond π, so that ψ = −cos 5θ − 2.
    """
    x, centers = torch.tensor([[3.0, 4]]), torch.tensor([[0.5, 0], [0, 7]])
    value = loss(x, centers, torch.tensor([1])).item()
    expected = math.log(1 + math.exp(5 * 0.6 - own))
    assert value == pytest.approx(expected, rel=1e-5)


def test_adaface_by_hand(device):
    """Lengths 1, 5 and 9: mean 5, deviation 4, ẑ = −h, 0, h; all at 90°."""
    x = torch.tensor([[0.0, 1], [0, 5], [0, 9]])
    labels = torch.zeros(3, dtype=torch.long)
    each = adaface_loss(
        x, torch.eye(2), labels, s=1.0, m=0.4, h=0.5, reduction="none"
    )
    own = [math.cos(math.pi / 2 - 0.4 * z) - 0.4 - 0.4 * z
           for z in (-0.5, 0, 0.5)]  # fmt: skip
    expected = [math.log(1 + math.exp(1 - a)) for a in own]
    assert each.tolist() == pytest.approx(expected, rel=1e-5)


def test_without_a_margin_all_are_a_softmax_of_cosines(batch):
    x, centers, labels = batch
    cosines = F.normalize(x) @ F.normalize(centers).T
    expected = F.cross_entropy(7 * cosines, labels)
    for loss in LOSSES[1:]:
        actual = loss(x, centers, labels, s=7.0, m=0.0)
        torch.testing.assert_close(actual, expected)
    plain = F.cross_entropy(x @ F.normalize(centers).T, labels)
    torch.testing.assert_close(sphereface_loss(*batch, m=1), plain)
