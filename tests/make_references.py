"""Write the executed notebooks that the chapters are compared with.

    python tests/make_references.py [book/regression/pointwise.md …]

They hold code cells and what these print: no prose, no pictures.
"""

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "book" / "_ext"))

from chapters import BOOK, ChapterError, chapters, execute  # noqa: E402

REFERENCES = ROOT / "tests" / "reference"
FIGURES = {
    "image/png": "",
    "image/svg+xml": "<?xml?></svg>",  # nbval: tests/sanitize.cfg
}


def reference(chapter: Path) -> Path:
    return REFERENCES / chapter.relative_to(BOOK).with_suffix(".ipynb")


def write(chapter: Path) -> Path:
    notebook = execute(chapter)
    code = [c for c in notebook.cells if c.cell_type == "code"]
    for number, cell in enumerate(code):
        cell.id = f"c{number}"
        cell.metadata = {k: v for k, v in cell.metadata.items() if k == "tags"}
        for output in cell.outputs:
            for kind in FIGURES.keys() & output.get("data", {}).keys():
                output.data[kind] = FIGURES[kind]
    notebook.cells = code
    notebook.metadata = {"kernelspec": notebook.metadata["kernelspec"]}
    reference(chapter).parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, reference(chapter))
    return reference(chapter)


def main(names: list[str]) -> int:
    wanted = [Path(name).resolve() for name in names] or chapters()
    failed = 0
    with ThreadPoolExecutor(2) as pool:
        runs = {chapter: pool.submit(write, chapter) for chapter in wanted}
        for run in runs.values():
            try:
                print("wrote", run.result().relative_to(ROOT), flush=True)
            except ChapterError as error:
                print("FAILED", error, flush=True)
                failed += 1
    for old in set(REFERENCES.rglob("*.ipynb")):
        if old not in {reference(chapter) for chapter in chapters()}:
            old.unlink()
            print("removed", old.relative_to(ROOT))
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
