"""Divergences: parity, values by hand, extremes and messages."""

import math
from functools import partial

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy import special, stats
from torch import distributions

from handbook_code import gaussian_kl_loss, kl_divergence_loss
from peers import peer


@pytest.fixture
def pair(generator):
    """Logits of the input, and of the target, of forty distributions."""
    return torch.randn(2, 40, 6, generator=generator, dtype=torch.float64)


@pytest.fixture
def codes(generator):
    """Means and log variances of forty Gaussians in five dimensions."""
    return torch.randn(2, 40, 5, generator=generator, dtype=torch.float64)


def with_slopes(function, *tensors):
    tensors = [t.detach().clone().requires_grad_() for t in tensors]
    value = function(*tensors)
    return value, *torch.autograd.grad(value.sum(), tensors)


def agree(ours, theirs, *tensors):
    torch.testing.assert_close(
        with_slopes(ours, *tensors), with_slopes(theirs, *tensors)
    )


def ours(z, s, **options):
    return kl_divergence_loss(z.log_softmax(-1), s.softmax(-1), **options)


# Peers


def test_kl_is_torch_s_by_distribution(pair):
    log_q, p = pair[0].log_softmax(-1), pair[1].softmax(-1)
    agree(kl_divergence_loss, partial(F.kl_div, reduction="batchmean"),
          log_q, p)  # fmt: skip
    each = F.kl_div(log_q, p, reduction="none").sum(-1)
    torch.testing.assert_close(
        kl_divergence_loss(log_q, p, reduction="none"), each
    )


@pytest.mark.filterwarnings("ignore:reduction. 'mean'")
def test_the_mean_is_not_torch_s(pair):
    """Theirs divides by all elements; their batchmean by the first axis."""
    log_q, p = (x.view(8, 5, 6) for x in pair)
    log_q, p = log_q.log_softmax(-1), p.softmax(-1)
    value = kl_divergence_loss(log_q, p)
    torch.testing.assert_close(6 * F.kl_div(log_q, p), value)
    batchmean = F.kl_div(log_q, p, reduction="batchmean")
    torch.testing.assert_close(batchmean, 5 * value)


def test_kl_is_that_of_torch_s_categorical(pair):
    def theirs(z, s):
        return distributions.kl_divergence(
            distributions.Categorical(logits=s),
            distributions.Categorical(logits=z),
        )

    agree(partial(ours, reduction="none"), theirs, *pair)


def test_kl_is_kornia_s_on_a_heatmap(pair):
    """Theirs takes probabilities, and sums over two axes."""
    losses = peer("kornia.losses")

    def theirs(z, s):
        maps = (x.softmax(-1).view(8, 5, 2, 3) for x in (z, s))
        return losses.kl_div_loss_2d(*maps)

    agree(ours, theirs, *pair)


def test_half_the_kl_to_the_middle_is_kornia_s_jensen_shannon(pair):
    losses = peer("kornia.losses")

    def two_halves(z, s):
        q, p = z.softmax(-1), s.softmax(-1)
        middle = ((p + q) / 2).log()
        return sum(kl_divergence_loss(middle, x) for x in (p, q)) / 2

    def theirs(z, s):
        maps = (x.softmax(-1).view(8, 5, 2, 3) for x in (z, s))
        return losses.js_div_loss_2d(*maps)

    agree(two_halves, theirs, *pair)
    assert two_halves(*pair) < math.log(2)


@pytest.mark.parametrize("log_prob", [True, False])
def test_kl_is_torchmetrics_with_the_target_first(log_prob, pair):
    module = peer("torchmetrics.functional.regression.kl_divergence")
    make = torch.log_softmax if log_prob else torch.softmax

    def theirs(z, s):
        return module.kl_divergence(
            make(s, -1), make(z, -1), log_prob=log_prob
        )

    agree(ours, theirs, *pair)


def test_kl_is_timm_s_term_of_consistency(pair):
    """AugMix: three views, and the KL of each from their mean."""
    loss = peer("timm.loss.jsd").JsdCrossEntropy(3, alpha=1, smoothing=0)
    logits, labels = pair[0][:39], torch.arange(39) % 6

    def theirs(z):
        return loss(z, labels) - F.cross_entropy(z[:13], labels[:13])

    def mine(z):
        views = z.view(3, 13, 6).softmax(-1)
        middle = views.mean(0).log()
        return torch.stack([kl_divergence_loss(middle, v) for v in views])

    agree(lambda z: mine(z).mean(), theirs, logits)


def test_kl_is_scipy_s_relative_entropy(pair):
    q, p = pair.softmax(-1).numpy()
    each = ours(*pair, reduction="none").numpy()
    np.testing.assert_allclose(each, special.rel_entr(p, q).sum(-1))
    np.testing.assert_allclose(each, stats.entropy(p, q, axis=-1))


