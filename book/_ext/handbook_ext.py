"""What the book's pages need beyond Jupyter Book: lists, and repairs."""

import re
from collections import Counter
from pathlib import Path

import nbformat
from docutils import nodes
from docutils.parsers.rst import directives
from docutils.statemachine import StringList
from jupyter_cache import get_cache
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.util.docutils import SphinxDirective, SphinxRole

import cards
import chapters
import chooser
import implementations
import ledger

FORMULA = re.compile(r"(\w\(\w\)|L\w*) = ")

SOURCE_TITLES = {
    "l2-blur": "Why does L2 reconstruction loss yield blurry images?",
    "image-losses": "Image losses (a note that quotes the former)",
    "taxonomy": "Loss functions (a taxonomy)",
    "perceptual-distance-talk": "Perceptual distance and statistical learning",
}


class LedgerDirective(SphinxDirective):
    """Shared by the lists of claims and of errors."""

    def inline(self, text: str) -> list[nodes.Node]:
        """Markdown within a line, such as a formula."""
        parent = nodes.Element()
        self.state.nested_parse(
            StringList([text], self.env.docname), 0, parent
        )
        return parent[0].children if parent.children else []

    def entry(self, claim: ledger.Claim) -> nodes.list_item:
        kind = claim.verdict.replace(" ", "-")
        body = nodes.paragraph()
        body += self.reference(claim, kind)
        body += nodes.Text(" ")
        body += self.inline(claim.claim)
        if claim.finding:
            body += nodes.Text(" ")
            body += nodes.emphasis("", "", *self.inline(claim.finding))
        body += nodes.Text(" ")
        places = "; ".join(map(str, claim.places))
        body += nodes.inline("", f"({places})", classes=["ledger-place"])
        return nodes.list_item("", body)

    def reference(self, claim: ledger.Claim, kind: str) -> nodes.Node:
        badge = nodes.inline("", classes=["verdict", f"verdict-{kind}"])
        if claim.cell is None:
            badge += nodes.Text(claim.verdict)
            return badge
        badge += addnodes.pending_xref(
            "",
            nodes.Text(claim.verdict),
            refdomain="std",
            reftype="ref",
            refexplicit=True,
            refwarn=True,
            reftarget=claim.cell,
            refdoc=self.env.docname,
        )
        return badge

    def load(self) -> list[ledger.Claim]:
        self.env.note_dependency(str(ledger.LEDGER))
        return ledger.load()


class Claims(LedgerDirective):
    """The claims that a chapter decides, or those on one of its losses.

    With an empty ``:loss:`` those that are on no loss in particular.
    """

    required_arguments = 1
    option_spec = {"loss": directives.unchanged}  # noqa: RUF012

    def run(self) -> list[nodes.Node]:
        wanted = [
            claim
            for claim in self.load()
            if claim.topic == self.arguments[0]
            and claim.verdict != "no claim"
            and (
                "loss" not in self.options
                or claim.loss == (self.options["loss"] or None)
            )
        ]
        if not wanted:
            raise self.error(f"no claims on {self.arguments[0]}")
        items = map(self.entry, wanted)
        return [nodes.bullet_list("", *items, classes=["ledger"])]


class Errata(LedgerDirective):
    """What a source gets wrong, or says without the condition it needs."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        source = self.arguments[0]
        wrong = [
            claim
            for claim in self.load()
            if claim.verdict in ("false", "holds if")
            and any(place.source == source for place in claim.places)
        ]
        if not wrong:
            return [nodes.paragraph("", "Nothing so far.")]
        items = map(self.entry, wrong)
        return [nodes.bullet_list("", *items, classes=["ledger"])]


class Counts(LedgerDirective):
    """How many claims of each source have which verdict."""

    def run(self) -> list[nodes.Node]:
        claims = self.load()
        rows = [["source", *ledger.VERDICTS]]
        for source in ledger.SOURCES:
            mine = [
                c for c in claims if any(p.source == source for p in c.places)
            ]
            found = ledger.counts(mine)
            rows.append(
                [SOURCE_TITLES[source]]
                + [str(found[v]) for v in ledger.VERDICTS]
            )
        total = ledger.counts(claims)
        rows.append(["all"] + [str(total[v]) for v in ledger.VERDICTS])
        lines = [f"| {' | '.join(row)} |" for row in rows]
        lines.insert(1, "| --- |" + " ---: |" * len(ledger.VERDICTS))
        parent = nodes.Element()
        self.state.nested_parse(StringList(lines, self.env.docname), 0, parent)
        return parent.children


class Verdicts(LedgerDirective):
    """A table of conclusions: statement, what was derived, what measured.

    A line holds the label of a conclusion, a colon, labels of what was
    derived for it, a semicolon, and labels of what was measured. All words
    come from the ledger.
    """

    has_content = True
    headings = ("statement", "derived", "measured")

    def run(self) -> list[nodes.Node]:
        claims = self.load()
        table = nodes.table("", classes=["verdicts"])
        group = nodes.tgroup("", cols=3)
        table += group
        for width in (30, 35, 35):
            group += nodes.colspec("", colwidth=width)
        head, body = nodes.thead(), nodes.tbody()
        group += [head, body]
        head += self.row([[nodes.paragraph("", h)] for h in self.headings])
        for line in self.content:
            cells = [
                [claim for name in part for claim in self.named(claims, name)]
                for part in ledger.table_row(line)
            ]
            body += self.row(
                [
                    [self.said(claim, at == 0) for claim in cell]
                    for at, cell in enumerate(cells)
                ]
            )
        return [table]

    def named(self, claims: list[ledger.Claim], name: str):
        """Those that one cell decides, each verdict and finding once."""
        found = [claim for claim in claims if claim.cell == name]
        if not found:
            raise self.error(f"{name}: no such label in the ledger")
        return {(c.verdict, c.finding): c for c in found}.values()

    def said(self, claim: ledger.Claim, whole: bool) -> nodes.paragraph:
        """The verdict, and of a conclusion what is claimed."""
        line = nodes.paragraph("", classes=["ledger-line"])
        line += self.reference(claim, claim.verdict.replace(" ", "-"))
        line += nodes.Text(" ")
        text = claim.claim if whole else claim.finding or claim.claim
        line += self.inline(text)
        if whole and claim.finding:
            line += nodes.Text(" ")
            line += nodes.emphasis("", "", *self.inline(claim.finding))
        return line

    def row(self, cells: list[list[nodes.Node]]) -> nodes.row:
        entries = [nodes.entry("", *cell) for cell in cells]
        return nodes.row("", *entries)


class Count(SphinxRole):
    """{ledger}`false`: how many claims have that verdict, now."""

    def run(self):
        self.env.note_dependency(str(ledger.LEDGER))
        found: Counter = ledger.counts(ledger.load())
        number = found.total() if self.text == "total" else found[self.text]
        return [nodes.Text(str(number))], []


class Implementations(SphinxDirective):
    """What differs elsewhere with one consequence, and the code of it."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        for name in ("implementations.toml", "implementations.json"):
            self.env.note_dependency(str(implementations.RECORDS / name))
        known = implementations.record()
        lines, code = [], []
        wanted = [
            case
            for case in implementations.cases()
            if case.consequence == self.arguments[0]
        ]
        for number, case in enumerate(wanted, 1):
            found = known[case.name]
            theirs, ours = map(shown, (found["theirs"], found["ours"]))
            lines.append(
                f"{number}. {case.package} {found['version']}, `{case.call}`: "
                f"**{theirs}**, here **{ours}**. {case.says}"
                f"{thread(case.thread)}"
            )
            code += [*listing(number, case, found["date"]).splitlines(), ""]
        lines += ["", ":::{admonition} The code of these cases"]
        lines += [":class: dropdown note", "", "```python", *code[:-1]]
        lines += ["```", ":::"]
        parent = nodes.Element()
        self.state.nested_parse(StringList(lines, self.env.docname), 0, parent)
        return parent.children


