"""Coders of images: their shapes, their bits, and how they are trained."""

from functools import partial

import pytest
import torch
from torch import nn

from handbook_code import coding, mse_loss
from handbook_code.coding import decoded, image_coder, noisy, train

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
    """A short training gets part of the way, and in the right order."""
    settings = {"steps": 150, "weight": 200.0, "target_images": images}
    few, many = (quick(target=t, **settings) for t in (0.05, 0.4))
    assert few.weight < 200 < many.weight
    late = [sum(run.bits_per_pixel[-20:]) / 20 for run in (few, many)]
    assert late[0] < 0.95 * late[1]


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
