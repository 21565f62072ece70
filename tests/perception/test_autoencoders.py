"""Bottlenecks, the coders around them, and quantisers: values, theorems."""

import math

import pytest
import torch
from sklearn.cluster import KMeans
from torch import nn
from torch.func import functional_call, stack_module_state, vmap

from handbook_code import CompressiveAutoencoder, EntropyBottleneck, lloyd


@pytest.fixture
def bottleneck():
    """Three channels with bends, offsets and slopes that are not alike."""
    torch.manual_seed(0)
    made = EntropyBottleneck(3, scale=4.0).double().eval()
    with torch.no_grad():
        for p in made.parameters():
            p += 0.7 * torch.randn_like(p)
    return made.requires_grad_(False)


def line(low, high, count):
    return torch.linspace(low, high, count).double()[:, None].expand(-1, 3)


def test_whole_numbers_have_probability_one(bottleneck):
    mass = 2 ** -bottleneck.surprise(line(-4000, 4000, 8001))
    torch.testing.assert_close(mass.sum(0), torch.ones(3).double())


def test_the_density_of_a_noisy_code_integrates_to_one(bottleneck):
    x = line(-4000, 4000, 400_001)
    density = 2 ** -bottleneck.surprise(x)
    total = torch.trapezoid(density, x[:, 0], dim=0)
    torch.testing.assert_close(total, torch.ones(3).double())


def test_the_surprise_is_a_difference_of_the_distribution(bottleneck):
    y = line(-6, 6, 101)
    c = [torch.sigmoid(bottleneck.logits(y + s)) for s in (-0.5, 0.5)]
    torch.testing.assert_close(bottleneck.surprise(y), -(c[1] - c[0]).log2())


def test_the_distribution_only_rises(bottleneck):
    assert (bottleneck.logits(line(-300, 300, 60_001)).diff(dim=0) > 0).all()


def test_channels_know_nothing_of_each_other(bottleneck):
    y = torch.randn(5, 3).double()
    jacobian = torch.func.jacrev(bottleneck.surprise)(y)
    own = torch.einsum("ncnc->nc", jacobian)
    assert own.all() and jacobian.count_nonzero() == own.numel()


def test_a_logistic_number_by_hand():
    """No hidden layer: c(y) = σ(s y + b), one weight and one offset."""
    bottleneck = EntropyBottleneck(1, widths=()).eval()
    weight, offset = bottleneck.weights[0], bottleneck.offsets[0]
    nn.init.constant_(weight, math.log(math.expm1(2.0)))
    nn.init.constant_(offset, -1.0)
    # s = 2, b = −1: σ(2) − σ(0) at y = 1 is 0.880797 − 0.5.
    bits = bottleneck.bits(torch.ones(1, 1))
    torch.testing.assert_close(bits, -torch.tensor([0.3807970779]).log2())


