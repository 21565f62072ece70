"""The book as its readers get it: opened from the disk, in Chromium.

A page is opened once; every test on it sets the theme and width it needs.
"""

import json
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

import nbformat
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright

import build
from chapters import ROOT, chapters, pages

CHROMIUM = os.environ.get("HANDBOOK_CHROMIUM") or shutil.which("chromium")
NO_CHROMIUM = (
    "no Chromium here: install Debian's package chromium, "
    "or name the program in HANDBOOK_CHROMIUM"
)
CHAPTERS = [p.relative_to(ROOT).with_suffix("").as_posix() for p in chapters()]
FRONT, *PAGES = [
    page.relative_to(build.HTML).with_suffix("").as_posix()
    for page in build.expected_pages()
]
GENERATED = ["genindex", "search"]  # by Sphinx, not in the table of contents
DESK = {"width": 1280, "height": 900}
PHONE = {"width": 390, "height": 844}

TYPESET = "() => window.MathJax?.startup.promise.then(() => true) ?? true"
# Of each kind of code token one stays: axe is slow on thousands.
PREPARE = """() => {
    const kinds = new Set();
    for (const token of document.querySelectorAll("pre span")) {
        if (kinds.has(token.className)) token.replaceWith(...token.childNodes);
        kinds.add(token.className);
    }
    document.querySelectorAll("details").forEach(d => d.open = true);
    document.querySelectorAll(".toggle-button-hidden")
        .forEach(b => b.click());
}"""
# The theme gives a stop of the Tab key to what scrolls, some time later.
REACHABLE = """() => [...document.querySelectorAll("pre")]
    .every(e => e.scrollWidth <= e.clientWidth || e.tabIndex === 0)"""
RAW_MATH = r"""() => {
    const left = [];
    const walk = document.createTreeWalker(
        document.querySelector("article"), NodeFilter.SHOW_TEXT);
    while (walk.nextNode()) {
        const {parentElement, data} = walk.currentNode;
        if (!parentElement.closest("pre, code, script, mjx-container")
            && /\$|\\[([]|\\[a-z]{3}/.test(data)) left.push(data.trim());
    }
    return left;
}"""
TOO_WIDE = """() => {
    const edge = document.documentElement.clientWidth;
    const scrolls = e => e && e !== document.body && (
        /auto|scroll/.test(getComputedStyle(e).overflowX)
        && !e.matches(".bd-article-container") || scrolls(e.parentElement));
    return [...document.querySelectorAll(".bd-article-container *")]
        .filter(e => e.getBoundingClientRect().right > edge + 1)
        .filter(e => !scrolls(e.parentElement))
        .map(e => e.outerHTML.slice(0, 120));
}"""

pytestmark = pytest.mark.browser


@dataclass
class Opened:
    """A page, and what it asked for and complained about."""

    name: str
    page: Page
    requests: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def set(self, theme: str, viewport: dict[str, int] = DESK) -> Page:
        self.page.set_viewport_size(viewport)
        script = "theme => document.documentElement.dataset.theme = theme"
        self.page.evaluate(script, theme)
        return self.page


@pytest.fixture(scope="module")
def book() -> Path:
    if build.main():
        pytest.fail("the book does not build", pytrace=False)
    return build.HTML


@pytest.fixture(scope="module")
def browser(book) -> Iterator[Browser]:
    if not CHROMIUM:
        required = os.environ.get("HANDBOOK_BROWSER") == "required"
        (pytest.fail if required else pytest.skip)(NO_CHROMIUM)
    # A fresh Chromium would look for its maker's servers.
    quiet = ["--disable-gpu", "--disable-quic", "--disable-sync"]
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(
            executable_path=CHROMIUM, args=quiet
        )
        yield launched
        launched.close()


@pytest.fixture(scope="module", params=PAGES + GENERATED, ids=str)
def opened(request, browser) -> Iterator[Opened]:
    page = browser.new_page(viewport=DESK, color_scheme="light")
    this = Opened(request.param, page)
    page.on("request", lambda asked: this.requests.append(asked.url))
    page.on("pageerror", lambda error: this.errors.append(str(error)))
    page.on("console", lambda m: _keep_error(this, m))
    page.goto(url(request.param))
    page.wait_for_function(TYPESET)
    page.add_style_tag(content="* { transition: none !important }")
    page.evaluate(PREPARE)
    yield this
    page.close()


def _keep_error(this: Opened, message) -> None:
    if message.type == "error":
        this.errors.append(f"{message.text} {message.location['url']}")


def url(name: str) -> str:
    return (build.HTML / f"{name}.html").as_uri()


@cache
def anchors(page: Path) -> set[str]:
    return set(re.findall(r'\sid="([^"]+)"', page.read_text("utf8")))


