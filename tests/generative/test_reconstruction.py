"""Likelihoods of a reconstruction: parity, values by hand, theorems, PSNR."""

import math

import numpy as np
import pytest
import torch
from scipy import stats
from torch.distributions import Laplace, Normal

from handbook_code import gaussian_nll_loss, laplace_nll_loss, mse_loss
from peers import peer

BOTH = [gaussian_nll_loss, laplace_nll_loss]
both = pytest.mark.parametrize("loss", BOTH, ids=lambda f: f.__name__)
reductions = pytest.mark.parametrize("reduction", ["none", "mean", "sum"])


@pytest.fixture
def triple(generator):
    """Means, logarithms of widths, and observations."""
    return torch.randn(3, 6, 50, generator=generator, dtype=torch.float64)


def with_slopes(loss, *tensors, **options):
    tensors = [t.detach().clone().requires_grad_() for t in tensors]
    value = loss(*tensors, **options)
    return value, *torch.autograd.grad(value.sum(), tensors)


# Parity


@reductions
def test_gaussian_is_torch_s_loss_in_full(triple, reduction):
    """Theirs takes the variance, and leaves log 2π out unless told."""
    theirs = torch.nn.GaussianNLLLoss(full=True, reduction=reduction)

    def of_log(mean, log_variance, target):
        return theirs(mean, target, log_variance.exp())

    torch.testing.assert_close(
        with_slopes(gaussian_nll_loss, *triple, reduction=reduction),
        with_slopes(of_log, *triple),
    )
    short = torch.nn.GaussianNLLLoss(reduction="none")
    mean, log_variance, target = triple
    missing = gaussian_nll_loss(*triple, reduction="none") - short(
        mean, target, log_variance.exp()
    )
    constant = torch.full_like(missing, math.log(2 * math.pi) / 2)
    torch.testing.assert_close(missing, constant)


def test_torch_clamps_a_small_variance_and_hides_it_from_the_gradient():
    """At eps = 1e-6 its value stands still while its slope says: fall."""
    zero = torch.zeros(1, dtype=torch.float64)
    variance = torch.full_like(zero, 1e-9).requires_grad_()
    theirs = torch.nn.GaussianNLLLoss(full=True)
    value = theirs(zero, zero, variance)
    value.backward()
    lower = gaussian_nll_loss(zero, variance.detach().log(), zero)
    floor = gaussian_nll_loss(zero, torch.full_like(zero, 1e-6).log(), zero)
    torch.testing.assert_close(value.detach(), floor)
    assert lower < floor - 3
    torch.testing.assert_close(variance.grad, torch.full_like(zero, 5e5))


@reductions
def test_both_are_torch_s_distributions(triple, reduction):
    reduce = {"none": lambda x: x, "mean": torch.mean, "sum": torch.sum}
    for loss, density in (
        (gaussian_nll_loss, lambda m, s: Normal(m, (s / 2).exp())),
        (laplace_nll_loss, lambda m, s: Laplace(m, s.exp())),
    ):

        def theirs(mean, width, target, density=density):
            log_p = density(mean, width).log_prob(target)
            return reduce[reduction](-log_p)

        torch.testing.assert_close(
            with_slopes(loss, *triple, reduction=reduction),
            with_slopes(theirs, *triple),
        )


def test_both_are_scipy_s_densities(triple):
    mean, s, y = (t.cpu().numpy() for t in triple)
    for loss, log_p in (
        (gaussian_nll_loss, stats.norm.logpdf(y, mean, np.exp(s / 2))),
        (laplace_nll_loss, stats.laplace.logpdf(y, mean, np.exp(s))),
    ):
        ours = loss(*triple, reduction="none").cpu()
        torch.testing.assert_close(ours, -torch.tensor(log_p))


# Values by hand


def test_gaussian_values():
    """σ = 2 and a residual of 4, two widths: log σ + ½ log 2π + 2² / 2."""
    zero, four = torch.zeros(1).double(), torch.full((1,), 4.0).double()
    s = torch.full((1,), 2 * math.log(2)).double()
    value, in_mean, in_s, _ = with_slopes(gaussian_nll_loss, zero, s, four)
    expected = math.log(2) + math.log(2 * math.pi) / 2 + 2
    torch.testing.assert_close(value.item(), expected)
    assert in_mean.item() == pytest.approx(-4 / 2**2)  # −r / σ²
    assert in_s.item() == pytest.approx((1 - 2**2) / 2)  # ½ (1 − z²)


