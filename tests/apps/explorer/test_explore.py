"""The Explore page in a real browser: a player that seeks, a timeline that plays stretches."""

import json
import re

import pytest

from grounding.annotations import read_samples

pytestmark = pytest.mark.browser

TIME = "v => v.currentTime"
# components live in shadow roots, which a script on the page has to look into itself
SHADOW = (
    "[...document.querySelectorAll('*')].map(e => e.shadowRoot?.querySelector('%s')).find(Boolean)"
)


def at_rest(page):
    """The player, once its recording is there."""
    video = SHADOW % "video"
    page.wait_for_function(
        f"() => {{ const v = {video}; return v?.readyState >= 2 && !v.seeking; }}"
    )
    return page.locator("video")


def first_query(corpus):
    return next(s for s in read_samples(corpus / "annotations" / "test.jsonl") if s.windows)


def address(explorer, sample, *runs):
    runs = "".join(f"&runs={r}" for r in runs)
    return f"{explorer.url}/?set=sample%2Ftest&q={sample.qid}{runs}"


def test_a_query_shows_truth_and_runs_and_a_bar_plays_just_its_stretch(explorer, visit, corpus):
    sample = first_query(corpus)
    page = visit(address(explorer, sample))
    page.get_by_role("heading", name=sample.query.text).wait_for()
    video = at_rest(page)
    truth = sample.windows[0]
    opened = video.evaluate(TIME)
    assert opened == pytest.approx(truth.start, abs=0.05)
    video.evaluate("v => { v.muted = true; v.playbackRate = 4; }")
    page.get_by_role("button", name=re.compile("^Play truth")).first.click()
    page.wait_for_function(
        "end => [...document.querySelectorAll('*')].map(e => e.shadowRoot?.querySelector('video'))"
        ".find(Boolean).currentTime >= end - 0.1",
        arg=truth.end,
    )
    page.wait_for_timeout(800)
    stopped, paused = video.evaluate("v => [v.currentTime, v.paused]")
    assert paused and truth.end - 0.1 <= stopped <= truth.end + 0.5
    lanes = page.locator(".lane .name").all_inner_texts()
    assert lanes == ["truth", "one", "two"]


def test_next_and_previous_by_key_follow_the_list_and_the_address(explorer, visit, corpus):
    samples = read_samples(corpus / "annotations" / "test.jsonl")
    page = visit(address(explorer, samples[0]))
    page.get_by_role("heading", name=samples[0].query.text).wait_for()
    at_rest(page)
    page.keyboard.press("n")
    page.get_by_role("heading", name=samples[1].query.text).wait_for()
    assert f"q={samples[1].qid}" in page.url
    assert (
        page.locator("[role=option][aria-selected=true]")
        .inner_text()
        .startswith(samples[1].query.text)
    )
    page.keyboard.press("p")
    page.get_by_role("heading", name=samples[0].query.text).wait_for()
    # in the list itself
    page.locator("[role=option][aria-selected=true]").focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.get_by_role("heading", name=samples[2].query.text).wait_for()


def chosen(page, text):
    """Wait until the list has a query of that text chosen."""
    page.locator("[role=option][aria-selected=true]").filter(has_text=text).wait_for()


def test_ten_quick_presses_lead_ten_queries_on(explorer, visit, corpus):
    samples = read_samples(corpus / "annotations" / "test.jsonl")
    page = visit(address(explorer, samples[0]))
    chosen(page, samples[0].query.text)
    at_rest(page)
    for _ in range(10):
        page.keyboard.press("n")
    page.wait_for_url(re.compile(rf"q={samples[10].qid}\b"))
    page.wait_for_timeout(1000)  # nothing more comes
    assert re.search(rf"q={samples[10].qid}\b", page.url)
    page.get_by_role("heading", name=samples[10].query.text).wait_for()
    page.keyboard.press("p")
    page.get_by_role("heading", name=samples[9].query.text).wait_for()


def test_back_and_forward_lead_through_what_was_looked_at(explorer, visit, corpus):
    samples = read_samples(corpus / "annotations" / "test.jsonl")
    page = visit(address(explorer, samples[0], "two"))
    for sample in samples[1:3]:
        at_rest(page)
        page.keyboard.press("n")
        page.wait_for_url(re.compile(rf"q={sample.qid}\b"))
        page.get_by_role("heading", name=sample.query.text).wait_for()
    page.go_back()
    page.get_by_role("heading", name=samples[1].query.text).wait_for()
    page.go_back()
    page.get_by_role("heading", name=samples[0].query.text).wait_for()
    chosen(page, samples[0].query.text)
    page.go_forward()
    page.get_by_role("heading", name=samples[1].query.text).wait_for()
    at_rest(page)
    page.keyboard.press("n")
    page.get_by_role("heading", name=samples[2].query.text).wait_for()
    assert page.locator(".lane .name").all_inner_texts() == ["truth", "two"]


def test_keys_can_be_switched_off_and_bars_are_one_stop_a_lane(explorer, visit, corpus):
    sample = first_query(corpus)
    page = visit(address(explorer, sample))
    at_rest(page)
    stops = page.locator(".bar[tabindex='0']").count()
    assert stops == page.locator(".lane:has(.bar)").count() < page.locator(".bar").count()
    best = page.locator("[data-lane='1'] .bar").first
    best.focus()
    page.keyboard.press("ArrowDown")
    focused = SHADOW % ".bar:focus"
    assert page.evaluate(f"{focused}?.dataset.bar") == "1-1"
    page.get_by_role("checkbox", name="Keys").uncheck()
    best.focus()
    page.keyboard.press("n")
    page.wait_for_timeout(800)
    assert page.get_by_role("heading", name=sample.query.text).count() == 1
    assert f"q={sample.qid}" in page.url


