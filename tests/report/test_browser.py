"""The report as people see it: opened from disk in Chromium, wide and narrow, by keyboard, dark, with hostile text."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from tests.report.browser import CHROMIUM, browser
from tests.report.tiny import tiny_run

from vernier.report.build import write

pytestmark = [pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here"), pytest.mark.timeout(300)]
WIDTHS = {"wide": (1280, 900), "narrow": (390, 844)}
USABLE = (
    "[...document.querySelectorAll('a[href], button, summary, [tabindex=\"0\"]')]"
    ".filter(e => e.checkVisibility({contentVisibilityAuto: true, visibilityProperty: true}))"
)
OUTSIDE = """() => {
    const wide = document.documentElement.clientWidth;
    const scrolls = (e) => e.closest('.scroll, .drawing') !== null;
    return [...document.querySelectorAll('body *')]
        .filter(e => e.getClientRects().length && !scrolls(e) && e.getBoundingClientRect().right > wide + 1)
        .map(e => e.tagName + '.' + e.getAttribute('class'));
}"""


@pytest.fixture(scope="module")
def page_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    (folder / "alone").mkdir()
    return write(tiny_run(folder), folder / "alone" / "report.html")


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with browser() as started:
        yield started


@pytest.fixture(params=WIDTHS)
def page(request: pytest.FixtureRequest, chromium: Any, page_file: Path) -> Iterator[Any]:
    """The page, opened; what it asked for and complained of is in `page.asked` and `page.complaints`."""
    width, height = WIDTHS[request.param]
    context = chromium.new_context(viewport={"width": width, "height": height}, offline=True)
    opened = context.new_page()
    opened.asked, opened.complaints = [], []
    opened.on("request", lambda request: opened.asked.append(request.url))
    opened.on("console", lambda message: opened.complaints.append(message.text))
    opened.on("pageerror", lambda error: opened.complaints.append(str(error)))
    opened.on("dialog", lambda dialog: (opened.complaints.append(dialog.message), dialog.dismiss()))
    opened.goto(page_file.as_uri())
    yield opened
    context.close()


def test_nothing_is_asked_for_and_nothing_fails(page: Any, page_file: Path) -> None:
    page.wait_for_timeout(200)
    assert page.asked == [page_file.as_uri()]
    assert page.complaints == []


def test_nothing_overflows_with_all_details_open(page: Any) -> None:
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    assert page.evaluate(OUTSIDE) == []


def test_documents_are_text(page: Any) -> None:
    """What the hostile documents would have done did not happen, and they are there to be read."""
    assert page.evaluate("window.harmed") is None
    assert page.locator("script").count() == page.evaluate("document.scripts.length") <= 1
    # Which of them are among the best and the worst is the models' affair.
    assert any(page.get_by_text(mark, exact=False).count() for mark in ("<script>window.harmed", "<img src=x onerror"))


def test_the_keyboard_reaches_what_can_be_used(page: Any) -> None:
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.getAttribute('href')").startswith("#")  # past the contents, at once
    usable = page.evaluate(f"{USABLE}.length")
    for _ in range(usable + 2):
        page.evaluate("document.activeElement.dataset.reached = 'yes'")
        page.keyboard.press("Tab")
    missed = page.evaluate(f"{USABLE}.filter(e => !e.dataset.reached).map(e => e.outerHTML.slice(0, 80))")
    assert usable > 10 and missed == []


def test_headings_go_down_one_by_one_and_figures_have_names_and_numbers(page: Any) -> None:
    levels = page.evaluate("[...document.querySelectorAll('h1,h2,h3,h4')].map(h => +h.tagName[1])")
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    figures = page.locator("figure").count()
    assert figures >= 5
    assert page.locator("figure svg[role='img'][aria-label]").count() >= figures
    assert page.locator("figure details table").count() >= figures


def test_dark_and_light_differ_and_both_can_be_read(page: Any) -> None:
    def colours(scheme: str) -> tuple[str, str]:
        page.emulate_media(color_scheme=scheme)
        return tuple(
            page.evaluate(
                "(() => { const s = getComputedStyle(document.body); return [s.color, s.backgroundColor]; })()"
            )
        )

    (ink, paper), (dark_ink, dark_paper) = colours("light"), colours("dark")
    assert ink != dark_ink and paper != dark_paper
    assert contrast(ink, paper) >= 7 and contrast(dark_ink, dark_paper) >= 7  # WCAG 2.1, level AAA


def test_a_picture_for_the_readme(chromium: Any, page_file: Path) -> None:
    """Made when VERNIER_PICTURE names a file."""
    where = os.environ.get("VERNIER_PICTURE")
    source = Path(os.environ.get("VERNIER_PICTURE_OF", page_file))
    opened = chromium.new_page(viewport={"width": 1080, "height": 1180})
    opened.goto(source.resolve().as_uri())
    raw = opened.screenshot(path=where)
    assert raw.startswith(b"\x89PNG") and len(raw) > 20_000


def contrast(one: str, other: str) -> float:
    """The contrast ratio of two colours `rgb(r, g, b)` (WCAG 2.1)."""

    def luminance(colour: str) -> float:
        parts = [int(part) / 255 for part in colour[colour.index("(") + 1 : -1].split(",")[:3]]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)
