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
    page.wait_for_function(COUNT, arg=wanted[2])
    page.get_by_role("button", name="Show all").click()
    page.get_by_text(re.compile(r"Only length")).wait_for(state="detached")


COUNT = (
    "n => [...document.querySelectorAll('*')].map(e => e.shadowRoot?.querySelector('.count'))"
    ".find(Boolean)?.textContent.match(/(\\d+) quer/)?.[1] === n"
)


@pytest.mark.parametrize(
    ("look", "says"),
    [
        ("Mistakes", "Only mistake: "),
        ("Calibration", "Only score: "),
        ("Position bias", "Only (answered )?position: "),
    ],
)
def test_every_look_leads_to_its_queries(explorer, visit, look, says):
    page = visit(f"{explorer.url}/compare?set=sample%2Ftest")
    page.get_by_role("radio", name=look, exact=True).click()
    button = page.get_by_role("button", name="See the queries")
    button.wait_for()
    page.locator(
        "[data-testid=stVegaLiteChart] canvas, [data-testid=stVegaLiteChart] svg"
    ).last.wait_for()  # while a chart is drawn anew, there are two
    box = page.get_by_role("combobox", name=re.compile("Click a mark"))
    wanted = re.search(r"\((\d+)\)", box.input_value() or box.locator("xpath=../..").inner_text())
    button.click()
    page.get_by_text(re.compile(says)).wait_for()
    page.wait_for_function(COUNT, arg=wanted[1])
    page.wait_for_timeout(500)
    again = visit(page.url)  # the address alone leads there
    again.get_by_text(re.compile(says)).wait_for()
    again.wait_for_function(COUNT, arg=wanted[1])
    page.go_back()  # one step, to the same look
    page.get_by_role("button", name="See the queries").wait_for()
    chosen = page.get_by_role("radio", name=look, exact=True)
    assert chosen.get_attribute("aria-checked") == "true"


def test_a_click_on_a_bar_of_mistakes_leads_to_its_queries(explorer, visit):
    page = visit(f"{explorer.url}/compare?set=sample%2Ftest")
    page.get_by_role("radio", name="Mistakes").click()
    page.get_by_role("button", name="See the queries").wait_for()
    chart = page.locator("[data-testid=stVegaLiteChart]")
    # an untrained model has most of "wrong place"
    chart.locator("path[aria-label*='wrong place']").first.click()
    page.get_by_text(re.compile("Only mistake: wrong place")).wait_for()


@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_scrolls_sideways(explorer, visit, width):
    page = visit(f"{explorer.url}/compare", width=width)
    page.locator("[data-testid=stVegaLiteChart]").wait_for()
    inside, outside = page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
    assert inside <= outside
