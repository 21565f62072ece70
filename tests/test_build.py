"""The build executes what changed, names what fails, and fails again."""

import json

import pytest

import build
import chapters

HEADER = """\
---
jupytext:
  text_representation:
    extension: .md
    format_name: myst
kernelspec:
  display_name: Python 3
  language: python
  name: python3
---

# A chapter

```{code-cell} ipython3
x = 1
```

"""


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project with one chapter, whose pages are only said to be written."""
    for module in (chapters, build):
        monkeypatch.setattr(module, "ROOT", tmp_path)
    monkeypatch.setattr(chapters, "BOOK", tmp_path / "book")
    monkeypatch.setattr(build, "HTML", tmp_path / "_build" / "html")
    monkeypatch.setattr(build, "STAMP", tmp_path / "_build" / "book.json")
    (tmp_path / "book").mkdir()
    (tmp_path / "handbook_code").mkdir()
    (tmp_path / "handbook_code" / "loss.py").write_text("a = 1\n")
    (tmp_path / "requirements.txt").write_text("torch\n")
    (tmp_path / "_config.yml").write_text("title: a book\n")
    (tmp_path / "_toc.yml").write_text("root: book/intro\n")

    def write_pages(everything):
        for page in build.expected_pages():
            page.parent.mkdir(parents=True, exist_ok=True)
            page.write_text("a page")
        return True

    monkeypatch.setattr(build, "write_pages", write_pages)
    return tmp_path


def write(project, cell: str, name: str = "intro") -> None:
    text = f"{HEADER}```{{code-cell}} ipython3\n{cell}\n```\n"
    (project / "book" / f"{name}.md").write_text(text)


def test_only_what_changed_is_executed(project, capsys):
    write(project, "x + 1")
    write(project, "x + 2", "other")
    assert build.main() == 0
    assert "executing 2 chapters" in capsys.readouterr().out
    assert build.main() == 0
    assert capsys.readouterr().out.startswith("Nothing changed.")
    write(project, "x + 3")
    assert build.main() == 0
    said = capsys.readouterr().out
    assert "book/intro.md" in said and "book/other.md" not in said
    write(project, "x + 3\n```\n\nMore prose.\n\n```{code-cell}\nx")
    (project / "handbook_code" / "loss.py").write_text("a = 2\n")
    assert build.main() == 0
    assert "executing 2 chapters" in capsys.readouterr().out


def test_a_failing_cell_is_named_until_it_is_mended(project, capsys):
    write(project, "assert x == 2, 'it is one'")
    for _ in range(2):
        assert build.main() == 1
        said = capsys.readouterr().out
        assert "FAILED book/intro.md, code cell 2" in said
        assert "assert x == 2" in said and "it is one" in said
        assert not build.STAMP.exists()
    write(project, "assert x == 1")
    assert build.main() == 0
    assert json.loads(build.STAMP.read_text()) == build.state()


def test_a_page_that_is_not_written_is_an_error(project, monkeypatch, capsys):
    write(project, "x")
    (project / "_toc.yml").write_text(
        "root: book/intro\nparts:\n- chapters:\n  - file: book/lost\n"
    )
    assert build.main() == 0
    (build.HTML / "book" / "lost.html").unlink()
    assert build.main() == 0, "a page deleted by hand is written again"
    monkeypatch.setattr(build, "write_pages", lambda everything: True)
    (build.HTML / "book" / "lost.html").unlink()
    assert build.main() == 1
    assert "Not written: " in capsys.readouterr().out


def test_editing_prose_executes_nothing(project, capsys):
    write(project, "x")
    assert build.main() == 0
    path = project / "book" / "intro.md"
    path.write_text(path.read_text().replace("# A chapter", "# A title"))
    capsys.readouterr()
    assert build.main() == 0
    assert "executing" not in capsys.readouterr().out
