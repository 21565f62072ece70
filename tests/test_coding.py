"""Coders of images: their shapes, their bits, and how they are trained."""

from functools import partial

import pytest
import torch
from torch import nn

from handbook_code import coding, mse_loss
from handbook_code.coding import (
    Together,
    apiece,
    decoded,
    image_coder,
    noisy,
    step_for,
    train,
)

SMALL = partial(image_coder, width=8, codes=4, strides=(4, 2))


def stripes(generator):
    """Four images of one direction and any two tones."""
    angle, a, b = torch.rand(3, 4, 1, 1, 1, generator=generator)
    y, x = torch.meshgrid(*[torch.arange(16.0)] * 2, indexing="ij")
    wave = torch.sin(6 * angle + (3 * angle).cos() * x + angle * y)
    return (a + 0.5 * b * wave).clamp(0, 1)


def quick(**changed):
    settings = {"weight": 50.0, "rate": 0.01, "seed": 0, "steps": 12}
    return train(SMALL, mse_loss, stripes, **(settings | changed))


def dice(seed=0):
    return torch.Generator().manual_seed(seed)


def parameters(training):
    return nn.utils.parameters_to_vector(training.coder.parameters())


@pytest.mark.parametrize("strides", [(2,), (8,), (2, 3), (2, 2, 2)])
@pytest.mark.parametrize("channels", [1, 3])
def test_sides_are_those_that_the_strides_divide(channels, strides):
    coder = image_coder(channels=channels, codes=5, strides=strides).eval()
    whole = torch.tensor(strides).prod().item()
    x = torch.rand(2, channels, 2 * whole, 3 * whole)
    assert coder.encode(x).shape == (2, 5, 2, 3)
    assert coder.reconstruct(x).shape == x.shape
    with pytest.raises(RuntimeError, match="divisible"):
        coder.encode(x[..., 1:])


def test_a_window_of_one_codes_every_block_by_itself():
    torch.manual_seed(0)
    coder = image_coder(strides=(8,), kernel=1).eval()
    x = torch.rand(1, 1, 16, 16)
    one = coder.encode(x[..., 8:, :8])
    torch.testing.assert_close(coder.encode(x)[..., 1:, :1], one)


def test_bits_per_pixel_are_those_of_the_bottleneck():
    coder = SMALL().eval()
    x = torch.rand(5, 1, 16, 24)
    pictures, cost = decoded(coder, x, batch=2)
    expected, bits = coder(x)
    torch.testing.assert_close(pictures, expected)
    torch.testing.assert_close(cost, bits / (16 * 24))
    assert not coder.training
    torch.testing.assert_close(decoded(coder.train(), x)[1], cost)
    assert coder.training


def test_a_pixel_in_three_colours_is_one_pixel():
    coder = image_coder(channels=3).eval()
    x = torch.rand(2, 3, 16, 16)
    torch.testing.assert_close(decoded(coder, x)[1], coder(x)[1] / 256)


def test_noise_is_drawn_by_the_generator():
    coder = SMALL().train()
    x = stripes(dice())
    runs = [noisy(coder, x, dice(seed)) for seed in (1, 1, 2)]
    assert runs[0][0].equal(runs[1][0]) and not runs[0][0].equal(runs[2][0])
    y = coder.encode(x)
    noise = torch.rand(y.shape, generator=dice(1)) - 0.5
    picture, bits = coder(x, noise=noise)
    torch.testing.assert_close(runs[0][0], picture)
    torch.testing.assert_close(runs[0][1], bits.mean() / 256)


def test_training_lowers_bits_and_error():
    x = stripes(dice(9))
    first, last = (quick(steps=steps).coder for steps in (1, 150))
    costs = []
    for coder in (first, last):
        pictures, cost = decoded(coder, x)
        costs.append(cost.mean() + 50 * mse_loss(pictures, x))
    assert costs[1] < costs[0] / 3


