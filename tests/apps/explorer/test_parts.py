"""The explorer's parts without a browser: text, jobs, addresses of recordings, the place."""

import re
import threading
import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from starlette.applications import Starlette
from starlette.routing import Route
from starlette.testclient import TestClient

from apps.explorer import jobs as jobs_module
from apps.explorer import place as place_module
from apps.explorer import recordings as recordings_module
from apps.explorer.jobs import Jobs
from apps.explorer.place import MEMORY, Place, set_place, the_place
from apps.explorer.recordings import PREFIX, Recordings
from apps.explorer.text import plain, seconds
from grounding import isolated
from grounding.errors import BadInput, Interrupted
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


@given(st.text(st.sampled_from("ab1 \n\t-*_+#>`~|=[](){}<>!\\.:&$@/\"'"), max_size=30))
@example("1. a\n2. b\n\n    code\n\n***\n\na\n===")
@example("[a]: http://b\n\n[a] <http://c> ![d](e)")
def test_no_text_becomes_a_block_either(text):
    html = MarkdownIt("gfm-like", {"linkify": False, "html": True}).render(plain(text))
    assert set(re.findall("<[^>]*>", html)) <= {"<p>", "</p>"}, html


@pytest.mark.parametrize("text", ["see http://a.b/c", "HTTPS://a.b", "www.a.b", "WwW.a.b"])
def test_bare_addresses_do_not_become_links(text):
    """Browsers look for them in what is left after unescaping."""
    shown = re.sub(r"\\(.)", r"\1", plain(text))
    assert shown.replace("\u200b", "") == text
    assert not re.search(r"https?://|www\.", shown, re.IGNORECASE)


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


def test_a_stopped_job_begins_again_when_somebody_says_so(monkeypatch):
    monkeypatch.setattr(jobs_module, "RETRY", -1.0)
    jobs, runs = Jobs(), []

    def work(tell, stop):
        runs.append(1)
        if len(runs) > 1:
            return "done"
        assert stop.wait(10)
        raise Interrupted("ask: stopped")

    job = jobs.start("key", work)
    job.stop.set()
    assert job.finished.wait(10) and job.error == "stopped"
    assert jobs.start("key", work) is job and runs == [1]
    jobs.forget("key")
    again = jobs.start("key", work)
    assert again.finished.wait(10) and again.result == "done"


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


def test_jobs_wait_for_a_worker_and_tell_how_far_they_are():
    jobs, go = Jobs(workers=1), threading.Event()
    told = threading.Event()

    def work(tell, stop):
        tell(3, 2, "more than all")
        told.set()
        assert go.wait(10)
        return 7

    first, second = jobs.start(1, work), jobs.start(2, lambda tell, stop: 8)
    assert told.wait(10) and first.share == 1.0 and second.share == 0.0
    assert not first.finished.is_set() and not second.finished.is_set()
    assert jobs.start(1, work) is first
    go.set()
    assert first.finished.wait(10) and first.result == 7 and first.error is None
    assert second.finished.wait(10) and second.result == 8
    assert jobs.start(1, work) is first  # what went well is not done again


def test_only_the_last_finished_jobs_are_kept(monkeypatch):
    monkeypatch.setattr(jobs_module, "KEPT", 3)
    jobs = Jobs(workers=1)

    def done(key):
        job = jobs.start(key, lambda tell, stop: key)
        assert job.finished.wait(10)
        return job

    old = [done(key) for key in range(6)]
    assert done(5) is old[5] and done(0) is not old[0]


def test_pages_without_the_command_say_how_to_start():
    set_place(None)
    with pytest.raises(RuntimeError, match="grounding app"):
        the_place()


def test_the_device_is_found_out_once_and_a_gpu_has_no_limit(monkeypatch):
    asked = []

    def call(task, arguments, **limits):
        asked.append(task)
        return "cuda"

    monkeypatch.setattr(isolated, "call", call)
    place_module._resolved.cache_clear()
    here = [Place(None, None, None, device, 1, 1) for device in ("cpu", "auto", "auto")]
    assert [place.limits() for place in here] == [("cpu", MEMORY), ("cuda", None), ("cuda", None)]
    assert asked == ["device"]
    place_module._resolved.cache_clear()


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


def test_the_address_not_used_for_longest_is_forgotten(served, monkeypatch):
    recordings, client, folder = served
    monkeypatch.setattr(recordings_module, "MOST", 2)
    paths = [folder / "in" / f"{name}.mp4" for name in "xyz"]
    for path in paths:
        path.write_bytes(b"film")
    x, y = map(recordings.address, paths[:2])
    recordings.address(paths[0])  # used again
    z = recordings.address(paths[2])
    assert [client.get(a).status_code for a in (x, y, z)] == [200, 404, 200]
    assert recordings.address(paths[1]) != y


def test_ranges_and_heads_are_served_and_typed(served):
    recordings, client, folder = served
    address = recordings.address(folder / "in" / "a.mp4")
    assert client.get(address, headers={"Range": "bytes=9000-"}).status_code == 416
    part = client.get(address, headers={"Range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, bytes(range(10, 20)))
    head = client.head(address)
    assert (head.status_code, head.headers["content-length"], head.content) == (200, "2048", b"")
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


@pytest.mark.parametrize(
    "text", ["a@b.com", ":material/home:", ":streamlit:", "a -- b", "a -> b", "a <- b", "a >= b"]
)
def test_what_streamlit_reads_after_markdown_is_parted(text):
    """Seen in Chromium: each of these became a link, an icon or another sign."""
    assert "\u200b" in plain(text)
    assert (
        RENDER.renderInline(plain(text))
        .replace("\u200b", "")
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        == text
    )


def test_closing_stops_what_is_under_way_and_starts_nothing_more():
    jobs, begun = Jobs(workers=1), threading.Event()

    def work(tell, stop):
        begun.set()
        assert stop.wait(20)

    first, second = jobs.start("first", work), jobs.start("second", work)
    assert begun.wait(10)
    jobs.close()
    assert first.finished.is_set() and first.error is None and not second.finished.is_set()


def test_what_a_finished_job_made_can_be_made_again():
    jobs, runs = Jobs(), []
    for _ in range(2):
        job = jobs.start("key", lambda tell, stop: runs.append(1))
        assert job.finished.wait(10)
        jobs.forget("key")
    assert len(runs) == 2
