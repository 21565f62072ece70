"""Ask the installed peers again, and write down what they give.

    python tests/make_implementations.py

Cases of peers that are not installed keep what was recorded for them.
"""

import json
import sys
import warnings
from datetime import date
from importlib.metadata import version
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "book" / "_ext")]

from implementations import (  # noqa: E402
    RECORDS,
    Case,
    agree,
    cases,
    compute,
    record,
)
from peers import peer  # noqa: E402


def measure(case: Case) -> dict:
    """Or raises pytest's Skipped, where the peer is not installed."""
    module = peer(case.module) if case.module else None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return {
            "version": case.read or version(case.package).split("+")[0],
            "date": date.today().isoformat(),
            "theirs": compute(case, "theirs", module),
            "ours": compute(case, "ours"),
        }


def main() -> int:
    path = RECORDS / "implementations.json"
    known = record() if path.exists() else {}
    found = {}
    for case in cases():
        old = known.get(case.name)
        try:
            new = measure(case)
        except pytest.skip.Exception as missing:
            print(f"{case.name}: {missing}")
            if old:
                found[case.name] = old
            continue
        if old and old["version"] == new["version"] and all(
            agree(old[who], new[who]) for who in ("theirs", "ours")
        ):  # fmt: skip
            new = old
        else:
            print(f"{case.name}: theirs {new['theirs']}, ours {new['ours']}")
        found[case.name] = new
    path.write_text(json.dumps(found, indent=1) + "\n", "utf8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
