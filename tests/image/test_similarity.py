"""What is particular to SSIM, MS-SSIM and the mix with absolute error."""

from functools import partial

import pytest
import torch

import naive_similarity as naive
from handbook_code import mae_loss, ms_ssim_l1_loss, ms_ssim_loss, ssim_loss

pytestmark = pytest.mark.usefixtures("road")
ssim = partial(ssim_loss, data_range=1.0)
two_scales = partial(ms_ssim_loss, data_range=1.0, weights=(0.3, 0.7))
mix = partial(ms_ssim_l1_loss, data_range=1.0)
EVERY = pytest.mark.parametrize(
    "loss", [ssim, two_scales, mix], ids=["ssim", "two scales", "mix"]
)


def slope(loss, x, y):
    x = x.detach().requires_grad_()
    return torch.autograd.grad(loss(x, y), x)[0]


# Against loops written from the papers


def assert_like_loop(loss, loop, x, y, generator, step=1e-5):
    """In value, and in slope along three directions."""

    def value(image):
        return loop(image[0].tolist(), y[0].tolist())

    torch.testing.assert_close(loss(x, y).item(), value(x))
    pull = slope(loss, x, y)
    for _ in range(3):
        way = torch.randn(
            x.shape, generator=generator, dtype=x.dtype, device=x.device
        )
        ahead, behind = value(x + step * way), value(x - step * way)
        torch.testing.assert_close(
            (pull * way).sum().item(),
            (ahead - behind) / (2 * step),
            rtol=1e-5,
            atol=1e-8,
        )


def test_ssim_is_the_loop(pictures, generator):
    x, y = pictures(1, 2, 14, 12)
    loss = partial(ssim_loss, data_range=0.7)
    loop = partial(naive.ssim, data_range=0.7)
    assert_like_loop(loss, loop, x, y, generator)


@pytest.mark.parametrize("shape", [(22, 24), (21, 25)])
def test_two_scales_are_the_loop(shape, pictures, generator):
    options = {"data_range": 0.7, "weights": (0.4, 0.5)}
    loss = partial(ms_ssim_loss, **options)
    loop = partial(naive.ms_ssim, **options)
    x, y = pictures(1, 2, *shape)
    assert_like_loop(loss, loop, x, y, generator)
    grain = torch.rand(x.shape, generator=generator).double()
    assert_like_loop(loss, loop, 1 - grain, grain, generator)


def test_the_mix_is_the_loop(pictures, generator):
    options = {"data_range": 0.7, "alpha": 0.6, "sigmas": (0.5, 1.5, 2.2)}
    loss = partial(ms_ssim_l1_loss, **options)
    loop = partial(naive.ms_ssim_l1, **options)
    x, y = pictures(1, 2, 10, 11)
    assert_like_loop(loss, loop, x, y, generator)


# By hand


def test_even_images_differ_in_luminance_alone():
    """½ and 1: 2 · ½ · 1 over ¼ + 1, but for the constant."""
    half, one = torch.full((2, 1, 1, 161, 161), 0.5).double()
    one = one + 0.5
    index = (1 + 1e-4) / (1.25 + 1e-4)
    assert ssim(half, one).item() == pytest.approx(1 - index)
    five = ms_ssim_loss(half, one, data_range=1.0)
    assert five.item() == pytest.approx(1 - index**0.1333)
    mixed = 0.84 * (1 - index) + 0.16 * 0.5
    assert mix(half, one).item() == pytest.approx(mixed)


def test_half_the_contrast_costs_a_fifth(generator):
    """2 · ½ over 1 + ¼, where the variance is large and the mean zero."""
    x = torch.randn(1, 1, 11, 11, generator=generator).double()
    side = torch.arange(11).double() - 5
    weight = torch.exp(-(side**2) / 4.5)
    weight = torch.outer(weight, weight) / weight.sum() ** 2
    x = x - (weight * x).sum()
    loss = ssim_loss(x / 2, x, data_range=1e-6)
    torch.testing.assert_close(loss.item(), 0.2)


def test_one_scale_is_ssim_and_a_weight_is_its_power(pair):
    once = ms_ssim_loss(
        *pair, data_range=1.0, weights=(1.0,), reduction="none"
    )
    torch.testing.assert_close(once, ssim(*pair, reduction="none"))
    x, y = (z[:1, :1] for z in pair)
    root = ms_ssim_loss(x, y, data_range=1.0, weights=(0.5,))
    torch.testing.assert_close(1 - root, (1 - ssim(x, y)).sqrt())


