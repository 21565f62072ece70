"""The bench of a graphics card: ``python -m handbook_code.bench.gpu``.

Every loss by all roads to it, forward and backward, in float32, in turns and
with a cold cache: milliseconds by the card's own clock, the rise of the peak
of memory, and what part that is of the card's rate of copying, if all that
must be moved is moved once, or of its rate of multiplying matrices. Both rates
are measured in the same run. What is not installed is left out by name; what
fails is recorded with its reason.
"""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median
from time import perf_counter

import torch

from handbook_code.bench import UsageError
from handbook_code.bench.meter import peak, step
from handbook_code.bench.record import (
    Lines,
    environment,
    read_record,
    write_record,
)
from handbook_code.bench.roads import roads
from handbook_code.bench.speed import answer, card, gap, installed, usable
from handbook_code.bench.speed import short as rounded
from handbook_code.bench.workloads import Workload
from handbook_code.bench.workloads.cards import goal, on_a_card

COMMAND = "python -m handbook_code.bench.gpu"
OUT = Path("_build/gpu")
KEY = ("loss", "size")
SIDES = {"full": 1 << 13, "tiny": 1 << 6}  # of the matrices multiplied


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when all is done, 2 if an argument is wrong, 130 if it was stopped:
    the same command then goes on."""
    asked = _parser().parse_args(arguments)
    words = sys.argv[1:] if arguments is None else arguments
    try:
        device = usable(asked.device)
        if device.type != "cuda" and "triton" not in sys.modules:
            os.environ.setdefault("TRITON_INTERPRET", "1")
        plan = {"rounds": asked.rounds, "device": device.type}
        if asked.restart:
            (asked.out / "runs.jsonl").unlink(missing_ok=True)
        done = Lines(asked.out / "runs.jsonl", plan, KEY)
        clock = Clock(device)
        head = environment(" ".join([COMMAND, *words])) | plan
        head |= {"card": card(device)} | rates(asked.size, clock)
        head["versions"] |= {"cuda": torch.version.cuda} | _installed()
        known = on_a_card()
        for name in asked.losses or known:
            if (name, asked.size) not in done:
                print(name, file=sys.stderr, flush=True)
                run = measure(known[name], asked, clock)
                done.add({"loss": name, "size": asked.size, **run})
        path = asked.out / "record.json"
        write_record(path, head, done.runs.values())
    except UsageError as error:
        print(f"{error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("Stopped. The same command goes on.", file=sys.stderr)
        return 130
    print(f"wrote {path}")
    print(table(read_record(path)))
    return 0


class Clock:
    """Seconds of a call; on a card, its own, and after its cache was filled
    with something else."""

    def __init__(self, device: torch.device):
        self.device = device
        self.other = torch.empty(0, device=device)
        if device.type == "cuda":
            size = torch.cuda.get_device_properties(device).L2_cache_size
            self.other = self.other.new_empty(2 * size // 4)

    def __call__(self, call: Callable) -> float:
        if self.device.type != "cuda":
            begin = perf_counter()
            call()
            return perf_counter() - begin
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in "be")
        self.other.zero_()
        begin.record()
        call()
        end.record()
        torch.cuda.synchronize()
        return begin.elapsed_time(end) / 1e3

    def alternate(
        self, calls: dict[str, Callable], rounds: int
    ) -> dict[str, float]:
        """The median of each, taken in turns."""
        times = {name: [] for name in calls}
        names = list(calls)
        for turn in range(rounds):
            first = turn % max(1, len(names))
            for name in names[first:] + names[:first]:
                times[name].append(self(calls[name]))
        return {name: median(found) for name, found in times.items()}


def rates(size: str, clock: Clock) -> dict:
    """Bytes that a copy reads and writes in a second, and operations that a
    product of matrices does, in the precision in which torch multiplies."""
    side = SIDES[size]
    a, b = torch.ones(2, side, side, device=clock.device)
    c = torch.empty_like(a)
    calls = {
        "copied": lambda: c.copy_(a),
        "multiplied": lambda: torch.mm(a, b, out=c),
    }
    for call in calls.values():
        call()
    seconds = clock.alternate(calls, 15)
    return {
        "copied": round(2 * a.nbytes / seconds["copied"]),
        "multiplied": round(2 * side**3 / seconds["multiplied"]),
        "precision": torch.get_float32_matmul_precision(),
    }


def measure(work: Workload, asked: argparse.Namespace, clock: Clock) -> dict:
    """What each road takes, or why it failed."""
    tensors = work.tensors(asked.size, torch.Generator())
    tensors = [tensor.to(clock.device) for tensor in tensors]
    leaves = tensors[: work.slopes]
    for leaf in leaves:
        leaf.requires_grad_()
    losses = roads(work, asked.compiler) | installed(work, asked.roads)
    by, right = {}, None
    for name, loss in losses.items():
        if asked.roads and name not in asked.roads:
            continue
        try:
            found = answer(loss, tensors)
            right = right or found
            by[name] = {
                "mb": rounded(1e-6 * peak(loss, tensors)),
                "gap": rounded(gap(found, right)),
                "alike": name not in work.differ,
            }
        except Exception as error:  # of others, and of a card's memory
            reason = f"{type(error).__name__}: {error}".partition("\n")[0]
            by[name] = {"failed": reason[:200]}
    calls = {
        name: lambda loss=losses[name]: step(loss, tensors)
        for name, found in by.items()
        if "failed" not in found
    }
    for name, seconds in clock.alternate(calls, asked.rounds).items():
        by[name]["ms"] = rounded(1e3 * seconds)
    aim = goal(work)
    return {
        "least_bytes": sum(t.nbytes for t in [*tensors, *leaves]),
        "operations": aim and aim.products and aim.products(*tensors),
        "goal": aim and aim.part,
        "by": by,
    }


def parts(record: dict, run: dict) -> dict[str, float]:
    """Of the rate that bounds a loss, what each road reaches."""
    least = run["least_bytes"] / record["copied"]
    if run["operations"]:
        least = run["operations"] / record["multiplied"]
    return {
        name: 1e3 * least / found["ms"]
        for name, found in run["by"].items()
        if "failed" not in found
    }


def verdict(record: dict, run: dict) -> str:
    """Whether ours reaches the goal, by its best road."""
    ours = parts(record, run)
    for peer in set(ours) - OUR_ROADS:
        del ours[peer]
    if run["goal"] is None or not ours:
        return "no goal" if run["goal"] is None else "nothing ran"
    best = max(ours, key=ours.get)
    word = "reached" if ours[best] >= run["goal"] else "not reached"
    return f"{run['goal']:.0%} {word}, {ours[best]:.0%} {best}"


OUR_ROADS = {"formula", "handbook_code", "compiled", "compiled in one"}
OUR_ROADS |= {"triton"}


def table(record: dict) -> str:
    """Every road of every loss, and below them the verdict."""
    rows = [
        f"card {record['card']}; copies {record['copied'] / 1e12:.3g} TB/s, "
        f"multiplies {record['multiplied'] / 1e12:.3g} T/s "
        f"({record['precision']})"
    ]
    for run in record["runs"]:
        bound = "products" if run["operations"] else "bytes"
        rows.append(f"\n{run['loss']} ({run['size']}, part by {bound})")
        reached = parts(record, run)
        for name, found in run["by"].items():
            row = f"  {name:30}"
            if "failed" in found:
                rows.append(f"{row}{found['failed'][:60]}")
                continue
            other = "" if found["alike"] else "  another convention"
            rows.append(
                f"{row}{found['ms']:>10.4g} ms{found['mb']:>10.4g} MB"
                f"{reached[name]:>8.1%}  gap {found['gap']:.0e}{other}"
            )
        rows.append(f"  {verdict(record, run)}")
    return "\n".join(rows)


def _installed() -> dict[str, str]:
    found = {}
    for name in ("triton", "liger-kernel", "cut-cross-entropy", "fused-ssim"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            pass
    return found


def _parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog=COMMAND,
        description=__doc__.partition("\n\n")[2],
        formatter_class=lambda prog: argparse.HelpFormatter(prog, width=79),
    )
    known = on_a_card()
    add = made.add_argument
    # fmt: off
    add("--losses", nargs="+", choices=known, metavar="NAME",
        help="of: " + " ".join(known))
    add("--roads", nargs="+", metavar="NAME",
        help="formula, handbook_code, compiled, 'compiled in one', triton, "
             "or a peer (all)")
    add("--size", choices=SIDES, default="full",
        help="full, for a card; tiny, to see that all of it runs")
    add("--device", default="cuda", metavar="NAME", help="cuda or cpu")
    add("--compiler", default="inductor", metavar="NAME",
        help="a backend of torch.compile (inductor)")
    add("--rounds", type=int, default=21, metavar="N",
        help="measurements of each; their median counts (21)")
    add("--out", type=Path, default=OUT, metavar="FOLDER")
    add("--restart", action="store_true", help="forget all runs first")
    # fmt: on
    return made


if __name__ == "__main__":
    sys.exit(main())
