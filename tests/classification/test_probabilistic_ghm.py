"""Gradient harmonising: by hand, by the loop of the paper, and its module."""

import math
from functools import partial

import pytest
import torch
import torch.nn.functional as F

import naive_ghm
from handbook_code import GHM, ghm_loss, ghm_regression_loss
from handbook_code.classification.probabilistic import _histogram

every_bins = pytest.mark.parametrize("bins", [1, 3, 10, 30])


def slope(loss, logits, target, **options):
    logits = logits.detach().requires_grad_()
    return torch.autograd.grad(loss(logits, target, **options).sum(), logits)[
        0
    ]


@pytest.fixture
def batch(generator):
    """Logits and labels of 42 places."""
    z = 3 * torch.randn(7, 2, 3, generator=generator, dtype=torch.float64)
    return z, torch.randint(2, z.shape, generator=generator).double()


@pytest.fixture
def binary(generator):
    z = 3 * torch.randn(200, generator=generator, dtype=torch.float64)
    return z, torch.randint(2, z.shape, generator=generator).double()


# By hand


def test_ghm_by_hand(device):
    """g = .1, .1, .2, .9 of CE log 10/9 twice, log 5/4, log 10.

    Of two bins the first holds three: L = Σ CE / (2 · 3) + log 10 / (2 · 1).
    """
    p = torch.tensor([0.1, 0.9, 0.2, 0.9])
    y = torch.tensor([0.0, 1, 0, 0])
    easy = 2 * math.log(10 / 9) + math.log(5 / 4)
    expected = easy / 6 + math.log(10) / 2
    assert ghm_loss(p.logit(), y, bins=2).item() == pytest.approx(expected)


def test_ghm_regression_by_hand(device):
    """μ = 4 and r = 3 are a triangle: √(9 + 16) − 4 = 1, g = 3/5."""
    x = torch.tensor([0.0, 3.0, -3.0])
    loss = ghm_regression_loss(x, torch.zeros(3), mu=4.0, bins=2)
    assert loss.item() == pytest.approx(0 / 2 + 2 * 1 / (2 * 2))


@pytest.mark.parametrize("loss", [ghm_loss, ghm_regression_loss])
def test_what_does_not_count_changes_nothing_whatever_it_is(loss, device):
    """NaN for a missing label, and for what was predicted at its place."""
    nan = math.nan
    z, y = torch.tensor([1.0, -2, nan, 3]), torch.tensor([0.0, 1, 1, nan])
    pull = slope(loss, z, y, mask=z < 2)
    torch.testing.assert_close(pull[:2], slope(loss, z[:2], y[:2]))
    assert (pull[2:] == 0).all()


@pytest.mark.parametrize("loss", [ghm_loss, ghm_regression_loss])
def test_a_nan_that_counts_is_found_in_the_loss(loss, device):
    """And not in an index out of range, which on a GPU ends the process."""
    z = torch.tensor([math.nan, -2.0])
    assert loss(z, torch.zeros(2)).isnan()


def test_the_last_bin_includes_a_slope_of_one(device):
    """Saturated and wrong: σ(z) − y rounds to one, in every precision."""
    for dtype in (torch.float16, torch.bfloat16, torch.float32):
        z = torch.tensor([100.0, -100.0, 4.0, 0.0, -100.0], dtype=dtype)
        y = torch.tensor([0.0, 1.0, 0.0, 1.0, 0.0], dtype=dtype)
        loss = ghm_loss(z, y)
        expected = (204 / 3 + math.log(2)) / 10
        assert loss.item() == pytest.approx(expected, rel=1e-2)
    far = torch.tensor([1e30, 0.0])
    assert ghm_regression_loss(far, torch.zeros(2)).isfinite()


def test_ghm_counts_in_whole_numbers():
    """In float32 a count would end at 2²⁴, and an image has as many pixels."""
    norm = torch.rand(50)
    _, found = _histogram(norm, norm < 0.7, 10)
    assert found.dtype == torch.long and found.sum() == (norm < 0.7).sum()


def test_ghm_leaves_out_what_is_masked(batch):
    z, y = batch
    mask = z.roll(1) > 0
    for loss in (ghm_loss, ghm_regression_loss):
        torch.testing.assert_close(
            loss(z, y, mask=mask), loss(z[mask], y[mask])
        )
        pull = slope(loss, z, y, mask=mask)
        assert (pull[~mask] == 0).all() and (pull[mask] != 0).any()
        nothing = torch.zeros_like(mask)
        assert loss(z, y, mask=nothing) == 0
        assert (slope(loss, z, y, mask=nothing) == 0).all()


# Theorems


@every_bins
def test_ghm_is_the_loop_of_its_paper(bins, binary):
    z, y = binary
    value, pull = naive_ghm.ghm(z.tolist(), y.tolist(), bins)
    loss = partial(ghm_loss, bins=bins)
    assert loss(z, y).item() == pytest.approx(value)
    torch.testing.assert_close(slope(loss, z, y), z.new_tensor(pull))
    stacked = [t.view(2, 5, 20).mT for t in (z, y)]
    torch.testing.assert_close(loss(*stacked), loss(z, y))


