"""Plant mistakes, one at a time, and see each one caught.

    python tests/mutate.py [word …]    only mistakes whose name has the word

Every mistake is planted in a copy of the project; the check that should
notice it must fail there, and must pass where nothing is planted. The table
goes to tests/mutations.md.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from datetime import date
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MISTAKES = Path(__file__).with_name("mutations.toml")
RECORD = Path(__file__).with_name("mutations.md")
LEFT_OUT = shutil.ignore_patterns(
    ".venv", ".git", "__pycache__", "*.egg-info", ".*_cache"
)
NBVAL = "--nbval --nbval-current-env --nbval-sanitize-with tests/sanitize.cfg"


def run(check: str, folder: Path) -> bool:
    """Whether a check passes in a copy of the project."""
    arguments = check.replace("nbval ", f"-p no:cacheprovider {NBVAL} ")
    environment = os.environ | {
        "PYTHONPATH": str(folder),
        "HANDBOOK_SILENT": "1",
        "OMP_NUM_THREADS": "1",
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    command = [sys.executable, *arguments.split()]
    if arguments.split()[0] not in ("book/_ext/build.py", "-m"):
        command[1:1] = ["-m", "pytest", "-q", "-x"]
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True
    )
    return done.returncode == 0


def plant(mistake: dict, folder: Path) -> None:
    path = folder / mistake["file"]
    text = path.read_text("utf8")
    if text.count(mistake["old"]) < 1:
        raise SystemExit(f"{mistake['name']}: {mistake['file']} has changed")
    new = text.replace(mistake["old"], mistake["new"], 1)
    path.write_text(new, "utf8")


def main(words: list[str]) -> int:
    mistakes = tomllib.loads(MISTAKES.read_text("utf8"))["mistake"]
    if words:
        mistakes = [m for m in mistakes if any(w in m["name"] for w in words)]
    survivors, rows = [], []
    with tempfile.TemporaryDirectory() as place:
        sound = Path(place) / "sound"
        shutil.copytree(ROOT, sound, ignore=LEFT_OUT)
        for check in sorted({m["check"] for m in mistakes}):
            if not run(check, sound):
                raise SystemExit(f"fails with nothing planted: {check}")
        for number, mistake in enumerate(mistakes, 1):
            copy = Path(place) / "copy"
            shutil.copytree(sound, copy)
            plant(mistake, copy)
            caught = not run(mistake["check"], copy)
            shutil.rmtree(copy)
            mark = "caught" if caught else "SURVIVED"
            print(f"{number}/{len(mistakes)} {mark}: {mistake['name']}")
            rows.append(f"| {mistake['name']} | `{mistake['check']}` |")
            if not caught:
                survivors.append(mistake["name"])
    if not words and not survivors:
        head = (
            f"# Mistakes planted, and the check that caught each\n\n"
            f"`python tests/mutate.py`, {date.today():%d %B %Y}, "
            f"{len(rows)} of {len(rows)} caught.\n\n"
            f"| mistake | caught by |\n| --- | --- |\n"
        )
        RECORD.write_text(head + "\n".join(rows) + "\n", "utf8")
    return len(survivors)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
