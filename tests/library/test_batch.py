"""A batch does each recording once, whatever stops it, and a broken file costs only itself."""

import functools
import json
import os
import random
import shutil
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from grounding import library
from grounding.annotations import read_predictions, write_predictions
from grounding.errors import BadInput, Interrupted, RecipeMismatch
from grounding.predict import Grounder
from tests.library.making import SENTENCES, contents, lines, render, save_model

ROOT = Path(__file__).parent.parent.parent
# In this process, which takes no start of workers; those that need workers say so.
run_batch = functools.partial(library.run_batch, workers=0)


@pytest.fixture
def decoded(monkeypatch):
    """Names of the files that were decoded."""
    names = []
    features = Grounder.features

    def counted(self, media, progress=None):
        names.append(Path(media).name)
        return features(self, media, progress)

    monkeypatch.setattr(Grounder, "features", counted)
    return names


@pytest.fixture(scope="session")
def many(tmp_path_factory, videos):
    """Sixty recordings of different content: the same videos with another box at the end."""
    folder = tmp_path_factory.mktemp("many")
    for number in range(60):
        data = (videos / f"v{number % 6}.mp4").read_bytes()
        tail = struct.pack(">I4sI", 12, b"free", number)
        (folder / f"m{number:02}.mp4").write_bytes(data + tail)
    return folder


def parts(out):
    return {path.name: path.stat().st_mtime_ns for path in out.glob("parts/*")}


def test_the_outputs_hold_what_the_contract_says(videos, sentences, run_folder, tmp_path):
    out = tmp_path / "out"
    done = run_batch([videos], sentences, run_folder, out, top=2)
    assert (done.recordings, done.predictions, done.resumed) == (6, 18, 0)
    assert not done.failures and (out / "failures.jsonl").read_text() == ""
    predictions, unsorted = read_predictions(out / "predictions.jsonl")
    asked = [(f"v{n}", text) for n in range(6) for text in SENTENCES]
    assert [(p.query.vid, p.query.text) for p in predictions] == asked
    assert [p.query.qid for p in predictions] == list(range(1, 19)) and not unsorted
    assert all(len(p.moments) == 2 and p.absent is not None for p in predictions)
    write_predictions(tmp_path / "again.jsonl", predictions)
    assert (tmp_path / "again.jsonl").read_bytes() == (out / "predictions.jsonl").read_bytes()


def test_the_predictions_are_those_of_the_model_asked_alone(
    videos, sentences, run_folder, tmp_path
):
    run_batch([videos], sentences, run_folder, tmp_path / "out", top=3)
    found, _ = read_predictions(tmp_path / "out" / "predictions.jsonl")
    alone = Grounder.from_run(run_folder).ground(videos / "v2.mp4", SENTENCES, top=3)
    write_predictions(tmp_path / "alone.jsonl", alone)
    wanted, _ = read_predictions(tmp_path / "alone.jsonl")
    assert [p.moments for p in found[6:9]] == [p.moments for p in wanted]
    assert [p.saliency for p in found[6:9]] == [p.saliency for p in wanted]


def test_the_table_has_its_types_and_the_numbers_of_the_lines(
    videos, sentences, run_folder, tmp_path
):
    out = tmp_path / "out"
    run_batch([videos], sentences, run_folder, out)
    table = pq.read_table(out / "predictions.parquet")
    text, number = pa.string(), pa.float64()
    assert dict(zip(table.column_names, table.schema.types, strict=True)) == {
        "recording": text, "qid": text, "query": text, "rank": pa.int32(), "start": number,
        "end": number, "score": number, "absent": number, "recipe": text, "run": text,
    }  # fmt: skip
    rows = iter(table.to_pylist())
    for line in lines(out / "predictions.jsonl"):
        for rank, moment in enumerate(line["pred_relevant_windows"], 1):
            row = next(rows)
            assert [row["start"], row["end"], row["score"]] == moment
            assert (row["recording"], row["qid"]) == (line["vid"], str(line["qid"]))
            assert (row["rank"], row["absent"]) == (rank, line["pred_absent"])
            assert row["query"] == line["query"] and row["run"] == str(run_folder)
            assert row["recipe"].startswith("pixel-grid (8x8, 4 frames/s")
    assert next(rows, None) is None


