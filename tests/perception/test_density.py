"""The density of small pictures: what it sums to, sees, costs and draws."""

import itertools
import math

import pytest
import torch
from scipy.stats import logistic
from torch import nn
from torch.func import functional_call, stack_module_state, vmap

from handbook_code import MaskedConv2d, PixelCNN, logistic_mixture_log_prob

V = torch.arange(256.0).double()


@pytest.fixture
def model(device):
    """Small, in double precision, with weights that are not tiny."""
    torch.manual_seed(0)
    made = PixelCNN(width=6, layers=1, window=3, components=3)
    made = made.to(device, torch.double).eval().requires_grad_(False)
    for p in made.parameters():
        p += 0.2 * torch.randn_like(p)
    return made


def parts(count, seed=0):
    """Logits, centres and logarithms of scales of three components."""
    draw = torch.Generator().manual_seed(seed)
    normal = torch.randn(3, count, 3, generator=draw, dtype=torch.double)
    return normal[0], 128 + 150 * normal[1], 1.5 + 1.5 * normal[2]


def grey(*shape, seed=1, levels=256):
    draw = torch.Generator().manual_seed(seed)
    whole = torch.randint(levels, shape, generator=draw)
    return (whole / (levels - 1)).double()


# ---- The likelihood of a level


@pytest.mark.parametrize("seed", range(20))
def test_the_masses_of_all_levels_sum_to_one(seed):
    each = (p.expand(256, 3) for p in parts(1, seed))
    mass = logistic_mixture_log_prob(V, *each).exp()
    torch.testing.assert_close(mass.sum(), torch.tensor(1.0).double())


@pytest.mark.parametrize("levels", [2, 5, 16])
def test_so_they_do_for_other_numbers_of_levels(levels):
    each = (p.expand(levels, 3) for p in parts(1))
    mass = logistic_mixture_log_prob(V[:levels], *each, levels=levels).exp()
    torch.testing.assert_close(mass.sum(), torch.tensor(1.0).double())


def test_against_a_loop_with_scipy():
    """Every difference of two distribution functions, one by one."""
    v = torch.tensor([0, 1, 7, 100, 128, 254, 255]).double()
    logits, centres, log_scales = parts(len(v))
    found = logistic_mixture_log_prob(v, logits, centres, log_scales)
    for n, level in enumerate(v.tolist()):
        shares = logits[n].exp() / logits[n].exp().sum()
        total = 0.0
        for k in range(3):
            one = logistic(centres[n, k], log_scales[n, k].exp())
            upper = 1.0 if level == 255 else one.cdf(level + 0.5)
            lower = 0.0 if level == 0 else one.cdf(level - 0.5)
            total += shares[k] * (upper - lower)
        torch.testing.assert_close(found[n].exp(), total)


def test_one_component_by_hand():
    """σ(½) − σ(−½) = tanh(¼), at the centre of a logistic of scale one."""
    one = torch.zeros(1, 1)
    v = torch.tensor([128.0])
    found = logistic_mixture_log_prob(v, one, one + 128, one)
    torch.testing.assert_close(found, torch.tensor([math.tanh(0.25)]).log())


def test_the_ends_take_what_lies_beyond():
    """A component far below black gives all its mass to level 0."""
    one = torch.zeros(2, 1).double()
    ends = torch.tensor([0.0, 255.0]).double()
    sure = logistic_mixture_log_prob(
        ends, one, torch.tensor([[-900.0], [1200.0]]).double(), one
    )
    torch.testing.assert_close(sure, torch.zeros(2).double())
    # σ(½) for a centre on the last level, of scale one, on either side.
    half = logistic_mixture_log_prob(ends, one, ends[:, None], one)
    torch.testing.assert_close(half.exp(), torch.sigmoid(one[:, 0] + 0.5))


