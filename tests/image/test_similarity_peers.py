"""Similarities of images against other people's, and where these differ."""

from functools import partial

import numpy as np
import pytest
import torch

from handbook_code import ms_ssim_l1_loss, ms_ssim_loss, ssim_loss
from peers import peer

FLOAT32_WINDOW = {"rtol": 1e-5, "atol": 1e-7}
ours_ssim = partial(ssim_loss, data_range=1.0)
ours_ms = partial(ms_ssim_loss, data_range=1.0)


def with_slope(loss, input, target):
    input = input.detach().requires_grad_()
    value = loss(input, target)
    return value, *torch.autograd.grad(value, input)


def assert_same(ours, theirs, pair, **tolerance):
    """In value and in gradient."""
    torch.testing.assert_close(
        with_slope(ours, *pair), with_slope(theirs, *pair), **tolerance
    )


# SSIM


def test_pytorch_msssim_but_for_a_window_in_float32(pair):
    package = peer("pytorch_msssim")
    assert_same(
        ours_ssim,
        lambda x, y: 1 - package.ssim(x, y, data_range=1),
        pair,
        **FLOAT32_WINDOW,
    )
    x, y = pair
    rounded = 1 - package.ssim(x, y, data_range=1)
    assert abs(rounded - ours_ssim(x, y)) > 1e-11


def test_piq_if_it_does_not_downsample(pair, pictures):
    piq = peer("piq")

    def theirs(x, y, **options):
        return 1 - piq.ssim(x, y, data_range=1.0, **options)

    # Their window is built in the dtype of the images.
    assert_same(ours_ssim, partial(theirs, downsample=False), pair)
    # By default a side of 384 and more is averaged down first.
    x, y = pictures(1, 1, 384, 384)
    assert abs(theirs(x, y) - ours_ssim(x, y)) > 0.01


def test_scikit_image_with_the_window_of_the_paper(pair):
    metrics = pytest.importorskip("skimage.metrics")
    x, y = (z.cpu().numpy() for z in pair)

    def theirs(crop, **options):
        _, full = metrics.structural_similarity(
            x[0, 0],
            y[0, 0],
            data_range=1.0,
            gaussian_weights=True,
            sigma=1.5,
            full=True,
            **options,
        )
        return 1 - full[crop:-crop, crop:-crop].mean()

    ours = ours_ssim(pair[0][:1, :1], pair[1][:1, :1]).item()
    biased = {"use_sample_covariance": False}
    np.testing.assert_allclose(theirs(5, **biased), ours, rtol=1e-9)
    # Theirs divides by n − 1, as if all 121 pixels had the same weight.
    assert abs(theirs(5) - ours) > 1e-5


def test_monai_which_computes_in_float32(pair):
    monai = peer("monai.losses")
    theirs = monai.SSIMLoss(spatial_dims=2, data_range=1.0)
    assert_same(
        ours_ssim,
        lambda x, y: theirs(x, y).double(),
        pair,
        rtol=1e-3,
        atol=1e-6,
    )


def test_plenoptic(pair):
    metric = peer("plenoptic.metric")
    pair = tuple(z[:, :1] for z in pair)
    assert_same(
        ours_ssim,
        lambda x, y: 1 - metric.ssim(x, y).mean(),
        pair,
        **FLOAT32_WINDOW,
    )


def test_kornia_with_valid_borders(pair):
    """Theirs halves the loss, and adds a constant below the line."""
    kornia = peer("kornia.losses")

    def theirs(x, y, padding):
        loss = kornia.ssim_loss(x, y, window_size=11, padding=padding)
        return 2 * loss

    assert_same(ours_ssim, partial(theirs, padding="valid"), pair)
    ours, padded = ours_ssim(*pair), theirs(*pair, padding="same")
    assert abs(padded - ours) > 1e-3


def test_torchmetrics_reflects_at_the_border(pair):
    """Its windows hang over the edge: it agrees where they do not."""
    functional = peer("torchmetrics.functional.image")

    def theirs(x, y):
        _, full = functional.structural_similarity_index_measure(
            x, y, data_range=1.0, return_full_image=True
        )
        return full

    x, y = pair
    full = theirs(x, y)
    assert full.shape == x.shape
    inside = 1 - full[..., 5:-5, 5:-5].mean()
    torch.testing.assert_close(inside, ours_ssim(x, y), **FLOAT32_WINDOW)
    assert abs(1 - full.mean() - ours_ssim(x, y)) > 1e-3


