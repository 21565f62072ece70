"""One name, four places: code, catalogue, chapter and tests."""

import ast
import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest
from sympy import latex

import handbook_code
from build import expected_pages
from chapters import pages
from handbook_code.catalogue import CATALOGUE

ROOT = Path(__file__).resolve().parents[1]
CODE = ROOT / "handbook_code"
LENGTH = 300  # lines of a file


def imports(path: Path) -> set[str]:
    """Every module that a file imports, at its top or in a function."""
    tree = ast.parse(path.read_text("utf8"))
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


MODULES = sorted(p.relative_to(CODE) for p in CODE.rglob("*.py"))
FAMILIES = sorted(
    {
        path.parts[0]
        for path in MODULES
        if len(path.parts) > 1
        and path.parts[0] not in ("catalogue", "plots", "bench", "_triton")
    }
)
TOPICS = [
    path.with_suffix("").as_posix()
    for path in MODULES
    if path.parts[0] in FAMILIES and not path.name.startswith("_")
]


@pytest.mark.parametrize("topic", TOPICS)
def test_four_places(topic):
    family, name = topic.split("/")
    assert (CODE / "catalogue" / f"{topic}.py").exists()
    assert (ROOT / "book" / f"{topic}.md").exists()
    assert (ROOT / "tests" / family / f"test_{name}.py").exists()
    assert f"book/{topic}\n" in (ROOT / "_toc.yml").read_text("utf8")


@pytest.mark.parametrize("topic", TOPICS)
def test_every_loss_is_catalogued_exported_and_explained(topic):
    dotted = topic.replace("/", ".")
    module = importlib.import_module(f"handbook_code.{dotted}")
    public = {
        name
        for name, thing in vars(module).items()
        if getattr(thing, "__module__", None) == module.__name__
        and not name.startswith("_")
    }
    losses = {name for name in public if name.endswith("_loss")}
    catalogued = {loss.name for loss in CATALOGUE if loss.chapter == topic}
    assert losses <= catalogued <= public
    assert public <= set(handbook_code.__all__)
    text = (ROOT / "book" / f"{topic}.md").read_text("utf8")
    for name in catalogued:
        label = f"({name.replace('_', '-')})="
        assert label in text, f"{name} has no labelled section"
    for name in public - catalogued:
        assert f"`{name}" in text, f"{name} is not in its chapter"


def test_all_that_is_exported_exists():
    names = handbook_code.__all__
    assert [name for name in names if not hasattr(handbook_code, name)] == []
    assert len(names) == len(set(names))


def test_losses_stand_in_the_order_of_the_chapters():
    catalogued = [loss.name for loss in CATALOGUE]
    assert [n for n in handbook_code.__all__ if n in catalogued] == catalogued


@pytest.mark.parametrize("path", MODULES, ids=Path.as_posix)
def test_dependencies_point_one_way(path):
    """book → show, plots → catalogue → families → private files → torch."""
    found = imports(CODE / path)
    ours = {name for name in found if name.startswith("handbook_code.")}
    others = {name.split(".")[0] for name in found - ours} - {"handbook_code"}
    private = len(path.parts) == 1 and path.name.startswith("_")
    if path.parts[0] in FAMILIES or private:
        assert others - sys.stdlib_module_names <= {"torch"}
    if path.parts[0] in FAMILIES:
        assert all("._" in name for name in ours), (
            "families share private siblings, nothing else"
        )
    if path.parts[0] == "_triton":
        assert others - sys.stdlib_module_names <= {"torch", "triton"}
        assert all("._" in name for name in ours)
    elif path.parts[0] != "bench":
        assert not {n for n in ours if "._triton" in n}, (
            "no loss takes a kernel that no card has run"
        )
    if path.parts[0] == "bench":  # a user of the losses, like a chapter
        assert others - sys.stdlib_module_names <= {
            "torch", "numpy", "skimage", "tqdm",
        }  # fmt: skip
        assert not {
            n for n in ours if re.search(r"\.(show|plots|catalogue)", n)
        }
    if path.parts[0] == "catalogue":
        assert not {n for n in ours if re.search(r"\.(show|plots)", n)}


@pytest.mark.parametrize("path", MODULES, ids=Path.as_posix)
def test_a_file_is_one_room(path):
    """Docstrings do not count: the chapter and the API index show them."""
    text = (CODE / path).read_text("utf8")
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef)
    docstrings = sum(
        node.body[0].end_lineno - node.body[0].lineno + 1
        for node in ast.walk(ast.parse(text))
        if isinstance(node, documented) and ast.get_docstring(node)
    )
    assert len(text.splitlines()) - docstrings <= LENGTH


def test_importing_the_library_loads_torch_alone(tmp_path):
    """From an empty folder, and neither sympy nor matplotlib by us."""
    code = (
        "import sys, torch; before = set(sys.modules); import handbook_code; "
        "print(*sorted({m.split('.')[0] for m in set(sys.modules) - before}))"
    )
    run = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = set(run.stdout.split()) - sys.stdlib_module_names
    assert loaded == {"handbook_code"}


def test_every_chapter_is_in_the_table_of_contents():
    listed = {page.stem for page in expected_pages()} - {"index"}
    written = {page.stem for page in pages()}
    assert written == listed


def test_every_symbol_is_explained():
    notation = (ROOT / "book" / "notation.md").read_text("utf8")
    for loss in CATALOGUE:
        for symbol in (*loss.variables, *loss.parameters.values()):
            letter = latex(getattr(symbol, "label", symbol))
            assert f"${letter}$" in notation or f"${letter} =" in notation, (
                f"{loss.name}: what is {letter}?"
            )
