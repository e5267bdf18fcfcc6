"""Rendering into a folder: resumed, interrupted, refused."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from grounding.errors import BadInput
from grounding.sample import render_sample
from grounding.sample.questions import SPLITS

ROOT = Path(__file__).parents[2]


def annotations(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (folder / "annotations").iterdir()}


def parts(folder: Path) -> list[Path]:
    return list(folder.rglob(".sample-*"))


def test_the_folder_is_a_dataset(corpus: Path) -> None:
    assert {path.stem for path in (corpus / "annotations").iterdir()} == set(SPLITS)
    vids = {
        json.loads(line)["vid"]
        for split in SPLITS
        for line in (corpus / "annotations" / f"{split}.jsonl").read_text().splitlines()
    }
    assert vids == {path.stem for path in (corpus / "media").iterdir()}
    assert {path.suffix for path in (corpus / "media").iterdir()} == {".mp4"}
    settings = json.loads((corpus / "sample.json").read_text())
    assert (settings["videos"], settings["seed"]) == (8, 0)


def test_only_what_is_missing_is_rendered_again(corpus: Path, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(corpus, folder)
    before = annotations(folder)
    times = {path: path.stat().st_mtime_ns for path in (folder / "media").iterdir()}
    lost = min(times, key=lambda path: path.stat().st_size)
    lost.unlink()
    calls: list[tuple[int, int, str]] = []
    render_sample(folder, videos=8, workers=1, progress=lambda *call: calls.append(call))
    assert calls == [(7, 8, ""), (8, 8, lost.stem)]
    assert annotations(folder) == before
    assert lost.stat().st_size > 50_000
    assert all(path.stat().st_mtime_ns == t for path, t in times.items() if path != lost)


def test_an_interrupt_leaves_whole_files_only_and_can_be_resumed(
    corpus: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "stopped"
    code = (
        "import sys\n"
        "from grounding.sample import render_sample\n"
        "if __name__ == '__main__':\n"
        "    try:\n"
        f"        render_sample({str(folder)!r}, videos=8, workers=2,\n"
        "                      progress=lambda *call: print(*call, flush=True))\n"
        "    except KeyboardInterrupt:\n"
        "        sys.exit(130)\n"
    )
    program = tmp_path / "program.py"
    program.write_text(code)
    process = subprocess.Popen(
        [sys.executable, str(program)],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    for _ in range(2):  # what was there, then the first video
        process.stdout.readline()
    time.sleep(0.1)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: every process gets it
    _, complaint = process.communicate(timeout=60)
    assert process.returncode == 130
    assert complaint == ""
    assert parts(folder) == []
    done = list((folder / "media").iterdir())
    assert 1 <= len(done) < 8
    assert annotations(folder) == annotations(corpus)

    for path in (corpus / "media").iterdir():  # all but one are taken over, to save time
        if (
            len(list((folder / "media").iterdir())) < 7
            and not (folder / "media" / path.name).exists()
        ):
            shutil.copy(path, folder / "media")
    for path in (corpus / "motion").iterdir():
        shutil.copy(path, folder / "motion")
    render_sample(folder, videos=8, workers=2)
    assert len(list((folder / "media").iterdir())) == 8


def test_a_progress_that_raises_stops_the_workers(tmp_path: Path) -> None:
    def stop(done: int, total: int, vid: str) -> None:
        if vid:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        render_sample(tmp_path / "new", videos=8, workers=2, progress=stop)
    assert parts(tmp_path) == []


def test_old_leftovers_are_swept_and_fresh_ones_left_to_their_writer(
    corpus: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(corpus, folder)
    old, fresh = folder / "media" / ".sample-1-a.mp4", folder / "media" / ".sample-2-b.mp4"
    old.touch()
    fresh.touch()
    os.utime(old, (time.time() - 3600, time.time() - 3600))
    render_sample(folder, videos=8)
    assert not old.exists()
    assert fresh.exists()


def test_a_folder_with_other_settings_is_refused(corpus: Path) -> None:
    before = annotations(corpus)
    with pytest.raises(BadInput, match="videos 8.*seed 0.*not.*seed 3.*another folder") as caught:
        render_sample(corpus, videos=8, seed=3)
    assert str(corpus) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert annotations(corpus) == before


def test_a_folder_with_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(BadInput, match="not empty"):
        render_sample(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]
    with pytest.raises(BadInput, match="is no folder"):
        render_sample(tmp_path / "thesis.txt")


def test_an_unreadable_note_is_refused(tmp_path: Path) -> None:
    (tmp_path / "sample.json").write_text("{")
    with pytest.raises(BadInput, match="unreadable settings"):
        render_sample(tmp_path)


@pytest.mark.parametrize("wrong", [{"videos": 7}, {"seed": -1}, {"workers": 0}])
def test_wrong_numbers_are_refused(tmp_path: Path, wrong: dict[str, int]) -> None:
    with pytest.raises(BadInput, match=f"{next(iter(wrong))} is {next(iter(wrong.values()))}"):
        render_sample(tmp_path / "new", **wrong)
    assert not (tmp_path / "new").exists()


def test_importing_is_light() -> None:
    code = (
        "import sys, grounding.sample\n"
        "print([m for m in ('av', 'PIL', 'torch', 'streamlit') if m in sys.modules])"
    )
    said = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout.strip() == "[]"