# MS-SSIM


def test_pytorch_msssim_at_five_scales(large):
    package = peer("pytorch_msssim")
    assert_same(
        ours_ms,
        lambda x, y: 1 - package.ms_ssim(x, y, data_range=1),
        large,
        **FLOAT32_WINDOW,
    )


def test_piq_at_five_scales(large):
    piq = peer("piq")
    assert_same(
        ours_ms,
        lambda x, y: 1 - piq.multi_scale_ssim(x, y, data_range=1.0),
        large,
    )


def test_torchmetrics_at_five_scales_drops_the_border(large):
    """It reflects, then crops the factor but not the similarity."""
    functional = peer("torchmetrics.functional.image")
    measure = functional.multiscale_structural_similarity_index_measure
    x, y = large
    theirs = 1 - measure(x, y, data_range=1.0)
    torch.testing.assert_close(theirs, ours_ms(x, y), rtol=0.02, atol=0)
    assert abs(theirs - ours_ms(x, y)) > 1e-5


@pytest.mark.parametrize("shape", [(176, 192), (187, 187), (161, 170)])
def test_plenoptic_at_five_scales_even_and_odd(shape, pictures):
    metric = peer("plenoptic.metric")
    assert_same(
        ours_ms,
        lambda x, y: 1 - metric.ms_ssim(x, y).mean(),
        pictures(1, 1, *shape),
        **FLOAT32_WINDOW,
    )


def test_at_odd_sizes_four_libraries_give_four_answers(pictures):
    """What to do with the last pixel is not in the paper, but in its code."""
    x, y = pictures(1, 1, 187, 187)
    functional = peer("torchmetrics.functional.image")
    indices = [
        peer("pytorch_msssim").ms_ssim(x, y, data_range=1),
        peer("piq").multi_scale_ssim(x, y, data_range=1.0),
        functional.multiscale_structural_similarity_index_measure(
            x, y, data_range=1.0
        ),
        peer("plenoptic.metric").ms_ssim(x, y)[0, 0],
    ]
    gaps = torch.pdist(torch.stack(indices).view(-1, 1))
    assert gaps.min() > 1e-6
    torch.testing.assert_close(
        1 - indices[-1], ours_ms(x, y), **FLOAT32_WINDOW
    )


def test_where_images_are_opposite_the_others_stand_still(generator):
    """A negative mean factor is cut to zero, and its gradient with it."""
    noise = torch.rand(1, 1, 176, 176, generator=generator).double()
    opposite = noise, 1 - noise
    others = {
        "pytorch_msssim": lambda m: partial(m.ms_ssim, data_range=1),
        "piq": lambda m: partial(m.multi_scale_ssim, data_range=1.0),
        "plenoptic.metric": lambda m: lambda x, y: m.ms_ssim(x, y).mean(),
    }
    for name, of in others.items():
        value, slope = with_slope(of(peer(name)), *opposite)
        assert value == 0 and not slope.any(), name
    value, slope = with_slope(ours_ms, *opposite)
    assert value > 1 and slope.norm() > 1e-4


# The mix


@pytest.mark.parametrize("alpha", [0.025, 0.84])
def test_kornia_s_mix_away_from_its_zeros(alpha, pictures):
    kornia = peer("kornia.losses")
    x, y = pictures(2, 3, 48, 40)
    full = kornia.MS_SSIMLoss(alpha=alpha, compensation=1.0, reduction="none")
    ours = partial(ms_ssim_l1_loss, data_range=1.0, alpha=alpha)
    assert_same(
        ours,
        lambda x, y: full.double()(x, y)[:, 16:-16, 16:-16].mean(),
        (x, y),
        rtol=1e-3,
        atol=1e-6,
    )
    # Its default multiplies by 200 and takes the alpha of the authors' code.
    default = kornia.MS_SSIMLoss().double()(x, y)
    assert default > 20 * ours(x, y)


def test_kornia_s_mix_in_another_range(pictures):
    kornia = peer("kornia.losses")
    full = kornia.MS_SSIMLoss(
        data_range=255.0, alpha=0.84, compensation=1.0, reduction="none"
    ).double()
    pair = tuple(255 * z for z in pictures(1, 1, 40, 40))
    assert_same(
        partial(ms_ssim_l1_loss, data_range=255.0),
        lambda x, y: full(x, y)[:, 16:-16, 16:-16].mean(),
        pair,
        **FLOAT32_WINDOW,
    )