def test_keys_seek_and_play_and_typing_does_not(explorer, visit, corpus):
    page = visit(address(explorer, first_query(corpus)))
    video = at_rest(page)
    start = video.evaluate(TIME)
    page.keyboard.press("ArrowRight")
    assert video.evaluate(TIME) == pytest.approx(start + 1, abs=0.05)
    page.keyboard.press("Space")
    page.wait_for_timeout(300)
    assert not video.evaluate("v => v.paused")
    page.keyboard.press("Space")
    assert video.evaluate("v => v.paused")
    box = page.get_by_role("textbox", name=re.compile("Search"))
    box.click()
    before = video.evaluate(TIME)
    page.keyboard.type("n p ")
    assert video.evaluate("v => v.paused") and video.evaluate(TIME) == before


def test_the_address_brings_a_new_visitor_to_the_same_query_and_runs(explorer, visit, corpus):
    sample = read_samples(corpus / "annotations" / "test.jsonl")[3]
    page = visit(address(explorer, sample, "two"))
    page.get_by_role("heading", name=sample.query.text).wait_for()
    at_rest(page)
    assert page.locator(".lane .name").all_inner_texts() == ["truth", "two"]
    again = visit(page.url)
    again.get_by_role("heading", name=sample.query.text).wait_for()


def test_a_click_on_the_axis_seeks_there(explorer, visit, corpus):
    sample = first_query(corpus)
    page = visit(address(explorer, sample))
    video = at_rest(page)
    box = page.locator(".ruler").bounding_box()
    page.mouse.click(box["x"] + 0.5 * box["width"], box["y"] + 0.5 * box["height"])
    assert video.evaluate(TIME) == pytest.approx(sample.duration / 2, rel=0.02)
    page.get_by_text(re.compile(r"at \d")).wait_for()  # Python knows where it rests


def test_filters_and_order_change_the_list(explorer, visit, corpus):
    samples = read_samples(corpus / "annotations" / "test.jsonl")
    page = visit(address(explorer, samples[0]))
    count = page.locator(".count")
    count.wait_for()
    assert str(len(samples)) in count.inner_text()
    word = samples[0].query.text.split()[-1]
    box = page.get_by_role("textbox", name=re.compile("Search"))
    box.fill(word)
    box.press("Enter")
    wanted = sum(word in f"{s.query.text} {s.vid} {s.qid}".casefold() for s in samples)
    page.wait_for_function(
        "n => [...document.querySelectorAll('*')].map(e => e.shadowRoot?.querySelector('.count'))"
        ".find(Boolean).textContent.startsWith(String(n) + ' ')",
        arg=wanted,
    )
    box.fill("no such word anywhere")
    box.press("Enter")
    page.get_by_text("No query passes the filters.").wait_for()


def test_recordings_come_in_ranges_of_bytes(explorer, visit, corpus):
    import urllib.request

    page = visit(address(explorer, first_query(corpus)))
    source = at_rest(page).evaluate("v => v.src")
    request = urllib.request.Request(source, headers={"Range": "bytes=100-199"})
    with urllib.request.urlopen(request) as answer:
        assert answer.status == 206 and len(answer.read()) == 100
        assert answer.headers["Content-Range"].startswith("bytes 100-199/")
        assert answer.headers["Content-Type"] == "video/mp4"


def test_two_visitors_look_at_different_queries(explorer, visit, corpus):
    samples = read_samples(corpus / "annotations" / "test.jsonl")
    one = visit(address(explorer, samples[0]))
    two = visit(address(explorer, samples[5]))
    one.get_by_role("heading", name=samples[0].query.text).wait_for()
    two.get_by_role("heading", name=samples[5].query.text).wait_for()
    at_rest(one)
    one.keyboard.press("n")
    one.get_by_role("heading", name=samples[1].query.text).wait_for()
    assert two.get_by_role("heading", name=samples[5].query.text).count() == 1


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_phone_shows_all_of_it_without_scrolling_sideways(explorer, visit, corpus, theme):
    page = visit(address(explorer, first_query(corpus)), width=390, height=844, theme=theme)
    at_rest(page)
    inside, outside = page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
    assert inside <= outside
    for name in ("Play", "Next", "Previous"):
        box = page.get_by_role("button", name=name, exact=True).bounding_box()
        assert box["x"] >= 0 and box["x"] + box["width"] <= 390


@pytest.mark.parametrize(
    ("place", "shown"),
    [
        ("", "video"),
        ("ask", "textarea"),
        ("compare", "[data-testid=stVegaLiteChart]"),
    ],
)
def test_every_control_has_a_name(explorer, visit, place, shown):
    page = visit(f"{explorer.url}/{place}")
    page.locator(shown).first.wait_for()
    page.wait_for_timeout(1000)
    nameless = page.evaluate(
        """() => {
          const all = [];
          const walk = (root) => root.querySelectorAll('*').forEach((e) => {
            if (e.matches('button, input, select, textarea, video, [role=listbox]')) all.push(e);
            if (e.shadowRoot) walk(e.shadowRoot);
          });
          walk(document);
          const name = (e) => e.getAttribute('aria-label') || e.textContent.trim() || e.title
            || (e.labels && [...e.labels].map((l) => l.textContent).join(''))
            || e.getAttribute('aria-labelledby') || '';
          return all.filter((e) => e.offsetParent !== null && !name(e)).map((e) => e.outerHTML);
        }"""
    )
    assert json.dumps(nameless) == "[]"
