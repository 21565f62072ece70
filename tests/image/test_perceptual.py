"""NLPD: parity, values by hand, extremes and messages."""

from functools import partial

import pytest
import torch
from torch import nn

import naive
from handbook_code import (
    laplacian_pyramid,
    nlpd,
    normalized_laplacian_pyramid,
)
from nlpd_loop import BINOMIAL, BURT, matlab

pytestmark = pytest.mark.usefixtures("road")


def with_slope(loss, input, *rest):
    input = input.detach().requires_grad_()
    value = loss(input, *rest)
    return value, *torch.autograd.grad(value.sum(), input)


# Parity


@pytest.mark.parametrize(
    "shape", [(64, 64), (65, 97), (66, 70), (33, 40), (17, 70), (2, 5), (1, 1)]
)
def test_nlpd_is_the_matlab_function(shape, generator, device):
    """To the last digit, on even and odd sides, also where it is too small."""
    like = {"generator": generator, "dtype": torch.float64}
    x, y = torch.rand(2, 3, 1, *shape, **like)
    expected = [matlab(*p) for p in zip(x[:, 0], y[:, 0], strict=True)]
    actual = nlpd(x, y, reduction="none")
    torch.testing.assert_close(actual, actual.new_tensor(expected))


def test_the_slope_of_nlpd_is_that_of_the_matlab_function(generator):
    x, y = torch.rand(
        2, 2, 1, 18, 17, generator=generator, dtype=torch.float64
    )
    naive.assert_agrees_with_loop(
        partial(nlpd, reduction="none"),
        lambda a, b: matlab(a[0], b[0]),
        x,
        y,
        step=1e-6,
    )


@pytest.mark.parametrize(
    "choice",
    [
        {"taps": BINOMIAL},
        {"border": "mirror"},
        {"turned": False},
        {"far": False},
    ],
    ids=["binomial", "mirror", "not turned", "without .0072"],
)
def test_each_choice_of_a_port_changes_the_value(choice, grey):
    """The last one is pyiqa's and nlpd-tensorflow's: it changes little."""
    x, y = (picture[0] for picture in grey)
    other = matlab(x[0], y[0], **choice)
    assert 1e-4 < abs(other / nlpd(x[None], y[None]).item() - 1) < 0.2


# By hand, extremes


def test_nlpd_of_two_flat_pictures_by_hand(device):
    """All bands are empty but the residual, two by two pixels of ½ or ¼. Of
    the neighbours only those in a row count: .2215 and .0717 of the other."""
    x = torch.full((1, 1, 64, 64), 0.5, dtype=torch.float64)
    seen = [
        [level / (0.2782 + p * level) for p in (0.2215, 0.0717)]
        for level in (0.5, 0.25)
    ]
    gaps = [a - b for a, b in zip(*seen, strict=True)]
    expected = ((gaps[0] ** 2 + gaps[1] ** 2) / 2) ** 0.5 / 6
    assert nlpd(x, x / 2).item() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("shape", [(64, 64), (33, 70), (5, 8)])
def test_the_pyramid_holds_the_picture(shape, generator, device):
    """The last band, enlarged and added to the one before, and so on."""
    like = {"generator": generator, "dtype": torch.float64}
    picture = torch.rand(2, 3, *shape, **like)
    *bands, x = laplacian_pyramid(picture)
    for band in reversed(bands):
        zero = laplacian_pyramid(torch.zeros_like(band), 2)[1]
        assert zero.shape == x.shape
        x = band + enlarged(x, band.shape[-2:])
    torch.testing.assert_close(x, picture)


def enlarged(x, shape):
    padded = nn.functional.pad(x, (1, 1, 1, 1), mode="replicate")
    stuffed = x.new_zeros(*x.shape[:2], *(2 * n for n in padded.shape[-2:]))
    stuffed[..., ::2, ::2] = 4 * padded
    taps = torch.tensor(BURT, dtype=x.dtype, device=x.device)
    blurred = nn.functional.conv2d(
        stuffed.flatten(0, 1)[:, None], taps[None, None]
    )
    return blurred.unflatten(0, x.shape[:2])[:, :, 0][
        ..., : shape[0], : shape[1]
    ]


@pytest.mark.parametrize(
    ("shape", "residual", "empty"),
    [
        ((64, 64), 4, False),
        ((33, 33), 4, False),
        ((32, 32), 1, False),
        ((17, 17), 1, False),
        ((16, 16), 1, True),
        ((16, 17), 1, False),
        ((16, 64), 2, False),
    ],
)
def test_how_small_a_picture_may_be(shape, residual, empty, grey, device):
    *bands, last = laplacian_pyramid(grey[0][:1, :, : shape[0], : shape[1]])
    assert last.numel() == residual
    assert (bands[-1].abs().max() < 1e-9) == empty


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_equal_pictures_cost_nothing_and_pull_nowhere(dtype, grey):
    x = grey[0].to(dtype)
    value, slope = with_slope(nlpd, x, x.clone())
    assert value == 0 and (slope == 0).all()


def test_the_slope_is_finite_where_only_some_bands_are_equal(device):
    """Flat pictures differ in the residual alone."""
    x = torch.full((1, 1, 64, 64), 0.5)
    value, slope = with_slope(nlpd, x, 0 * x)
    assert value > 0 and slope.isfinite().all() and slope.abs().max() > 0


def test_a_difference_too_small_to_square_is_seen(device):
    x = torch.zeros(1, 1, 64, 64)
    value, slope = with_slope(nlpd, x, x + 1e-30)
    assert value > 1e-31 and slope.abs().max() > 1e-4


def test_channels_of_a_pyramid_do_not_meet(coloured):
    x, _ = coloured
    together = normalized_laplacian_pyramid(x)
    alone = [normalized_laplacian_pyramid(c) for c in x.split(1, dim=1)]
    for band, *parts in zip(together, *alone, strict=True):
        torch.testing.assert_close(band, torch.cat(parts, dim=1))


# Messages


@pytest.mark.parametrize("shape", [(2, 3, 64, 64), (64, 64), (1, 1, 0, 64)])
def test_nlpd_wants_luminance(shape, device):
    x = torch.zeros(shape)
    with pytest.raises(ValueError, match=r"^input: .* \(N, 1, H, W\), got"):
        nlpd(x, x)


def test_a_pyramid_has_at_least_one_scale(device):
    x = torch.zeros(1, 1, 8, 8)
    (residual,) = laplacian_pyramid(x, 1)
    assert residual is x
    with pytest.raises(ValueError, match=r"^scales: expected a whole number"):
        laplacian_pyramid(x, 0)
    with pytest.raises(TypeError, match=r"^scales: .* got float"):
        laplacian_pyramid(x, 2.0)


def test_nlpd_wants_two_pictures_of_one_shape(device):
    x = torch.zeros(2, 1, 64, 64)
    with pytest.raises(ValueError, match=r"^target: expected the shape of"):
        nlpd(x, x[:1])
