"""Recordings are found below folders, and no two share a name."""

import os
from pathlib import Path

import pytest

from grounding.errors import BadInput
from grounding.library.recordings import find_recordings


def touch(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def vids(*sources):
    return {recording.vid: recording.place for recording in find_recordings(sources)}


def test_folders_are_searched_and_files_taken_as_they_are(tmp_path):
    touch(tmp_path, "in/b.MP4", "in/sub/a.mkv", "in/notes.txt", "in/.hidden.mp4", "in/.git/x.mp4")
    touch(tmp_path, "clip.bin")
    found = vids(tmp_path / "in", tmp_path / "clip.bin", str(tmp_path / "in" / "b.MP4"))
    assert list(found) == ["a", "b", "clip"]
    assert found["a"] == tmp_path / "in" / "sub" / "a.mkv"


def test_stems_that_collide_are_told_apart(tmp_path):
    touch(tmp_path, "x/a.mp4", "x/s/a.mp4", "x/s/b.mp4", "x/s/c.mp4", "x/s/c.mkv", "y/s/b.mp4")
    touch(tmp_path, "x/only.mp4", "x/d.mp4.mkv", "x/s/d.mp4", "x/t/d.mp4", "x/d.mp4")
    found = vids(tmp_path / "x", tmp_path / "y", tmp_path / "x" / "s")
    wanted = {"a", "s/a", "x/s/b.mp4", "y/s/b.mp4", "s/c.mp4", "s/c.mkv", "only"}
    assert set(found) == wanted | {"d", "s/d", "t/d", "d.mp4"}
    assert len(set(found.values())) == 11


def test_the_same_place_in_folders_of_the_same_name(tmp_path):
    touch(tmp_path, "1/x/a.mp4", "2/x/a.mp4")
    found = vids(tmp_path / "1" / "x", tmp_path / "2" / "x")
    assert set(found) == {(tmp_path / n / "x" / "a.mp4").as_posix() for n in "12"}


def test_accents_written_in_two_ways_are_one_name(tmp_path):
    touch(tmp_path, "s/caf\u00e9.mp4", "t/cafe\u0301.mp4")
    assert set(vids(tmp_path)) == {"s/caf\u00e9", "t/cafe\u0301"}


def test_the_working_folder_is_a_source_like_any_other(tmp_path, monkeypatch):
    touch(tmp_path, "-x.mp4", "s/-x.mp4", 'it\'s "so" \u2713.mp4')
    monkeypatch.chdir(tmp_path)
    assert list(vids(".")) == ["-x", 'it\'s "so" \u2713', "s/-x"]


def test_a_name_that_is_no_unicode_is_still_a_name(tmp_path):
    name = os.fsdecode(b"caf\xe9.mp4")
    try:
        (tmp_path / name).touch()
    except OSError:
        pytest.skip("this disk takes Unicode names alone")
    assert list(vids(tmp_path)) == ["caf\\udce9"]


@pytest.mark.parametrize("source,says", [("none", "no such file"), ("empty", "no recording in it")])
def test_nothing_to_ask_is_one_line(tmp_path, source, says):
    touch(tmp_path, "empty/notes.txt")
    with pytest.raises(BadInput, match=says):
        find_recordings([Path(tmp_path, source)])