def arithmetic_code(symbols, chances):
    """How many bits exact arithmetic coding takes, and what comes back."""
    total = 1 << 24
    counts = [max(1, round(p * total)) for p in chances]
    starts = [sum(counts[:k]) for k in range(len(counts))]
    total, low, width = sum(counts), 0, 1
    for s in symbols:
        low, width = low * total + starts[s] * width, width * counts[s]
    # The shortest binary fraction with its whole cell inside [low, low + w).
    scale, bits = total ** len(symbols), 0
    while True:
        point = -(-(low << bits) // scale)
        if (point + 1) * scale <= (low + width) << bits:
            break
        bits += 1
    value, unit, found = point * scale, scale << bits, []
    for _ in symbols:
        at = value * total // unit
        s = max(k for k in range(len(starts)) if starts[k] <= at)
        found.append(s)
        value, unit = value * total - starts[s] * unit, unit * counts[s]
    return bits, found


def test_an_arithmetic_coder_spends_the_bits(bottleneck):
    """At most two more for the whole message, Witten and others (1987)."""
    y = 2 * torch.randn(60, 3).double()
    code, bits = bottleneck(y)
    reach = torch.arange(-60.0, 61).double()[:, None].expand(-1, 3)
    chances = (2 ** -bottleneck.surprise(reach))[:, 1].tolist()
    symbols = (code[:, 1].long() + 60).tolist()
    spent, found = arithmetic_code(symbols, chances)
    paid = bottleneck.surprise(code)[:, 1].sum().item()
    assert found == symbols
    assert paid - 0.1 < spent < paid + 2.1
    torch.testing.assert_close(bits, bottleneck.surprise(code).sum(1))


def test_noise_in_training_rounding_at_test(bottleneck):
    y = torch.randn(2000, 3).double()
    code, _ = bottleneck(y)
    assert torch.equal(code, y.round())
    noisy, bits = bottleneck.train()(y)
    away = noisy - y
    assert away.abs().max() <= 0.5 and abs(away.mean()) < 0.02
    assert abs(away.var() - 1 / 12) < 0.005
    given, same = bottleneck(y, noise=away)
    torch.testing.assert_close((given, same), (noisy, bits))


def test_pictures_cost_as_their_pixels(bottleneck):
    y = torch.randn(2, 3, 4, 5).double()
    pixels = y.permute(0, 2, 3, 1).reshape(-1, 3)
    each = bottleneck.bits(pixels).view(2, 20).sum(1)
    torch.testing.assert_close(bottleneck.bits(y), each)
    channels_last = y.contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(bottleneck.bits(channels_last), each)


@pytest.mark.parametrize("far", [1e2, 1e4, 1e6])
def test_codes_far_out_have_finite_bits_and_slopes(far):
    bottleneck = EntropyBottleneck(1)
    y = torch.tensor([[far], [-far]], requires_grad=True)
    bits = bottleneck.bits(y)
    bits.sum().backward()
    assert bits.isfinite().all() and (bits > 5).all()
    assert y.grad[0] > 0 > y.grad[1]
    for p in bottleneck.parameters():
        assert p.grad.isfinite().all()


def test_half_precision_is_counted_in_single(device):
    bottleneck = EntropyBottleneck(2).eval().to(device)
    y = torch.randn(4, 2, device=device)
    code, bits = bottleneck(y.bfloat16())
    assert code.dtype == torch.bfloat16 and bits.dtype == torch.float32
    with torch.autocast(device.type, torch.bfloat16):
        inside = bottleneck.bits(y)
    torch.testing.assert_close(inside, bottleneck.bits(y))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.half])
def test_large_codes_of_half_precision_cost_the_same(dtype):
    """Beside 300, bfloat16 has no 299.5."""
    bottleneck = EntropyBottleneck(1)
    y = torch.tensor([[300.0], [-1200.0]])
    torch.testing.assert_close(
        bottleneck.bits(y.to(dtype)), bottleneck.bits(y.to(dtype).float())
    )
    torch.testing.assert_close(
        bottleneck.bits(y[:1].to(dtype)), bottleneck.bits(y[:1])
    )


@pytest.mark.parametrize("scale", [1e-6, 1e-3, 1e3])
def test_the_start_may_be_narrow_or_wide(scale):
    bits = EntropyBottleneck(1, scale=scale, widths=()).bits(torch.zeros(1, 1))
    assert bits.isfinite().all()


def test_slopes_agree_with_differences(bottleneck):
    y = torch.randn(2, 3).double().requires_grad_()
    assert torch.autograd.gradcheck(bottleneck.bits, y)
    assert torch.autograd.gradgradcheck(bottleneck.bits, y)


def test_an_empty_batch_costs_nothing(bottleneck):
    code, bits = bottleneck(torch.zeros(0, 3).double())
    assert code.shape == (0, 3) and bits.shape == (0,)


def test_many_are_trained_at_once(device):
    torch.manual_seed(0)
    nets = [CompressiveAutoencoder(nn.Linear(2, 2), nn.Linear(2, 2), 2)
            for _ in range(3)]  # fmt: skip
    nets = [net.to(device) for net in nets]
    state, _ = stack_module_state(nets)
    x = torch.randn(5, 2, device=device)
    noise = torch.rand(5, 2, device=device) - 0.5

    def run(state):
        return functional_call(nets[0], state, (x,), {"noise": noise})

    together = vmap(run)(state)
    for k, net in enumerate(nets):
        alone = net(x, noise=noise)
        for a, b in zip(together, alone, strict=True):
            torch.testing.assert_close(a[k], b, rtol=1e-4, atol=1e-5)


