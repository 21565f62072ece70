"""The bench of speed: ``python -m handbook_code.bench.speed``.

Every loss is timed beside its peers, forward and backward, in float32, in
turns: medians of the time, the rise of the peak of memory, and whether both
gave the same value and gradient. A peer that is not installed is left out.
"""

import argparse
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import torch
from torch import Tensor

try:
    from tqdm import tqdm
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        f"{error}; the bench needs: pip install 'handbook-code[bench]'"
    ) from error

from handbook_code.bench import UsageError
from handbook_code.bench.meter import alternate, copied, peak, step
from handbook_code.bench.record import (
    Lines,
    environment,
    read_record,
    write_record,
)
from handbook_code.bench.timings import OURS, contests
from handbook_code.bench.workloads import Workload, workloads

COMMAND = "python -m handbook_code.bench.speed"
OUT = Path("_build/speed")
KEY = ("loss", "size", "threads")
ALIKE = 1e-3  # of the largest gradient: another convention is farther off


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when all is done, 2 if an argument is wrong, 130 if it was stopped:
    the same command then goes on."""
    asked = _parser().parse_args(arguments)
    words = sys.argv[1:] if arguments is None else arguments
    before = torch.get_num_threads()
    try:
        device = usable(asked.device)
        plan = {"rounds": asked.rounds, "device": device.type}
        if asked.restart:
            (asked.out / "runs.jsonl").unlink(missing_ok=True)
        done = Lines(asked.out / "runs.jsonl", plan, KEY)
        run_all(asked, device, done)
        head = environment(" ".join([COMMAND, *words])) | plan
        head["card"] = card(device)
        torch.set_num_threads(1)
        head["copied"] = round(copied(device))
        path = asked.out / "record.json"
        write_record(path, head, done.runs.values())
    except UsageError as error:
        print(f"{error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("Stopped. The same command goes on.", file=sys.stderr)
        return 130
    finally:
        torch.set_num_threads(before)
    print(f"wrote {path}")
    print(table(read_record(path)))
    return 0


def run_all(
    asked: argparse.Namespace, device: torch.device, done: Lines
) -> None:
    """Do what is missing, one line for each loss, size and thread count."""
    todo = [key for key in _keys(asked) if key not in done]
    silent = "HANDBOOK_SILENT" in os.environ
    known = workloads()
    for name, size, threads in tqdm(todo, disable=silent, leave=False):
        torch.set_num_threads(threads)
        peers = installed(known[name], asked.peers)
        run = measure(known[name], size, peers, device, asked.rounds)
        done.add({"loss": name, "size": size, "threads": threads, **run})


def installed(
    work: Workload, only: Sequence[str] | None = None
) -> dict[str, Callable]:
    """The peers that can be imported, of those asked for."""
    found = {}
    for name, make in work.peers.items():
        if only is None or name in only:
            try:
                found[name] = make()
            except ImportError as error:
                print(f"{work.name}: without {name}: {error}", file=sys.stderr)
    return found


def measure(
    work: Workload,
    size: str,
    peers: dict[str, Callable],
    device: torch.device,
    rounds: int,
) -> dict:
    """Time, memory and agreement of a loss and its peers at one size."""
    draw = torch.Generator()
    tensors = [t.to(device) for t in work.tensors(size, draw)]
    leaves = tensors[: work.slopes]
    for leaf in leaves:
        leaf.requires_grad_()
    losses = {OURS: work.ours, **peers}
    found = {name: answer(loss, tensors) for name, loss in losses.items()}
    seconds = alternate(losses, tensors, rounds)
    return {
        "elements": sum(leaf.numel() for leaf in leaves),
        # To read all there is and to write the gradients, once.
        "least_bytes": sum(t.nbytes for t in [*tensors, *leaves]),
        "by": {
            name: {
                "ms": short(1e3 * seconds[name]),
                "mb": short(1e-6 * peak(loss, tensors)),
                "gap": short(gap(found[name], found[OURS])),
                "alike": name not in work.differ,
            }
            for name, loss in losses.items()
        },
    }


def table(record: dict) -> str:
    """For each run our time and memory, and the fastest peer's over ours."""
    rows = [
        f"{'loss':30}{'size':>14}{'threads':>8}{'ms':>9}{'MB':>8}"
        f"  {'fastest peer':28}{'ms':>7}{'MB':>7}"
    ]
    every = sorted({run["threads"] for run in record["runs"]})
    for run in (c for n in every for c in contests(record, n)):
        row = f"{run.loss:30}{run.size:>14}{run.threads:>8}"
        row += f"{run.ms:>9.4g}{run.mb:>8.3g}"
        if run.peer:
            row += f"  {run.peer:28}×{run.faster:<6.2f}×{run.leaner:<6.1f}"
        rows.append(row)
    return "\n".join(rows)


def answer(loss: Callable, tensors: Sequence[Tensor]) -> list[Tensor]:
    value = step(loss, tensors)
    leaves = [tensor for tensor in tensors if tensor.requires_grad]
    return [value, *(leaf.grad for leaf in leaves)]


def gap(found: Sequence[Tensor], ours: Sequence[Tensor]) -> float:
    """The largest difference, in units of the largest number."""
    return max(
        ((a - b).abs().max() / b.abs().max().clamp(min=1e-30)).item()
        for a, b in zip(found, ours, strict=True)
    )


def _keys(asked: argparse.Namespace) -> Iterator[tuple[str, str, int]]:
    for name, work in workloads().items():
        if asked.losses and name not in asked.losses:
            continue
        sizes = list(work.sizes)
        chosen = {"small": sizes[:1], "large": sizes[-1:], "all": sizes}
        for threads in asked.threads:
            for size in chosen[asked.sizes]:
                yield name, size, threads


def _parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog=COMMAND,
        description=__doc__.partition("\n\n")[2],
        formatter_class=lambda prog: argparse.HelpFormatter(prog, width=79),
    )
    known = workloads()
    add = made.add_argument
    # fmt: off
    add("--losses", nargs="+", choices=known, metavar="NAME",
        help="of: " + " ".join(known))
    add("--peers", nargs="+", metavar="NAME", help="packages (all there are)")
    add("--sizes", choices=("small", "large", "all"), default="all")
    add("--threads", nargs="+", type=int, default=[1], metavar="N",
        help="of the processor (1)")
    add("--device", default="cpu", metavar="NAME", help="cpu or cuda")
    add("--rounds", type=int, default=9, metavar="N",
        help="measurements of each; their median counts (9)")
    add("--out", type=Path, default=OUT, metavar="FOLDER")
    add("--restart", action="store_true", help="forget all runs first")
    # fmt: on
    return made


def usable(name: str) -> torch.device:
    try:
        torch.zeros(1, device=name)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).partition("\n")[0]
        raise UsageError(f"--device: cannot use {name}: {reason}") from error
    return torch.device(name)


def card(device: torch.device) -> str | None:
    return torch.cuda.get_device_name() if device.type == "cuda" else None


def short(number: float) -> float:
    return float(f"{number:.4g}")


if __name__ == "__main__":
    sys.exit(main())
