"""A task that misbehaves costs its own process, and its user one line."""

import functools
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from grounding import isolated
from grounding.errors import (
    AnnotationError,
    BadInput,
    Interrupted,
    RecipeMismatch,
    UnreadableMedia,
    WorkerLost,
)
from grounding.isolated import process

call = functools.partial(isolated.call, tasks="tests.isolated_tasks")


def is_gone(pid, seconds=5.0):
    """No process of that number runs; one that nobody has buried yet does not count."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except FileNotFoundError:
            return True
        time.sleep(0.02)
    return False


@pytest.mark.parametrize("value", [None, 1.5, "ä\nb\ud800", [1, {"a": []}], {"progress": 1}])
def test_values_come_back_as_they_are(value):
    assert call("echo", {"value": value}, seconds=20) == value


def test_what_libraries_print_is_no_message():
    assert call("noisy", {}, seconds=20) == "true"


def test_progress_arrives_here_in_order():
    told, threads = [], set()

    def progress(done, total, text):
        told.append((done, total, text))
        threads.add(threading.current_thread())

    assert call("count", {"steps": 4, "pause": 0.15}, seconds=20, progress=progress) == 4
    assert told == [(k, 4.0, f"step {k}") for k in range(4)]
    assert threads == {threading.current_thread()}


@pytest.mark.parametrize("task", ["hang", "spin", "chatter"])
def test_what_does_not_end_is_ended_in_time(task):
    began = time.monotonic()
    with pytest.raises(BadInput, match=f"^{task}: took longer than 1.5 s; "):
        call(task, {}, seconds=1.5)
    assert 1.5 <= time.monotonic() - began < 3.5


def test_one_that_eats_memory_is_refused():
    with pytest.raises(BadInput, match="^eat: needs more memory than the 400 MB it may have; "):
        call("eat", {}, seconds=30, memory=400 << 20)


def test_files_grow_to_their_limit_and_no_further(tmp_path):
    out = tmp_path / "big"
    with pytest.raises(BadInput, match="File too large"):
        call("write", {"path": str(out)}, seconds=20, size=1 << 20)
    assert out.stat().st_size <= 1 << 20
    call("write", {"path": str(out)}, seconds=20, size=8 << 20)


def test_a_crash_is_one_line():
    with pytest.raises(BadInput, match=r"^crash: its decoder crashed \(signal 11\); the file is"):
        call("crash", {}, seconds=20, memory=1 << 30)


def test_a_bug_is_a_bug_and_only_the_log_has_the_traceback(caplog):
    with pytest.raises(RuntimeError) as caught:
        call("bug", {}, seconds=20)
    assert "secret" not in str(caught.value) and not isinstance(caught.value, BadInput)
    assert "KeyError: 'a secret'" in caplog.text and "isolated_tasks.py" in caplog.text


@pytest.mark.parametrize("task,arguments", [("nowhere", {}), ("leave", {"code": 0})])
def test_no_result_is_a_bug(task, arguments):
    with pytest.raises(RuntimeError, match=f"^{task}: "):
        call(task, arguments, seconds=20)


@pytest.mark.parametrize(
    "kind,found,line",
    [
        ("media", UnreadableMedia, "a b.mp4: is no video"),
        ("recipe", RecipeMismatch, "another recipe"),
        ("annotation", AnnotationError, "line 3 is wrong"),
        ("disk", BadInput, "out.mp4: No space left on device; check the path, its permissions"),
    ],
)
def test_bad_input_keeps_its_class_and_its_line(kind, found, line):
    with pytest.raises(BadInput) as caught:
        call("refuse", {"kind": kind}, seconds=20)
    assert type(caught.value) is found
    assert str(caught.value).startswith(line) and "\n" not in str(caught.value)


def test_a_message_too_long_is_not_read_on(monkeypatch):
    monkeypatch.setattr(process, "LONGEST_MESSAGE", 1000)
    with pytest.raises(RuntimeError):
        call("shout", {"size": 5000}, seconds=20)
    assert call("shout", {"size": 500}, seconds=20) == "x" * 500


def test_stop_ends_it_with_its_children(tmp_path):
    stop, pids = threading.Event(), []
    note = tmp_path / "pid"

    def progress(done, total, text):
        pids.extend([int(text), int(note.read_text())])
        stop.set()

    began = time.monotonic()
    with pytest.raises(Interrupted):
        call("breed", {"note": str(note)}, seconds=60, progress=progress, stop=stop)
    assert time.monotonic() - began < 10
    assert len(pids) == 2 and all(map(is_gone, pids))


def test_an_exception_of_the_caller_ends_it_with_its_children(tmp_path):
    """A page that is run anew raises in the middle of its progress."""
    pids = []

    def progress(done, total, text):
        pids.extend([int(text), int((tmp_path / "pid").read_text())])
        raise KeyError("rerun")

    with pytest.raises(KeyError, match="rerun"):
        call("breed", {"note": str(tmp_path / "pid")}, seconds=60, progress=progress)
    assert len(pids) == 2 and all(map(is_gone, pids))


def test_it_ends_when_its_parent_is_killed(tmp_path):
    program = (
        "from grounding.isolated import call\n"
        f"call('breed', {{'note': {str(tmp_path / 'pid')!r}}}, seconds=60,"
        " tasks='tests.isolated_tasks', progress=lambda *told: print(told[2], flush=True))"
    )
    root = Path(__file__).parent.parent
    with subprocess.Popen(
        [sys.executable, "-c", program], cwd=root, stdout=subprocess.PIPE, text=True
    ) as parent:
        pids = [int(parent.stdout.readline()), int((tmp_path / "pid").read_text())]
        assert not any(is_gone(pid, 0.1) for pid in pids)
        os.kill(parent.pid, signal.SIGKILL)
    assert all(map(is_gone, pids))


def test_many_at_once_do_not_mix():
    found = {}

    def one(value):
        found[value] = call("echo", {"value": value}, seconds=30)

    threads = [threading.Thread(target=one, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {k: k for k in range(4)}


@pytest.fixture
def worker():
    made = []

    def make(task, arguments=None, **limits):
        made.append(isolated.Worker(task, arguments or {}, tasks="tests.isolated_tasks", **limits))
        made[-1].get_ready(30)
        return made[-1]

    yield make
    for each in made:
        each.close()


def test_a_worker_gets_ready_once_and_is_asked_often(worker, tmp_path):
    note = tmp_path / "starts"
    one = worker("remember", {"note": str(note)})
    assert [one.ask({"word": word}, seconds=20)["words"] for word in "abc"] == ["a", "ab", "abc"]
    assert note.read_text() == "x"
    with pytest.raises(UnreadableMedia, match="no video"):
        one.ask({"word": ""}, seconds=20)
    assert one.ask({"word": "d"}, seconds=20)["words"] == "abcd"  # bad input costs it nothing


def test_time_counts_from_each_call_and_so_does_silence(worker):
    one = worker("slow")
    for _ in range(3):
        assert one.ask({"seconds": 0.5}, seconds=1.2) == "done"
    assert one.ask({"seconds": 1.2, "talks": True}, seconds=9, silent=0.8) == "done"
    with pytest.raises(WorkerLost, match="hangs: nothing happened for 0.3 s") as caught:
        one.ask({"seconds": 60}, seconds=60, silent=0.3)
    assert caught.value.kind == "timeout"


@pytest.mark.parametrize(
    "task,limits,kind",
    [("crash", {}, "crash"), ("eat", {"memory": 400 << 20}, "memory"), ("suicide", {}, "killed")],
)
def test_what_a_lost_worker_died_of_is_told(worker, task, limits, kind):
    with pytest.raises(WorkerLost) as caught:
        worker(task, **limits).ask({}, seconds=30)
    assert caught.value.kind == kind and "\n" not in str(caught.value)


def test_what_cannot_get_ready_says_so_at_once():
    one = isolated.Worker("unfit", {}, tasks="tests.isolated_tasks")
    with pytest.raises(RecipeMismatch, match="no such model"):
        one.get_ready(20)
    one.close()