def test_a_reconstruction_is_what_is_sent(device):
    net = CompressiveAutoencoder(nn.Linear(2, 4), nn.Linear(4, 2), 4)
    net = net.to(device).eval()
    x = torch.randn(6, 2, device=device)
    torch.testing.assert_close(net.reconstruct(x), net(x)[0])
    torch.testing.assert_close(net.encode(x), net.encoder(x))


def test_a_bottleneck_learns_the_least_it_can_pay():
    """A cross entropy is least at the entropy: of ±1, one bit."""
    torch.manual_seed(0)
    bottleneck = EntropyBottleneck(1, scale=2.0)
    adam = torch.optim.Adam(bottleneck.parameters(), 0.05)
    code = torch.tensor([[-1.0], [1.0]])
    for _ in range(300):
        adam.zero_grad()
        bottleneck.bits(code).mean().backward()
        adam.step()
    bits = bottleneck.bits(code).mean()
    assert 1 < bits < 1.6


def test_lloyd_without_a_price_is_k_means(generator):
    x = torch.randn(500, 2, generator=generator, dtype=torch.double)
    codes, shares, taken = lloyd(x, x[:7], steps=200)
    peer = KMeans(7, init=x[:7].numpy(), n_init=1, tol=0, max_iter=200)
    peer.fit(x.numpy())
    torch.testing.assert_close(codes, torch.tensor(peer.cluster_centers_))
    assert torch.equal(taken, torch.tensor(peer.labels_).long())
    torch.testing.assert_close(shares, taken.bincount().double() / 500)


def test_no_turn_costs_more_than_the_one_before(generator):
    x = torch.randn(400, 2, generator=generator, dtype=torch.double)
    start, price, before = x[:30], 0.3, math.inf
    for steps in (1, 2, 4, 8, 16, 32):
        codes, shares, taken = lloyd(x, start, price=price, steps=steps)
        used = taken.bincount(minlength=30) / 400
        error = (x - codes[taken]).square().sum(1).mean()
        now = error - price * torch.log2(shares)[taken].mean()
        assert now <= before + 1e-12
        before = now
    assert (used > 0).sum() < 30


def test_two_levels_of_a_normal_number():
    """They stand at ±√(2/π), and leave 1 − 2/π of the variance."""
    x = torch.linspace(-8, 8, 40_001).double()[:, None]
    mass = torch.exp(-(x[:, 0] ** 2) / 2)
    codes, shares, taken = lloyd(x, x[[15_000, 25_000]], mass=mass)
    best = math.sqrt(2 / math.pi)
    torch.testing.assert_close(
        codes.flatten(), torch.tensor([-best, best]).double(),
        rtol=0, atol=1e-3,
    )  # fmt: skip
    left = (mass * (x - codes[taken])[:, 0] ** 2).sum() / mass.sum()
    assert abs(left - (1 - 2 / math.pi)) < 1e-3
    torch.testing.assert_close(shares.sum(), torch.tensor(1.0).double())


def test_a_weight_counts_in_the_error_and_not_in_the_bits(generator):
    """Against a loop over the definition, at its own fixed point."""
    x = torch.randn(300, 2, generator=generator, dtype=torch.double)
    mass, weight = torch.rand(2, 300, generator=generator).double() + 0.1
    codes, shares, taken = lloyd(
        x, x[:12], mass=mass, weight=weight, price=0.2, steps=400
    )
    for i in range(300):
        cost = weight[i] * (x[i] - codes).square().sum(1)
        assert (cost - 0.2 * shares.log2()).argmin() == taken[i]
    for k in range(12):
        here = taken == k
        torch.testing.assert_close(shares[k], mass[here].sum() / mass.sum())
        if here.any():
            pull = (mass * weight)[here, None]
            torch.testing.assert_close(
                codes[k], (pull * x[here]).sum(0) / pull.sum()
            )