def test_laplace_values():
    """b = 2 and a residual of −6, three scales: log 2b + 3."""
    zero, low = torch.zeros(1).double(), torch.full((1,), -6.0).double()
    s = torch.full((1,), math.log(2)).double()
    value, in_mean, in_s, _ = with_slopes(laplace_nll_loss, zero, s, low)
    assert value.item() == pytest.approx(math.log(4) + 3)
    assert in_mean.item() == pytest.approx(1 / 2)  # sign / b
    assert in_s.item() == pytest.approx(1 - 3)


# Extremes


@both
@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
def test_an_exact_fit_may_have_no_width_that_is_a_number(loss, dtype):
    """exp(1000) is infinite, and 0 · ∞ would be NaN."""
    zero = torch.zeros(1, dtype=dtype)
    s = torch.full_like(zero, -1000)
    value, *slopes = with_slopes(loss, zero, s, zero)
    half = 2 if loss is gaussian_nll_loss else 1
    assert value.item() == pytest.approx(-1000 / half, abs=2)
    assert [slope.item() for slope in slopes] == [0, 1 / half, 0]


@both
def test_a_miss_with_no_width_is_infinitely_improbable(loss):
    one = torch.ones(1)
    assert loss(one, torch.full((1,), -1000.0), 0 * one).item() == math.inf


@both
def test_a_huge_residual_with_a_huge_width_is_ordinary(loss):
    """Squared first, 1e30 would overflow."""
    r = torch.full((1,), 1e30)
    s = torch.log(r) * (2 if loss is gaussian_nll_loss else 1)
    value, *slopes = with_slopes(loss, r, s, 0 * r)
    assert value.item() == pytest.approx(69.08, abs=2)
    assert all(slope.isfinite() for slope in slopes)


@both
def test_a_floor_of_the_width_is_the_callers_own(loss):
    """Nothing is clamped: every further nat of precision pays, or half."""
    zero, s = torch.zeros(5), torch.tensor([0.0, -10, -20, -40, -80])
    steps = loss(zero, s, zero, reduction="none").diff()
    half = 2 if loss is gaussian_nll_loss else 1
    torch.testing.assert_close(steps, s.diff() / half)


# Theorems


@both
def test_the_mean_over_the_density_is_its_entropy(loss):
    """And no other mean or width is cheaper on average (Gibbs)."""
    gauss = loss is gaussian_nll_loss
    density = Normal(0.7, 1.3) if gauss else Laplace(0.7, 1.3)
    levels = (torch.arange(200_000).double() + 0.5) / 200_000
    y = density.icdf(levels)
    m = torch.tensor(0.7, dtype=torch.float64)
    s = torch.tensor(1.3, dtype=torch.float64).log() * (2 if gauss else 1)

    def cost(mean, width):
        return loss(mean.expand_as(y), width.expand_as(y), y)

    best, *slopes = with_slopes(cost, m, s)
    assert best.item() == pytest.approx(density.entropy().item(), abs=1e-4)
    assert all(abs(slope) < 1e-4 for slope in slopes)
    for a, b in ((0.2, 0), (-0.2, 0), (0, 0.3), (0, -0.3), (0.2, 0.3)):
        assert cost(m + a, s + b) > best


def test_the_best_widths_are_the_mean_errors(triple):
    mean, _, y = triple
    r = y - mean
    for loss, width in (
        (gaussian_nll_loss, r.square().mean().log()),
        (laplace_nll_loss, r.abs().mean().log()),
    ):
        s = width.expand_as(r)
        value = loss(mean, s, y)
        for step in (-0.1, 0.1):
            assert loss(mean, s + step, y) > value


@both
def test_other_units_cost_a_constant(loss, triple):
    mean, s, y = triple
    wider = s + math.log(7) * (2 if loss is gaussian_nll_loss else 1)
    more = loss(7 * mean, wider, 7 * y, reduction="none")
    difference = more - loss(mean, s, y, reduction="none")
    constant = torch.full_like(difference, math.log(7))
    torch.testing.assert_close(difference, constant)


