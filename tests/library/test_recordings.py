"""Recordings are found below folders, and no two share a name."""

import os
from pathlib import Path

import pytest

from grounding.errors import BadInput, UnreadableMedia
from grounding.library.recordings import Recording, find_recordings
from grounding.media.container import require_readable


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


def test_patterns(tmp_path, monkeypatch):
    touch(tmp_path, "in/a.mp4", "in/b.MP4", "in/x.bin", "in/n.txt", "in/.h/c.mp4", "in/s/t/d.mkv")
    monkeypatch.chdir(tmp_path)
    assert list(vids("in/?.mp4")) == ["a"]
    assert list(vids("in/*")) == ["a", "b", "d"]  # what it matches is searched like a folder
    assert list(vids("in/**")) == list(vids("in/**/*")) == ["a", "b", "d"]
    assert list(vids("in/*.bin", "in/**/[cd].*")) == ["d", "x"]
    assert list(vids(tmp_path / "i?" / "s")) == ["d"]
    assert vids("in/*.mp4", "in") == vids("in")


@pytest.mark.parametrize(
    "pattern,says",
    [
        ("*.avi", r"\*.avi: matches nothing"),
        ("no/[ab].mp4", "matches nothing"),
        ("**.mp4", r"\*\* must stand alone"),
        ("s*", "no recording in it"),
    ],
)
def test_a_pattern_that_finds_nothing_is_one_line(tmp_path, monkeypatch, pattern, says):
    touch(tmp_path, "a.mp4", "s.d/n.md")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BadInput, match=says):
        find_recordings([pattern])


def test_a_name_that_really_has_brackets(tmp_path, monkeypatch):
    touch(tmp_path, "take [1].mp4", "in[2]/a*.mp4", "in[2]/ab.mp4", "in2/z.mp4", "take 1.mp4")
    monkeypatch.chdir(tmp_path)
    assert list(vids("take [1].mp4")) == ["take [1]"]
    assert list(vids("in[2]/a*.mp4")) == ["a*"]
    assert list(vids("in[2]/?[b].mp4")) == ["ab"]
    assert list(vids("take [[]1].mp4")) == ["take [1]"]


def test_links_that_lead_in_circles_are_not_followed(tmp_path):
    touch(tmp_path, "s/a.mp4")
    (tmp_path / "s" / "x").symlink_to(".")
    (tmp_path / "s" / "y").symlink_to("..")
    assert list(vids(tmp_path)) == list(vids(tmp_path / "**" / "*.mp4")) == ["a"]


def test_what_cannot_be_used_is_listed_all_the_same(tmp_path):
    touch(tmp_path, "in/a.mp4", "in/holds.mp4/b.mp4", "in/e.mp4/notes.txt", "in/o.mp4/i.mkv/n.txt")
    (tmp_path / "in" / "gone.mp4").symlink_to("nowhere")
    (tmp_path / "in" / "link.mp4").symlink_to(tmp_path)
    os.mkfifo(tmp_path / "in" / "pipe.mp4")
    found = vids(tmp_path / "in")
    assert list(found) == ["a", "b", "e", "gone", "i", "link", "pipe"]
    assert found["e"] == tmp_path / "in" / "e.mp4"
    assert list(vids(tmp_path / "in" / "*.mp4")) == list(found)
    assert list(vids(tmp_path / "in" / "e.mp4")) == ["e"]


def test_a_folder_that_is_shut_costs_only_itself(tmp_path, monkeypatch):
    touch(tmp_path, "in/a.mp4", "in/lost+found/b.mp4")
    scandir, access = os.scandir, os.access
    shut = tmp_path / "in" / "lost+found"

    def refuse(path):
        if Path(path) == shut:
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    # root may read everything: the refusal has to be made
    monkeypatch.setattr(os, "scandir", refuse)
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != shut and access(path, mode))
    found = vids(tmp_path / "in")
    assert list(found) == ["a", "lost+found"]
    with pytest.raises(UnreadableMedia, match="is a folder that may not be searched"):
        require_readable(found["lost+found"])
    with pytest.raises(PermissionError):
        find_recordings([shut])


def test_a_dataset_folder_is_its_media(tmp_path):
    touch(tmp_path, "d/annotations/test.jsonl", "d/media/a.mp4", "d/media/s/b.mp4", "d/out/a.mp4")
    touch(tmp_path, "d/media/notes.txt", "e/annotations/test.jsonl", "e/media/a.mp4")
    assert vids(tmp_path / "d") == {"a": tmp_path / "d" / "media" / "a.mp4"}
    assert set(vids(tmp_path / "d", tmp_path / "e")) == {"d/a.mp4", "e/a.mp4"}


def test_urls_are_taken_for_what_they_are_not_read(tmp_path):
    touch(tmp_path, "m.mp4")
    local = find_recordings([tmp_path])[0]
    assert not local.is_remote and local.shown == str(tmp_path / "m.mp4")
    elsewhere = Recording("m", "https://me:s3cret@h.example/m.mp4?k=s3cret")
    assert elsewhere.is_remote and elsewhere.shown == "https://h.example/m.mp4"
    assert "s3cret" not in repr(elsewhere)
