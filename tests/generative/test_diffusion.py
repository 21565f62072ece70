"""Losses of networks that take noise out: loops, values by hand, messages.

No library that is installed has these losses: what libraries offer are the
schedulers, and the loss is left to a training script. So they are compared
with loops written from the papers, with torch's densities, and with mse.
"""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.distributions import Normal

from handbook_code import (
    denoising_score_matching_loss,
    mse_loss,
    simple_diffusion_loss,
)

T = 5


class Mixing(nn.Module):
    """Each output depends on every element and on the time or the noise."""

    def __init__(self, features: int = 6):
        super().__init__()
        dice = torch.Generator().manual_seed(1)
        shape = (features, features)
        weight = torch.randn(shape, generator=dice, device="cpu").double()
        self.weight = nn.Parameter(weight.to(torch.get_default_device()))

    def forward(self, x, condition):
        condition = torch.as_tensor(condition, dtype=x.dtype)
        condition = condition.reshape(-1, 1) + 1
        mixed = (x.flatten(1) @ self.weight).tanh() * condition
        return mixed.view_as(x)


@pytest.fixture
def case(generator):
    like = {"generator": generator, "dtype": torch.float64}
    x, noise = torch.randn(2, 7, 2, 3, **like)
    schedule = torch.rand(T, **like).sort(descending=True).values
    t = torch.randint(T, (7,), generator=generator)
    return Mixing(), x, t, schedule, noise


# Loops from the papers


def test_simple_diffusion_is_the_loop_of_the_paper(case):
    """A mean over the elements, as the code of Ho et al. takes it."""
    model, x, t, schedule, noise = case

    def loop():
        total = 0
        for n in range(len(x)):
            kept = schedule[t[n]].item()
            noisy = math.sqrt(kept) * x[n] + math.sqrt(1 - kept) * noise[n]
            guess = model(noisy[None], t[n])[0]
            for g, e in zip(guess.flatten(), noise[n].flatten(), strict=True):
                total = total + (e - g) ** 2
        return total / x.numel()

    ours = simple_diffusion_loss(model, x, t, schedule, noise=noise)
    assert_same_value_and_slope(model.weight, ours, loop())


@pytest.mark.parametrize("power", [0.0, 2.0, -1.0])
def test_score_matching_is_the_loop_of_the_paper(case, power):
    """Vincent's target for normal noise is (x − x̃)/σ²."""
    score, x, _, _, noise = case
    sigma = torch.linspace(0.2, 3, 7).double()

    def loop():
        total = 0
        for n in range(len(x)):
            s = sigma[n].item()
            noisy = x[n] + s * noise[n]
            guess = score(noisy[None], s)[0]
            for g, a, b in zip(
                guess.flatten(), x[n].flatten(), noisy.flatten(), strict=True
            ):
                total = total + s**power * (g - (a - b) / s**2) ** 2 / 2
        return total / len(x)

    ours = denoising_score_matching_loss(
        score, x, sigma, noise=noise, power=power
    )
    assert_same_value_and_slope(score.weight, ours, loop())


def assert_same_value_and_slope(parameter, ours, theirs):
    torch.testing.assert_close(ours, theirs)
    slopes = [torch.autograd.grad(v, parameter)[0] for v in (ours, theirs)]
    torch.testing.assert_close(*slopes)


def test_the_target_is_the_score_of_the_noise_as_torch_has_it(case):
    """∂/∂x̃ of the log density of N(x, σ²) at x̃, by torch.distributions."""
    _, x, _, _, noise = case
    noisy = (x + 0.7 * noise).requires_grad_()
    log_density = Normal(x, 0.7).log_prob(noisy).sum()
    (target,) = torch.autograd.grad(log_density, noisy)

    def perfect(*_):
        return target

    loss = denoising_score_matching_loss(perfect, x, 0.7, noise=noise)
    torch.testing.assert_close(loss, torch.zeros_like(loss))


def test_simple_diffusion_is_an_mse_on_the_noise(case):
    model, x, t, schedule, noise = case
    kept = schedule[t][:, None, None]
    noisy = kept.sqrt() * x + (1 - kept).sqrt() * noise
    for theirs in (F.mse_loss, mse_loss):
        ours = simple_diffusion_loss(model, x, t, schedule, noise=noise)
        other = theirs(model(noisy, t), noise)
        assert_same_value_and_slope(model.weight, ours, other)


# Values by hand


