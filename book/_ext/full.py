"""Run chapters at full scale: make full CHAPTERS=book/image/restoration.md

What they printed and drew is written to _build/full. A cell may take hours. A
claim that does not hold at this scale is reported, and the run goes on.
"""

import os
import sys
from pathlib import Path

import nbformat

from chapters import BOOK, ROOT, ChapterError, execute

FULL = ROOT / "_build" / "full"


def main(names: list[str]) -> int:
    os.environ["HANDBOOK_SCALE"] = "full"
    os.environ.pop("OMP_NUM_THREADS")
    if not names:
        print("Which? make full CHAPTERS=book/image/restoration.md")
        return 2
    for chapter in (Path(name).resolve() for name in names):
        try:
            notebook = execute(chapter, timeout=None, go_on=True)
        except ChapterError as error:
            print("FAILED", error)
            return 1
        failed = [
            f"{output.ename} in:\n{cell.source}\n"
            for cell in notebook.cells
            for output in cell.get("outputs", [])
            if output.output_type == "error"
        ]
        print(*failed, f"{len(failed)} cells failed", sep="\n")
        path = FULL / chapter.relative_to(BOOK).with_suffix(".ipynb")
        path.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(notebook, path)
        print("wrote", path.relative_to(ROOT), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
