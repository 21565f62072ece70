"""Losses of probabilities by their pass: corners that random labels miss."""

import inspect
import math
from functools import partial

import pytest
import torch

from handbook_code import (
    _fused,
    cross_entropy_loss,
    focal_loss,
    formulas_only,
    ghm_loss,
    poly1_loss,
    softmax_focal_loss,
)

OF_CLASSES = {
    "cross-entropy": cross_entropy_loss,
    "smoothed": partial(cross_entropy_loss, label_smoothing=0.3),
    "all smooth": partial(cross_entropy_loss, label_smoothing=1.0),
    "focal": softmax_focal_loss,
    "focal, γ < 1": partial(softmax_focal_loss, gamma=0.5),
    "focal, γ = 0": partial(softmax_focal_loss, gamma=0),
    "poly1": partial(poly1_loss, epsilon=-0.5),
}
BINARY = {
    "focal": focal_loss,
    "focal, γ < 1": partial(focal_loss, gamma=0.5),
    "no α": partial(focal_loss, alpha=None, gamma=0),
}
of_classes = pytest.mark.parametrize(
    "loss", OF_CLASSES.values(), ids=OF_CLASSES.keys()
)
binary = pytest.mark.parametrize("loss", BINARY.values(), ids=BINARY.keys())
reductions = pytest.mark.parametrize("reduction", ["none", "mean", "sum"])


def both_roads(loss, z, *target, **options):
    """Value and slope by the pass, however few elements, and the formula."""
    function = getattr(loss, "func", loss)
    keywords = getattr(loss, "keywords", {}) | options
    assert function.when is None or function.when(z, *target)
    by_pass, slopes = function.one_pass(z, *target, **keywords, wanted=(True,))
    alone, none = function.one_pass(z, *target, **keywords, wanted=(False,))
    assert none == (None,)
    torch.testing.assert_close(alone, by_pass, equal_nan=True)
    z = z.detach().requires_grad_()
    with formulas_only():
        value = loss(z, *target, **options)
    (right,) = torch.autograd.grad(value.sum(), z)
    return (by_pass, slopes[0].to(z.dtype)), (value.detach(), right)


@pytest.fixture(params=[1 << 16, 20], ids=["one block", "many blocks"])
def block(request, monkeypatch):
    monkeypatch.setattr(_fused, "BLOCK", request.param)


@pytest.fixture
def rows(generator):
    """Twelve rows of five classes; two count nothing."""
    z = torch.randn(12, 5, generator=generator).double().mul_(3)
    t = torch.randint(5, (12,), generator=generator)
    t[2], t[7] = -100, -100
    return z, t


@of_classes
@reductions
@pytest.mark.parametrize("weighted", [False, True])
def test_rows_weights_and_what_is_ignored(
    loss, reduction, weighted, rows, block
):
    weight = torch.tensor([0.0, 0.5, 1.0, 2.0, 3.0]).double()
    options = {"weight": weight} if weighted else {}
    z, t = rows
    for index in (-100, 3):  # a class, too, can be ignored
        labels = t if index == -100 else t.where(t >= 0, 3)
        actual, expected = both_roads(
            loss, z, labels, reduction=reduction, ignore_index=index, **options
        )
        torch.testing.assert_close(actual, expected)
        ignored = actual[1][labels == index]
        assert (ignored == 0).all() and len(ignored)


@of_classes
@reductions
def test_nothing_counts(loss, reduction, rows):
    z, t = rows
    nothing = torch.full_like(t, -100)
    actual, expected = both_roads(loss, z, nothing, reduction=reduction)
    torch.testing.assert_close(actual, expected)
    assert (actual[1] == 0).all() and (actual[0] == 0).all()


@of_classes
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_extreme_logits(loss, dtype):
    """Sure and right, sure and wrong, far from 0, all equal.

    In single precision the formula loses digits far from 0, the pass none.
    """
    z = torch.tensor(
        [[0, 200, 0], [0, 200, 0], [5e3, 5e3, 5e3], [-1e4, -1e4, 1e4]],
        dtype=dtype,
    )
    t = torch.tensor([1, 0, 2, 0])
    actual, _ = both_roads(loss, z, t, reduction="none")
    _, expected = both_roads(loss, z.double(), t, reduction="none")
    for got, right in zip(actual, expected, strict=True):
        torch.testing.assert_close(got, right.to(dtype))


@pytest.mark.parametrize(
    "loss",
    [OF_CLASSES[n] for n in ("cross-entropy", "focal", "poly1")],
)
def test_a_masked_class_and_one_alone(loss):
    """A logit of −∞ that is not true; one class left, and it is true."""
    inf = math.inf
    z = torch.tensor([[0.0, 1.0, -inf], [-inf, 2.0, -inf], [-inf, 0, 0]])
    t = torch.tensor([0, 1, 1])
    actual, expected = both_roads(loss, z.double(), t, reduction="none")
    torch.testing.assert_close(actual, expected)