def test_the_number_of_workers_changes_no_byte(many, sentences, run_folder, tmp_path):
    (tmp_path / "in").mkdir()
    for path in many.iterdir():
        os.link(path, tmp_path / "in" / path.name)
    (tmp_path / "in" / "broken.mp4").write_text("no video")
    (tmp_path / "in" / "twin.mp4").write_text("no video")
    for workers in (0, 2, 5):
        out = tmp_path / str(workers)
        run_batch([tmp_path / "in"], sentences, run_folder, out, workers=workers)
    assert contents(tmp_path / "0") == contents(tmp_path / "2") == contents(tmp_path / "5")


def test_only_what_is_missing_is_done_again(videos, sentences, run_folder, tmp_path, decoded):
    out = tmp_path / "out"
    run_batch([videos], sentences, run_folder, out)
    before, times = contents(out), parts(out)
    assert len(times) == len(decoded) == 6
    gone, damaged, *kept = sorted(times)
    (out / "parts" / gone).unlink()
    (out / "parts" / damaged).write_bytes(b"\0" * 100)
    decoded.clear()
    done = run_batch([videos], sentences, run_folder, out)
    after = parts(out)
    assert done.resumed == 4 and len(decoded) == 2
    assert contents(out) == before
    assert all(after[name] == times[name] for name in kept)


def test_what_is_remembered_is_not_even_read(videos, sentences, run_folder, tmp_path, monkeypatch):
    run_batch([videos], sentences, run_folder, tmp_path / "out")
    monkeypatch.setattr("grounding.library.fetching.content_hash", lambda path: 1 / 0)
    assert run_batch([videos], sentences, run_folder, tmp_path / "out").resumed == 6


def test_moved_copied_and_new_recordings(videos, sentences, run_folder, tmp_path, decoded):
    out, folder = tmp_path / "out", tmp_path / "in"
    folder.mkdir()
    shutil.copyfile(videos / "v0.mp4", folder / "first.mp4")
    run_batch([folder], sentences, run_folder, out)
    (folder / "first.mp4").rename(folder / "z.mp4")
    shutil.copyfile(videos / "v0.mp4", folder / "copy.mp4")
    shutil.copyfile(videos / "v1.mp4", folder / "new.mp4")
    done = run_batch([folder], sentences, run_folder, out)
    assert decoded == ["first.mp4", "new.mp4"] and done.resumed == 2
    found = lines(out / "predictions.jsonl")
    assert [line["vid"] for line in found] == ["copy"] * 3 + ["new"] * 3 + ["z"] * 3
    assert [line["qid"] for line in found] == list(range(1, 10))
    for copy, moved in zip(found[:3], found[6:], strict=True):
        assert copy["pred_relevant_windows"] == moved["pred_relevant_windows"]
    (folder / "z.mp4").unlink()
    assert run_batch([folder], sentences, run_folder, out).recordings == 2


def test_a_changed_recording_is_asked_again(videos, sentences, run_folder, tmp_path, decoded):
    folder = tmp_path / "in"
    folder.mkdir()
    shutil.copyfile(videos / "v0.mp4", folder / "a.mp4")
    run_batch([folder], sentences, run_folder, tmp_path / "out")
    shutil.copyfile(videos / "v1.mp4", folder / "a.mp4")
    done = run_batch([folder], sentences, run_folder, tmp_path / "out")
    assert len(decoded) == 2 and done.predictions == 3


