"""The Ask page in a real browser: a question, its moments, files to take away, a permalink."""

import re
import urllib.parse

import pytest

from grounding.annotations import read_predictions
from tests.apps.explorer.test_explore import at_rest

pytestmark = pytest.mark.browser

SENTENCE = "a red circle"


@pytest.fixture(scope="module")
def vid(corpus):
    return sorted(p.stem for p in (corpus / "media").glob("*.mp4"))[0]


def asking(explorer, vid, *sentences, model="two"):
    words = [("recording", vid), ("model", model), *(("q", s) for s in sentences)]
    return f"{explorer.url}/ask?{urllib.parse.urlencode(words)}"


def answered(page):
    page.get_by_role("button", name="JSONL").wait_for(timeout=90_000)
    return at_rest(page)


def test_a_question_is_answered_on_the_timeline_and_taken_away(explorer, visit, vid, tmp_path):
    page = visit(f"{explorer.url}/ask")
    page.get_by_role("textbox", name=re.compile("What to look for")).fill(
        f"{SENTENCE}\nthe shape grows"
    )
    page.get_by_role("button", name="Ask", exact=True).click()
    video = answered(page)
    lanes = page.locator(".lane .name").all_inner_texts()
    assert lanes == [f"1. {SENTENCE}", "2. the shape grows"]
    page.locator("[data-lane='0'] .bar").first.click()
    page.wait_for_function(
        "() => !([...document.querySelectorAll('*')].map(e => e.shadowRoot?.querySelector('video'))"
        ".find(Boolean).paused)"
    )
    assert video.evaluate("v => v.duration") > 10
    with page.expect_download() as download:
        page.get_by_role("button", name="JSONL", exact=True).click()
    file = tmp_path / "answers.jsonl"
    download.value.save_as(file)
    predictions, unsorted = read_predictions(file)
    assert [p.query.text for p in predictions] == [SENTENCE, "the shape grows"] and not unsorted
    assert all(p.moments for p in predictions)
    texts = {}
    for name in ("CSV", "VTT", "SRT", "EDL"):
        with page.expect_download() as download:
            page.get_by_role("button", name=name, exact=True).click()
        assert download.value.suggested_filename.endswith(f".{name.lower()}")
        texts[name] = download.value.path().read_text()
    assert texts["CSV"].startswith("vid,query,qid,rank,start,end,score")
    assert texts["VTT"].startswith("WEBVTT") and "-->" in texts["SRT"]
    assert texts["EDL"].startswith("TITLE") and SENTENCE in texts["EDL"]
    for name in ("FiftyOne", "Label Studio"):
        with page.expect_download() as download:
            page.get_by_role("button", name=name, exact=True).click()
        assert download.value.suggested_filename.endswith(".json")
        assert SENTENCE in download.value.path().read_text()
    # the address alone leads another visitor to the same answer
    again = visit(page.url)
    answered(again)
    assert again.locator(".lane .name").all_inner_texts() == lanes


def test_a_permalink_asks_by_itself(explorer, visit, vid):
    page = visit(asking(explorer, vid, SENTENCE))
    answered(page)
    assert page.locator(".lane .name").all_inner_texts() == [f"1. {SENTENCE}"]


def test_an_upload_is_kept_under_our_name_and_answered(explorer, visit, corpus, vid, tmp_path):
    page = visit(f"{explorer.url}/ask")
    page.get_by_text("Upload", exact=True).click()
    content = (corpus / "media" / f"{vid}.mp4").read_bytes()
    page.locator("input[type=file]").set_input_files(
        {"name": "../../my <b>holiday<b>.mp4", "mimeType": "video/mp4", "buffer": content}
    )
    page.get_by_text(re.compile(r"^\.\./\.\./m")).wait_for()
    page.get_by_role("textbox", name=re.compile("What to look for")).fill(SENTENCE)
    page.wait_for_timeout(2500)  # the upload is looked at
    page.get_by_role("button", name="Ask", exact=True).click()
    answered(page)
    name = urllib.parse.parse_qs(urllib.parse.urlparse(page.url).query)["recording"][0]
    assert re.fullmatch("[0-9a-f]{32}", name)
    assert page.locator(".facts").inner_text().startswith("my <b>holiday<b>")
    with page.expect_download() as download:
        page.get_by_role("button", name="JSONL", exact=True).click()
    assert "holiday" in download.value.suggested_filename
    file = tmp_path / "answers.jsonl"
    download.value.save_as(file)
    assert [p.query.vid for p in read_predictions(file)[0]] == ["my <b>holiday<b>"]
    kept = list((explorer.log.parent / ".grounding" / "uploads").iterdir())
    assert f"{name}.mp4" in [p.name for p in kept]
    assert "holiday" not in str(kept)


@pytest.mark.parametrize(
    "content",
    [b"<html><script>alert(1)</script></html>", b"\x00\x00\x00\x18ftypmp42" + bytes(4096)],
    ids=["html", "broken"],
)
def test_what_is_no_recording_is_refused_in_one_line(explorer, visit, content):
    page = visit(f"{explorer.url}/ask")
    page.get_by_text("Upload", exact=True).click()
    page.locator("input[type=file]").set_input_files(
        {"name": "clip.mp4", "mimeType": "video/mp4", "buffer": content}
    )
    alert = page.locator("[data-testid=stAlert]").first
    alert.wait_for(timeout=60_000)
    text = alert.inner_text()
    assert len(text) < 300 and "Traceback" not in text and "/uploads/" not in text


def test_wrong_addresses_say_what_is_wrong(explorer, visit, vid):
    for address, words in (
        (asking(explorer, "../../etc/passwd", SENTENCE), "no such recording"),
        (asking(explorer, vid, SENTENCE, model="../x"), "no model here"),
        (asking(explorer, vid, SENTENCE, model="zero-shot:open_clip:nothing"), "nothing"),
    ):
        page = visit(address)
        page.locator("[data-testid=stAlert]").filter(has_text=words).wait_for(timeout=60_000)
        assert "Traceback" not in page.inner_text("body")


def test_back_brings_the_earlier_question_back(explorer, visit, vid):
    page = visit(asking(explorer, vid, SENTENCE))
    answered(page)
    box = page.get_by_role("textbox", name=re.compile("What to look for"))
    box.fill("the shape grows")
    page.get_by_role("button", name="Ask", exact=True).click()
    page.locator(".lane .name").filter(has_text="the shape grows").wait_for(timeout=90_000)
    page.go_back()
    page.locator(".lane .name").filter(has_text=SENTENCE).wait_for(timeout=90_000)
    assert box.input_value() == SENTENCE


def test_work_can_be_stopped_and_begun_again(serve, visit, tmp_path):
    page = visit(serve(tmp_path).url)
    make = page.get_by_role("button", name="Make the sample")
    make.click()
    page.get_by_role("progressbar").wait_for(timeout=60_000)
    page.get_by_role("button", name="Stop", exact=True).click()
    page.locator("[data-testid=stAlert]").filter(has_text="stopped").wait_for(timeout=60_000)
    make.click()
    page.get_by_role("progressbar").wait_for(timeout=60_000)


def test_the_datasets_own_sentences_are_suggested(explorer, visit, corpus):
    page = visit(f"{explorer.url}/ask")
    page.get_by_text("Or begin with what the dataset asks of it").wait_for()
    first = page.locator("[class*=st-key-suggestion-0] button")
    sentence = first.inner_text()
    first.click()
    box = page.get_by_role("textbox", name=re.compile("What to look for"))
    page.wait_for_function("() => document.querySelector('textarea').value !== ''")
    assert box.input_value() == sentence
