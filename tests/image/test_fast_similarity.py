"""The pass of the similarities against their formulas, corner by corner."""

from functools import partial

import pytest
import torch

from handbook_code import (
    _fused,
    formulas_only,
    ms_ssim_l1_loss,
    ms_ssim_loss,
    ssim_loss,
)

ssim = partial(ssim_loss, data_range=0.7)
five = partial(ms_ssim_loss, data_range=0.7)
three = partial(ms_ssim_loss, data_range=0.7, weights=(0.3, 0.5, 0.4))
mix = partial(
    ms_ssim_l1_loss, data_range=0.7, alpha=0.7, sigmas=(0.5, 2.0, 4.2)
)
SMALL = pytest.mark.parametrize(
    "loss", [ssim, three, mix], ids=["ssim", "three", "mix"]
)


def with_slopes(loss, *images):
    images = [z.detach().requires_grad_() for z in images]
    value = loss(*images)
    pull = torch.linspace(1, 2, value.numel(), dtype=value.dtype)
    return value, *torch.autograd.grad(value, images, pull.view_as(value))


def assert_one(loss, *images, **tolerance):
    """Both roads give one value, and one slope in each image."""
    by_pass = with_slopes(loss, *images)
    assert type(by_pass[0].grad_fn).__name__ == "_OnePassBackward"
    with formulas_only():
        by_formula = with_slopes(loss, *images)
    torch.testing.assert_close(by_pass, by_formula, **tolerance)


@pytest.fixture
def pair(pictures):
    return pictures(2, 3, 48, 43)


@pytest.fixture(params=[1, 3000, 1 << 30], ids=["planes", "some", "all"])
def blocks(request, monkeypatch):
    monkeypatch.setattr(_fused, "BLOCK", request.param)


@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize(
    "shape",
    [(3, 3, 44, 47), (1, 1, 41, 90), (2, 1, 75, 64), (2, 2, 97, 43)],
)
@SMALL
def test_shapes_reductions_and_blocks(
    loss, shape, dtype, reduction, blocks, pictures
):
    """Sides odd and even, of one product of matrices and of several."""
    images = [z.to(dtype) for z in pictures(*shape)]
    assert_one(partial(loss, reduction=reduction), *images)


@pytest.mark.parametrize("shape", [(161, 161), (187, 162), (176, 205)])
def test_five_scales(shape, pictures):
    assert_one(five, *pictures(1, 2, *shape))
    assert_one(
        partial(ms_ssim_l1_loss, data_range=1.0), *pictures(1, 1, *shape)
    )


def test_a_pixel_that_is_right_has_no_absolute_error(pair):
    """A rounding error of the centred images would give it a sign."""
    x, y = (z.float() for z in pair)
    x[:, :, 20:30] = y[:, :, 20:30]
    assert_one(partial(mix, alpha=0.0), x, y)
    assert_one(partial(mix, alpha=1.0), x, y)


@SMALL
def test_only_what_is_asked_for_is_computed(loss, pair):
    x, y = pair
    slopes = with_slopes(loss, x, y)[1:]
    one = partial(loss, target=y)
    torch.testing.assert_close(with_slopes(one, x)[1], slopes[0])
    one = partial(loss, x)
    torch.testing.assert_close(with_slopes(one, y)[1], slopes[1])
    inner = {**loss.keywords, "wanted": (False, False)}
    value, none = loss.func.one_pass(x, y, **inner)
    assert none == (None, None)
    torch.testing.assert_close(value, loss(x, y))


@SMALL
def test_images_that_are_not_contiguous(loss, pair):
    x, y = pair
    assert_one(loss, x.mT, y.mT)
    last = {"memory_format": torch.channels_last}
    assert_one(loss, x.contiguous(**last), y[:1].expand_as(y))


@SMALL
def test_the_slopes_keep_their_digits_where_images_are_near(loss, pair):
    """Also where they are far brighter than their contrast."""
    y = 50 + pair[1]
    for gap in (1e-2, 1e-4):
        x = y + gap * (pair[0] - pair[1])
        x, near = x.float(), y.float()
        value, *slopes = with_slopes(loss, x, near)
        exact, *right = with_slopes(loss, x.double(), near.double())
        assert value.item() == pytest.approx(exact.item(), rel=1e-3)
        for slope, expected in zip(slopes, right, strict=True):
            error = (slope - expected).norm() / expected.norm()
            assert error < 1e-3


@SMALL
def test_what_is_no_number_stays_in_its_image(loss, pair):
    x, y = pair
    x[0, 1, 5, 7] = float("nan")
    value, slope, _ = with_slopes(partial(loss, reduction="none"), x, y)
    assert value.isnan().tolist() == [True, False]
    assert slope[0, 1].isnan().all()
    assert slope[0, 0].isfinite().all() and slope[1].isfinite().all()


@SMALL
def test_equal_and_opposite_images(loss, pair, generator):
    x, y = pair
    assert_one(loss, y, y)
    assert_one(loss, 1 - y, y)
    noise = torch.rand(x.shape, generator=generator, dtype=x.dtype)
    assert_one(loss, 1 - noise, noise)
    assert_one(loss, x * 0, y * 0)
    mixed = torch.cat([1 - noise[:1], y[:1]])
    assert_one(partial(loss, reduction="none"), mixed, y)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@SMALL
def test_low_precision_in_and_out(loss, dtype, pair):
    images = [z.to(dtype) for z in pair]
    assert_one(loss, *images)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = with_slopes(loss, *(z.float() for z in pair))
    outside = with_slopes(loss, *(z.float() for z in pair))
    torch.testing.assert_close(inside, outside, rtol=0, atol=0)


@pytest.mark.parametrize("loss", [ssim_loss, ms_ssim_loss, ms_ssim_l1_loss])
def test_both_roads_refuse_the_same(loss, pair):
    x, y = pair
    wrong = [
        ((x, y[:1]), {}),
        ((x[..., :10], y[..., :10]), {}),
        ((x.long(), y), {}),
        ((x, y), {"data_range": -1}),
        ((x[:, :, 0], y[:, :, 0]), {}),
        ((x, y), {"reduction": "avg"}),
    ]
    if loss is not ssim_loss:
        scales = "weights" if loss is ms_ssim_loss else "sigmas"
        wrong += [((x, y), {scales: ()}), ((x, y), {scales: (1, 0)})]
    for images, keywords in wrong:
        keywords = {"data_range": 1.0} | keywords
        messages = []
        for road in (loss, formulas_only()(loss)):
            with pytest.raises((TypeError, ValueError)) as caught:
                road(*images, **keywords)
            messages.append(str(caught.value))
        assert messages[0] == messages[1]
