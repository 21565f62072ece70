"""The executable chapters: which there are, how they run, what they import.

Used to build the book and to write the references that the tests compare.
"""

import hashlib
import os
import re
from pathlib import Path
from subprocess import DEVNULL

import nbformat
from jupyter_cache.readers import get_reader
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parents[2]
BOOK = ROOT / "book"
READER = {"name": "myst_nb_md", "type": "plugin"}
HIDDEN = re.compile(r"/(\.|__pycache__/)")
TIMEOUT = 600  # seconds a cell may take

# What a kernel inherits: no progress bars, and one thread a chapter, since
# several chapters run at a time.
os.environ["HANDBOOK_SILENT"] = "1"
os.environ["OMP_NUM_THREADS"] = "1"
os.environ.pop("HANDBOOK_SCALE", None)  # full.py sets it


class ChapterError(Exception):
    """A cell raised; the message names chapter and cell."""


def files() -> list[Path]:
    """All of the book's, without caches and what an editor left behind."""
    found = sorted(path for path in BOOK.rglob("*") if path.is_file())
    return [p for p in found if not HIDDEN.search(p.as_posix())]


def pages() -> list[Path]:
    return [path for path in files() if path.suffix == ".md"]


def chapters() -> list[Path]:
    """The executable pages."""
    return [p for p in pages() if "\nkernelspec:" in p.read_text("utf8")]


def name(chapter: Path) -> str:
    return chapter.relative_to(ROOT).as_posix()


def read(chapter: Path) -> nbformat.NotebookNode:
    return get_reader(READER)(str(chapter))


def execute(
    chapter: Path, timeout: int | None = TIMEOUT, *, go_on: bool = False
) -> nbformat.NotebookNode:
    """The chapter with its outputs; ``go_on`` past cells that fail."""
    notebook = read(chapter)
    where = {"metadata": {"path": str(chapter.parent)}}
    client = NotebookClient(
        notebook,
        timeout=timeout,
        allow_errors=go_on,
        resources=where,
        kernel_name="python3",
        record_timing=False,  # the cache would see other cells
    )
    try:
        client.execute(stderr=DEVNULL)  # of the kernel, not of its cells
    except Exception as error:
        raise ChapterError(_explain(chapter, notebook, error)) from None
    return notebook


def _explain(chapter: Path, notebook, error: Exception) -> str:
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    for number, cell in enumerate(code, 1):
        for output in cell.get("outputs", []):
            if output.output_type == "error":
                indented = "\n".join(
                    f"    {line}" for line in cell.source.splitlines()
                )
                return (
                    f"{name(chapter)}, code cell {number}:\n\n{indented}\n\n"
                    f"{output.ename}: {output.evalue}"
                )
    return f"{name(chapter)}: {error}"


# Of the package, what the pages show and no chapter imports.
SHOWN = ("losses.json", "__main__.py", "catalogue/advice.toml",
         "catalogue/summary.py")  # fmt: skip


def shown() -> list[Path]:
    return [p for n in SHOWN if (p := ROOT / "handbook_code" / n).exists()]


def code_digest() -> str:
    """Of everything that a chapter imports or reads here, and of the pins."""
    folders = ROOT / "handbook_code", ROOT / "book" / "records"
    files = [p for f in folders for p in f.rglob("*") if p.is_file()]
    files = [p for p in files if p not in shown()]
    kept = [p for p in files if "__pycache__" not in p.parts]
    cases = BOOK.glob("_ext/implementations.py")
    return digest([*kept, *cases, ROOT / "requirements.txt"])


def digest(files: list[Path]) -> str:
    total = hashlib.sha256()
    for path in sorted(files):
        total.update(path.relative_to(ROOT).as_posix().encode() + b"\0")
        total.update(hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()[:16]


def cache_folder() -> Path:
    """Where executed chapters are kept, as long as the code stays the same.

    Jupyter's cache notices a changed cell, not a change in what it imports.
    """
    return ROOT / "_build" / ".jupyter_cache" / code_digest()
