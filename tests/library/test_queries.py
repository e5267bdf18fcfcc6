"""Three query formats say the same; what they get wrong is one line."""

import json

import pytest

from grounding.errors import BadInput
from grounding.library.queries import Asked, assign, read_queries
from grounding.library.recordings import Recording

JSONL = (
    '{"query": "it barks", "qid": 7}\n\n'
    '{"query": "it runs", "vid": "dog", "qid": "", "duration": 3}\n'
)
CSV = ',,\nqid,query,vid\n7,it barks,\n,"it runs",dog\n'
WANTED = [Asked("it barks", 7), Asked("it runs", vid="dog")]


@pytest.mark.parametrize(
    "name,text",
    [
        ("q.jsonl", JSONL),
        ("q", JSONL),
        ("q.csv", CSV),
        ("q.CSV", "\ufeff" + CSV.replace(",", ";").replace("\n", "\r\n")),
        ("q.tsv", CSV.replace(",", "\t").upper().replace("IT ", "it ").replace("BARKS", "barks")
         .replace("RUNS", "runs").replace("DOG", "dog")),
    ],
)  # fmt: skip
def test_jsonl_and_tables_say_the_same(tmp_path, name, text):
    path = tmp_path / name
    path.write_bytes(text.encode())
    assert read_queries(path) == WANTED


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_text_file_is_a_sentence_a_line(tmp_path, encoding):
    path = tmp_path / "q.txt"
    text = "it barks, twice\r\n  \n she says \u201cno\u201d\u2028then goes \n"
    path.write_bytes(text.encode(encoding))
    said = ["it barks, twice", "she says \u201cno\u201d\u2028then goes"]
    assert read_queries(path) == [Asked(each) for each in said]


def test_a_cell_may_hold_separators_quotes_and_lines(tmp_path):
    path = tmp_path / "q.csv"
    path.write_text('query,note\n"a, ""b""\nc",x\n007,\n')
    assert read_queries(path) == [Asked('a, "b"\nc'), Asked("007")]
    path.write_text("qid,query\n007,a\n8,b\n")
    assert [asked.qid for asked in read_queries(path)] == ["007", 8]


@pytest.mark.parametrize(
    "name,text,says",
    [
        ("q.txt", "", "holds no query"),
        ("q.txt", "\ufeff\n \n", "holds no query"),
        ("q.jsonl", "", "holds no query"),
        ("q.csv", "", "holds no query"),
        ("q.csv", "query,vid\n", "holds no query"),
        ("q.csv", "text,vid\na,b\n", "no column query"),
        ("q.csv", f"{'x' * 200_000}\n", "field larger than"),
        ("q.csv", "query\na, b\n", "q.csv:2: 'b' stands under no heading"),
        ("q.csv", 'query\n"a\n', "check the quotes"),
        ("q.csv", "query,qid\na,1\nb,1\n", "q.csv:3: qid 1 stands in line 2 too"),
        ("q.csv", "query,qid\n,1\n", "q.csv:2: query is ''"),
        ("q.jsonl", "it barks\n", "q.jsonl:1: not JSON"),
        ("q.jsonl", "[1]\n", "no JSON object"),
        ("q.jsonl", '{"query": ""}', "q.jsonl:1: query is ''"),
        ("q.jsonl", '{"text": "a"}', "query is ''"),
        ("q.jsonl", '{"query": "a", "qid": 1.5}', "qid is '1.5'"),
        ("q.jsonl", '{"query": "a", "qid": true}', "qid is 'True'"),
        ("q.jsonl", '{"query": "a", "vid": ["b"]}', "vid is"),
        ("q.jsonl", '{"query": "a\\ud800"}', "half of a character pair"),
        ("q.jsonl", '{"query": "a"}\n' + "{" * 5 + '"', "q.jsonl:2: not JSON"),
        ("q.jsonl", "[" * 100_000, "q.jsonl:1: not JSON"),
        (
            "q.jsonl",
            '{"query": "a", "qid": 1, "vid": "x"}\n{"query": "b", "qid": 1}',
            "q.jsonl:2: qid 1 stands in line 1 too",
        ),
    ],
)
def test_a_wrong_file_is_one_line(tmp_path, name, text, says):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    with pytest.raises(BadInput) as caught:
        read_queries(path)
    assert says in str(caught.value) and str(path) in str(caught.value)


def test_other_bytes_and_no_file_are_one_line(tmp_path):
    path = tmp_path / "q.txt"
    with pytest.raises(BadInput, match="no such file"):
        read_queries(path)
    path.write_bytes(b"caf\xe9")
    with pytest.raises(BadInput, match="byte 3 is not UTF-8"):
        read_queries(path)


def test_queries_go_to_their_recordings_in_the_order_of_the_file(tmp_path):
    recordings = [Recording(vid, tmp_path / vid) for vid in ("cafe\u0301", "dog", "idle")]
    asked = [
        Asked("one", vid="dog"),
        Asked("two", "own", "caf\u00e9"),
        Asked("three", 2, "dog"),
        Asked("four", vid="cat"),
        Asked("five", vid="dog"),
    ]
    tasks, unmatched = assign(recordings, asked)
    told = {t.recording.vid: [(q.text, q.qid, q.vid) for q in t.queries] for t in tasks}
    assert told == {
        "cafe\u0301": [("two", "own", "cafe\u0301")],
        "dog": [("one", 1, "dog"), ("three", 2, "dog"), ("five", 3, "dog")],
    }
    assert unmatched == ["cat"]


def test_numbers_run_through_all_answers_beside_given_ones(tmp_path):
    recordings = [Recording(vid, tmp_path / vid) for vid in ("a", "b")]
    tasks, _ = assign(recordings, [Asked("x"), Asked("y", "2"), Asked("z")])
    qids = [[q.qid for q in task.queries] for task in tasks]
    assert qids == [[1, "2", 3], [4, "2", 5]]
    assert json.dumps(qids)
