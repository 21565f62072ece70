"""The bench of segmentation losses: ``python -m`` this module."""

from pathlib import Path

import torch
from tqdm import tqdm

from handbook_code.bench import record
from handbook_code.bench.sweep import KEY, Sweep, run


def bench(sweep: Sweep, lines: Path, out: Path | None) -> None:
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    done = record.Lines(lines, sweep.shared(), KEY)
    with tqdm(total=sweep.count(), initial=0) as bar:
        while (key := next(iter(sweep.missing(done)), None)) is not None:
            bar.set_description(" ".join(map(str, key[1:])))
            done.add(run(key, sweep.plan))
            bar.update(len(done.runs) - bar.n)


if __name__ == "__main__":
    bench(Sweep(), Path("_build/bench/segmentation.jsonl"), None)
