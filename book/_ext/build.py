"""Build the book: execute what changed, then write the pages.

Two chapters run at a time. Nothing runs if nothing changed since the last
build that succeeded.
"""

import json
import re
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from jupyter_cache import get_cache
from jupyter_cache.base import CacheBundleIn

import chapters
from chapters import ROOT, ChapterError

BUILD = ROOT / "_build"
HTML = BUILD / "html"
STAMP = BUILD / "book.json"
PAGES = ".md .bib .toml".split()


def main() -> int:
    began = time.monotonic()
    inputs = state()
    last = json.loads(STAMP.read_text()) if STAMP.exists() else {}
    if last == inputs and all(page.exists() for page in expected_pages()):
        print(f"Nothing changed. {where()}")
        return 0
    STAMP.unlink(missing_ok=True)
    if not execute_what_changed() or not write_pages(
        everything=last.get("rest") != inputs["rest"]
    ):
        return 1
    missing = [page for page in expected_pages() if not page.exists()]
    if missing:
        print(f"Not written: {', '.join(map(str, missing))}")
        return 1
    STAMP.write_text(json.dumps(inputs))
    print(f"Built in {time.monotonic() - began:.0f} s. {where()}")
    return 0


def state() -> dict[str, str]:
    """Digests of all that the book is made from: its pages, and the rest."""
    book = chapters.files()
    pages = [p for p in book if p.suffix in PAGES]
    rest = [p for p in book if p.suffix not in PAGES]
    rest += [ROOT / "_config.yml", ROOT / "_toc.yml", *chapters.shown()]
    return {
        "pages": chapters.digest(pages),
        "rest": chapters.digest(rest) + chapters.code_digest(),
    }


def expected_pages() -> list[Path]:
    lines = (ROOT / "_toc.yml").read_text("utf8").splitlines()
    keys = ("root:", "- file:")
    names = [
        line.split(":", 1)[1].strip()
        for line in lines
        if line.strip().startswith(keys)
    ]
    return [HTML / "index.html", *(HTML / f"{name}.html" for name in names)]


def where() -> str:
    return f"Open {(HTML / 'index.html').relative_to(ROOT)}"


def execute_what_changed() -> bool:
    folder = chapters.cache_folder()
    for old in folder.parent.glob("*"):
        if old != folder:  # of code that is no longer there
            shutil.rmtree(old)
    folder.mkdir(parents=True, exist_ok=True)
    cache = get_cache(str(folder))
    wanted = [c for c in chapters.chapters() if not is_cached(cache, c)]
    if wanted:
        print(f"executing {len(wanted)} chapters, two at a time", flush=True)
    succeeded = True
    with ThreadPoolExecutor(2) as pool:
        runs = {pool.submit(timed, chapter): chapter for chapter in wanted}
        for number, run in enumerate(as_completed(runs), 1):
            label = f"[{number}/{len(wanted)}]"
            name = chapters.name(runs[run])
            try:
                notebook, seconds = run.result()
            except ChapterError as error:
                print(f"{label} FAILED {error}\n", flush=True)
                succeeded = False
                continue
            bundle = CacheBundleIn(nb=notebook, uri=str(runs[run]))
            cache.cache_notebook_bundle(
                bundle, check_validity=False, overwrite=True
            )
            print(f"{label} {name} {seconds:.0f} s", flush=True)
    return succeeded


def is_cached(cache, chapter: Path) -> bool:
    try:
        cache.match_cache_notebook(chapters.read(chapter))
    except KeyError:
        return False
    return True


def timed(chapter: Path):
    began = time.monotonic()
    notebook = chapters.execute(chapter)
    return notebook, time.monotonic() - began


def write_pages(everything: bool) -> bool:
    print("writing the pages", flush=True)
    command = ["jupyter-book", "build", str(ROOT), "-n", "-W", "-q"]
    command += ["--keep-going"] + ["--all"] * everything
    program = str(Path(sys.executable).with_name("jupyter-book"))
    run = subprocess.run(
        [program, *command[1:]], capture_output=True, text=True
    )
    if run.returncode:
        said = (run.stdout + run.stderr).splitlines()
        named = [x for x in said if re.search("WARNING|ERROR|Error:", x)]
        print("\n".join(named or said[-60:]))
        # A page that was read without being written would pass next time.
        shutil.rmtree(BUILD / ".doctrees", ignore_errors=True)
    return run.returncode == 0


if __name__ == "__main__":
    sys.exit(main())