def test_formulas_are_typeset(opened):
    page = opened.page
    missing = page.locator("article .math:not(:has(mjx-container))")
    assert missing.all_inner_texts() == []
    formulas = page.locator("article .math").count()
    assert page.locator("article mjx-container").count() == formulas
    wrong = page.locator("mjx-merror, mtext[mathcolor=red]")  # unknown macro
    assert wrong.all_text_contents() == []
    if opened.name not in GENERATED:
        assert page.evaluate(RAW_MATH) == []


def test_images_load_and_say_what_they_show(opened):
    for image in opened.page.locator("img").all():
        source = image.get_attribute("src")
        assert image.evaluate("i => i.complete && i.naturalWidth > 0"), source
        says = image.get_attribute("alt") or ""
        assert re.search(r"\w \w", says), f"{source}: alt text {says!r}"


def test_links_lead_somewhere(opened):
    links = opened.page.evaluate(
        "() => [...document.querySelectorAll('a[href]')].map(a => a.href)"
    )
    broken = []
    for link in {link for link in links if link.startswith("file:")}:
        parts = urlsplit(link)
        path, anchor = Path(unquote(parts.path)), unquote(parts.fragment)
        if not path.exists() or (anchor and anchor not in anchors(path)):
            broken.append(link)
    assert broken == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_no_accessibility_violation(opened, theme):
    # Preloading would fetch the style sheets, which file:// forbids.
    options = {"resultTypes": ["violations"], "preload": False}
    page = opened.set(theme)
    page.wait_for_function(REACHABLE)
    found = Axe().run(page, options=options)
    assert [
        f"{rule['id']}: {node['target']} {node['failureSummary']}"
        for rule in found.response["violations"]
        for node in rule["nodes"]
    ] == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_page_fits_a_phone(opened, theme):
    page = opened.set(theme, PHONE)
    assert page.evaluate(TOO_WIDE) == []
    width = page.evaluate("() => document.documentElement.scrollWidth")
    assert width <= PHONE["width"]


# These two come last, so that they see what the tests above provoke.
def test_nothing_is_fetched_from_elsewhere(opened):
    local = ("file:", "data:", "blob:")
    assert [u for u in opened.requests if not u.startswith(local)] == []


def test_nothing_fails_on_the_page(opened):
    assert opened.errors == []


@pytest.mark.parametrize("name", PAGES)
def test_page_can_be_read_without_scripts(browser, name):
    page = browser.new_page(java_script_enabled=False)
    page.goto(url(name))
    assert page.locator("article h1").first.is_visible()
    assert len(page.locator("article").inner_text()) > 60
    for image in page.locator("article img").all():
        assert image.is_visible()
        assert image.evaluate("i => i.naturalWidth > 0")
    page.close()


def test_table_of_contents_lists_every_page(book):
    written = {page.relative_to(ROOT).with_suffix("") for page in pages()}
    assert set(PAGES) == {p.as_posix() for p in written}
    assert [p for p in build.expected_pages() if not p.exists()] == []


@pytest.mark.parametrize("name", CHAPTERS)
def test_executed_notebook_is_offered(book, name):
    offered = book / "_sources" / f"{name}.ipynb"
    html = (book / f"{name}.html").read_text("utf8")
    assert f'href="{os.path.relpath(offered, (book / name).parent)}"' in html
    cells = nbformat.read(offered, 4).cells
    code = [cell for cell in cells if cell.cell_type == "code"]
    assert code and all(cell.execution_count for cell in code)
    assert any(cell.outputs for cell in code)
    assert str(ROOT) not in json.dumps(cells)


def test_front_door_leads_in(browser):
    page = browser.new_page()
    page.goto(url(FRONT))
    page.wait_for_url(url(PAGES[0]))
    page.close()


def test_search_finds_a_word_offline(browser):
    page = browser.new_page(viewport=DESK)
    page.goto(url(PAGES[0]))
    page.keyboard.press("Control+K")
    page.keyboard.type("Huber")
    page.keyboard.press("Enter")
    # While results still come in, the list moves under the pointer.
    page.locator(".search-summary", has_text="Search finished").wait_for()
    page.locator("#search-results li a").first.click()
    page.wait_for_url("**/book/**")
    assert "Huber" in page.locator("article").inner_text()
    page.close()


def test_theme_can_be_switched(browser):
    page = browser.new_page(viewport=DESK, color_scheme="light")
    page.goto(url(PAGES[0]))
    seen = {}
    for _ in range(3):  # light, dark, as the system has it
        page.get_by_role("button", name="Color mode").first.click()
        mode = page.locator("html").get_attribute("data-mode")
        body = "() => getComputedStyle(document.body).backgroundColor"
        seen[mode] = page.evaluate(body)
    assert seen.keys() == {"light", "dark", "auto"}
    assert seen["auto"] == seen["light"] != seen["dark"]
    page.reload()
    assert page.locator("html").get_attribute("data-mode") == mode
    page.close()
