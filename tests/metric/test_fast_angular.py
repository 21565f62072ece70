"""Angular margins by blocks: the formulas' values and slopes, no N×K tensor.

What line_up does with blocks is tested with InfoNCE; here are the targets.
"""

import math
from functools import partial

import pytest
import torch

from handbook_code import (
    _fused,
    adaface_loss,
    arcface_loss,
    cosface_loss,
    formulas_only,
    sphereface_loss,
)
from handbook_code.metric import _line_up

LOSSES = [sphereface_loss, cosface_loss, arcface_loss, adaface_loss]
every_loss = pytest.mark.parametrize("loss", LOSSES)
KEYWORDS = [
    (sphereface_loss, {"m": 1}),
    (sphereface_loss, {"m": 3, "blend": 2.5}),
    (cosface_loss, {"s": 5.0, "m": 0.0}),
    (cosface_loss, {"s": 1e3, "m": 0.7}),
    (arcface_loss, {"s": 5.0, "m": 0.0}),
    (arcface_loss, {"s": 1e3, "m": 3.0}),
    (adaface_loss, {"s": 5.0, "m": 1.4, "h": 1.0}),
    (adaface_loss, {"norm_mean": 4.0, "norm_std": torch.tensor(2.0)}),
]


@pytest.fixture(params=[(1 << 16, 1 << 10), (20, 4)], autouse=True)
def blocks(request, monkeypatch):
    elements, columns = request.param
    monkeypatch.setattr(_fused, "BLOCK", elements)
    monkeypatch.setattr(_line_up, "TILE", columns)
    for loss in LOSSES:
        monkeypatch.setattr(loss, "least", 0)


def with_slopes(loss, x, centers, labels):
    x, centers = (a.detach().requires_grad_() for a in (x, centers))
    value = loss(x, centers, labels)
    return value.detach(), *torch.autograd.grad(value, (x, centers))


def same(loss, *tensors, **tolerance):
    actual = with_slopes(loss, *tensors)
    with formulas_only():
        expected = with_slopes(loss, *tensors)
    torch.testing.assert_close(actual, expected, **tolerance)


@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize(
    ("loss", "options"), [(loss, {}) for loss in LOSSES] + KEYWORDS
)
def test_it_is_the_formula(loss, options, reduction, batch):
    x, centers, labels = batch
    loss = partial(loss, reduction=reduction, **options)
    same(loss, *batch)
    turned = x.T.contiguous().T, centers.T.contiguous().T, labels.int()
    before = [a.clone() for a in turned]
    same(loss, *turned)
    assert all(map(torch.equal, turned, before))
    if options.get("s", 0) < 100:
        single = x.float(), centers.float(), labels
        same(loss, *single, rtol=1e-4, atol=1e-4)


@every_loss
def test_a_slope_is_that_in_what_needs_one(loss, batch):
    for k in (0, 1):
        slopes = []
        for road in (lambda f: f, formulas_only()):
            tensors = list(batch)
            tensors[k] = moved = batch[k].clone().requires_grad_()
            slopes += torch.autograd.grad(road(loss)(*tensors), moved)
        torch.testing.assert_close(*slopes)


@every_loss
def test_zeros_copies_and_opposites(loss, batch):
    x, centers, labels = (a.clone() for a in batch)
    x[3] = 0
    centers[2] = 0
    x[5], labels[5] = 0, 2
    x[7], x[9] = centers[labels[7]], -3 * centers[labels[9]]
    same(loss, x, centers, labels)


@every_loss
@pytest.mark.parametrize("theta", [0.0, 1e-7, math.pi / 2, math.pi])
def test_special_angles(loss, theta, at_angles):
    theta = torch.tensor([theta, theta], dtype=torch.float64)
    same(loss, *at_angles(theta, 2.0))


@pytest.mark.parametrize("loss", [cosface_loss, arcface_loss])
@pytest.mark.parametrize("size", [1e-30, 1e30])
def test_any_size(loss, size, batch):
    x, centers, labels = batch
    loss = partial(loss, s=4.0)
    value, pull, turn = with_slopes(
        loss, (size * x).float(), (centers / size).float(), labels
    )
    right = with_slopes(loss, *batch)
    close = partial(torch.testing.assert_close, rtol=1e-3, atol=1e-5)
    close(value.double(), right[0])
    close(pull.double() * size, right[1])
    close(turn.double() / size, right[2])


@every_loss
def test_one_class_and_one_embedding(loss, batch):
    x, centers, labels = batch
    same(loss, x, centers[:1], 0 * labels)
    same(loss, x[:1], centers, labels[:1])


@every_loss
def test_nan_does_not_go_unseen(loss, batch):
    for k in (0, 1):
        tensors = [a.clone() for a in batch]
        tensors[k][0, 0] = math.nan
        value, *slopes = with_slopes(loss, *tensors)
        assert value.isnan() and slopes[k][0].isnan().any()


@every_loss
def test_mistakes_are_told_as_by_the_formula(loss, batch):
    x, centers, labels = batch
    x = x.clone().requires_grad_()
    for arguments, options in [
        ((x[0], centers, labels), {}),
        ((x, centers[:, 1:], labels), {}),
        ((x, centers, labels[1:]), {}),
        ((x, centers, labels.double()), {}),
        ((x, centers, labels), {"m": -1}),
        ((x, centers, labels), {"reduction": "avg"}),
    ]:
        with pytest.raises(Exception) as told:
            loss(*arguments, **options)
        with formulas_only(), pytest.raises(told.type) as right:
            loss(*arguments, **options)
        assert str(told.value) == str(right.value)
    with pytest.raises((IndexError, RuntimeError)):
        loss(x, centers, labels + 7)


@every_loss
def test_no_tensor_is_larger_than_the_centers(loss, largest, monkeypatch):
    monkeypatch.setattr(_fused, "BLOCK", 1 << 12)
    monkeypatch.setattr(_line_up, "TILE", 1 << 10)
    x = torch.randn(700, 8, requires_grad=True)
    centers = torch.randn(3000, 8, requires_grad=True)
    labels = torch.randint(3000, (700,))
    with largest() as made:
        loss(x, centers, labels).backward()
    assert made.elements <= 8 * 3000
    with largest() as made, formulas_only():
        loss(x, centers, labels).backward()
    assert made.elements == 700 * 3000