def test_scipy_s_kl_div_has_other_terms_and_the_same_sum(pair):
    """Theirs adds q − p, so that no term is negative."""
    q, p = pair.softmax(-1)
    terms = torch.tensor(special.kl_div(p.numpy(), q.numpy()))
    assert (terms >= 0).all()
    torch.testing.assert_close(terms, p * (p / q).log() + q - p)
    torch.testing.assert_close(terms.sum(-1), ours(*pair, reduction="none"))
    half = kl_divergence_loss((q / 2).log(), p, reduction="none")
    assert not torch.allclose(
        half, torch.tensor(special.kl_div(p.numpy(), q.numpy() / 2)).sum(-1)
    )


def test_gaussian_kl_is_torch_s(codes):
    def theirs(mean, log_variance):
        code = distributions.Normal(mean, (log_variance / 2).exp())
        noise = distributions.Normal(0.0, 1.0)
        return distributions.kl_divergence(code, noise).sum(-1)

    agree(partial(gaussian_kl_loss, reduction="none"), theirs, *codes)


def test_gaussian_kl_is_torch_s_of_many_dimensions(codes):
    """Through a Cholesky factor and a determinant."""
    mean, log_variance = codes
    code = distributions.MultivariateNormal(
        mean, torch.diag_embed(log_variance.exp())
    )
    noise = distributions.MultivariateNormal(
        torch.zeros(5).double(), torch.eye(5).double()
    )
    each = gaussian_kl_loss(mean, log_variance, reduction="none")
    torch.testing.assert_close(distributions.kl_divergence(code, noise), each)


# By hand


def test_kl_by_hand(device):
    """(½, ¼, ¼) coded as (¼, ¼, ½): ½ log 2 + 0 − ¼ log 2."""
    p, q = torch.tensor([0.5, 0.25, 0.25]), torch.tensor([0.25, 0.25, 0.5])
    value = kl_divergence_loss(q.log(), p)
    assert value.item() == pytest.approx(math.log(2) / 4)


def test_the_arguments_are_not_alike(device):
    """One toss of a coin that is thought fair and always falls on heads
    costs log 2; the other way round it is impossible."""
    fair, heads = torch.tensor([0.5, 0.5]), torch.tensor([1.0, 0.0])
    value = kl_divergence_loss(fair.log(), heads)
    assert value.item() == pytest.approx(math.log(2))
    assert kl_divergence_loss(heads.log(), fair) == math.inf