def test_a_seed_is_a_start_its_batches_and_its_noise():
    torch.manual_seed(5)
    runs = [quick(), quick(), quick(seed=1)]
    assert parameters(runs[0]).equal(parameters(runs[1]))
    assert not parameters(runs[0]).equal(parameters(runs[2]))
    # The global generator is left as it was.
    after = torch.rand(3)
    torch.manual_seed(5)
    assert after.equal(torch.rand(3))


@pytest.mark.parametrize("target", [None, 0.3])
def test_a_training_that_was_killed_goes_on_to_the_same(tmp_path, target):
    file = tmp_path / "runs" / "coder.pt"

    def watch(coder):
        return decoded(coder, stripes(dice(9)))[1].mean().item()

    settings = {"target": target, "watch": watch, "looks": 4}
    whole = quick(**settings)

    def die(step, cost):
        if step == 8:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        quick(**settings, checkpoint=file, every=5, on_step=die)
    left = torch.load(file, weights_only=True)
    assert left["step"] == 5
    seen = []
    resumed = quick(
        **settings, checkpoint=file, every=5,
        on_step=lambda step, cost: seen.append(step),
    )  # fmt: skip
    assert seen == list(range(6, 13))
    assert parameters(whole).equal(parameters(resumed))
    assert resumed.weight == whole.weight
    assert resumed.bits_per_pixel == whole.bits_per_pixel
    assert resumed.watched == whole.watched and len(whole.watched) == 4
    # A training that is done is only read.
    again = quick(**settings, checkpoint=file, on_step=die)
    assert parameters(again).equal(parameters(whole))


def test_a_checkpoint_of_another_training_is_refused(tmp_path):
    quick(checkpoint=tmp_path / "coder.pt")
    with pytest.raises(ValueError, match="checkpoint: expected one of"):
        quick(checkpoint=tmp_path / "coder.pt", rate=0.02)


@pytest.mark.parametrize("images", [None, stripes(torch.Generator())])
def test_a_target_turns_the_weight(images):
    """Fewer bits by a smaller weight of the distance, more by a larger."""
    settings = {"steps": 60, "weight": 200.0, "target_images": images}
    few, many = (quick(target=t, **settings) for t in (0.05, 0.4))
    assert few.weight < 200 < many.weight


def test_the_schedule_and_the_optimiser_are_yours():
    still = quick(schedule=lambda done: 0.0)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        start = nn.utils.parameters_to_vector(SMALL().parameters())
    assert parameters(still).equal(start)
    sgd = quick(optimiser=torch.optim.SGD, steps=2)
    assert isinstance(sgd.optimiser, torch.optim.SGD)
    assert coding.cosine(0) == 1 and coding.cosine(1) == 0
    assert coding.cosine(0.5) == pytest.approx(0.5)


