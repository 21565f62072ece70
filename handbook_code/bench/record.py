"""Results as lines of JSON that survive a kill, and the record made of them.

The first line of a file holds the plan; every other is one run. A line that
was cut off by a kill is dropped, and its run is done again.
"""

import json
import os
import platform
import subprocess
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import torch

from handbook_code.bench import UsageError

# Of the repository: an installed package has no records.
RECORDS = Path(__file__).resolve().parents[2] / "book" / "records"


class Lines:
    """Runs in a file, each found again by what it was a run of.

    Args:
        path: of the file, which need not exist.
        plan: what all runs in it share; a file with another is refused.
        key: the names of the entries that say which run it was.
    """

    def __init__(self, path: Path, plan: dict, key: tuple[str, ...]):
        self.path, self.key = path, key
        self.runs: dict[tuple, dict] = {}
        text = path.read_text("utf8") if path.exists() else ""
        whole = text[: text.rfind("\n") + 1].splitlines()
        if whole and json.loads(whole[0]) != _plain(plan):
            raise UsageError(
                f"{path}: expected runs of the plan {json.dumps(plan)}, "
                f"got those of {whole[0]}; --restart begins anew"
            )
        for line in whole[1:]:
            run = json.loads(line)
            self.runs[self._of(run)] = run
        self._rewrite(plan)

    def _of(self, run: dict) -> tuple:
        return tuple(run[name] for name in self.key)

    def __contains__(self, key: tuple) -> bool:
        return key in self.runs

    def add(self, run: dict) -> None:
        """Append, and force it to the disk."""
        self.runs[self._of(run)] = run
        with self.path.open("a", encoding="utf8") as file:
            file.write(json.dumps(run) + "\n")
            file.flush()
            os.fsync(file.fileno())

    def _rewrite(self, plan: dict) -> None:
        lines = [json.dumps(line) for line in (plan, *self.runs.values())]
        write_whole(self.path, "\n".join(lines) + "\n")


def write_whole(path: Path, text: str) -> None:
    """Whole or not at all: a kill leaves the file that was there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(path.name + ".new")
    new.write_text(text, "utf8")
    os.replace(new, path)


def forget(path: Path, losses: Iterable[str]) -> int:
    """Drop the runs of these losses; how many they were."""
    if not path.exists():
        return 0
    gone = set(losses)
    plan, *lines = path.read_text("utf8").splitlines(keepends=True)
    kept = [
        line
        for line in lines
        if not (line.endswith("\n") and json.loads(line)["loss"] in gone)
    ]
    write_whole(path, "".join([plan, *kept]))
    return len(lines) - len(kept)


def environment(command: str) -> dict:
    """What a reader must know to repeat a run."""
    return {
        "command": command,
        "date": datetime.now(UTC).date().isoformat(),
        "commit": _commit(),
        "processor": _processor(),
        "threads": torch.get_num_threads(),
        "versions": {
            "python": platform.python_version(),
            "torch": torch.__version__,
        },
    }


def write_record(path: Path, head: dict, runs: Iterable[dict]) -> None:
    """One run a line, so that a change of one is a change of one line."""
    top = json.dumps(head, indent=1)[:-2]
    lines = ",\n".join(f"  {json.dumps(run)}" for run in runs)
    write_whole(path, f'{top},\n "runs": [\n{lines}\n ]\n}}\n')


def read_record(path: Path = RECORDS / "segmentation.json") -> dict:
    """What ``write_record`` wrote; if no path is given, the book's record."""
    return json.loads(path.read_text("utf8"))


def _plain(value: dict) -> dict:
    return json.loads(json.dumps(value))


def _commit() -> str:
    command = ["git", "rev-parse", "--short=10", "HEAD"]
    here = Path(__file__).parent
    try:
        found = subprocess.run(
            command, cwd=here, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return found.stdout.strip()


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf8").splitlines()
    except OSError:
        lines = []
    for line in lines:
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
