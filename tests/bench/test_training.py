"""Training goes on after any stop; the pictures and losses are as said."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest
import torch

from handbook_code.bench import UsageError, record, scenes
from handbook_code.bench.losses import LOSSES, RATES, level_with, turning
from handbook_code.bench.sweep import KEY, PLAN, Sweep
from handbook_code.bench.training import crops, predict, train
from handbook_code.bench.unet import UNet
from handbook_code.data import nuclei

SMALL = replace(PLAN, steps=12, batch=2, crop=16, width=4, looks=3)


@pytest.fixture(scope="module")
def spots():
    return scenes.Spots(radius=3, share=0.15, counts=(6, 4, 4))()


def test_no_nucleus_is_in_two_parts():
    _, labels = nuclei()
    seen = [
        set(labels[slice(*rows)].flat) - {0} for rows in scenes.PARTS.values()
    ]
    assert all(len(part) > 20 for part in seen)
    assert not (seen[0] & seen[1] or seen[1] & seen[2] or seen[0] & seen[2])


def test_pictures_are_made_again_the_same():
    make = scenes.Spots(radius=3, share=0.03, counts=(3, 1, 1))
    for (a, m), (b, n) in zip(make().train, make().train, strict=True):
        assert torch.equal(a, b) and torch.equal(m, n)


@pytest.mark.parametrize("share", [0.03, 0.15])
@pytest.mark.parametrize("radius", [3, 7])
def test_share_of_the_foreground_is_as_dialled(radius, share):
    """Somewhat less: spots overlap and reach beyond the picture."""
    pictures = scenes.Spots(radius, share, counts=(300, 0, 0))().train
    found = torch.stack([m for _, m in pictures]).float().mean().item()
    assert 0.8 * share < found < 1.15 * share


def test_jitter_strays_in_training_only():
    """The same objects: the generators of both run side by side."""
    clean = scenes.Spots(3, 0.15, counts=(20, 5, 20))()
    noisy = scenes.Spots(3, 0.15, jitter=0.8, counts=(20, 5, 20))()
    for part, moved in (
        ("train", True),
        ("validation", True),
        ("test", False),
    ):
        pairs = zip(getattr(clean, part), getattr(noisy, part), strict=True)
        same = all(
            torch.equal(a[0], b[0]) and torch.equal(a[1], b[1]) != moved
            for a, b in pairs
            if a[1].any()
        )
        assert same


def test_network_keeps_the_size():
    net = UNet(channels=3, classes=4, width=4, levels=3)
    assert net(torch.zeros(2, 3, 17, 22)).shape == (2, 4, 17, 22)


def test_crops_keep_image_and_mask_together():
    image = torch.arange(600.0).view(1, 20, 30)
    mask = image[0].long()
    x, t = crops([(image, mask)], 7, 9, torch.Generator().manual_seed(0))
    assert torch.equal(x[:, 0].long(), t)


@pytest.mark.parametrize("classes", [1, 3])
@pytest.mark.parametrize("name", LOSSES)
def test_every_loss_has_a_slope(name, classes):
    generator = torch.Generator().manual_seed(0)
    z = torch.randn(2, classes, 12, 12, generator=generator).requires_grad_()
    t = torch.zeros(2, 12, 12).long()
    t[:, 3:8, 4:9] = 1
    if classes == 3:
        t[:, 8:11, 1:4] = 2
    value = LOSSES[name](z, t, 0.5)
    value.backward()
    assert value.isfinite() and z.grad.isfinite().all() and z.grad.any()


@pytest.mark.parametrize("name", LOSSES)
def test_every_loss_prefers_the_truth(name):
    t = torch.zeros(2, 12, 12).long()
    t[:, 3:8, 4:9] = 1
    right = (20.0 * t - 10)[:, None]
    loss = LOSSES[name]
    assert loss(right, t, 0.5) < loss(-right, t, 0.5)
    assert loss(right, t, 0.5) < loss(torch.zeros_like(right), t, 0.5)


def test_a_schedule_goes_from_one_to_the_other():
    def constant(value):
        return lambda z, t, done: torch.tensor(value)

    loss = turning(constant(1.0), constant(3.0))
    none = torch.zeros(0)
    assert loss(none, none, 0.0) == 1 and loss(none, none, 0.5) == 2
    assert loss(none, none, 1.0) == pytest.approx(2.98)
    both = level_with(constant(2.0), constant(70.0))
    assert both(none, none, 0.0) == 4


def test_training_depends_on_the_seed_alone(spots):
    runs = [
        train(LOSSES["dice"], spots.train, SMALL, rate=0.01, seed=seed)
        for seed in (1, 1, 2)
    ]
    a, b, c = (predict(run.network, spots.test)[0] for run in runs)
    assert torch.equal(a, b) and not torch.equal(a, c)


def test_a_loss_that_is_not_finite_ends_the_training(spots):
    def loss(z, t, done):
        return z.mean() / (0.0 if done >= 0.5 else 1.0)

    run = train(loss, spots.train, SMALL, rate=0.01, seed=1)
    assert run.diverged == 6
    assert all(p.isfinite().all() for p in run.network.parameters())


def test_a_kill_in_the_middle_changes_nothing(spots, tmp_path):
    """Killed without a word at step 8, saved at step 6."""
    path = tmp_path / "run.pt"
    whole = train(
        LOSSES["boundary_dice"], spots.train, SMALL, rate=0.01, seed=1,
        watch=lambda net: predict(net, spots.test)[0].mean().item(),
    )  # fmt: skip
    child = subprocess.Popen(
        [sys.executable, __file__, str(path)], env=os.environ | paths()
    )
    wait_for(path.with_suffix(".stop"), child)
    child.send_signal(signal.SIGKILL)
    assert child.wait() == -signal.SIGKILL
    assert torch.load(path)["step"] == 6
    rest = train(
        LOSSES["boundary_dice"], spots.train, SMALL, rate=0.01, seed=1,
        watch=lambda net: predict(net, spots.test)[0].mean().item(),
        checkpoint=path, every=3,
    )  # fmt: skip
    assert rest.watched == whole.watched and len(whole.watched) == 3
    for a, b in zip(
        whole.network.parameters(), rest.network.parameters(), strict=True
    ):
        assert torch.equal(a, b)


def test_lines_survive_a_kill(tmp_path):
    """The line that was cut off is dropped, and its run is missing again."""
    path = tmp_path / "runs.jsonl"
    lines = record.Lines(path, {"steps": 1}, ("loss",))
    lines.add({"loss": "dice", "score": 0.5})
    lines.add({"loss": "jaccard", "score": 0.25})
    text = path.read_text("utf8")
    path.write_text(text[:-9], "utf8")
    again = record.Lines(path, {"steps": 1}, ("loss",))
    assert ("dice",) in again and ("jaccard",) not in again
    again.add({"loss": "jaccard", "score": 0.25})
    assert path.read_text("utf8") == text


def test_runs_of_another_plan_are_refused(tmp_path):
    path = tmp_path / "runs.jsonl"
    record.Lines(path, {"steps": 1}, ("loss",))
    with pytest.raises(UsageError, match="expected runs of the plan"):
        record.Lines(path, {"steps": 2}, ("loss",))


def test_a_loss_can_be_forgotten(tmp_path):
    path = tmp_path / "runs.jsonl"
    lines = record.Lines(path, {}, ("loss", "seed"))
    for loss in ("dice", "jaccard"):
        for seed in (1, 2):
            lines.add({"loss": loss, "seed": seed})
    assert record.forget(path, ["dice"]) == 2
    kept = record.Lines(path, {}, ("loss", "seed"))
    assert list(kept.runs) == [("jaccard", 1), ("jaccard", 2)]


def test_the_rate_of_the_best_validation_is_taken(tmp_path):
    sweep = Sweep(losses=("dice",), seeds=(1,))
    lines = record.Lines(tmp_path / "runs.jsonl", sweep.shared(), KEY)
    keys = list(sweep.missing(lines))
    assert len(keys) == 6 and {key[0] for key in keys} == {"tuning"}
    for key in keys:
        run = dict(zip(KEY, key, strict=True))
        lines.add(run | {"validation": float(key[-1] == RATES[2])})
    keys = list(sweep.missing(lines))
    assert len(keys) == 6 and {key[-1] for key in keys} == {RATES[2]}
    assert sweep.count() == 12


def test_a_record_is_read_as_it_was_written(tmp_path):
    head, runs = {"date": "2026-01-01"}, [{"a": 1}, {"a": 2}]
    record.write_record(tmp_path / "r.json", head, runs)
    found = record.read_record(tmp_path / "r.json")
    assert found == head | {"runs": runs}
    text = (tmp_path / "r.json").read_text("utf8")
    assert json.loads(text) == found


def paths() -> dict:
    return {"PYTHONPATH": os.pathsep.join(sys.path)}


def wait_for(path, child) -> None:
    end = time.monotonic() + 120
    while not path.exists():
        assert child.poll() is None and time.monotonic() < end
        time.sleep(0.02)


if __name__ == "__main__":  # what is killed
    from pathlib import Path

    torch.set_num_threads(1)
    checkpoint = Path(sys.argv[1])
    pictures = scenes.Spots(radius=3, share=0.15, counts=(6, 4, 4))()

    def hang(step, value):
        if step == 8:
            checkpoint.with_suffix(".stop").touch()
            time.sleep(600)

    train(
        LOSSES["boundary_dice"], pictures.train, SMALL, rate=0.01, seed=1,
        watch=lambda net: predict(net, pictures.test)[0].mean().item(),
        checkpoint=checkpoint, every=3, on_step=hang,
    )  # fmt: skip
