"""The page on which one chooses: a tree of questions, a table of answers."""

import re
from html import escape

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

from cards import LOSSES, book, losses

COLUMNS = {  # heading, and what stands there
    "loss": "name",
    "for": "tasks",
    "given": "input",
    "range": "range",
    "properties": "traits",
    "needs": "needs",
    "cost": "cost",
}
LEAF = re.compile(r"(?P<question>[^\[→]+?)\s*(?:\[(?P<trait>.+)\])?\s*→.*")


class Chooser(SphinxDirective):
    """Every loss in one table. A script makes it sortable and adds filters;
    without it the table is whole."""

    def run(self) -> list[nodes.Node]:
        self.env.note_dependency(str(LOSSES))
        head = "".join(f'<th scope="col">{name}</th>' for name in COLUMNS)
        body = "\n".join(map(self.row, losses().values()))
        lists = book()["lists"]
        notes = "".join(
            f"<dt>{escape(name)}</dt><dd>{escape(says)}</dd>"
            for group in ("traits", "cost")
            for name, says in lists[group].items()
        )
        table = (
            f'<div class="chooser-box" tabindex="0" role="region" '
            f'aria-label="Table of losses"><table class="chooser">'
            f"<thead><tr>{head}</tr></thead>\n<tbody>{body}</tbody></table>"
            f'</div>\n<dl class="chooser-words">{notes}</dl>'
        )
        return [nodes.raw("", table, format="html")]

    def row(self, loss: dict) -> str:
        here = self.env.docname
        page = f"book/{loss['part']}/{loss['chapter']}"
        to = self.env.app.builder.get_relative_uri(here, page)
        cells = []
        for heading, key in COLUMNS.items():
            found = loss[key]
            words = found if isinstance(found, list) else [found]
            text = ", ".join(map(escape, words))
            if key == "name":
                text = (
                    f'<a href="{to}#{loss["label"]}"><code>{text}</code></a>'
                    f" <small>{loss['part']}</small>"
                    f"<span>{escape(loss['use_when'])}</span>"
                )
            kind = "th scope='row'" if key == "name" else "td"
            cells.append(
                f'<{kind} data-is="{escape("|".join(words))}" '
                f'data-name="{heading}">{text}</{kind.split()[0]}>'
            )
        return f"<tr>{''.join(cells)}</tr>"


class DecisionTree(SphinxDirective):
    """Questions and answers, drawn from lines that are indented by depth.

    A leaf is ``case → loss, loss``; ``case [trait] → …`` says what decides,
    and every loss named there has it.
    """

    has_content = True

    def run(self) -> list[nodes.Node]:
        self.env.note_dependency(str(LOSSES))
        html = ['<ul class="decision-tree">']
        depths = [0]
        for line in self.content:
            depth = len(line) - len(line.lstrip())
            if depth > depths[-1]:
                html.append("<ul>")
                depths.append(depth)
            while depth < depths[-1]:
                html.append("</li></ul>")
                depths.pop()
            if html[-1] not in ("<ul>", html[0]):
                html.append("</li>")
            html.append(f"<li>{self.branch(line.strip())}")
        html += ["</li></ul>"] * len(depths)
        return [nodes.raw("", "\n".join(html), format="html")]

    def branch(self, line: str) -> str:
        leaf = LEAF.fullmatch(line)
        if not leaf:
            return f"<b>{escape(line)}</b>"
        links = ", ".join(map(self.link, names(line)))
        trait = leaf["trait"]
        badge = f" <em>{escape(trait)}</em>" if trait else ""
        return f"<span>{escape(leaf['question'])}{badge}</span> {links}"

    def link(self, name: str) -> str:
        if name not in losses():
            raise self.error(f"{name}: no such loss")
        loss = losses()[name]
        page = f"book/{loss['part']}/{loss['chapter']}"
        to = self.env.app.builder.get_relative_uri(self.env.docname, page)
        return f'<a href="{to}#{loss["label"]}"><code>{name}</code></a>'


def names(line: str) -> list[str]:
    """The losses that a leaf leads to."""
    return [name.strip() for name in line.partition("→")[2].split(",")]