def test_a_guess_of_nothing_costs_the_power_of_the_noise():
    """ε = (3, 4): 25 in all, 12.5 an element, and half of it over σ²."""
    x, noise = torch.zeros(1, 2), torch.tensor([[3.0, 4.0]])
    t, schedule = torch.zeros(1, dtype=torch.long), torch.tensor([0.5])

    def nothing(x, _):
        return torch.zeros_like(x)

    simple = simple_diffusion_loss(nothing, x, t, schedule, noise=noise)
    matching = denoising_score_matching_loss(nothing, x, 0.5, noise=noise)
    assert simple == 12.5 and matching == 25 / 2 / 0.25


def test_weights_are_looked_up_by_time_and_do_not_divide_the_mean(case):
    model, x, t, schedule, noise = case
    weight = torch.arange(1.0, T + 1).double()
    arguments = model, x, t, schedule
    each = simple_diffusion_loss(*arguments, noise=noise, reduction="none")
    weighted = simple_diffusion_loss(*arguments, noise=noise, weight=weight)
    torch.testing.assert_close(weighted, (weight[t] * each).mean())


def test_the_model_sees_time_sigma_shape_and_dtype_as_they_were_given():
    x = torch.zeros(3, 2, 4, 4, dtype=torch.bfloat16)
    t, schedule = torch.tensor([2, 0, 1]), torch.tensor([0.9, 0.5, 0.1])
    seen = []

    def model(x, condition):
        seen.append((x.shape, x.dtype, condition))
        return x

    simple_diffusion_loss(model, x, t, schedule)
    denoising_score_matching_loss(model, x, 0.5)
    sigma = torch.ones(3)
    denoising_score_matching_loss(model, x, sigma)
    assert all(seen_[:2] == (x.shape, x.dtype) for seen_ in seen)
    assert [c for *_, c in seen] == [t, 0.5, sigma]


def test_a_sample_may_be_one_number_and_times_of_any_whole_kind(case):
    _, _, t, schedule, _ = case
    x = torch.linspace(-1, 1, 7).double()
    noise = x.flip(0)

    def model(x, _):
        return x / 2

    for kind in (torch.uint8, torch.int32, torch.int64):
        each = simple_diffusion_loss(
            model, x, t.to(kind), schedule, noise=noise, reduction="none"
        )
        assert each.shape == (7,)
    for sigma in (0.5, torch.tensor(0.5), torch.full((7,), 0.5)):
        each = denoising_score_matching_loss(
            model, x, sigma, noise=noise, reduction="none"
        )
        expected = (model(x + 0.5 * noise, 0) + noise / 0.5) ** 2 / 2
        torch.testing.assert_close(each, expected)


def test_noise_is_drawn_anew_and_is_standard_normal():
    torch.manual_seed(0)
    x, t = torch.zeros(20_000, 2), torch.zeros(20_000, dtype=torch.long)
    schedule = torch.tensor([0.0])  # nothing but noise
    seen = []

    def model(x, _):
        seen.append(x)
        return torch.zeros_like(x)

    losses = [simple_diffusion_loss(model, x, t, schedule) for _ in "ab"]
    assert losses[0] != losses[1]
    denoising_score_matching_loss(model, x, 3.0)
    for noise, scale in zip(seen, (1, 1, 3), strict=True):
        assert abs(noise.std() / scale - 1) < 0.02
        assert abs(noise.mean() / scale) < 0.02


# Extremes


def test_a_schedule_in_double_keeps_the_little_noise_of_the_first_steps():
    """1 − ᾱ = 1e-9: a float32 schedule would have rounded ᾱ to one."""
    x, noise = torch.zeros(1, 1), torch.ones(1, 1)
    t = torch.zeros(1, dtype=torch.long)
    schedule = torch.tensor([1 - 1e-9], dtype=torch.float64)

    def rescaled(x, _):
        return x / math.sqrt(1e-9)

    loss = simple_diffusion_loss(rescaled, x, t, schedule, noise=noise)
    assert loss.dtype == torch.float32 and loss < 1e-10


def test_at_a_tiny_sigma_the_weighted_loss_is_finite():
    """With p = 2 nothing is divided; σ² alone is below what float32 holds."""
    x, noise = torch.zeros(1, 2), torch.tensor([[3.0, 4.0]])
    for sigma in (1e-30, torch.tensor([1e-30])):
        loss = denoising_score_matching_loss(
            lambda x, _: torch.zeros_like(x), x, sigma, noise=noise, power=2
        )
        assert loss == 12.5