@pytest.mark.parametrize("log_scale", [-1000.0, -30.0, 0.0, 60.0, 1000.0])
@pytest.mark.parametrize("centre", [-1e4, 0.0, 127.5, 255.0, 1e4])
def test_extremes_have_finite_values_and_slopes(centre, log_scale):
    v = V[::51].float()
    found = [torch.zeros(6, 2), torch.full((6, 2), centre)]
    found += [torch.full((6, 2), log_scale)]
    leaves = [p.requires_grad_() for p in found]
    value = logistic_mixture_log_prob(v, *leaves)
    value.sum().backward()
    assert value.isfinite().all() and (value <= 1e-6).all()
    assert all(p.grad.isfinite().all() for p in leaves)


def test_far_in_the_tail_it_falls_in_a_line():
    """A logistic falls as e^(−v/s): one level costs 1/s more."""
    one = torch.zeros(3, 1)
    v = torch.tensor([200.0, 201.0, 202.0])
    found = logistic_mixture_log_prob(v, one, one + 20, one)
    torch.testing.assert_close(found.diff(), torch.tensor([-1.0, -1.0]))


def test_slopes_agree_with_differences():
    v = torch.tensor([0.0, 3.0, 120.0, 255.0]).double()
    leaves = [p.requires_grad_() for p in parts(4)]
    leaves[1].data[:] = v[:, None] + torch.randn(4, 3)

    def f(*p):
        return logistic_mixture_log_prob(v, *p)

    assert torch.autograd.gradcheck(f, leaves)
    assert torch.autograd.gradgradcheck(f, leaves)


def test_half_precision_is_counted_in_single():
    v = torch.tensor([255.0, 3.0])
    each = [p.half() for p in parts(2)]
    found = logistic_mixture_log_prob(v.half(), *each)
    wide = logistic_mixture_log_prob(v, *(p.float() for p in each))
    assert found.dtype == torch.half
    torch.testing.assert_close(found, wide.half())


# ---- What is seen


@pytest.mark.parametrize("own", [True, False])
@pytest.mark.parametrize("window", [1, 3, 5])
def test_a_masked_convolution_sees_only_what_came_before(own, window):
    layer = MaskedConv2d(1, 1, window, own=own).double()
    nn.init.ones_(layer.weight)
    x = torch.randn(1, 1, 6, 7).double()
    slopes = torch.func.jacrev(layer)(x).view(42, 42)
    reach = window // 2
    for i, j in itertools.product(range(42), repeat=2):
        (a, b), (c, d) = divmod(i, 7), divmod(j, 7)
        near = abs(a - c) <= reach and abs(b - d) <= reach
        assert bool(slopes[i, j]) == (near and (j < i or (own and i == j)))


def test_a_pixel_is_expected_from_those_before_it_alone(model, device):
    """And from all of those within reach, but for the known blind spot."""
    x = 0.2 + 0.6 * torch.rand(1, 1, 5, 5, dtype=torch.double)
    before = torch.stack([*model.mixture(x)])
    moved = torch.zeros(25, 25, dtype=torch.bool)
    for j in range(25):
        y = x.clone()
        y.view(-1)[j] += 0.1
        after = torch.stack([*model.mixture(y)])
        moved[:, j] = (after != before).any(0).any(-1).flatten()
    assert not moved.triu().any()
    assert moved.diagonal(-1)[:4].all() and moved[6, 0]


@pytest.mark.parametrize(("window", "layers"), [(3, 1), (5, 1), (3, 2)])
def test_it_sees_as_far_as_promised(window, layers):
    """A row more than the layers do, as steps reach one further."""
    torch.manual_seed(0)
    model = PixelCNN(width=8, layers=layers, window=window).double()
    x = torch.full((1, 1, 13, 13), 0.5).double()
    dots = x + 0.2 * torch.eye(169).view(169, 1, 13, 13)
    found = torch.stack(model.mixture(dots))[:, :, 6, 6]
    expected = torch.stack(model.mixture(x))[:, :, 6, 6]
    rows, columns = (found != expected).any(0).any(-1).view(13, 13).nonzero().T
    reach = window // 2 + layers + 1
    assert rows.min() == columns.min() == 6 - reach
    assert rows.max() == 6 and columns.max() == 6 + reach - 1


