"""A manifest names recordings a line each; what is wrong in it is told by its line."""

import json
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grounding.errors import BadInput
from grounding.library.manifest import Line, read_manifest
from grounding.library.recordings import find_recordings


def read(name, text):
    return [(line.place, line.vid) for line in read_manifest(name, text.encode())]


def test_the_formats_say_the_same():
    wanted = [("a.mp4", "1"), ("/in/b c.mkv", None), ("s3://b/x.mp4?y=1,2", "x")]
    assert wanted == read(
        "m.csv", 'Vid,ignored,PATH\n1,,a.mp4\n\n,,/in/b c.mkv\nx,z,"s3://b/x.mp4?y=1,2"\n'
    )
    assert wanted == read("m.tsv", "url\tvid\na.mp4\t1\n/in/b c.mkv\ns3://b/x.mp4?y=1,2\tx\n")
    assert wanted == read(
        "M.JSONL",
        '{"recording": "a.mp4", "vid": 1}\n{"path": "/in/b c.mkv", "vid": ""}\n'
        '{"url": "s3://b/x.mp4?y=1,2", "vid": "x", "path": null}',
    )
    assert read("m.txt", "\ufeff a.mp4 \r\n\n#1.mp4\n") == [(" a.mp4 ", None), ("#1.mp4", None)]


@given(
    st.lists(
        st.tuples(
            st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), min_size=1),
            st.none() | st.text(st.characters(exclude_categories=("Cs",)), min_size=1),
        ).filter(lambda pair: pair[0].strip() and (pair[1] is None or pair[1].strip())),
        min_size=1,
    )
)
def test_whatever_is_written_is_read(rows):
    text = "\n".join(json.dumps({"path": place, "vid": vid}) for place, vid in rows)
    assert read("m.jsonl", text) == rows


def test_a_list_of_files_may_hold_any_name():
    (line,) = read_manifest("m.txt", b"caf\xe9.mp4\n")
    assert line == Line(os.fsdecode(b"caf\xe9.mp4"), None, "m.txt:1")


@pytest.mark.parametrize(
    "name,text,says",
    [
        (
            "m.csv",
            "path,vid\na.mp4,x\n,y\n",
            "m.csv:3: names no recording; fill recording",
        ),
        ("m.csv", "path,url\na.mp4,s3://b/a\n", "m.csv:2: path and url are both filled"),
        ("m.csv", "file,vid\na.mp4,x\n", r"m.csv: no column recording or path or url; rename one"),
        ("m.csv", "path\na.mp4,x\n", "m.csv:2: 'x' stands under no heading"),
        ("m.csv", 'path\n"a\n', "m.csv:2: .*check the quotes"),
        ("m.jsonl", '{"path": "a"}\n{"path": 3}\n', "m.jsonl:2: path is '3'; it must be a path"),
        ("m.jsonl", '{"path": "a\\u0000"}', "m.jsonl:1: path is "),
        ("m.jsonl", '{"path": "a", "vid": [1]}', r"m.jsonl:1: vid is '\[1\]'; it must be"),
        ("m.jsonl", '{"path": "a", "vid": " "}', "m.jsonl:1: vid is ' '; leave it out"),
        ("m.jsonl", '{"path": "a", "vid": "\\ud800"}', "m.jsonl:1: vid holds half"),
        ("m.csv", "https://u:pw@h/a?sig=pw\nb\n", r"rename one of \['https://h/a'\]"),
        ("m.csv", "url\nhttps://h/a?sig=1,pw\n", "m.csv:2: a part of a URL stands under no"),
        ("m.jsonl", '["https://u:pw@h/a"]', "1: something with a URL is no JSON object"),
        ("m.jsonl", '{"url": ["https://u:pw@h/a"]}', "1: url is something with a URL; it must"),
        ("m.jsonl", '"https://u:pw@h/a?pw"', "1: something with a URL is no JSON object"),
        ("m.jsonl", '{"path": "a"}\n["a"]\n', "m.jsonl:2: .* is no JSON object"),
        ("m.jsonl", '{"qid": 1, "vid": "a", "query": "b"}', "m.jsonl:1: names no recording"),
        ("m.jsonl", "a.mp4\n", "m.jsonl:1: not JSON"),
        ("m.txt", "\n\n", "m.txt: names no recording; write one a line"),
    ],
)
def test_what_is_wrong_is_told_by_its_line(name, text, says):
    with pytest.raises(BadInput, match=says) as error:
        read(name, text)
    assert "\n" not in str(error.value) and "pw" not in str(error.value)


def test_bytes_that_are_no_text():
    with pytest.raises(BadInput, match=r"m.csv: byte 5 is not UTF-8"):
        read_manifest("m.csv", b"path\n\xe9.mp4")
    assert [line.place for line in read_manifest("m.csv", "path\né.mp4".encode("utf-16"))] == [
        "é.mp4"
    ]


def test_places_are_beside_the_manifest_and_need_not_be_there(tmp_path, monkeypatch):
    (tmp_path / "in" / "s").mkdir(parents=True)
    (tmp_path / "in" / "s" / "a.bin").touch()
    lines = ["s/a.bin", "gone.mp4", f"{tmp_path}/up.mp4", "../up.mp4", "file:///x/a%20b.mp4"]
    (tmp_path / "in" / "m.txt").write_text("\n".join([*lines, "https://h.example/v/w.mp4?k=1"]))
    monkeypatch.chdir(tmp_path)
    found = {each.vid: str(each.place) for each in find_recordings(["in/m.txt"])}
    assert found == {
        "a": "in/s/a.bin",
        "gone": "in/gone.mp4",
        "up": f"{tmp_path}/up.mp4",
        "a b": "/x/a b.mp4",
        "w": "https://h.example/v/w.mp4?k=1",
    }


def test_the_name_that_is_given_stands(tmp_path):
    for name in ("a.mp4", "b.mp4", "s/a.mp4"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    manifest = tmp_path / "m.csv"
    manifest.write_text("path,vid\nb.mp4,a\nb.mp4,twice\nb.mp4,twice\n")
    found = {each.vid: each.place.name for each in find_recordings([tmp_path, manifest])}
    # b.mp4 is no longer called b, and who else was called a moves aside
    assert found == {"a": "b.mp4", "twice": "b.mp4", "a.mp4": "a.mp4", "s/a": "a.mp4"}


def test_two_recordings_of_one_name_are_told_by_their_lines(tmp_path):
    one, two = tmp_path / "1.csv", tmp_path / "2.csv"
    one.write_text("path,vid\nx.mp4,caf\u00e9\n")
    two.write_text("path,vid\nx.mp4,b\n\ny.mp4,cafe\u0301\n")
    with pytest.raises(BadInput, match=f"{two}:4: vid .* is that of {one}:2 too"):
        find_recordings([one, two])


@pytest.mark.parametrize("place", ["s/..", "/"])
def test_what_names_no_file_is_told(tmp_path, place):
    (tmp_path / "m.txt").write_text(f"a.mp4\n{place}\n")
    with pytest.raises(BadInput, match="m.txt:2: .* names no file"):
        find_recordings([tmp_path / "m.txt"])