def test_half_precision_does_not_overflow():
    """A sum of squares of an image is beyond the largest half."""
    x = torch.zeros(2, 1, 512, 512, dtype=torch.float16)
    noise = torch.ones_like(x)
    loss = denoising_score_matching_loss(
        lambda x, _: torch.zeros_like(x), x, 8.0, noise=noise
    )
    assert loss == 512 * 512 / 2 / 64


def test_a_time_before_the_first_is_refused():
    """Plain indexing would take it for the last."""
    x, schedule = torch.zeros(1, 1), torch.tensor([0.9, 0.1])
    for t in (-1, 2):
        with pytest.raises((RuntimeError, IndexError), match="out of bounds"):
            simple_diffusion_loss(
                lambda x, _: x, x, torch.tensor([t]), schedule
            )


def test_slopes_reach_the_network_and_the_data(case):
    model, x, t, schedule, noise = case
    x = x.requires_grad_()
    for loss in (
        simple_diffusion_loss(model, x, t, schedule, noise=noise),
        denoising_score_matching_loss(model, x, 0.5, noise=noise),
    ):
        for slope in torch.autograd.grad(loss, (x, model.weight)):
            assert slope.isfinite().all() and slope.any()


# Messages

X, TIMES = torch.zeros(3, 2), torch.tensor([0, 1, 0])
SCHEDULE = torch.tensor([0.9, 0.1])


def same(x, _):
    return x


@pytest.mark.parametrize(
    ("arguments", "options", "error", "message"),
    [
        ((3.0, X, TIMES, SCHEDULE), {}, TypeError,
         r"^model: expected a network to call, got float$"),
        ((lambda x, t: x[:, :1], X, TIMES, SCHEDULE), {}, ValueError,
         r"^model: .* of the shape of x0, \(3, 2\), got \(3, 1\)$"),
        ((lambda x, t: None, X, TIMES, SCHEDULE), {}, TypeError,
         r"^model: output: expected a tensor, got NoneType$"),
        ((same, torch.tensor(0.0), TIMES, SCHEDULE), {}, ValueError,
         r"^x0: expected a batch, \(N, …\), got \(\)$"),
        ((same, X, TIMES[:2], SCHEDULE), {}, ValueError,
         r"^t: expected one for each .* x0, \(3, 2\), \(3,\), got \(2,\)$"),
        ((same, X, TIMES.float(), SCHEDULE), {}, TypeError,
         r"^t: expected an integer tensor, got torch.float32$"),
        ((same, X, 1, SCHEDULE), {}, TypeError,
         r"^t: expected a tensor, got int$"),
        ((same, X, TIMES, SCHEDULE[None]), {}, ValueError,
         r"^alpha_bar: expected a schedule, \(T,\), got \(1, 2\)$"),
        ((same, X, TIMES, SCHEDULE), {"noise": X[:1]}, ValueError,
         r"^noise: expected the shape of x0, \(3, 2\), got \(1, 2\)$"),
        ((same, X, TIMES, SCHEDULE), {"weight": X}, ValueError,
         r"^weight: expected the shape of alpha_bar, \(2,\), got \(3, 2\)$"),
    ],
)  # fmt: skip
def test_simple_diffusion_refuses(arguments, options, error, message):
    with pytest.raises(error, match=message):
        simple_diffusion_loss(*arguments, **options)


@pytest.mark.parametrize(
    ("arguments", "options", "error", "message"),
    [
        ((None, X, 1.0), {}, TypeError,
         r"^score: expected a network to call, got NoneType$"),
        ((lambda x, s: x.mT, X, 1.0), {}, ValueError,
         r"^score: .* of the shape of x, \(3, 2\), got \(2, 3\)$"),
        ((same, X, 0.0), {}, ValueError,
         r"^sigma: expected a positive finite number, got 0.0$"),
        ((same, X, "1"), {}, TypeError, r"^sigma: .*, got str$"),
        ((same, X, torch.ones(3, 1)), {}, ValueError,
         r"^sigma: expected one for each .*, \(3,\), got \(3, 1\)$"),
        ((same, X, torch.ones(3).long()), {}, TypeError,
         r"^sigma: expected a floating-point tensor, got torch.int64$"),
        ((same, X, 1.0), {"power": math.inf}, ValueError,
         r"^power: expected a finite number, got inf$"),
        ((same, X, 1.0), {"noise": X.mT}, ValueError,
         r"^noise: expected the shape of x, \(3, 2\), got \(2, 3\)$"),
    ],
)  # fmt: skip
def test_score_matching_refuses(arguments, options, error, message):
    with pytest.raises(error, match=message):
        denoising_score_matching_loss(*arguments, **options)
