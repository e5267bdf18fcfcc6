"""The explorer's parts without a browser: text, jobs, addresses of recordings."""

import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from starlette.applications import Starlette
from starlette.routing import Route
from starlette.testclient import TestClient

from apps.explorer import jobs as jobs_module
from apps.explorer.jobs import Jobs
from apps.explorer.recordings import PREFIX, Recordings
from apps.explorer.text import plain, seconds
from grounding.errors import BadInput
from grounding.workspace import Workspace

RENDER = MarkdownIt("gfm-like", {"linkify": False})


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1))
def test_no_text_becomes_markdown(text):
    html = RENDER.renderInline(plain(text))
    assert "<" not in html, html


@pytest.mark.parametrize(
    "text",
    ["<b>x</b>", "![p](http://a/b.png)", "[l](javascript:1)", "$x$", ":red[x]", "`x`", "# x"],
)
def test_marked_text_keeps_its_letters(text):
    html = RENDER.renderInline(plain(text))
    assert "<" not in html
    for mark, entity in (("<", "&lt;"), (">", "&gt;")):
        text = text.replace(mark, entity)
    assert html.replace("\u200b", "") == text


def test_seconds_read_as_a_clock_from_a_minute_on():
    assert [seconds(s) for s in (7.2, 754, 3661.5)] == ["7.20 s", "12:34.00", "1:01:01.50"]


def test_equal_keys_share_a_job_and_a_failed_one_can_be_tried_again(monkeypatch):
    jobs, runs = Jobs(), []

    def work(tell, stop):
        runs.append(1)
        tell(1, 4, "half")
        raise BadInput("no such thing")

    one = jobs.start("key", work)
    assert one.finished.wait(10) and one.error == "no such thing" and one.share == 0.25
    assert jobs.start("key", work) is one
    monkeypatch.setattr(jobs_module, "RETRY", -1.0)
    two = jobs.start("key", work)
    assert two is not one and two.finished.wait(10) and len(runs) == 2


def test_a_bug_in_a_job_says_nothing_of_itself(caplog):
    def work(tell, stop):
        raise ZeroDivisionError("secret")

    job = Jobs().start("key", work)
    assert job.finished.wait(10)
    assert "secret" not in job.error and "secret" in caplog.text


def test_no_more_jobs_run_at_once_than_there_are_workers():
    jobs, running, most, lock = Jobs(workers=2), [], [], threading.Lock()

    def work(tell, stop):
        with lock:
            running.append(1)
            most.append(len(running))
        time.sleep(0.05)
        with lock:
            running.pop()

    all_jobs = [jobs.start(i, work) for i in range(8)]
    assert all(job.finished.wait(10) for job in all_jobs)
    assert max(most) == 2


@pytest.fixture
def served(tmp_path):
    """Recordings of a workspace, and a client that fetches them."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.mp4").write_bytes(bytes(range(256)) * 8)
    (tmp_path / "secret.mp4").write_bytes(b"secret")
    recordings = Recordings(Workspace([tmp_path / "in"], tmp_path / "in" / ".grounding"))
    app = Starlette(routes=[Route(f"{PREFIX}/{{name}}", recordings.serve)])
    return recordings, TestClient(app), tmp_path


def test_addresses_are_long_random_and_stable(served):
    recordings, _, folder = served
    address = recordings.address(folder / "in" / "a.mp4")
    assert address == recordings.address(folder / "in" / ".." / "in" / "a.mp4")
    assert len(address.rpartition("/")[2]) >= 22 and "a.mp4" not in address


def test_ranges_and_heads_are_served_and_typed(served):
    recordings, client, folder = served
    address = recordings.address(folder / "in" / "a.mp4")
    part = client.get(address, headers={"Range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, bytes(range(10, 20)))
    assert client.head(address).headers["content-length"] == "2048"
    headers = client.get(address).headers
    assert headers["content-type"] == "video/mp4"
    assert headers["x-content-type-options"] == "nosniff"


def test_a_file_that_becomes_a_link_to_outside_is_gone(served):
    recordings, client, folder = served
    inside = folder / "in" / "a.mp4"
    address = recordings.address(inside)
    inside.unlink()
    inside.symlink_to(folder / "secret.mp4")
    answer = client.get(address)
    assert answer.status_code == 404 and b"secret" not in answer.content


def test_no_address_is_given_for_what_lies_outside(served):
    recordings, client, folder = served
    with pytest.raises(BadInput, match="outside"):
        recordings.address(folder / "in" / ".." / "secret.mp4")
    assert client.get(f"{PREFIX}/unknown").status_code == 404