def shown(value: str) -> str:
    """Three digits are enough for a reader."""
    if value.endswith("Error"):
        return value
    words = {"nan": "NaN", "inf": "∞", "-inf": "−∞"}
    number = f"{float(value):.3g}".replace("-", "−")
    return words.get(value, number)


def thread(name: str) -> str:
    if not name:
        return ""
    repository, number = name.split("#")
    return f" [{name}](https://github.com/{repository}/issues/{number})"


def listing(number: int, case: implementations.Case, when: str) -> str:
    """As one would type it."""
    which = f"import {case.module} as peer\n" if case.module else ""
    return (
        f"# {number}. {case.package}, {when}\n{which}{case.given}"
        f"theirs = {case.theirs}\nours = {case.ours}\n"
    )


def set_cache_path(app: Sphinx, config: Config) -> None:
    config.nb_execution_cache_path = str(chapters.cache_folder())


def quote_formulas(app, what, name, obj, options, lines: list[str]) -> None:
    """Bars and stars in a docstring's formula are not markup."""
    for number, line in enumerate(lines):
        if FORMULA.match(line):
            lines[number] = f"``{line}``"


def repair_roles(app, page, template, context, doctree) -> None:
    # docutils marks entries with a role that ARIA 1.2 deprecates.
    if "body" in context:
        context["body"] = context["body"].replace(
            'role="doc-biblioentry"', 'role="listitem"'
        )


def offer_notebook(app, page, template, context, doctree) -> None:
    """Put the executed notebook into the download menu of its page."""
    if "kernelspec" not in (context.get("meta") or {}):
        return
    # MyST-NB's own copy has no outputs when they come from the cache.
    notebook = chapters.read(Path(app.env.doc2path(page)))
    cache = get_cache(str(chapters.cache_folder()))
    _, executed = cache.merge_match_into_notebook(notebook)
    offered = Path(app.outdir, "_sources", f"{page}.ipynb")
    offered.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(executed, offered)
    context["ipynb_source"] = f"{page}.ipynb"


def name_downloads(app, page, template, context, doctree) -> None:
    """The menu says what it offers instead of how a file's name ends."""
    names = {
        ".ipynb": "Notebook with its results",
        ".md": "Source of the page",
        ".pdf": "Print, or save as PDF",
    }
    for menu in context["header_buttons"]:
        for button in menu.get("buttons", []):
            button["text"] = names.get(button["text"], button["text"])


def setup(app: Sphinx) -> dict[str, object]:
    app.add_directive("claims", Claims)
    app.add_directive("errata", Errata)
    app.add_directive("implementations", Implementations)
    app.add_directive("ledger-counts", Counts)
    app.add_directive("verdicts", Verdicts)
    app.add_directive("reader-card", cards.ReaderCard)
    app.add_directive("chooser", chooser.Chooser)
    app.add_directive("decision-tree", chooser.DecisionTree)
    app.add_role("ledger", Count())
    app.connect("source-read", cards.insert)
    app.connect("config-inited", set_cache_path)
    app.connect("autodoc-process-docstring", quote_formulas)
    app.connect("html-page-context", repair_roles)
    app.connect("html-page-context", offer_notebook)
    app.connect("html-page-context", name_downloads, priority=502)
    return {
        "version": "1",
        "parallel_read_safe": True,
        "parallel_write_safe": True,
    }