def test_a_broken_file_costs_only_itself(videos, sentences, run_folder, tmp_path, decoded):
    folder = tmp_path / "in"
    shutil.copytree(videos, folder)
    (folder / "empty.mp4").touch()
    (folder / "text.mkv").write_text("no video\nat all")
    (folder / "gone.mp4").symlink_to("nowhere")
    os.mkfifo(folder / "pipe.mp4")
    (folder / "folder.mp4").mkdir()
    out = tmp_path / "out"
    done = run_batch([folder], sentences, run_folder, out)
    assert done.predictions == 18 and done.recordings == 11
    failures = lines(out / "failures.jsonl")
    assert [f["recording"] for f in failures] == ["empty", "folder", "gone", "pipe", "text"]
    assert all(list(f) == ["recording", "kind", "reason", "attempts"] for f in failures)
    assert all(f["kind"] == "unreadable" and f["attempts"] == 1 for f in failures)
    assert "is a folder" in failures[1]["reason"] and "no such file" in failures[2]["reason"]
    # numbers stay with their queries whatever fails
    assert lines(out / "predictions.jsonl")[0]["qid"] == 1 + 5 * 3
    # what cannot be decoded is not tried again; what could not be read at all is
    decoded.clear()
    again = run_batch([folder], sentences, run_folder, out)
    assert decoded == []
    assert [f.attempts for f in again.failures] == [2, 2, 2, 2, 1]


