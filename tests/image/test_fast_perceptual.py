"""The pass of NLPD against its formula, corner by corner."""

from functools import partial

import pytest
import torch

from handbook_code import _fused, formulas_only, nlpd


def with_slopes(loss, *images):
    images = [z.detach().requires_grad_() for z in images]
    value = loss(*images)
    pull = torch.linspace(1, 2, value.numel(), dtype=value.dtype)
    return value, *torch.autograd.grad(value, images, pull.view_as(value))


def assert_one(*images, **options):
    """Both roads give one value, and one slope in each picture."""
    loss = partial(nlpd, **options)
    by_pass = with_slopes(loss, *images)
    assert type(by_pass[0].grad_fn).__name__ == "_OnePassBackward"
    with formulas_only():
        by_formula = with_slopes(loss, *images)
    torch.testing.assert_close(by_pass, by_formula)


@pytest.fixture(params=[1, 9000, 1 << 30], ids=["single", "some", "all"])
def blocks(request, monkeypatch):
    monkeypatch.setattr(_fused, "BLOCK", request.param)


@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
@pytest.mark.parametrize(
    "shape",
    [
        (64, 64),
        (65, 97),
        (33, 140),
        (131, 66),
        (17, 17),
        (16, 16),
        (2, 5),
        (1, 1),
        (1, 40),
        (70, 1),
        (3, 2),
    ],
)
def test_shapes_reductions_and_blocks(shape, reduction, blocks, generator):
    """Of one product of matrices and of several, down to single pixels."""
    like = {"generator": generator, "dtype": torch.float64}
    x, y = torch.rand(2, 3, 1, *shape, **like)
    assert_one(x, y, reduction=reduction)


def test_only_what_is_asked_for_is_computed(grey):
    x, y = grey
    value, *slopes = with_slopes(nlpd, x, y)
    (_, one), (_, other) = (
        with_slopes(lambda z: nlpd(z, y), x),
        with_slopes(lambda z: nlpd(x, z), y),
    )
    torch.testing.assert_close([one, other], slopes)
    alone, none = nlpd.one_pass(x, y, wanted=(False, False))
    assert none == (None, None)
    torch.testing.assert_close(alone, value)


def test_pictures_that_are_not_contiguous(grey):
    x, y = grey
    assert_one(x.mT, y.mT)
    assert_one(x[..., ::2], y[:1, ..., ::2].expand_as(x[..., ::2]))


def test_equal_flat_and_black_pictures(grey):
    x, y = grey
    assert_one(x, x.clone())
    assert_one(x * 0, y)
    assert_one(x * 0 + 0.5, x * 0)
    mixed = torch.cat([x[:1], y[1:]])
    assert_one(x, mixed, reduction="none")


def test_what_is_no_number_stays_in_its_picture(grey):
    x, y = grey
    x[1, 0, 20, 30] = float("nan")
    value, slope, _ = with_slopes(partial(nlpd, reduction="none"), x, y)
    assert value.isnan().tolist() == [False, True]
    assert slope[0].isfinite().all() and slope[1].isnan().any()


def test_float32_is_as_near_to_the_truth_as_the_formula_is(grey):
    exact = with_slopes(nlpd, *grey)
    single = [z.float() for z in grey]
    by_pass = with_slopes(nlpd, *single)
    with formulas_only():
        by_formula = with_slopes(nlpd, *single)
    for ours, theirs, right in zip(by_pass, by_formula, exact, strict=True):
        error, allowed = ((z - right).norm() for z in (ours, theirs))
        assert error < 2 * allowed + 1e-7 * right.norm()


def test_both_roads_refuse_the_same(grey):
    x, y = grey
    for images, options in [
        ((x, y[:1]), {}),
        ((x.expand(-1, 3, -1, -1), y.expand(-1, 3, -1, -1)), {}),
        ((x.long(), y), {}),
        ((x, y), {"reduction": "avg"}),
    ]:
        messages = []
        for road in (nlpd, formulas_only()(nlpd)):
            with pytest.raises((TypeError, ValueError)) as caught:
                road(*images, **options)
            messages.append(str(caught.value))
        assert messages[0] == messages[1]
