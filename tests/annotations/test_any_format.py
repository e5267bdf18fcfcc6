"""What holds for every registered format, those of tools too."""

import json
import random
import re
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from grounding.annotations import FORMATS, Options, read, read_rows, samples_of, write
from grounding.annotations.formats import sniff
from grounding.errors import AnnotationError
from grounding.types import Moment, Query, Sample
from tests.annotations.examples import BESIDE, EXAMPLES, put

OPTIONS = Options(rate=25)
SAMPLES = [
    Sample(Query("a dog barks", 1, "v"), 20.0, (Moment(1.0, 2.48), Moment(4.0, 8.0))),
    Sample(Query("the door opens", 2, "v"), 20.0, (Moment(3.0, 5.0),)),
]
# of formats that have no example: what their own writer makes of two samples
WRITTEN = {
    name: each.write(SAMPLES, OPTIONS)
    for name, each in FORMATS.items()
    if name not in EXAMPLES and each.write is not None
}
NAMES = [*EXAMPLES, *WRITTEN]
UNTOLD = [name for name in FORMATS if name not in NAMES]

folder_kept = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None
)


def text_of(name):
    return EXAMPLES[name][1] if name in EXAMPLES else WRITTEN[name]


def place(folder, name, data):
    """A file of that format with these bytes."""
    known = name in EXAMPLES
    path = put(folder, name) if known else folder / f"a{FORMATS[name].suffixes[0]}"
    path.write_bytes(data)
    return path


def rows_or_error(path, name):
    """The rows, or None where the file is refused; nothing else may happen."""
    try:
        rows = read_rows(path, name, OPTIONS)
        durations = {row.vid: 100.0 for row in rows if row.duration is None}
        samples_of(rows, path=path, durations=durations, lenient=True)
    except AnnotationError as error:
        message = str(error)
        beside = [str(path.with_name(BESIDE[name][0]))] if name in BESIDE else []
        assert any(re.match(re.escape(p) + r":\d+: ", message) for p in [str(path), *beside])
        assert "\n" not in message and len(message) < 600
        return None
    for row in rows:
        row.text.encode()
        row.vid.encode()
    return rows


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n\n",
        b"\xff\xfe\x00",
        b"nonsense",
        b"\x00",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"a": ' + b"9" * 5000 + b"}",
        b'["\\ud800"]',
        b'{"\\ud800": {"duration": NaN, "timestamps": [[0, 1]], "sentences": ["x"]}}',
        b"null",
        b"[null]",
        b'{"a": 1}',
        b"<a><b></a>",
        b"<" * 100_000,
        b",,,,\n,,,\n",
    ],
    ids=range(16),
)
def test_no_file_is_too_strange(tmp_path, name, data):
    rows_or_error(place(tmp_path, name, data), name)


def test_every_format_is_tried_with_a_good_file():
    assert not UNTOLD, "add them to tests/annotations/examples.py"


@pytest.mark.parametrize("name", NAMES)
def test_every_example_reads(tmp_path, name):
    assert rows_or_error(place(tmp_path, name, text_of(name).encode()), name)


@pytest.mark.parametrize("name", NAMES)
def test_a_byte_order_mark_changes_nothing(tmp_path, name):
    plain = read_rows(place(tmp_path, name, text_of(name).encode()), name, OPTIONS)
    assert read_rows(place(tmp_path, name, text_of(name).encode("utf-8-sig")), name, OPTIONS) == (
        plain
    )


@pytest.mark.parametrize("name", NAMES)
def test_a_byte_that_is_no_text_is_named_with_its_line(tmp_path, name):
    data = text_of(name).encode()
    at = len(data) // 2
    path = place(tmp_path, name, data[:at] + b"\xff" + data[at:])
    line = data.count(b"\n", 0, at) + 1
    with pytest.raises(AnnotationError, match=f"^{re.escape(str(path))}:{line}: "):
        read_rows(path, name, OPTIONS)
    place(tmp_path, name, data[:at] + b"\x00" + data[at:])
    with pytest.raises(AnnotationError, match=rf"^{re.escape(str(path))}:\d+: "):
        read_rows(path, name, OPTIONS)


@pytest.mark.parametrize("name", NAMES)
def test_a_good_file_is_found_out(tmp_path, name):
    assert sniff(place(tmp_path, name, text_of(name).encode())) == name


@folder_kept
@pytest.mark.parametrize("name", NAMES)
@given(data=st.data())
def test_a_damaged_file_is_read_or_refused(tmp_path, name, data):
    text = text_of(name)
    at = data.draw(st.integers(0, len(text)))
    damage = data.draw(st.sampled_from(["cut", "drop", "put", "twice"]))
    if damage == "cut":
        text = text[:at]
    elif damage == "drop":
        text = text[:at] + text[at + data.draw(st.integers(1, 30)) :]
    elif damage == "put":
        text = text[:at] + data.draw(st.text(max_size=5)) + text[at:]
    else:
        text = text[:at] * 2 + text[at:]
    rows_or_error(place(tmp_path, name, text.encode()), name)


