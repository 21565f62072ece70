"""The page's script, and what losses over processes send and hold."""

import os
import re
import subprocess
import sys
from pathlib import Path

from handbook_code.bench.across import mistakes, traffic

ROOT = Path(__file__).resolve().parents[2]


def run(size):
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command += ["--nproc-per-node", str(size), "-m"]
    done = subprocess.run(
        [*command, "handbook_code.bench.recipe"],
        cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return re.search(r"loss is ([\d.]+)", done.stdout)[1]


def test_the_recipe_trains_on_two_processes_as_on_one():
    assert run(2) == run(1)


def test_with_distributed_data_parallel(everywhere):
    for found in everywhere(mistakes):
        assert found["group"] < 1e-12
        assert all(v > 0.01 for k, v in found.items() if k != "group")


def test_traffic_is_as_the_formula_says(everywhere):
    n, width, classes, ranks = 6, 5, 7, everywhere.size
    both = n * (width * (3 * ranks - 2) + 3 * ranks - 2)
    sent = [bytes for bytes, _ in everywhere(traffic, "info_nce", n, width, 0)]
    assert sent == [4 * both] * ranks
    # Labels of eight bytes go round twice, three numbers and two come home.
    both = width * (3 * ranks - 2) + 2 * ranks + 3 * (ranks - 1)
    both = n * (4 * both + 2 * 8 * (ranks - 1))
    sent = [b for b, _ in everywhere(traffic, "arcface", n, width, classes)]
    assert sent == [both] * ranks


def test_no_rank_makes_a_matrix_of_all_pairs(both):
    rows, width = 2048, 8
    for loss in ("info_nce", "arcface"):
        for _, elements in both(traffic, loss, rows, width, rows):
            assert elements < rows * rows / 4