def test_one_sigma_and_no_absolute_error_is_ssim_of_another_window(pair):
    """With σ = 2.5 the window has 11 pixels, as Wang's, but is flatter."""
    wide = mix(*pair, alpha=1.0, sigmas=(2.5,))
    assert 0.5 < wide / ssim(*pair) < 1
    x, y = pair
    torch.testing.assert_close(
        mix(x, y, alpha=0.0)[None], mae_of_windows(x, y)[None]
    )


def mae_of_windows(x, y):
    """Absolute error, each pixel as often as a window of 33 shows it."""
    side = torch.arange(33) - 16.0
    weight = torch.exp(-(side**2) / 128).double()
    weight = torch.outer(weight, weight) / weight.sum() ** 2
    error = (x - y).abs().flatten(0, 1)[:, None]
    return torch.nn.functional.conv2d(error, weight[None, None]).mean()


# What counts


@EVERY
def test_only_the_ratio_to_the_range_counts(loss, pair):
    bytes_ = partial(loss, data_range=255.0)
    x, y = pair
    torch.testing.assert_close(bytes_(255 * x, 255 * y), loss(x, y))


@EVERY
def test_channels_and_images_are_apart(loss, pair):
    x, y = pair
    each = loss(x, y, reduction="none")
    alone = torch.stack(
        [
            torch.stack([loss(a[None, None], b[None, None]) for a, b in z])
            for z in (
                zip(*image, strict=True) for image in zip(x, y, strict=True)
            )
        ]
    )
    torch.testing.assert_close(each, alone.mean(1))


def test_a_corner_is_seen_by_one_window(pair):
    x, y = pair
    pull = slope(ssim, x, y).abs().mean((0, 1))
    assert pull[0, 0] < pull[20, 20] / 1e3


def test_turning_and_mirroring_both_changes_nothing(pair):
    for turn in (
        lambda z: z.mT,
        lambda z: z.flip(-1),
        lambda z: z.rot90(1, (-2, -1)),
    ):
        for loss in (ssim, mix):
            torch.testing.assert_close(loss(*map(turn, pair)), loss(*pair))
    # The last pixel of an odd length is alone: mirrored it is the first.
    odd = tuple(z[..., :41, :39] for z in pair)
    same = two_scales(*(z.flip(-1) for z in odd))
    assert abs(same - two_scales(*odd)) > 1e-9


# Precision


@EVERY
@pytest.mark.parametrize(
    "dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16]
)
def test_an_image_is_like_itself_exactly(loss, dtype, pair):
    y = pair[0].to(dtype)
    assert loss(y, y) == 0
    assert not slope(loss, y, y).any()


@EVERY
def test_a_bright_image_of_low_contrast_keeps_its_digits(loss, generator):
    """Mean 1000, variance 0.01: the square has no digit for the variance."""
    grain = torch.randn(2, 1, 1, 48, 48, generator=generator).double()
    x, y = (1000 + 0.1 * grain).float()
    exact = loss(x.double(), y.double()).item()
    assert 0.5 < exact < 1.5
    assert loss(x, y).item() == pytest.approx(exact, rel=3e-5)
    torch.testing.assert_close(
        slope(loss, x, y).double(),
        slope(loss, x.double(), y.double()),
        rtol=1e-3,
        atol=1e-6,
    )


def test_rounding_a_bright_image_to_half_costs_what_it_changes(generator):
    grain = torch.randn(1, 1, 48, 48, generator=generator).double()
    image = 0.9 + 0.002 * grain
    half = image.half()
    exact = ssim(half.double(), image)
    assert 0 < exact < 1e-3
    computed = ssim_loss(half, image.float(), data_range=1.0)
    assert computed.item() == pytest.approx(exact.item(), rel=1e-2)


def test_the_smallest_differences_are_not_lost(pair):
    """One minus a similarity of 1 − 10⁻¹² has no digits left in float32."""
    y = pair[1].float()
    x = y.clone()
    x[..., 24, 20] += 1e-6
    for loss in (ssim, two_scales, mix):
        exact = loss(x.double(), y.double()).item()
        assert 0 < exact < 1e-7
        assert loss(x, y).item() == pytest.approx(exact, rel=1e-3)


# Below zero


def stripes(contrast, **like):
    """Of one pixel: gone at the second scale."""
    return 0.5 + contrast * (-1.0) ** torch.arange(22, **like).expand(
        1, 1, 22, -1
    )


def test_below_zero_it_goes_on_without_a_jump():
    y = stripes(0.2, dtype=torch.float64)
    # The factor is zero where twice the covariance is minus C₂.
    zero = -0.0009 / 0.4
    around = torch.linspace(-1e-9, 1e-9, 41, dtype=torch.float64)
    values = torch.stack(
        [two_scales(stripes(zero + a, dtype=torch.float64), y) for a in around]
    )
    assert values.diff().max() < 0
    below, above = (values[:20] - 1).abs(), (values[21:] - 1).abs()
    assert below.max() < 1e-8
    # A factor of 10⁻⁸ to the power 0.3 is four thousandths.
    assert 1e-3 < above.max() < 1e-2