def test_pictures_do_not_see_each_other(model, device):
    x = grey(3, 1, 6, 5).to(device)
    alone = torch.cat([model(one[None]) for one in x])
    torch.testing.assert_close(model(x), alone)


def test_a_picture_is_worth_the_same_anywhere_on_the_page(model, device):
    """A map of costs is the map of a part, away from the part's borders."""
    x = grey(1, 1, 12, 12).to(device)
    whole, part = model.surprise(x), model.surprise(x[..., 2:, 2:-2])
    torch.testing.assert_close(whole[..., 6:, 6:-6], part[..., 4:, 4:-4])


# ---- What it sums to


@pytest.mark.parametrize("shape", [(2, 2), (1, 4), (4, 1)])
def test_the_probabilities_of_all_pictures_sum_to_one(device, shape):
    torch.manual_seed(3)
    model = PixelCNN(width=4, window=3, components=2, levels=5)
    model = model.to(device, torch.double)
    for p in model.parameters():
        p.data += 0.3 * torch.randn_like(p)
    all_of_them = torch.tensor([*itertools.product(range(5), repeat=4)])
    x = (all_of_them / 4).double().view(-1, 1, *shape).to(device)
    with torch.no_grad():
        total = model(x).exp().sum()
    torch.testing.assert_close(total, torch.ones_like(total))


def test_it_is_the_sum_of_what_the_pixels_cost(model, device):
    x = grey(2, 1, 4, 5).to(device)
    total = 0
    for i, j in itertools.product(range(4), range(5)):
        logits, mu, s = (p[:, i, j] for p in model.mixture(x[:, :, : i + 1]))
        level = (255 * x[:, 0, i, j]).round()
        total = total + logistic_mixture_log_prob(level, logits, mu, s)
    torch.testing.assert_close(model(x), total)
    torch.testing.assert_close(model(x), -model.surprise(x).sum((1, 2, 3)))


def test_a_picture_is_rounded_to_its_levels_first(model, device):
    x = grey(2, 1, 4, 4).to(device)
    aside = x + (torch.rand(x.shape) - 0.5) * 0.98 / 255
    assert torch.equal(model(x), model(aside))
    assert torch.equal(
        model(torch.full_like(x, 1.3)), model(torch.ones_like(x))
    )


def test_it_learns_the_entropy_of_an_iid_source():
    """Three levels with shares ½, ¼, ¼ cost 1.5 bits, and no less."""
    torch.manual_seed(0)
    model = PixelCNN(width=8, layers=1, window=3, levels=3)
    adam = torch.optim.Adam(model.parameters(), 0.02)
    shares = torch.tensor([0.5, 0.25, 0.25])
    draw = torch.Generator().manual_seed(1)

    def pictures(count):
        v = torch.multinomial(shares, 64 * count, True, generator=draw)
        return v.view(count, 1, 8, 8) / 2

    for _ in range(250):
        adam.zero_grad()
        (-model(pictures(32)).mean() / 64).backward()
        adam.step()
    with torch.no_grad():
        bits = -model(pictures(500)).mean() / 64 / math.log(2)
    assert 1.48 < bits < 1.56


def test_it_draws_what_it_expects(device):
    """Shares of all sixteen pictures of four pixels in black and white."""
    torch.manual_seed(5)
    model = PixelCNN(width=4, window=3, components=2, levels=2).to(device)
    for p in model.parameters():
        p.data += 0.3 * torch.randn_like(p)
    draw = torch.Generator(device).manual_seed(0)
    x = model.sample(20_000, 2, 2, generator=draw)
    code = (x.flatten(1) * torch.tensor([8.0, 4, 2, 1])).sum(1).long()
    every = torch.tensor([*itertools.product((0.0, 1.0), repeat=4)])
    with torch.no_grad():
        expected = model(every.view(16, 1, 2, 2)).exp()
    shares = code.bincount(minlength=16) / 20_000
    torch.testing.assert_close(shares, expected, rtol=0, atol=0.015)


# ---- Contract