@both
def test_neither_is_convex_in_both_arguments(loss):
    """The chord between two descriptions lies below the graph."""
    y = torch.zeros(1)
    here = torch.tensor([1.0]), torch.tensor([0.0])
    there = torch.tensor([2.0]), torch.tensor([0.7])
    middle = [(a + b) / 2 for a, b in zip(here, there, strict=True)]
    ends = (loss(*here, y) + loss(*there, y)) / 2
    assert loss(*middle, y) > ends


# PSNR: the peers' differ in what they average


def psnr(mse):
    return -10 * torch.log10(mse)


def test_libraries_average_psnr_over_different_things(generator):
    """Of the mean error, or the mean of each picture's: not the same."""
    target = torch.rand(4, 1, 32, 32, generator=generator)
    size = torch.tensor([0.01, 0.03, 0.1, 0.3]).view(-1, 1, 1, 1)
    noisy = target + size * torch.randn(target.shape, generator=generator)
    pooled = psnr(mse_loss(noisy, target))
    each = psnr((noisy - target).square().mean((1, 2, 3)))
    assert each.mean() > pooled + 5
    metrics = peer("torchmetrics.functional.image")
    skimage = peer("skimage.metrics").peak_signal_noise_ratio
    arrays = target.cpu().numpy(), noisy.cpu().numpy()
    theirs = metrics.peak_signal_noise_ratio
    torch.testing.assert_close(theirs(noisy, target, data_range=1.0), pooled)
    torch.testing.assert_close(
        theirs(noisy, target, data_range=1.0, dim=(1, 2, 3)), each.mean()
    )
    of_arrays = skimage(*arrays, data_range=1)
    assert of_arrays == pytest.approx(pooled.item(), rel=1e-5)
    kornia = peer("kornia.metrics").psnr
    torch.testing.assert_close(kornia(noisy, target, 1.0), pooled)
    monai = peer("monai.metrics").PSNRMetric(max_val=1)
    torch.testing.assert_close(monai(noisy, target)[:, 0], each)


def test_piq_averages_over_pictures_and_insists_on_the_range(generator):
    piq = peer("piq").psnr
    target, guess = torch.rand(2, 4, 1, 32, 32, generator=generator)
    each = psnr((guess - target).square().mean((1, 2, 3)))
    torch.testing.assert_close(piq(guess, target), each.mean())
    with pytest.raises(AssertionError, match=r"lower or equal to 1\.0"):
        piq(guess + 1, target)


def test_skimage_takes_the_range_from_the_dtype(generator):
    """Floats are held to be from 0 to 1, or from −1 if one is negative."""
    skimage = peer("skimage.metrics").peak_signal_noise_ratio
    target = torch.rand(32, 32, generator=generator).cpu().numpy()
    assert skimage(target, target + 0.01) == pytest.approx(40, abs=0.01)
    below = target - 0.5
    assert skimage(below, below + 0.01) == pytest.approx(46.02, abs=0.01)


def test_a_pair_as_the_range_of_torchmetrics_also_clips(generator):
    """Which never makes it worse, if the target lies in the range."""
    theirs = peer("torchmetrics.functional.image").peak_signal_noise_ratio
    target = torch.rand(1, 1, 32, 32, generator=generator).round()
    guess = target + 0.1 * torch.randn(target.shape, generator=generator)
    plain = theirs(guess, target, data_range=1.0)
    clipped = theirs(guess, target, data_range=(0.0, 1.0))
    torch.testing.assert_close(plain, psnr(mse_loss(guess, target)))
    expected = psnr(mse_loss(guess.clamp(0, 1), target))
    torch.testing.assert_close(clipped, expected)
    assert clipped > plain + 2


# Messages


@both
def test_shapes_are_named(loss):
    x = torch.zeros(4, 3)
    name = "log_variance" if loss is gaussian_nll_loss else "log_scale"
    with pytest.raises(ValueError, match=rf"^{name}: .* \(4, 3\), got \(3,\)"):
        loss(x, torch.zeros(3), x)
    with pytest.raises(ValueError, match=r"^target: .* \(4, 3\), got \(4,\)"):
        loss(x, x, torch.zeros(4))
    with pytest.raises(TypeError, match=r"^target: .* torch.int64"):
        loss(x, x, torch.zeros(4, 3).long())