@pytest.mark.parametrize("loss", [softmax_focal_loss, poly1_loss])
def test_what_is_ignored_may_be_nan(loss, rows):
    z, t = rows
    z[2] = math.nan
    actual, expected = both_roads(loss, z, t)
    torch.testing.assert_close(actual, expected)
    assert actual[1].isfinite().all()


@of_classes
def test_a_row_that_is_not_a_number_is_not_hidden(loss, rows):
    z, t = rows
    z[0, 1] = math.nan
    (value, slope), expected = both_roads(loss, z, t, reduction="none")
    torch.testing.assert_close(value, expected[0], equal_nan=True)
    torch.testing.assert_close(slope[1:], expected[1][1:])
    assert value[0].isnan() and slope[0].isnan().any()


def test_other_targets_take_the_formula(rows):
    z, t = rows
    fits = cross_entropy_loss.when
    assert fits(z, t) and fits(z, target=t)
    assert not fits(z, z.softmax(1))
    assert not fits(z[..., None], t[:, None])
    assert not fits() and not fits(None, 3) and fits(z, t, t, weight=3)
    hot = torch.eye(5)[t.clamp(min=0)].long()
    torch.testing.assert_close(
        softmax_focal_loss(z, hot), softmax_focal_loss(z, t.clamp(min=0))
    )


def test_a_slope_in_the_weights_is_that_of_the_formula():
    z, t = torch.randn(1 << 14, 5), torch.randint(5, (1 << 14,))
    weight = torch.ones(5, requires_grad=True)
    softmax_focal_loss(z, t, weight=weight).backward()
    assert weight.grad.isfinite().all() and weight.grad.abs().sum() > 0


@binary
@reductions
def test_binary_labels(loss, reduction, generator, block):
    z = torch.randn(6, 10, generator=generator).double().mul_(4)
    z.view(-1)[:6] = torch.tensor([0.0, 90, -90, 1e3, -1e3, 1e-9])
    for y in (z > 1, (z > 0).long(), (z < 0).double()):
        for a, b in ((z, y), (z.mT, y.mT)):
            actual, expected = both_roads(loss, a, b, reduction=reduction)
            torch.testing.assert_close(actual, expected)


@binary
def test_a_label_that_is_not_a_number_spoils_no_other(loss):
    z = torch.tensor([1.0, math.nan, -1.0])
    (value, slope), expected = both_roads(
        loss, z, torch.ones(3), reduction="none"
    )
    torch.testing.assert_close(value, expected[0], equal_nan=True)
    fine = torch.tensor([0, 2])
    torch.testing.assert_close(slope[fine], expected[1][fine])


@pytest.mark.parametrize("bins", [1, 10, 300])
@pytest.mark.parametrize("masked", [False, True])
def test_the_density_of_slopes(bins, masked, generator, block):
    """Soft labels too, sure ones, and NaN where the mask leaves out."""
    z = torch.randn(6, 10, generator=generator).double().mul_(4)
    z.view(-1)[:4] = torch.tensor([0.0, 1e3, -1e3, 1.0])
    y = torch.rand(6, 10, generator=generator).double().round(decimals=1)
    options = {"bins": bins}
    if masked:
        z[3], y[4] = math.nan, math.nan
        options["mask"] = ~(z + y).isnan()
    for way in (lambda x: x, lambda x: x.mT):
        given = {k: way(v) if k == "mask" else v for k, v in options.items()}
        actual, expected = both_roads(ghm_loss, way(z), way(y), **given)
        torch.testing.assert_close(actual, expected)


def test_a_mask_that_leaves_nothing():
    z, nothing = torch.randn(9), torch.zeros(9, dtype=torch.bool)
    actual, _ = both_roads(ghm_loss, z, torch.ones(9), mask=nothing)
    assert actual[0] == 0 and (actual[1] == 0).all()


@pytest.mark.parametrize(
    "loss",
    [cross_entropy_loss, softmax_focal_loss, poly1_loss, focal_loss, ghm_loss],
)
def test_mistakes_are_told_as_by_the_formula(loss):
    """A large batch, which takes the pass, and a small one."""
    names = inspect.signature(loss).parameters
    for n in (1 << 16, 4):
        z = torch.zeros(n, 2) if "ignore_index" in names else torch.zeros(n)
        t = torch.zeros(n, dtype=torch.long)
        with pytest.raises(ValueError, match=r"^target: expected "):
            loss(z, t[:-1])
        if "reduction" in names:
            with pytest.raises(ValueError, match=r"^reduction: .* 'avg'$"):
                loss(z, t, reduction="avg")
        if "weight" in names:
            with pytest.raises(ValueError, match=r"^weight: .* got \(3,\)$"):
                loss(z, t, weight=torch.ones(3))
        if "mask" in names:
            with pytest.raises(TypeError, match=r"^mask: .* got torch.int64$"):
                loss(z, t, mask=t)