@every_bins
@pytest.mark.parametrize("mu", [0.02, 1.0])
def test_ghm_regression_is_the_loop_of_its_paper(mu, bins, binary):
    x, y = binary
    value, pull = naive_ghm.ghm_regression(x.tolist(), y.tolist(), mu, bins)
    loss = partial(ghm_regression_loss, mu=mu, bins=bins)
    assert loss(x, y).item() == pytest.approx(value)
    torch.testing.assert_close(slope(loss, x, y), x.new_tensor(pull))


def test_ghm_of_one_bin_is_the_mean(binary):
    z, y = binary
    torch.testing.assert_close(
        ghm_loss(z, y, bins=1), F.binary_cross_entropy_with_logits(z, y)
    )


def test_ghm_of_slopes_in_every_bin_alike_is_the_mean():
    """An even density needs no harmony."""
    p = (torch.arange(40).double() + 0.5) / 40
    z, y = p.logit(), torch.zeros(40).double()
    torch.testing.assert_close(
        ghm_loss(z, y, bins=10), F.binary_cross_entropy_with_logits(z, y)
    )


def test_every_bin_has_the_same_say(binary):
    """Σ β over a bin is N / M, however many are in it."""
    z, y = binary
    norm = (z.sigmoid() - y).abs()
    beta = slope(partial(ghm_loss, bins=5), z, y).abs() / norm
    place = (5 * norm).long()
    for bin_ in range(5):
        assert beta[place == bin_].sum().item() == pytest.approx(1 / 5)


def test_a_copy_of_all_samples_changes_nothing_in_ghm(binary):
    z, y = binary
    torch.testing.assert_close(
        ghm_loss(z.repeat(3), y.repeat(3)), ghm_loss(z, y)
    )


# The module GHM


def test_ghm_without_momentum_is_the_function(batch):
    z, y = batch
    module = GHM(bins=5, momentum=0.0).double()
    for part in (slice(3), slice(3, 7)):
        torch.testing.assert_close(
            module(z[part], y[part]), ghm_loss(z[part], y[part], bins=5)
        )


def test_the_first_batch_is_not_counted_as_rarer_than_it_is(batch):
    """Averages that start at zero would make its weights four times larger."""
    z, y = batch
    module = GHM(momentum=0.75).double()
    torch.testing.assert_close(module(z, y), ghm_loss(z, y))


def test_ghm_remembers_by_hand(device):
    """Two bins: first all in the lower one, then half and half, m = 1/2.

    Shares 1/4 · (1, 0) + 1/2 · (1/2, 1/2), over their sum: (2/3, 1/3).
    """
    module = GHM(bins=2, momentum=0.5)
    module(torch.full((4,), -3.0), torch.zeros(4))
    z = torch.tensor([-3.0, 3.0])
    each = F.binary_cross_entropy_with_logits(
        z, torch.zeros(2), reduction="none"
    )
    expected = (each[0] / (2 * 2 / 3) + each[1] / (2 * 1 / 3)) / 2
    kept = module.histogram.clone()
    assert kept.tolist() == [0.5, 0]
    torch.testing.assert_close(module.eval()(z, torch.zeros(2)), expected)
    assert torch.equal(module.histogram, kept)
    torch.testing.assert_close(module.train()(z, torch.zeros(2)), expected)
    assert module.histogram.tolist() == [0.5, 0.25]


def test_ghm_keeps_its_histogram_with_the_model(batch):
    z, y = batch
    module, twin = GHM().double(), GHM().double()
    module(z[:3], y[:3])
    twin.load_state_dict(module.state_dict())
    torch.testing.assert_close(twin(z, y), module(z, y))
    assert repr(twin) == "GHM(bins=10, momentum=0.75)"


def test_ghm_learns_nothing_from_nothing(batch):
    z, y = batch
    z.requires_grad_()
    module = GHM().double()
    module(z, y)
    before = module.histogram.clone()
    for loss in (
        module(z[:0], y[:0]),
        module(z, y, mask=torch.zeros_like(y, dtype=torch.bool)),
        GHM().double()(z[:0], y[:0]),
    ):
        (pull,) = torch.autograd.grad(loss, z)
        assert loss == 0 and (pull == 0).all()
    assert torch.equal(module.histogram, before)


def test_ghm_works_in_half_precision_and_compiled(batch):
    z, y = (tensor.float() for tensor in batch)
    expected = GHM()(z, y)
    torch.testing.assert_close(
        GHM()(z.bfloat16(), y).float(), expected, rtol=0.1, atol=0
    )
    torch.compiler.reset()
    module = GHM()
    compiled = torch.compile(module, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(z, y), expected)
    assert module.histogram.sum() == pytest.approx(0.25)
