"""The committed record is whole, and of the bench as it is."""

import subprocess
import sys
from dataclasses import asdict

import pytest
import torch

from handbook_code.bench.compare import by_rate, chosen, scores
from handbook_code.bench.losses import LOSSES, RATES
from handbook_code.bench.record import RECORDS, read_record
from handbook_code.bench.scenes import SETTINGS
from handbook_code.bench.sweep import PLAN, SEEDS, TUNED_ON, Sweep

RENEW = "run: make bench-segmentation"


@pytest.fixture(scope="module")
def record():
    return read_record()


def test_every_loss_setting_and_seed_is_in_it(record):
    assert record["losses"] == list(LOSSES), RENEW
    assert record["settings"] == list(SETTINGS), RENEW
    assert record["seeds"] == list(SEEDS), RENEW
    found = [
        (run["loss"], run["setting"], run["seed"])
        for run in record["runs"]
        if run["role"] == "run"
    ]
    wanted = {(a, b, c) for a in LOSSES for b in SETTINGS for c in SEEDS}
    assert len(found) == len(wanted) and set(found) == wanted, RENEW
    assert len(record["runs"]) == Sweep().count(), RENEW


def test_every_rate_is_tried_and_every_run_is_watched(record):
    assert torch.isfinite(by_rate(record)).all(), RENEW
    runs = [run for run in record["runs"] if run["role"] == "run"]
    for run in runs:
        watched = len(run["watched"])
        assert watched == PLAN.looks or run["diverged"] is not None, RENEW
        assert run["rate"] == chosen(record)[run["loss"]]
    assert {run["seed"] for run in record["runs"]} == {0, *SEEDS}


def test_it_is_of_the_plan(record):
    assert record["plan"] == asdict(PLAN), RENEW
    assert record["rates"] == list(RATES), RENEW
    assert record["tuned_on"] == list(TUNED_ON), RENEW


def test_it_says_where_it_comes_from(record):
    assert record["command"] == "python -m handbook_code.bench.segmentation"
    for entry in ("date", "commit", "processor", "threads"):
        assert record[entry] not in ("", "unknown")
    assert set(record["versions"]) == {"python", "torch"}
    assert record["seconds"] > 0


def test_the_rate_of_each_loss_is_the_best_of_its_tuning(record):
    total = by_rate(record).sum(1)
    for name, values in zip(record["losses"], total, strict=True):
        taken = record["rates"].index(chosen(record)[name])
        assert values[taken] == values.max()


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        ("dice", 0, 1),
        ("dice_cut", 0, 1),
        ("validation", 0, 1),
        ("level", 0, 1),
        ("hd95", 0, 68),
        ("hd95_cut", 0, 68),
        ("ece", 0, 1),
        ("brier", 0, 1),
        ("area", 0, 40),
        ("fall", 0, 1),
    ],
)
def test_scores_are_in_their_range(record, name, low, high):
    found = scores(record, name)
    assert torch.isfinite(found).all()
    assert low <= found.min() and found.max() <= high


def test_the_nuclei_need_nothing_beyond_the_extra():
    """A bench without scikit-learn, which its extra does not bring."""
    code = "import sys; sys.modules['sklearn'] = None; "
    code += "from handbook_code.bench.scenes import nuclei; nuclei()"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_short_record_is_of_fewer_steps_and_else_the_same(record):
    short = read_record(RECORDS / "segmentation-short.json")
    for entry in ("losses", "settings", "seeds", "rates", "tuned_on"):
        assert short[entry] == record[entry]
    assert len(short["runs"]) == len(record["runs"])
    plans = [
        {k: v for k, v in r["plan"].items() if k not in ("steps", "looks")}
        for r in (short, record)
    ]
    assert plans[0] == plans[1]
    assert short["plan"]["steps"] < record["plan"]["steps"] / 3