STRANGE = [
    None, True, -1, 0, 1e308, 10**400, float("nan"), float("inf"), "", "x", "\ud800",
    "a\u2028b", [], {}, [[]], [None], [1], [2, 1], [[1, 2, 3]], {"a": []}, "NaN", "1e999",
]  # fmt: skip


def leaves(value, path=()):
    """Where every value of a document stands."""
    yield path
    if isinstance(value, dict | list):
        for key, each in value.items() if isinstance(value, dict) else enumerate(value):
            yield from leaves(each, (*path, key))


def changed(value, path, new):
    if not path:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = changed(copy[path[0]], path[1:], new)
    return copy


def documents(text):
    """The JSON of a file: one document, or one a line; None where it is no JSON."""
    try:
        return [json.loads(text)]
    except ValueError:
        try:
            return [json.loads(line) for line in text.splitlines()]
        except ValueError:
            return None


@pytest.mark.parametrize("name", [n for n in NAMES if documents(text_of(n)) is not None])
def test_a_value_of_the_wrong_type_is_read_or_refused(tmp_path, name):
    found = documents(text_of(name))
    dice = random.Random(name)
    refused = 0
    for path in leaves(found):
        if not path:
            continue
        for new in dice.sample(STRANGE, 6):
            text = "\n".join(map(json.dumps, changed(found, path, new)))
            refused += rows_or_error(place(tmp_path, name, text.encode()), name) is None
    assert refused


@pytest.mark.parametrize("name", ["jsonl", "charades-sta"])
def test_many_lines_are_read_in_linear_time(tmp_path, name):
    line = {
        "jsonl": json.dumps({"vid": "v", "query": "x", "relevant_windows": [[1, 2]]}),
        "charades-sta": "v 1 2##x",
    }[name]
    path = put(tmp_path, name, f"{line}\n" * 100_000)
    before = time.process_time()
    assert len(read_rows(path, name)) == 100_000
    assert time.process_time() - before < 10
    path = put(tmp_path, name, f"{line}\n" * 99_999 + "{\n")
    with pytest.raises(AnnotationError, match=":100000: "):
        read_rows(path, name)


def known(rows, names_queries):
    """Rows as a set; where their place is their name, without it."""
    return sorted(
        repr((r.vid, r.text, r.windows, r.duration, r.glance, r.extra, names_queries and r.qid))
        for r in rows
    )


@given(st.randoms())
@folder_kept
@pytest.mark.parametrize("name", EXAMPLES)
def test_the_order_of_the_entries_changes_nothing(tmp_path, name, dice):
    text = text_of(name)
    names_queries = name not in ("charades-sta", "activitynet-captions", "tacos", "humanml3d")
    plain = known(read_rows(put(tmp_path, name)), names_queries)
    found = documents(text)
    if name == "jsonl" or found is None:
        lines = text.splitlines()
        dice.shuffle(lines)
        mixed = "\n".join(lines)
    elif isinstance(found[0], dict):
        members = list(found[0].items())
        dice.shuffle(members)
        mixed = json.dumps(dict(members))
    else:
        dice.shuffle(found[0])
        mixed = json.dumps(found[0])
    assert known(read_rows(put(tmp_path, name, mixed)), names_queries) == plain


moments = st.lists(
    st.tuples(st.floats(0, 50), st.floats(50, 100)).map(lambda w: Moment(*w)), max_size=3
).map(tuple)
characters = st.text(min_size=1).filter(str.strip)
asked = st.builds(
    Sample,
    st.builds(Query, characters, st.integers() | characters, characters),
    st.floats(100, 1e6),
    moments,
    glance=st.none() | st.floats(0, 100),
    needs=st.none() | st.sampled_from(["sight", "sound", "both", "motion"]),
    saliency=st.none() | st.lists(st.lists(st.integers(0, 4), max_size=3)).map(tuple),
    extra=st.dictionaries(
        st.text().map("x{}".format),
        st.none() | st.floats(allow_nan=False) | st.text() | st.just("\ud800"),
        max_size=3,
    ),
)


@given(st.lists(asked, max_size=4, unique_by=lambda s: s.qid))
@folder_kept
def test_dataset_lines_there_and_back_are_the_same(tmp_path, samples):
    write(tmp_path / "a.jsonl", samples, "jsonl")
    assert read(tmp_path / "a.jsonl", "jsonl") == samples


@pytest.mark.parametrize("name", EXAMPLES)
def test_what_any_format_says_survives_in_dataset_lines(tmp_path, name):
    durations = {"AO8RW": 33.67, "Y6R7T": 30.0, "000021": 5.0}
    samples = read(put(tmp_path, name), name, durations)
    write(tmp_path / "b.jsonl", samples, "jsonl")
    assert read(tmp_path / "b.jsonl") == samples