def test_the_slope_is_finite_and_not_zero_wherever_the_factor_vanishes():
    y = stripes(0.2, dtype=torch.float64)
    for contrast in (-0.0009 / 0.4, -0.2, 0.0, 0.2):
        for by in (0, 1e-17, -1e-17, 1e-12, -1e-12):
            x = stripes(contrast + by, dtype=torch.float64)
            pull = slope(two_scales, x, y)
            assert pull.isfinite().all()
            assert pull.any() or contrast == 0.2


def test_an_opposite_image_finds_the_way_back(generator):
    """Where others cut the factor off, the gradient would be zero."""
    y = torch.rand(1, 1, 32, 32, generator=generator).double()
    x = (1 - y).requires_grad_()
    start = two_scales(x, y)
    assert start > 1.5
    descent = torch.optim.Adam([x], lr=0.02)
    for _ in range(200):
        descent.zero_grad()
        loss = two_scales(x, y)
        loss.backward()
        descent.step()
    assert loss < 0.1


def test_two_opposite_scales_make_the_mix_a_positive_product():
    """As in the paper: l c c is +1 where both factors are −1."""
    y = stripes(0.4, dtype=torch.float64)
    x = stripes(-0.4, dtype=torch.float64)
    one, two = (mix(x, y, alpha=1.0, sigmas=s) for s in ((2,), (2, 2)))
    assert one > 1.98 and two < 0.02


# Messages


def test_messages_name_the_least_size():
    def images(*shape):
        return torch.zeros(shape), torch.zeros(shape)

    with pytest.raises(
        ValueError, match=r"11 × 11 pixels, got \(1, 3, 10, 64"
    ):
        ssim(*images(1, 3, 10, 64))
    with pytest.raises(
        ValueError,
        match=r"161 × 161 pixels for 5 scales, got \(1, 3, 160, 200",
    ):
        ms_ssim_loss(*images(1, 3, 160, 200), data_range=1.0)
    with pytest.raises(ValueError, match=r"21 × 21 pixels for 2 scales"):
        two_scales(*images(1, 3, 20, 21))
    with pytest.raises(ValueError, match=r"33 × 33 pixels, got"):
        mix(*images(1, 3, 32, 40))
    with pytest.raises(
        ValueError, match=r"^input: .*\(N, C, H, W\).* \(64, 64"
    ):
        ssim(*images(64, 64))
    with pytest.raises(ValueError, match=r"^input: .*, got \(2, 0, 64, 64"):
        ssim(*images(2, 0, 64, 64))
    with pytest.raises(ValueError, match=r"^target: expected the shape"):
        ssim(torch.zeros(2, 3, 64, 64), torch.zeros(2, 1, 64, 64))


def test_the_least_sizes_are_enough(pictures):
    assert ssim(*pictures(1, 1, 11, 11)) > 0
    assert ms_ssim_loss(*pictures(1, 1, 161, 161), data_range=1.0) > 0
    assert mix(*pictures(1, 1, 33, 33)) > 0


@EVERY
@pytest.mark.parametrize(
    ("wrong", "error"),
    [(0, ValueError), (-1.0, ValueError), ("1", TypeError)],
)
def test_a_range_is_a_positive_number(loss, wrong, error, pair):
    with pytest.raises(error, match=r"^data_range: expected a positive"):
        loss(*pair, data_range=wrong)


@pytest.mark.parametrize("loss", [ssim_loss, ms_ssim_loss, ms_ssim_l1_loss])
def test_the_range_has_no_default(loss, pair):
    with pytest.raises(TypeError, match="data_range"):
        loss(*pair)


def test_scales_are_positive_numbers(pair):
    for name, loss in (("weights", ms_ssim_loss), ("sigmas", ms_ssim_l1_loss)):
        with pytest.raises(ValueError, match=f"^{name}: .* got none$"):
            loss(*pair, data_range=1.0, **{name: ()})
        with pytest.raises(ValueError, match=f"^{name}: .* got -1$"):
            loss(*pair, data_range=1.0, **{name: (0.5, -1)})
    with pytest.raises(ValueError, match=r"^alpha: .* got 1.5$"):
        mix(*pair, alpha=1.5)


def test_absolute_error_counts_in_ranges(pair):
    """So that images in bytes train as images in [0, 1] do."""
    x, y = pair
    part = mix(255 * x, 255 * y, data_range=255.0, alpha=0.0)
    assert 0.5 * mae_loss(x, y) < part < 2 * mae_loss(x, y)
