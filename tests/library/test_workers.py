"""What a recording does to the process that decodes it costs that recording alone."""

import os
import shutil
import signal
import threading
import time
from pathlib import Path

import pytest

from grounding.errors import BadInput
from grounding.library import Limits, asking, run_batch
from tests.library.making import contents, lines, render


def workers_of(pid):
    """Process ids of a batch's workers."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(status.read_text().rpartition(")")[2].split()[1])
            command = (status.parent / "cmdline").read_text()
        except OSError:
            continue
        if parent == pid and "grounding.isolated.child" in command:
            found.append(int(status.parent.name))
    return found


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    """`a.mp4` and `z.mp4` are short; `b.mp4` takes a worker long enough to be hit meanwhile."""
    folder = tmp_path_factory.mktemp("inputs")
    render(folder / "a.mp4", 1)
    render(folder / "z.mp4", 2)
    render(folder / "b.mp4", 3, frames=1500, scale=4)
    return folder


@pytest.fixture
def hit(tmp_path):
    """Once `a` is finished, send a signal to the worker, so many times at most."""
    over, threads = threading.Event(), []

    def start(how, times):
        def watch():
            left, hurt = times, set()
            while left and not over.is_set():
                time.sleep(0.01)
                if not list((tmp_path / "out").glob("parts/[!.]*.jsonl")):
                    continue
                for pid in set(workers_of(os.getpid())) - hurt:
                    if is_decoding(pid):
                        os.kill(pid, how)
                        hurt.add(pid)
                        left -= 1

        threads.append(threading.Thread(target=watch))
        threads[-1].start()

    yield start
    over.set()
    for thread in threads:
        thread.join()


def is_decoding(pid):
    try:
        links = [str(each.readlink()) for each in Path(f"/proc/{pid}/fd").iterdir()]
    except OSError:
        return False
    return any(link.endswith("b.mp4") for link in links)


@pytest.mark.parametrize(
    "how,kind,attempts,says",
    [
        (signal.SIGSEGV, "crash", 2, "crashed (signal 11)"),
        (signal.SIGKILL, "killed", 2, "was killed"),
        (signal.SIGSTOP, "timeout", 1, "hangs: nothing happened for 2 s"),
    ],
)
def test_a_lost_worker_costs_its_recording_alone(
    inputs, sentences, run_folder, tmp_path, hit, how, kind, attempts, says
):
    hit(how, attempts)
    out = tmp_path / "out"
    limits = Limits(silent=2.0)
    done = run_batch([inputs], sentences, run_folder, out, workers=1, limits=limits)
    (failure,) = lines(out / "failures.jsonl")
    assert failure["recording"] == "b" and failure["kind"] == kind and says in failure["reason"]
    assert failure["attempts"] == attempts and done.predictions == 6
    again = run_batch([inputs], sentences, run_folder, out, workers=1)
    assert (again.resumed, again.predictions, again.failures) == (2, 9, ())


def test_a_worker_killed_once_is_replaced_and_nothing_is_missing(
    inputs, sentences, run_folder, tmp_path, hit
):
    hit(signal.SIGKILL, 1)
    done = run_batch([inputs], sentences, run_folder, tmp_path / "out", workers=1)
    assert (done.predictions, done.failures) == (9, ())
    assert workers_of(os.getpid()) == []


def test_a_recording_that_needs_too_much_memory_is_listed(inputs, sentences, run_folder, tmp_path):
    out = tmp_path / "out"
    for _ in range(4):
        done = run_batch(
            [inputs / "b.mp4"], sentences, run_folder, out, workers=1, limits=Limits(memory=8 << 20)
        )
    (failure,) = done.failures
    assert failure.kind == "memory"
    assert failure.attempts == 3  # what costs much is not tried for ever
    assert "the 8 MB it may have" in failure.reason


def test_time_is_up_for_one_recording(inputs, sentences, run_folder, tmp_path):
    limits = Limits(seconds=0.4)
    done = run_batch([inputs / "b.mp4"], sentences, run_folder, tmp_path / "out", limits=limits)
    (failure,) = done.failures
    assert failure.kind == "timeout" and "took longer than 0.4 s" in failure.reason


def test_moments_are_cut_once_and_those_that_are_missing_again(
    inputs, sentences, run_folder, tmp_path
):
    out, cut = tmp_path / "out", tmp_path / "cut"
    source = [inputs / "a.mp4"]
    run_batch(source, sentences, run_folder, out, workers=1, top=2)
    run_batch(source, sentences, run_folder, out, workers=1, top=2, cut=cut)
    names = {path.name: path.stat().st_mtime_ns for path in cut.iterdir()}
    there = [row for row in lines(out / "predictions.jsonl") if row["pred_absent"] < 0.5]
    assert len(names) == sum(len(row["pred_relevant_windows"]) for row in there) > 0
    assert all(name.startswith("a-") and name.endswith(".mp4") for name in names)
    gone = min(names)
    (cut / gone).unlink()
    before = contents(out)
    assert run_batch(source, sentences, run_folder, out, workers=1, top=2, cut=cut).resumed == 1
    after = {path.name: path.stat().st_mtime_ns for path in cut.iterdir()}
    assert after.keys() == names.keys() and contents(out) == before
    assert {name for name in names if after[name] != names[name]} == {gone}


def test_a_full_disk_under_the_cuts_stops_with_one_line(
    inputs, sentences, run_folder, tmp_path, monkeypatch
):
    cut = tmp_path / "cut"
    monkeypatch.setattr(asking, "cut_moments", _no_room)
    with pytest.raises(BadInput, match="cannot be written"):
        run_batch([inputs / "a.mp4"], sentences, run_folder, tmp_path / "out", workers=0, cut=cut)


def test_what_cannot_be_cut_is_answered_all_the_same(
    inputs, sentences, run_folder, tmp_path, monkeypatch
):
    def odd(*_, **__):
        raise ValueError("the sound changes its format")

    monkeypatch.setattr(asking, "cut_moments", odd)
    source, cut = [inputs / "a.mp4"], tmp_path / "cut"
    done = run_batch(source, sentences, run_folder, tmp_path / "out", workers=0, cut=cut)
    (failure,) = done.failures
    assert done.predictions == 3 and failure.kind == "partial"
    assert failure.reason == "not cut: ValueError: the sound changes its format"


def _no_room(media, vid, rows, folder, progress, again):
    raise BadInput(f"{folder}: cannot be written (No space left on device); check the free space")


def test_results_so_far_appear_while_it_runs(inputs, sentences, run_folder, tmp_path, monkeypatch):
    from grounding.library import batch

    monkeypatch.setattr(batch, "WRITE_EVERY", 0.0)
    monkeypatch.setattr(batch, "MOST_WRITING", 1.0)
    seen = []
    folder = tmp_path / "in"
    shutil.copytree(inputs, folder)

    def look(done, total, what):
        path = tmp_path / "out" / "predictions.jsonl"
        seen.append(len(lines(path)) if path.exists() else None)

    run_batch([folder], sentences, run_folder, tmp_path / "out", workers=0, progress=look)
    assert seen == [None, None, 3, 6]