def test_half_a_recording_is_predicted_and_listed(sentences, run_folder, tmp_path):
    whole = render(tmp_path / "whole.mp4", 1, frames=100).read_bytes()
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "half.mp4").write_bytes(whole[: len(whole) // 2])
    out = tmp_path / "out"
    done = run_batch([tmp_path / "in"], sentences, run_folder, out)
    (failure,) = lines(out / "failures.jsonl")
    assert failure["recording"] == "half" and failure["kind"] == "partial" and failure["reason"]
    assert done.predictions == len(lines(out / "predictions.jsonl")) == 3
    before = contents(out)
    assert run_batch([tmp_path / "in"], sentences, run_folder, out).resumed == 1
    assert contents(out) == before


def test_any_other_error_is_a_line_and_is_tried_again(
    videos, sentences, run_folder, tmp_path, monkeypatch
):
    features = Grounder.features

    def fail(self, media, progress=None):
        if Path(media).name == "v3.mp4":
            raise RuntimeError("out of\nmemory \udce9")
        return features(self, media, progress)

    out = tmp_path / "out"
    with monkeypatch.context() as patched:
        patched.setattr(Grounder, "features", fail)
        for attempt in (1, 2):
            done = run_batch([videos], sentences, run_folder, out)
            assert done.predictions == 15
            (failure,) = lines(out / "failures.jsonl")
            assert failure == {
                "recording": "v3", "kind": "error", "attempts": attempt,
                "reason": "RuntimeError: out of memory \\udce9",
            }  # fmt: skip
    done = run_batch([videos], sentences, run_folder, out)
    assert (done.predictions, done.resumed, done.failures) == (18, 5, ())


@pytest.mark.parametrize("workers", [0, 2])
def test_what_no_recording_is_to_blame_for_stops_the_batch(videos, sentences, tmp_path, workers):
    run = save_model(tmp_path / "run", version="0")
    with pytest.raises(RecipeMismatch, match="the model expects"):
        run_batch([videos], sentences, run, tmp_path / "out", workers=workers)
    assert parts(tmp_path / "out") == {}


def test_a_full_disk_stops_the_batch_and_keeps_what_is_finished(
    videos, sentences, run_folder, tmp_path, monkeypatch
):
    from grounding.library import parts as module

    write, left = module.write_text, [4]

    def full(path, text):
        left[0] -= 1
        if left[0] < 0:
            raise OSError(28, "No space left on device", str(path))
        write(path, text)

    out = tmp_path / "out"
    with monkeypatch.context() as patched:
        patched.setattr(module, "write_text", full)
        with pytest.raises(OSError, match="No space left"):
            run_batch([videos], sentences, run_folder, out)
    assert not (out / "predictions.jsonl").exists()
    done = run_batch([videos], sentences, run_folder, out)
    assert done.resumed == 3 and done.predictions == 18


@pytest.mark.parametrize("change", ["queries", "model", "top"])
def test_results_of_another_job_are_not_mixed_in(
    videos, sentences, run_folder, tmp_path, change, decoded
):
    out = tmp_path / "out"
    run_batch([videos], sentences, run_folder, out)
    before = contents(out)
    model, top = run_folder, 5
    if change == "queries":
        sentences.write_text(f"{SENTENCES[0]}\n")
    elif change == "model":
        model = save_model(tmp_path / "other", seed=1)
    else:
        top = 1
    with pytest.raises(BadInput, match=f"other {change}.*--fresh"):
        run_batch([videos], sentences, model, out, top=top)
    assert contents(out) == before
    run_batch([videos], sentences, model, out, top=top, fresh=True)
    assert len(parts(out)) == 6 and len(decoded) == 12
    assert contents(out) != before


def test_a_folder_that_is_no_batch_is_left_alone(videos, sentences, run_folder, tmp_path):
    (tmp_path / "predictions.jsonl").write_text("mine")
    for fresh in (False, True):
        with pytest.raises(BadInput, match="not made by"):
            run_batch([videos], sentences, run_folder, tmp_path, fresh=fresh)
    assert (tmp_path / "predictions.jsonl").read_text() == "mine"
    assert not (tmp_path / ".lock").exists()
    with pytest.raises(BadInput, match="is a file"):
        run_batch([videos], sentences, run_folder, sentences)


def test_queries_of_one_recording(videos, run_folder, tmp_path, decoded):
    queries = tmp_path / "q.jsonl"
    rows = [
        {"query": "a", "qid": "x", "vid": "v4"},
        {"query": "b", "vid": "cat"},
        {"query": "c", "vid": "v1"},
        {"query": "d", "qid": 1, "vid": "v1"},
    ]
    queries.write_text("".join(json.dumps(row) + "\n" for row in rows))
    done = run_batch([videos], queries, run_folder, tmp_path / "out")
    found = [(r["vid"], r["query"], r["qid"]) for r in lines(tmp_path / "out/predictions.jsonl")]
    assert found == [("v1", "c", 2), ("v1", "d", 1), ("v4", "a", "x")]
    assert sorted(decoded) == ["v1.mp4", "v4.mp4"]
    assert (done.recordings, done.idle, done.unmatched) == (2, 4, ("cat",))
    queries.write_text('{"query": "a", "vid": "v44"}\n')
    with pytest.raises(BadInput, match="did you mean 'v4'"):
        run_batch([videos], queries, run_folder, tmp_path / "other")


def test_the_formats_of_queries_give_the_same(videos, run_folder, tmp_path):
    texts = {
        "q.txt": "a\nb\n", "q.csv": "query\na\nb\n", "q.jsonl": '{"query": "a"}\n{"query": "b"}\n'
    }  # fmt: skip
    results = []
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
        run_batch([videos / "v0.mp4"], tmp_path / name, run_folder, tmp_path / "out")
        results.append(contents(tmp_path / "out"))
    assert results[0] == results[1] == results[2]


def test_hostile_names(videos, sentences, run_folder, tmp_path, monkeypatch):
    folder = tmp_path / "-in 'x' \u00e4"
    folder.mkdir()
    names = ["-rf", 'it\'s "so"', " spaces ", "\u65e5\u672c \U0001f600", "new\nline", "%s{}", "a.b"]
    for name in names:
        shutil.copyfile(videos / "v0.mp4", folder / f"{name}.mp4")
    raw = os.fsdecode(b"caf\xe9")
    shutil.copyfile(videos / "v0.mp4", folder / f"{raw}.mp4")
    monkeypatch.chdir(folder)
    out = Path("-out \u2713")
    done = run_batch(["."], sentences, run_folder, out)
    found = {line["vid"] for line in lines(out / "predictions.jsonl")}
    listed = {failure.recording for failure in done.failures}
    assert found | listed == {*names, "caf\\udce9"} and found >= set(names)
    assert set(pq.read_table(out / "predictions.parquet")["recording"].to_pylist()) == found


def test_ctrl_c_keeps_what_is_finished(videos, sentences, run_folder, tmp_path):
    out = tmp_path / "out"

    def stop(done, total, what):
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(Interrupted, match=r"of 6 recordings.*go on with the same command$"):
        run_batch([videos], sentences, run_folder, out, progress=stop)
    kept = {line["vid"] for line in lines(out / "predictions.jsonl")}
    assert 2 <= len(kept) < 6 and len(parts(out)) == len(kept)
    with pytest.raises(Interrupted, match="without --fresh"):
        run_batch([videos], sentences, run_folder, out, progress=stop, fresh=True)
    kept = {line["vid"] for line in lines(out / "predictions.jsonl")}
    done = run_batch([videos], sentences, run_folder, out)
    assert done.resumed == len(kept) and done.predictions == 18


def test_what_is_exchanged_while_it_is_asked_is_asked_again(
    videos, sentences, run_folder, tmp_path, monkeypatch
):
    """Neither another file's answers nor a failure that was none stay with it."""
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    for name in ("a", "z"):
        shutil.copyfile(videos / "v0.mp4", folder / f"{name}.mp4")
        os.utime(folder / f"{name}.mp4", ns=(1, 1))
    features = Grounder.features

    def meddle(self, media, progress=None):
        if Path(media).name == "a.mp4":
            shutil.copyfile(videos / "v1.mp4", folder / "z.mp4")
        return features(self, media, progress)

    with monkeypatch.context() as patched:
        patched.setattr(Grounder, "features", meddle)
        run_batch([folder], sentences, run_folder, out)
    shutil.copyfile(videos / "v0.mp4", folder / "z.mp4")
    os.utime(folder / "z.mp4", ns=(1, 1))
    run_batch([folder], sentences, run_folder, out)
    a, z = (lines(out / "predictions.jsonl")[k]["pred_relevant_windows"] for k in (0, 3))
    assert a == z

    def vanish(self, media, progress=None):
        Path(media).rename(tmp_path / "away.mp4")
        return features(self, media, progress)

    shutil.copyfile(videos / "v2.mp4", folder / "z.mp4")
    with monkeypatch.context() as patched:
        patched.setattr(Grounder, "features", vanish)
        assert run_batch([folder], sentences, run_folder, out).failures[0].kind == "unreadable"
    (tmp_path / "away.mp4").rename(folder / "z.mp4")
    assert not run_batch([folder], sentences, run_folder, out).failures


def test_two_batches_at_once_do_not_share_a_folder(videos, sentences, run_folder, tmp_path):
    out = tmp_path / "out"

    def other(done, total, what):
        if done == 1:
            with pytest.raises(BadInput, match="another batch is at work there"):
                run_batch([videos], sentences, run_folder, out, fresh=True)

    done = run_batch([videos], sentences, run_folder, out, progress=other)
    assert (done.predictions, done.failures) == (18, ())


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_stopped_batch_goes_on_to_the_same_bytes(many, sentences, run_folder, tmp_path, how):
    words = ["batch", many, "--queries", sentences, "--model", run_folder, "--device", "cpu"]
    whole, out = tmp_path / "whole", tmp_path / "out"
    run_batch([many], sentences, run_folder, whole)
    command = [sys.executable, "-m", "apps", *map(str, words), "--out", str(out)]
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    wanted = random.randint(1, 20)
    while process.poll() is None and len(list(out.glob("parts/[!.]*.jsonl"))) < wanted:
        time.sleep(0.001)
    process.send_signal(how)
    _, err = process.communicate(timeout=60)
    finished = len(list(out.glob("parts/[!.]*.jsonl")))
    assert finished < 60, "it was over before it could be stopped"
    if how == signal.SIGINT:
        assert process.returncode == 130 and err.count("\n") == 1
        assert f"{finished} of 60 recordings are finished" in err
        assert len(lines(out / "predictions.jsonl")) == 3 * finished
    else:
        assert not (out / "predictions.jsonl").exists()
    done = run_batch([many], sentences, run_folder, out)
    assert done.resumed == finished
    assert contents(out) == contents(whole)
