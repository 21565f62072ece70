"""The page on which one chooses, as its readers use it, in Chromium."""

import pytest
from axe_playwright_python.sync_playwright import Axe

from cards import losses
from test_pages import (  # noqa: F401  book and browser are fixtures
    DESK,
    FRONT,
    PAGES,
    PHONE,
    TOO_WIDE,
    book,
    browser,
    url,
)

LOSSES = losses()
CHOOSE = url("book/choose")

pytestmark = pytest.mark.browser


@pytest.fixture
def page(browser):  # noqa: F811
    opened = browser.new_page(viewport=DESK, color_scheme="light")
    opened.goto(CHOOSE)
    yield opened
    opened.close()


def shown(page) -> list[str]:
    rows = page.locator("table.chooser tbody tr:not([hidden]) th code")
    return rows.all_inner_texts()


def matching(**asked) -> list[str]:
    """What the file says should be shown."""
    return [
        name
        for name, loss in LOSSES.items()
        if all(word in loss[field] for field, word in asked.items())
    ]


HUNTS = {
    "few outliers, need 90 % intervals": (
        "an interval, and a few labels are wrong",
        "quantile_loss",
    ),
    "tiny tumours": ("the object is tiny, as a tumour", "dice_loss"),
    "sharp super-resolution": (
        "sharp, as in super-resolution",
        "perceptual_loss",
    ),
    "one photo per identity": ("one photo per identity", "info_nce_loss"),
}


@pytest.mark.parametrize("hunt", HUNTS)
@pytest.mark.parametrize("screen", [DESK, PHONE], ids=["desk", "phone"])
def test_a_hunt_takes_two_clicks_from_the_cover(browser, hunt, screen):  # noqa: F811
    case, loss = HUNTS[hunt]
    page = browser.new_page(viewport=screen)
    page.goto(url(FRONT))
    page.wait_for_url(url(PAGES[0]))
    article = page.locator("article")
    article.get_by_role("link", name="Choose a loss").click()
    leaf = page.locator(".decision-tree li", has_text=case).last
    leaf.get_by_role("link", name=loss, exact=True).click()
    page.wait_for_url(f"**/{LOSSES[loss]['page']}")
    fails = LOSSES[loss]["fails_when"].replace("'", "’")  # as printed
    card = page.locator(".reader-card", has_text=fails)
    assert card.is_visible()
    page.close()


def test_without_scripts_the_table_is_whole(browser):  # noqa: F811
    page = browser.new_page(java_script_enabled=False)
    page.goto(CHOOSE)
    assert shown(page) == list(LOSSES)
    assert page.locator("table.chooser tbody tr").last.is_visible()
    assert page.locator(".chooser-asks").count() == 0
    assert page.locator(".decision-tree a").first.is_visible()
    page.close()


def test_filters_show_what_fits_and_say_how_many(page):
    status = page.get_by_role("status").first
    assert shown(page) == list(LOSSES)
    page.get_by_label("for", exact=True).select_option("intervals")
    expected = matching(tasks="intervals")
    assert shown(page) == expected
    assert status.inner_text() == f"{len(expected)} losses"
    page.get_by_label("robust").check()
    assert shown(page) == ["quantile_loss"]
    assert status.inner_text() == "1 loss"
    page.get_by_label("bounded", exact=True).check()
    assert shown(page) == [] and status.inner_text() == "no losses"
    page.get_by_role("button", name="clear").click()
    page.wait_for_function(
        "n => document.querySelectorAll("
        "'table.chooser tbody tr:not([hidden])').length === n",
        arg=len(LOSSES),
    )
    page.get_by_label("without").select_option("a network")
    assert not {*shown(page)} & {*matching(needs="a network")}
    assert len(shown(page)) == len(LOSSES) - len(matching(needs="a network"))


def test_words_are_searched_everywhere_in_a_row(page):
    page.get_by_label("find").fill("WRONG labels")
    found = shown(page)
    assert "huber_loss" in found and "mse_loss" not in found
    page.get_by_label("find").fill("tversky")
    assert found != shown(page)
    assert {"tversky_loss", "focal_tversky_loss"} <= {*shown(page)}


def test_columns_are_sorted_by_keyboard(page):
    head = page.locator("table.chooser thead th").first
    head.get_by_role("button").focus()
    page.keyboard.press("Enter")
    assert head.get_attribute("aria-sort") == "ascending"
    assert shown(page) == sorted(LOSSES)
    page.keyboard.press("Space")
    assert head.get_attribute("aria-sort") == "descending"
    assert shown(page) == sorted(LOSSES, reverse=True)
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert head.get_attribute("aria-sort") is None
    marked = page.locator("table.chooser th[aria-sort]")
    assert marked.all_inner_texts() == ["for"]


def test_the_choice_is_kept_in_the_address(page, browser):  # noqa: F811
    page.get_by_label("for", exact=True).select_option("small objects")
    page.get_by_label("handles imbalance").check()
    page.get_by_role("button", name="loss", exact=True).click()
    again = browser.new_page(viewport=PHONE)
    again.goto(page.url)
    expected = matching(tasks="small objects", traits="handles imbalance")
    assert shown(again) == shown(page) == sorted(expected)
    assert again.get_by_label("handles imbalance").is_checked()
    assert again.evaluate(TOO_WIDE) == []
    again.close()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_filtered_table_is_accessible(page, theme):
    page.evaluate("t => document.documentElement.dataset.theme = t", theme)
    page.add_style_tag(content="* { transition: none !important }")
    page.get_by_label("for", exact=True).select_option("boxes")
    page.get_by_role("button", name="cost").click()
    options = {"resultTypes": ["violations"], "preload": False}
    found = Axe().run(page, options=options)
    assert [rule["id"] for rule in found.response["violations"]] == []


def test_code_is_copied_from_a_card(browser):  # noqa: F811
    context = browser.new_context(viewport=DESK)
    page = context.new_page()
    page.goto(url("book/regression/pointwise"))
    page.evaluate(
        "() => document.addEventListener("
        "'copy', event => { window.copied = event.target.value; })"
    )
    fails = LOSSES["huber_loss"]["fails_when"]
    card = page.locator(".reader-card", has_text=fails)
    card.get_by_text("As code").click()
    card.locator("button.copybtn").click()
    copied = page.evaluate("() => window.copied")
    assert copied.strip() == LOSSES["huber_loss"]["example"].strip()
    context.close()