@pytest.mark.parametrize(
    "wrong", [{"weight": 0.0}, {"rate": -1.0}, {"steps": 0}, {"target": 0.0}]
)
def test_numbers_out_of_range(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        quick(**wrong)


def test_windows_have_a_middle():
    with pytest.raises(ValueError, match="kernel: expected an odd number"):
        image_coder(kernel=4)


def squares(x_hat, x):
    return (x_hat - x).square().flatten(1).mean(1)


def pair():
    return Together(SMALL, seeds=(3, 4))


def test_coders_side_by_side_are_those_of_their_seeds():
    both, x = pair().eval(), stripes(dice())
    for seed, own, pictures, bits in zip(
        (3, 4), both.coders(), *both(x), strict=True
    ):
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            alone = SMALL().eval()
        assert own.state_dict().keys() == alone.state_dict().keys()
        for coder in (own, alone):
            expected = coder(x)
            torch.testing.assert_close(pictures, expected[0])
            torch.testing.assert_close(bits, expected[1])
        torch.testing.assert_close(
            both.reconstruct(x)[seed - 3], alone.reconstruct(x)
        )
        torch.testing.assert_close(both.encode(x)[seed - 3], alone.encode(x))


def test_side_by_side_a_coder_learns_what_it_would_alone():
    """The same first weights, batches and noise: after steps the same."""
    batches, steps, rate = [stripes(dice(n)) for n in range(5)], 5, 0.01
    queue = iter(batches)
    both = train(
        pair, apiece(squares), lambda g: next(queue).expand(2, 4, 1, 16, 16),
        weight=[20.0, 80.0], rate=rate, seed=0, steps=steps,
    )  # fmt: skip
    g = dice(0)
    noises = [torch.rand(2, 4, 4, 2, 2, generator=g) - 0.5 for _ in batches]
    for k, weight in enumerate((20.0, 80.0)):
        with torch.random.fork_rng():
            torch.manual_seed((3, 4)[k])
            alone = SMALL().train()
        adam = torch.optim.Adam(alone.parameters())
        for n, x in enumerate(batches):
            adam.param_groups[0]["lr"] = rate * coding.cosine(n / steps)
            x_hat, bits = alone(x, noise=noises[n][k])
            spent = both.bits_per_pixel[n][k]
            assert spent == pytest.approx(bits.mean().item() / 256, rel=1e-3)
            cost = bits.mean() / 256 + weight * mse_loss(x_hat, x)
            adam.zero_grad(), cost.backward(), adam.step()
        learnt = both.coder.coders()[k]
        for p, q in zip(alone.parameters(), learnt.parameters(), strict=True):
            torch.testing.assert_close(p, q, rtol=1e-3, atol=1e-4)


def test_side_by_side_killed_and_resumed(tmp_path):
    file = tmp_path / "pair.pt"

    def run(**changed):
        return train(
            pair, apiece(squares),
            lambda g: stripes(g).expand(2, 4, 1, 16, 16),
            weight=[20.0, 80.0], rate=0.01, seed=0, steps=9, target=0.3,
            target_images=stripes(dice(9)), **changed,
        )  # fmt: skip

    def die(step, cost):
        if step == 7:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(checkpoint=file, every=4, on_step=die)
    resumed, whole = run(checkpoint=file), run()
    assert parameters(resumed).equal(parameters(whole))
    assert resumed.weight.equal(whole.weight) and whole.weight.shape == (2,)


def test_a_loss_apiece_is_the_mean_of_each_coder():
    x = torch.rand(2, 3, 1, 4, 4)
    y = torch.rand(3, 1, 4, 4)
    expected = (x - y).square().mean((1, 2, 3, 4))
    torch.testing.assert_close(apiece(squares)(x, y), expected)


def test_a_step_sets_the_rate_and_its_bits_are_those_of_its_cells():
    coder = quick(steps=150, weight=400.0).coder
    x = stripes(dice(9))
    one = decoded(coder, x)
    near = decoded(coder, x, step=1 + 1e-7)
    torch.testing.assert_close(one[1], near[1], rtol=1e-3, atol=1e-4)
    costs = [decoded(coder, x, step=s)[1].mean() for s in (0.5, 1.0, 3.0)]
    assert costs[0] > costs[1] > costs[2]
    target = ((costs[1] + costs[2]) / 2).item()
    step = step_for(coder, x, target)
    assert 1 < step < 3
    met = decoded(coder, x, step=step)[1].mean().item()
    assert met == pytest.approx(target, rel=0.15)
    # By hand: the mass of the cell from −1 to 1.
    code = coder.bottleneck.surprise(torch.zeros(1, 4), step=2.0)
    c = coder.bottleneck.logits(torch.tensor([[-1.0] * 4, [1.0] * 4]))
    mass = torch.sigmoid(c[1]) - torch.sigmoid(c[0])
    torch.testing.assert_close(2 ** -code[0], mass, rtol=1e-4, atol=1e-6)
