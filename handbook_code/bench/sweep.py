"""Every loss, every setting, every seed: which runs there are, and one run.

The rate of a loss is chosen first, by the Dice index of the validation
pictures of two settings, cut at their best level, with a seed that is used
for nothing else.
"""

import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import cache, partial

import torch
from torch import Tensor

from handbook_code.bench.losses import LOSSES, RATES
from handbook_code.bench.record import Lines
from handbook_code.bench.scenes import SETTINGS, Picture, Setting
from handbook_code.bench.scores import best_level, dice, judge
from handbook_code.bench.training import Plan, Training, predict, train
from handbook_code.bench.unet import UNet

TUNED_ON = ("nuclei", "small, rare")
TUNING_SEED = 0
SEEDS = (1, 2, 3)
KEY = ("role", "loss", "setting", "seed", "rate")
PLAN = Plan(steps=180, batch=8, crop=32, width=8, levels=2, looks=6)


@dataclass(frozen=True)
class Sweep:
    """What is run; ``lines`` in ``record.Lines`` under ``KEY``."""

    losses: Sequence[str] = tuple(LOSSES)
    settings: Sequence[str] = tuple(SETTINGS)
    seeds: Sequence[int] = SEEDS
    plan: Plan = PLAN

    def shared(self) -> dict:
        """What all runs share, and a file of them begins with."""
        return {
            "plan": asdict(self.plan),
            "rates": list(RATES),
            "tuned_on": list(TUNED_ON),
        }

    def missing(self, lines: Lines) -> Iterable[tuple]:
        """The keys of runs that are still to do, in order.

        The rate of a loss is known once its tuning is done: ask again
        after each run.
        """
        for name in self.losses:
            tuning = [
                ("tuning", name, setting, TUNING_SEED, rate)
                for setting in TUNED_ON
                for rate in RATES
            ]
            todo = [key for key in tuning if key not in lines]
            yield from todo
            if todo:
                continue
            rate = best_rate(lines.runs.values(), name)
            for setting in self.settings:
                for seed in self.seeds:
                    key = ("run", name, setting, seed, rate)
                    if key not in lines:
                        yield key

    def count(self) -> int:
        """How many runs there are in all."""
        each = len(TUNED_ON) * len(RATES)
        each += len(self.settings) * len(self.seeds)
        return each * len(self.losses)


def best_rate(runs: Iterable[dict], name: str) -> float:
    """That with the largest validation Dice index, mean of the settings."""
    total = dict.fromkeys(RATES, 0.0)
    for run in runs:
        if run["role"] == "tuning" and run["loss"] == name:
            total[run["rate"]] += run["validation"]
    return max(total, key=total.get)


def run(key: tuple, plan: Plan = PLAN) -> dict:
    """Train, judge, and say what was found, to four digits."""
    role, name, setting, seed, rate = key
    begin = time.perf_counter()
    pictures = _setting(setting)
    tuning = role == "tuning"
    watch = None if tuning else partial(_watch, pictures.validation[:24])
    training = train(
        LOSSES[name], pictures.train, plan, rate=rate, seed=seed, watch=watch
    )
    found = dict(zip(KEY, key, strict=True)) | _judged(training, pictures)
    if tuning:
        names = (*KEY, "validation", "diverged")
        found = {name: found[name] for name in names}
    found["seconds"] = time.perf_counter() - begin
    return {
        name: _rounded(value) if name != "rate" else value
        for name, value in found.items()
    }


def _judged(training: Training, pictures: Setting) -> dict:
    seen = _foreground(training.network, pictures.validation)
    truth = [mask > 0 for _, mask in pictures.validation]
    level, index = best_level(torch.stack(seen), torch.stack(truth))
    probs = _foreground(training.network, pictures.test)
    truth = [mask > 0 for _, mask in pictures.test]
    return {
        "validation": index,
        "level": level,
        **judge(probs, truth, level=level),
        "watched": training.watched,
        "diverged": training.diverged,
    }


def _watch(pictures: Sequence[Picture], network: UNet) -> float:
    drawn = torch.stack(_foreground(network, pictures)) > 0.5
    return dice(drawn, torch.stack([mask > 0 for _, mask in pictures]))


def _foreground(network: UNet, pictures: Sequence[Picture]) -> list[Tensor]:
    return [probs[0] for probs in predict(network, pictures)]


@cache
def _setting(name: str) -> Setting:
    return SETTINGS[name]()


def _rounded(value):
    if isinstance(value, float):
        return round(value, 4)
    if isinstance(value, list):
        return [_rounded(item) for item in value]
    return value