def test_precisions(model, device):
    single = PixelCNN(width=4).to(device)
    x = grey(2, 1, 6, 6).to(device)
    assert single(x.half()).dtype == torch.float32
    assert single(x.float()).dtype == torch.float32
    assert model(x.float()).dtype == torch.double
    with torch.autocast(device.type, torch.bfloat16):
        inside = single(x.float())
    torch.testing.assert_close(inside, single(x.float()))


def test_an_empty_batch_costs_nothing_and_has_slopes(device):
    model = PixelCNN(width=4).to(device)
    value = model(torch.zeros(0, 1, 5, 5))
    assert value.shape == (0,)
    value.sum().backward()
    assert all(p.grad is not None for p in model.parameters())


def test_strides_do_not_matter(model, device):
    x = grey(2, 1, 8, 6).to(device)
    torch.testing.assert_close(model(x.mT.contiguous().mT), model(x))


def test_it_compiles():
    model = PixelCNN(width=4).eval()
    x = grey(2, 1, 6, 6).float()
    compiled = torch.compile(model, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(x), model(x))


def test_many_are_evaluated_at_once():
    models = [PixelCNN(width=4) for _ in range(3)]
    state, buffers = stack_module_state(models)
    x = grey(2, 1, 6, 6).float()

    def run(state, buffers):
        return functional_call(models[0], (state, buffers), (x,))

    together = vmap(run)(state, buffers)
    alone = torch.stack([model(x) for model in models])
    torch.testing.assert_close(together, alone)


def test_a_state_is_weights_alone_and_loads():
    model, other = PixelCNN(width=4), PixelCNN(width=4)
    other.load_state_dict(model.state_dict())
    assert not any("mask" in name for name in model.state_dict())
    x = grey(1, 1, 5, 5).float()
    assert torch.equal(model(x), other(x))


def level(*shape):
    return torch.zeros(shape)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: PixelCNN(width=0), "width: expected a whole number"),
        (lambda: PixelCNN(window=4), "window: expected an odd number, got 4"),
        (lambda: PixelCNN(levels=1), "levels: expected a finite number of a"),
        (
            lambda: PixelCNN()(level(2, 3, 8, 8)),
            r"x: expected grey pictures \(N, 1, H, W\), got \(2, 3, 8, 8\)",
        ),
        (
            lambda: PixelCNN()(level(2, 1, 0, 8)),
            r"x: expected grey pictures \(N, 1, H, W\), got \(2, 1, 0, 8\)",
        ),
        (
            lambda: PixelCNN().sample(1, 0, 4),
            "height: expected a whole number of at least 1, got 0",
        ),
        (
            lambda: MaskedConv2d(1, 0, 3, own=True),
            "outputs: expected a whole number of at least 1, got 0",
        ),
        (
            lambda: logistic_mixture_log_prob(
                level(4), level(4), level(4, 2), level(4, 2)
            ),
            r"logits: expected .* \(4, K\), got \(4,\)",
        ),
        (
            lambda: logistic_mixture_log_prob(
                level(4), level(4, 2), level(3, 2), level(4, 2)
            ),
            r"centres: expected .* \(4, K\), got \(3, 2\)",
        ),
        (
            lambda: logistic_mixture_log_prob(
                level(4), level(4, 2), level(4, 2), level(4, 3)
            ),
            r"log_scales: expected the shape of logits, \(4, 2\), got \(4, 3",
        ),
        (
            lambda: logistic_mixture_log_prob(
                level(1), *[level(1, 1)] * 3, levels=1
            ),
            "levels: expected a finite number of at least 2, got 1",
        ),
    ],
)
def test_messages(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_whole_numbers_are_refused():
    with pytest.raises(TypeError, match="x: expected a floating-point"):
        PixelCNN()(torch.ones(1, 1, 4, 4, dtype=torch.long))
    with pytest.raises(TypeError, match="level: expected a floating-point"):
        logistic_mixture_log_prob(
            torch.ones(1, dtype=torch.long), *[level(1, 1)] * 3
        )
