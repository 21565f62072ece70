"""Every loss, every setting, every seed: which runs there are, and one run.

The rate of a loss is chosen first, by the Dice index of the validation
pictures of some settings, cut at their best level, with a seed that is used
for nothing else.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path

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
# The budget of the record: steps. A change of it asks for a new record
# and for another look at each conclusion of the chapter.
PLAN = Plan(steps=400, batch=8, crop=32, width=8, levels=2, looks=10)


@dataclass
class Sweep:
    """What is run, and where. The bench of the book, unless told otherwise.

    Args:
        losses: names in ``LOSSES``.
        settings: what makes the pictures of each.
        tuned_on: the settings by which a rate is chosen.
        rates: those tried. Of one nothing is tried.
        checkpoints: a folder to keep each run in while it lasts.
        every: how many steps lie between two checkpoints.
        on_step: told the step and the value of the loss.
        pictures: what tells other pictures from these, where they are not
            the book's.
    """

    losses: Sequence[str] = tuple(LOSSES)
    settings: Mapping[str, Callable[[], Setting]] = field(
        default_factory=lambda: SETTINGS
    )
    seeds: Sequence[int] = SEEDS
    plan: Plan = PLAN
    tuned_on: Sequence[str] = TUNED_ON
    rates: Sequence[float] = RATES
    device: torch.device | str = "cpu"
    checkpoints: Path | None = None
    every: int = 100
    on_step: Callable[[int, float], None] | None = None
    pictures: Mapping = field(default_factory=dict)
    made: dict[str, Setting] = field(default_factory=dict, repr=False)

    def shared(self) -> dict:
        """What all runs share, and a file of them begins with."""
        return {
            "plan": asdict(self.plan),
            "rates": list(self.rates),
            "tuned_on": list(self.tuned_on),
            **self.pictures,
        }

    def tunings(self, name: str) -> list[tuple]:
        """The keys of the runs that choose the rate of a loss."""
        if len(self.rates) == 1:
            return []
        return [
            ("tuning", name, setting, TUNING_SEED, rate)
            for setting in self.tuned_on
            for rate in self.rates
        ]

    def missing(self, lines: Lines) -> Iterable[tuple]:
        """The keys of runs that are still to do, in order.

        The rate of a loss is known once its tuning is done: ask again
        after each run.
        """
        for name in self.losses:
            todo = [key for key in self.tunings(name) if key not in lines]
            yield from todo
            if todo:
                continue
            rate = self.best_rate(lines.runs.values(), name)
            for setting in self.settings:
                for seed in self.seeds:
                    key = ("run", name, setting, seed, rate)
                    if key not in lines:
                        yield key

    def count(self) -> int:
        """How many runs there are in all."""
        each = len(self.settings) * len(self.seeds)
        return sum(each + len(self.tunings(name)) for name in self.losses)

    def best_rate(self, runs: Iterable[dict], name: str) -> float:
        """That with the largest validation Dice, mean of the settings."""
        total = dict.fromkeys(self.rates, 0.0)
        for run in runs:
            if run["role"] == "tuning" and run["loss"] == name:
                total[run["rate"]] += run["validation"]
        return max(total, key=total.get)

    def run(self, key: tuple) -> dict:
        """Train, judge, and say what was found, to four digits."""
        role, name, setting, seed, rate = key
        begin = time.perf_counter()
        pictures = self._pictures(setting)
        tuning = role == "tuning"
        watched = pictures.validation[:24]
        checkpoint = None
        if self.checkpoints:
            checkpoint = self.checkpoints / f"{role}-{name}-{seed}-{rate}.pt"
        training = train(
            LOSSES[name],
            pictures.train,
            self.plan,
            rate=rate,
            seed=seed,
            watch=None if tuning else partial(_watch, watched),
            device=self.device,
            checkpoint=checkpoint,
            every=self.every,
            on_step=self.on_step,
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

    def _pictures(self, name: str) -> Setting:
        if name not in self.made:
            self.made[name] = self.settings[name]()
        return self.made[name]


def _judged(training: Training, pictures: Setting) -> dict:
    found, level = {}, None
    seen = predict(training.network, pictures.validation)
    truth = [mask for _, mask in pictures.validation]
    if len(seen[0]) == 1:
        level, index = best_level(_joined(seen), _joined(truth) > 0)
        found = {"validation": index, "level": level}
    else:
        found = {"validation": judge(seen, truth)["dice"]}
    seen = predict(training.network, pictures.test)
    truth = [mask for _, mask in pictures.test]
    return {
        **found,
        **judge(seen, truth, level=level),
        "watched": training.watched,
        "diverged": training.diverged,
    }


def _watch(pictures: Sequence[Picture], network: UNet) -> float:
    seen = predict(network, pictures)
    truth = [mask for _, mask in pictures]
    if len(seen[0]) == 1:
        return dice(_joined(seen) > 0.5, _joined(truth) > 0)
    drawn = _joined([probs.argmax(0) for probs in seen])
    each = [
        dice(drawn == k, _joined(truth) == k) for k in range(1, len(seen[0]))
    ]
    return sum(each) / len(each)


def _joined(pictures: Sequence[Tensor]) -> Tensor:
    return torch.cat([picture.flatten() for picture in pictures])


def _rounded(value):
    if isinstance(value, float):
        return round(value, 4)
    if isinstance(value, list):
        return [_rounded(item) for item in value]
    return value