def test_gaussian_kl_by_hand(device):
    """μ = 3 alone costs 9/2; σ = 2 alone (4 − 1 − log 4) / 2."""
    mean = torch.tensor([[3.0, 0.0], [0.0, 0.0], [3.0, 0.0]])
    log_variance = torch.tensor([[0.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
    log_variance = math.log(4) * log_variance
    wide = (3 - math.log(4)) / 2
    each = gaussian_kl_loss(mean, log_variance, reduction="none")
    torch.testing.assert_close(each, torch.tensor([4.5, wide, 4.5 + wide]))


def test_every_axis_but_the_last_counts_samples(pair, codes):
    for loss, (a, b) in ((ours, pair), (gaussian_kl_loss, codes)):
        each = loss(a, b, reduction="none")
        boxed = loss(a.view(8, 5, -1), b.view(8, 5, -1), reduction="none")
        torch.testing.assert_close(boxed, each.view(8, 5))
        mean = loss(a.view(8, 5, -1), b.view(8, 5, -1))
        torch.testing.assert_close(mean, each.mean())
        torch.testing.assert_close(loss(a[0], b[0]), each[0])


# Theorems


def test_kl_is_cross_entropy_less_entropy(pair):
    z, s = pair
    entropy = torch.special.entr(s.softmax(-1)).sum(-1).mean()
    torch.testing.assert_close(
        ours(z, s), F.cross_entropy(z, s.softmax(-1)) - entropy
    )


def test_the_slope_in_the_logits_is_the_difference_of_probabilities(pair):
    _, pull, _ = with_slopes(partial(ours, reduction="sum"), *pair)
    torch.testing.assert_close(pull, pair[0].softmax(-1) - pair[1].softmax(-1))


def test_kl_is_at_least_twice_the_square_of_the_total_variation(pair):
    """Pinsker."""
    variation = (pair[0].softmax(-1) - pair[1].softmax(-1)).abs().sum(-1) / 2
    assert (ours(*pair, reduction="none") >= 2 * variation**2).all()


def test_to_look_away_never_widens_a_divergence(pair):
    """The data-processing inequality: classes no longer told apart."""
    q, p = pair.softmax(-1)
    coarse_q, coarse_p = (x.view(40, 3, 2).sum(-1) for x in (q, p))
    fine = kl_divergence_loss(q.log(), p, reduction="none")
    coarse = kl_divergence_loss(coarse_q.log(), coarse_p, reduction="none")
    assert (coarse <= fine + 1e-12).all()


def test_divergences_of_independent_parts_add_up(pair):
    first, second = pair[:, :20], pair[:, 20:]
    joint = [
        (a[..., :, None] + b[..., None, :]).flatten(-2)
        for a, b in zip(first, second, strict=True)
    ]
    none = partial(ours, reduction="none")
    torch.testing.assert_close(none(*joint), none(*first) + none(*second))


# Extremes


def test_zero_in_the_target_costs_nothing_and_pulls_nowhere(device):
    log_q = torch.tensor([[-math.inf, 0.0], [-2.0, math.log(1 - math.e**-2)]])
    p = torch.tensor([[0.0, 1.0], [0.0, 1.0]])
    value, in_log_q, in_p = with_slopes(
        partial(kl_divergence_loss, reduction="none"), log_q, p
    )
    torch.testing.assert_close(value, torch.stack([log_q[0, 1], -log_q[1, 1]]))
    torch.testing.assert_close(in_log_q, -p)
    assert in_p.isfinite().all() and (in_p[:, 0] == 0).all()
    naive = F.kl_div(log_q, p, reduction="none").sum(-1)
    assert naive[0].isnan()


def test_a_target_that_underflows_has_a_gradient_in_its_logits(device):
    """e⁻²⁰⁰ is 0 in float32; the true slope there is 0 as well."""
    s = torch.tensor([[0.0, -200.0, 1.0]])
    slope = torch.func.grad(lambda s: ours(torch.zeros(1, 3), s))
    expected = slope(s.double())
    torch.testing.assert_close(slope(s).double(), expected, atol=1e-6, rtol=0)
    assert s.softmax(-1)[0, 1] == 0


def test_what_is_held_impossible_and_happens_costs_infinitely(device):
    """The gradient in log q is −p even there."""
    log_q, p = torch.tensor([-math.inf, 0.0]), torch.tensor([0.25, 0.75])
    value, slope, _ = with_slopes(kl_divergence_loss, log_q, p)
    assert value == math.inf
    torch.testing.assert_close(slope, -p)


def test_what_is_no_distribution_is_not_noticed_but_told_by_the_value(device):
    """Too much mass in q goes below 0; a negative p is no number."""
    p = torch.tensor([0.5, 0.5])
    assert kl_divergence_loss((2 * p).log(), p).item() == pytest.approx(
        -math.log(2)
    )
    assert kl_divergence_loss(p.log(), torch.tensor([-0.5, 1.5])).isnan()


@pytest.mark.parametrize("v", [1e-3, -1e-3, 1e-4, -1e-4, 1e-6, -1e-6])
def test_gaussian_kl_near_zero_keeps_digits(v, device):
    """exp v − 1 would be off by 1e-7, which is more than the value."""
    log_variance = torch.tensor([v])
    expected = (math.expm1(log_variance.item()) - log_variance.item()) / 2
    value = gaussian_kl_loss(torch.zeros(1), log_variance)
    assert abs(value.item() - expected) <= 1.2e-7 * abs(v)
    naive = (log_variance.exp() - 1 - log_variance).item() / 2
    assert abs(naive - expected) > 1e-9


def test_gaussian_kl_overflows_where_its_docstring_says(device):
    zero = torch.zeros(1)
    assert gaussian_kl_loss(zero, zero + 88).isfinite()
    assert gaussian_kl_loss(zero, zero + 89) == math.inf
    assert gaussian_kl_loss(zero.half(), zero.half() + 11.7).isfinite()
    assert gaussian_kl_loss(zero.half(), zero.half() + 12) == math.inf
    tiny = with_slopes(gaussian_kl_loss, zero, zero - 1000)
    assert tiny[0].item() == pytest.approx(499.5)
    assert tiny[2].item() == pytest.approx(-0.5)


def test_half_precision_sums_in_single(device):
    """Forty thousand classes: half of 1 / K has no digit left."""
    K = 40_000
    log_q = torch.full((K,), -math.log(K)).half()
    p = torch.full((K,), 1 / K).half()
    expected = kl_divergence_loss(log_q.double(), p.double())
    value = kl_divergence_loss(log_q, p)
    torch.testing.assert_close(value.double(), expected, atol=2e-3, rtol=1e-3)
    mean = torch.full((K,), 1.0).half()
    assert gaussian_kl_loss(mean, 0 * mean).item() == K / 2


def test_a_perfect_fit_costs_no_more_than_rounding(pair):
    """Of either sign: the sum has terms of both."""
    log_q = pair[1].float().log_softmax(-1)
    each = kl_divergence_loss(log_q, log_q.exp(), reduction="none")
    assert each.abs().max() < 5e-7 and each.min() < 0


# Messages


@pytest.mark.parametrize("loss", [kl_divergence_loss, gaussian_kl_loss])
def test_messages(loss):
    first, second = (
        ("input_log_probs", "target_probs")
        if loss is kl_divergence_loss
        else ("mean", "log_variance")
    )
    x = torch.zeros(4, 3)
    with pytest.raises(
        ValueError, match=rf"^{second}: .* {first}, \(4, 3\), got \(4,\)$"
    ):
        loss(x, x[:, 0])
    with pytest.raises(
        ValueError, match=rf"^{first}: expected an axis .* got \(\)$"
    ):
        loss(x[0, 0], x[0, 0])
    with pytest.raises(TypeError, match=rf"^{second}: .* torch.int64$"):
        loss(x, x.long())
