"""The bench of segmentation losses: ``python -m`` this module.

Without ``--data`` every loss is trained on the settings of the book, and the
record that its chapter reads is written. With it, on your own pictures.
"""

import argparse
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import torch

try:
    import skimage  # noqa: F401  reads pictures
    from tqdm import tqdm
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        f"{error}; the bench needs: pip install 'handbook-code[bench]'"
    ) from error

from handbook_code.bench import UsageError
from handbook_code.bench.folder import read_folder
from handbook_code.bench.losses import LOSSES, RATES
from handbook_code.bench.options import parser
from handbook_code.bench.record import (
    Lines,
    environment,
    forget,
    write_record,
)
from handbook_code.bench.sweep import KEY, PLAN, Sweep

COMMAND = "python -m handbook_code.bench.segmentation"
OUT = Path("_build/bench")
SCORES = ("dice", "hd95", "ece", "brier")


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when all is done, 2 if an argument or a file is wrong, 130 if it was
    stopped: the same command then goes on."""
    asked = parser(COMMAND, __doc__).parse_args(arguments)
    try:
        if asked.data:
            sweep = _on_data(asked)
        else:
            sweep = _of_the_book(asked)
        lines = asked.out / "runs.jsonl"
        if asked.restart:
            _clear(asked.out)
        if asked.again:
            dropped = forget(lines, asked.again)
            _clear_checkpoints(asked.out, asked.again)
            print(f"{dropped} runs of {', '.join(asked.again)} dropped")
        path = asked.out / "record.json"
        with _fast_processor():
            done = run_all(sweep, lines)
            _record(path, done, sweep, arguments)
    except (UsageError, ModuleNotFoundError) as error:
        print(f"{error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("Stopped. The same command goes on.", file=sys.stderr)
        return 130
    print(f"wrote {path}")
    print(table(done))
    return 0


def run_all(sweep: Sweep, path: Path) -> Lines:
    """Do what is missing in a file of runs, one line each."""
    done = Lines(path, sweep.shared(), KEY)
    silent = "HANDBOOK_SILENT" in os.environ
    total, some = sweep.count(), len(done.runs)
    with tqdm(
        total=total, initial=min(some, total), disable=silent, leave=False
    ) as bar:
        while (key := next(iter(sweep.missing(done)), None)) is not None:
            what = " ".join(map(str, key[1:]))

            def tell(step: int, value: float, what: str = what) -> None:
                if step % 20 == 0:
                    bar.set_description(f"{what} step {step}: {value:.3f}")

            bar.set_description(what)
            sweep.on_step = tell
            done.add(sweep.run(key))
            bar.update(1)
    return done


@contextmanager
def _fast_processor() -> Iterator[None]:
    """As many threads as asked for, and no smallest numbers: they are slow."""
    before = torch.get_num_threads()
    torch.set_num_threads(asked_threads())
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_num_threads(before)
        torch.set_flush_denormal(False)


def asked_threads() -> int:
    """``OMP_NUM_THREADS``, else one: results depend on it, slightly."""
    return int(os.environ.get("OMP_NUM_THREADS", "1"))


def table(done: Lines) -> str:
    """Means over seeds, and half their range, of each setting."""
    rows = [f"{'loss':27}{'rate':>6}" + "".join(f"{s:>15}" for s in SCORES)]
    groups: dict[tuple[str, str], list[dict]] = {}
    for run in done.runs.values():
        if run["role"] == "run":
            groups.setdefault((run["setting"], run["loss"]), []).append(run)
    for setting in dict.fromkeys(setting for setting, _ in groups):
        rows.append(f"{setting}:")
        for (where, loss), runs in groups.items():
            if where == setting:
                cells = (_spread([run[s] for run in runs]) for s in SCORES)
                rate = runs[0]["rate"]
                rows.append(f"  {loss:25}{rate:>6}" + "".join(cells))
    return "\n".join(rows)


def _spread(values: Sequence[float]) -> str:
    mean = sum(values) / len(values)
    return f"{mean:9.3f} ±{(max(values) - min(values)) / 2:5.3f}"


def _record(
    path: Path, done: Lines, sweep: Sweep, arguments: Sequence[str] | None
) -> None:
    words = sys.argv[1:] if arguments is None else arguments
    command = " ".join([COMMAND, *words])
    head = environment(command) | sweep.shared()
    head |= {
        "losses": list(sweep.losses),
        "settings": list(sweep.settings),
        "seeds": list(sweep.seeds),
        "seconds": round(sum(run["seconds"] for run in done.runs.values())),
    }
    runs = sorted(done.runs.values(), key=lambda run: _place(run, sweep))
    write_record(path, head, runs)


def _place(run: dict, sweep: Sweep) -> tuple:
    losses, settings = list(LOSSES), list(sweep.settings)
    place = losses.index(run["loss"]), settings.index(run["setting"])
    return run["role"] == "run", *place, run["seed"], run["rate"]


def _of_the_book(asked: argparse.Namespace) -> Sweep:
    asked.out = asked.out or OUT
    plan = replace(PLAN, **_given(asked, "steps", "batch", "crop", "width"))
    return Sweep(
        losses=asked.losses or tuple(LOSSES),
        seeds=tuple(range(1, asked.seeds + 1)),
        plan=plan,
        rates=asked.rates or RATES,
    )


def _on_data(asked: argparse.Namespace) -> Sweep:
    asked.out = asked.out or OUT / asked.data.resolve().name
    given = {"steps": 2000, "crop": 128, "width": 16, "levels": 4, "looks": 20}
    given |= _given(asked, "steps", "batch", "crop", "width", "levels")
    setting, channels = read_folder(
        asked.data,
        classes=asked.classes,
        crop=given["crop"],
        group=asked.group,
    )
    parts = (setting.train, setting.validation, setting.test)
    train, validation, test = map(len, parts)
    print(
        f"{train} pictures to train, {validation} to choose, {test} to judge"
    )
    outputs = asked.classes if asked.classes > 2 else 1
    return Sweep(
        losses=asked.losses or ("dice", "cross_entropy", "dice_cross_entropy"),
        settings={"data": lambda: setting},
        seeds=tuple(range(1, asked.seeds + 1)),
        plan=replace(PLAN, **given, channels=channels, classes=outputs),
        tuned_on=("data",),
        rates=asked.rates or (0.003,),
        device=_device(asked.device),
        checkpoints=asked.out / "checkpoints",
        every=asked.every,
        pictures={
            "data": str(asked.data.resolve()),
            "pictures": [
                [image.name for image, _ in part.pairs] for part in parts
            ],
        },
    )


def _given(asked: argparse.Namespace, *names: str) -> dict:
    found = {name: getattr(asked, name) for name in names}
    return {name: value for name, value in found.items() if value is not None}


def _device(name: str) -> torch.device:
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.zeros(1, device=name)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).partition("\n")[0]
        raise UsageError(f"--device: cannot use {name}: {reason}") from error
    return torch.device(name)


def _clear(out: Path) -> None:
    (out / "runs.jsonl").unlink(missing_ok=True)
    _clear_checkpoints(out, LOSSES)


def _clear_checkpoints(out: Path, losses: Iterable[str]) -> None:
    for name in losses:
        for path in out.glob(f"checkpoints/*-{name}-*.pt"):
            path.unlink()


if __name__ == "__main__":
    sys.exit(main())
