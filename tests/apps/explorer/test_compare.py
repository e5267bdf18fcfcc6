"""The Compare page in a real browser: the report's numbers, and the queries behind a bar."""

import json
import re

import pytest

sync_api = pytest.importorskip("playwright.sync_api")
pytestmark = pytest.mark.browser


def test_the_table_says_what_the_reports_say(explorer, visit, trained):
    page = visit(f"{explorer.url}/compare?set=sample%2Ftest")
    page.locator("[data-testid=stVegaLiteChart]").wait_for()
    # the table is drawn on a canvas; what a screen reader gets of it is text
    table = page.locator("[data-testid=stDataFrame]").first
    sync_api.expect(table).to_contain_text("whole-file")
    text = table.text_content()
    for run in ("one", "two"):
        report = json.loads((trained / run / "report" / "test.json").read_text())
        for key in ("R1@0.5", "mIoU"):
            low, high = report["interval95"][key]
            assert f"{report['metrics'][key]:.1f} [{low:.1f}, {high:.1f}]" in text
    for floor in ("random", "centre-prior", "whole-file"):
        assert floor in text


def test_a_group_leads_to_its_queries_and_back(explorer, visit):
    page = visit(f"{explorer.url}/compare?set=sample%2Ftest")
    group = page.get_by_role("button", name=re.compile(r": \d+ quer")).first
    wanted = re.search(r"(.+): (\d+) quer", group.inner_text())
    group.click()
    page.get_by_text(re.compile(r"Only length")).wait_for()
    page.wait_for_function(
        "n => [...document.querySelectorAll('*')].map(e => e.shadowRoot?.querySelector('.count'))"
        ".find(Boolean)?.textContent.match(/(\\d+) quer/)?.[1] === n",
        arg=wanted[2],
    )
    page.get_by_role("button", name="Show all").click()
    page.get_by_text(re.compile(r"Only length")).wait_for(state="detached")


@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_scrolls_sideways(explorer, visit, width):
    page = visit(f"{explorer.url}/compare", width=width)
    page.locator("[data-testid=stVegaLiteChart]").wait_for()
    inside, outside = page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
    assert inside <= outside