def test_without_a_price_weight_and_mass_move_codes_alike(generator):
    x = torch.randn(300, 2, generator=generator, dtype=torch.double)
    w = torch.rand(300, generator=generator).double() + 0.1
    codes, shares, taken = lloyd(x, x[:9], weight=w)
    same, others, also = lloyd(x, x[:9], mass=w)
    torch.testing.assert_close(codes, same)
    assert torch.equal(taken, also)
    torch.testing.assert_close(shares, taken.bincount().double() / 300)
    assert not torch.allclose(shares, others)


def test_lloyd_does_not_mind_where_the_samples_lie(generator):
    x = torch.randn(500, 2, generator=generator)
    x = (x * 256).round() / 256  # moved without a rounding error
    codes, _, taken = lloyd(x, x[:7])
    away, _, same = lloyd(x + 4096, x[:7] + 4096)
    assert (taken == same).double().mean() > 0.99
    torch.testing.assert_close(away - 4096, codes, rtol=0, atol=0.02)


def test_lloyd_counts_in_single_precision(generator):
    x = torch.randn(9000, 2, generator=generator).half()
    codes, shares, taken = lloyd(x, x[:3], mass=torch.ones(9000).half())
    assert codes.dtype == shares.dtype == torch.half
    torch.testing.assert_close(
        shares, taken.bincount().half() / 9000, rtol=0, atol=5e-3
    )
    mixed, _, _ = lloyd(x, x[:3].double())
    assert mixed.dtype == torch.double


def test_a_dear_bit_leaves_one_code(generator):
    x = torch.randn(300, 2, generator=generator)
    codes, shares, taken = lloyd(x, x[:10], price=1e4)
    assert (shares > 0).sum() == 1 and shares.max() == 1
    torch.testing.assert_close(codes[shares.argmax()], x.mean(0))
    assert (taken == shares.argmax()).all()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: EntropyBottleneck(0), "channels: expected a whole number"),
        (lambda: EntropyBottleneck(1, scale=0.0), "scale: expected a pos"),
        (
            lambda: EntropyBottleneck(2)(torch.ones(3, 4)),
            r"y: expected \(N, 2, …\), got \(3, 4\)",
        ),
        (
            lambda: EntropyBottleneck(2)(
                torch.ones(3, 2), noise=torch.ones(3, 1)
            ),
            r"noise: expected the shape of y, \(3, 2\), got \(3, 1\)",
        ),
        (
            lambda: lloyd(torch.ones(3), torch.ones(2, 1)),
            r"samples: expected \(N, D\), got \(3,\)",
        ),
        (
            lambda: lloyd(torch.ones(3, 2), torch.ones(2, 1)),
            r"codes: expected \(K, 2\), got \(2, 1\)",
        ),
        (
            lambda: lloyd(torch.ones(3, 2), torch.ones(0, 2)),
            r"codes: expected \(K, 2\), got \(0, 2\)",
        ),
        (
            lambda: lloyd(torch.ones(3, 2), torch.ones(2, 2), price=-1.0),
            "price: expected a finite number of at least 0",
        ),
        (
            lambda: lloyd(
                torch.ones(3, 2), torch.ones(1, 2), mass=torch.ones(2)
            ),
            r"mass: expected a number for each sample, \(3,\), got \(2,\)",
        ),
        (
            lambda: lloyd(
                torch.ones(3, 2), torch.ones(1, 2), weight=torch.ones(2)
            ),
            r"weight: expected a number for each sample, \(3,\), got \(2,\)",
        ),
    ],
)
def test_messages(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_codes_of_whole_numbers_are_refused():
    with pytest.raises(TypeError, match="y: expected a floating-point"):
        EntropyBottleneck(1)(torch.ones(2, 1, dtype=torch.long))


def test_a_coder_passes_width_and_scale_on_to_its_bottleneck():
    nothing = nn.Identity(), nn.Identity()
    torch.manual_seed(0)
    net = CompressiveAutoencoder(*nothing, 2, widths=(5,), scale=3.0)
    torch.manual_seed(0)
    alone = EntropyBottleneck(2, widths=(5,), scale=3.0)
    y = torch.randn(4, 2).round()
    assert net.eval()(y)[1].equal(alone.eval()(y)[1])
    assert not net(y)[1].equal(CompressiveAutoencoder(*nothing, 2)(y)[1])
