"""The pages without a browser: what they show, choose and say, in Streamlit's own harness."""

import json
import re

import av
import numpy as np
import pytest
from streamlit.testing.v1 import AppTest, local_script_runner

from apps.explorer import server
from apps.explorer.jobs import Jobs
from apps.explorer.place import Place, set_place
from apps.explorer.recordings import Recordings
from grounding import isolated
from grounding.annotations import write_predictions, write_samples
from grounding.annotations.jsonl import prediction_to_row
from grounding.catalog import Catalog
from grounding.comparison import Group
from grounding.errors import BadInput
from grounding.report import evaluate
from grounding.types import Moment, Prediction, Query, Sample
from grounding.workspace import Workspace

TEXTS = ["the door opens", "a dog barks", "the door shuts", "nobody is there"]
QUERIES = [Query(text, 10 + i, "ab"[i // 2]) for i, text in enumerate(TEXTS)]
SAMPLES = [
    Sample(query, 30.0, () if query.text.startswith("nobody") else (Moment(3.0 * i, 3.0 * i + 6),))
    for i, query in enumerate(QUERIES)
]
RIGHT = [Prediction(s.query, tuple(Moment(w.start, w.end, 0.9) for w in s.windows), 0.1)
         for s in SAMPLES]  # fmt: skip
WRONG = [Prediction(query, (Moment(25, 30, 0.4),), 0.1) for query in QUERIES]


def film(path):
    """A second that browsers play."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as file:
        stream = file.add_stream("libx264", 10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for i in range(10):
            picture = np.full((48, 64, 3), 20 * i, np.uint8)
            file.mux(stream.encode(av.VideoFrame.from_ndarray(picture)))
        file.mux(stream.encode(None))


@pytest.fixture
def data(tmp_path):
    """A dataset of four queries about two recordings."""
    write_samples(tmp_path / "data" / "annotations" / "test.jsonl", SAMPLES)
    for vid in "ab":
        film(tmp_path / "data" / "media" / f"{vid}.mp4")
    return tmp_path / "data"


@pytest.fixture
def runs(tmp_path, data):
    """One that is right, one that is wrong."""
    for name, answers in (("good", RIGHT), ("poor", WRONG)):
        write_predictions(tmp_path / name / "predictions" / "test.jsonl", answers)
        (tmp_path / name / "config.yaml").write_text(f"dataset: {data}\n")
        (tmp_path / name / "model.safetensors").touch()
    return [tmp_path / "good", tmp_path / "poor"]


@pytest.fixture
def visit(tmp_path):
    """Open a page of a workspace: visit("explore", *roots, set=..., q=...) -> AppTest, run once."""

    def run(name, *roots, **query):
        workspace = Workspace(roots, tmp_path / ".grounding")
        set_place(Place(workspace, Recordings(workspace), Jobs(), "cpu", 100, 1000))
        page = AppTest.from_file(str(server.HERE / f"{name}.py"), default_timeout=30)
        for key, value in query.items():
            page.query_params[key] = value
        page.run()
        assert not page.exception
        return page

    yield run
    set_place(None)


def view(page, key):
    """What a custom view got: "queries", "player" or "answer"."""
    (found,) = [e for e in page.main if getattr(e, "key", None) == key]
    return json.loads(found.proto.json)


def texts(page):
    return [row["text"] for row in view(page, "queries")["rows"]]


def said(elements):
    """What people read: without the escapes of Markdown."""
    return [re.sub(r"\\(.)", r"\1", e.value) for e in elements]


def test_explore_lists_the_queries_and_opens_the_first(visit, data, runs):
    page = visit("explore", data, *runs)
    assert texts(page) == TEXTS
    first = view(page, "queries")["rows"][0]
    assert [mark["sign"] for mark in first["marks"]] == ["✓", "✗"]
    player = view(page, "player")
    assert player["title"] == TEXTS[0] and player["src"].startswith("/recordings/")
    assert [lane["name"] for lane in player["timeline"]["lanes"]] == ["truth", "good", "poor"]
    address = {"set": "data/test", "runs": ["good", "poor"], "q": "10", "vid": "a"}
    assert page.query_params == address


def test_the_address_picks_query_and_runs(visit, data, runs):
    page = visit("explore", data, *runs, set="data/test", q="12", runs=["poor"])
    assert view(page, "player")["title"] == TEXTS[2]
    assert view(page, "queries")["selected"] == 2
    assert page.multiselect[0].value == ["poor"]


@pytest.mark.parametrize(
    "query",
    [{"set": "no such set"}, {"q": "no such query"}, {"runs": ["nobody"]}, {"set": "../../etc"}],
    ids=["set", "qid", "runs", "path"],
)
def test_what_the_address_names_wrongly_falls_back(visit, data, runs, query):
    page = visit("explore", data, *runs, **query)
    assert view(page, "player")["title"] == TEXTS[0]
    assert page.multiselect[0].value == ["good", "poor"]
    assert page.query_params["set"] == "data/test"


def test_filters_narrow_and_orders_turn_the_list(visit, data, runs):
    page = visit("explore", data, *runs)
    page.text_input(key="text-data/test").set_value("DOOR").run()
    assert texts(page) == [TEXTS[0], TEXTS[2]]
    page.text_input(key="text-data/test").set_value("no such word").run()
    assert said(page.info) == ["No query passes the filters."]
    page.text_input(key="text-data/test").set_value("")
    page.segmented_control(key="outcome-data/test").set_value("absent").run()
    assert texts(page) == [TEXTS[3]]
    page.segmented_control(key="outcome-data/test").set_value("right")
    page.selectbox(key="run-data/test").set_value("poor").run()
    assert said(page.info) == ["No query passes the filters."]
    page.selectbox(key="run-data/test").set_value("good").run()
    assert texts(page) == TEXTS[:3]
    page.selectbox(key="order-data/test").set_value("shortest moment")
    page.selectbox(key="run-data/test").set_value("poor")
    page.segmented_control(key="outcome-data/test").set_value("wrong").run()
    assert texts(page) == TEXTS  # the moments are equally long; the one without comes last


def test_a_group_of_compare_shows_its_queries_until_left(visit, data, runs):
    page = visit("explore", data, *runs)
    page.session_state["group"] = Group("words", 0)
    page.run()
    only = texts(page)
    assert 0 < len(only) <= 3  # of those with a moment
    page.button(key="leave-group").click().run()
    assert texts(page) == TEXTS
    page.session_state["group"] = Group("words", 99)  # of another set
    page.run()
    assert texts(page) == TEXTS and not page.exception


def test_without_truth_there_is_no_right_or_wrong(visit, tmp_path):
    answers = tmp_path / "answers.jsonl"
    write_predictions(answers, WRONG)
    page = visit("explore", answers)
    assert not page.segmented_control
    assert [lane["kind"] for lane in view(page, "player")["timeline"]["lanes"]] == ["run"]
    assert view(page, "queries")["rows"][0]["marks"][0]["sign"] == "0.40"
    page = visit("compare", answers)
    assert "nothing to measure against" in said(page.info)[0] and not page.dataframe


@pytest.mark.parametrize("name", ["explore", "compare"])
def test_an_empty_workspace_offers_the_sample(visit, tmp_path, name):
    (tmp_path / "empty").mkdir()
    page = visit(name, tmp_path / "empty")
    assert [b.label for b in page.button] == ["Make the sample"]
    assert page.title and not page.selectbox


def test_a_broken_file_is_one_warning_and_the_rest_works(visit, data, runs):
    (data / "annotations" / "val.jsonl").write_text('{"relevant_windows": [[1, 2]]}\n')
    page = visit("explore", data, *runs)
    (warning,) = said(page.warning)
    assert "val.jsonl:1" in warning and "\n" not in warning
    assert page.selectbox[0].options == ["data/test"] and texts(page) == TEXTS


def test_a_missing_recording_says_so_beside_the_timeline(visit, data, runs):
    (data / "media" / "a.mp4").unlink()
    player = view(visit("explore", data, *runs), "player")
    assert player["src"] is None and "add a.mp4" in player["message"]
    assert player["timeline"]["lanes"][0]["bars"]


def test_compare_shows_the_numbers_of_the_report(visit, data, runs):
    page = visit("compare", data, *runs)
    assert "poor − good" in list(page.dataframe[1].value["difference"])
    seen = set()
    for family in page.segmented_control(key="family").options:
        page.segmented_control(key="family").set_value(family).run()
        table = page.dataframe[0].value
        assert list(table[""])[:2] == ["good", "poor"]
        for row, answers in enumerate((RIGHT, WRONG)):
            metrics = evaluate(answers, SAMPLES)["metrics"]
            for key in set(metrics) & set(table):
                assert table[key][row].split(" ")[0] == f"{metrics[key]:.1f}"
                seen.add(key)
    assert seen == set(metrics)


def test_compare_bears_a_file_of_absences(visit, data, runs):
    file = data / "annotations" / "test.jsonl"
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    file.write_text("".join(json.dumps(r | {"relevant_windows": []}) + "\n" for r in rows))
    page = visit("compare", data, *runs)
    assert page.segmented_control(key="family").options == ["Absence and calibration"]


def test_compare_without_runs_says_so(visit, data):
    page = visit("compare", data)
    assert said(page.info)[0].startswith("There is no prediction") and not page.dataframe


@pytest.fixture
def answers(monkeypatch):
    """What models are asked for; answered at once with what is wrong everywhere."""
    asked = []

    def call(task, arguments, **limits):
        asked.append((task, arguments))
        queries = [Query(s, i, arguments["vid"]) for i, s in enumerate(arguments["sentences"])]
        rows = [prediction_to_row(Prediction(q, (Moment(0, 1, 0.5),))) for q in queries]
        return {
            "predictions": rows, "notes": [], "duration": 1.0, "rate": 10.0, "is_variable": False
        }  # fmt: skip

    monkeypatch.setattr(isolated, "call", call)
    return asked


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "nothing to look for"),
        (" \n\n", "nothing to look for"),
        ("\n".join(map(str, range(21))), "too many"),
        ("x" * 501, "letters"),
    ],
    ids=["none", "blank", "many", "long"],
)
def test_ask_refuses_what_is_no_question(visit, data, runs, answers, text, words):
    page = visit("ask", data, *runs)
    page.text_area[0].set_value(text)
    page.button[0].click().run()
    (error,) = said(page.error)
    assert words in error and answers == []
    assert "q" not in page.query_params


def test_ask_without_recording_or_model_says_so(visit, data, runs, answers, tmp_path):
    page = visit("ask", data)  # no run: zero-shot alone
    assert page.selectbox(key="model-1").options == ["zero-shot"]
    page.text_area[0].set_value("a dog")
    page.text_input(key="encoder-1").set_value("  ")
    page.button[0].click().run()
    assert "no model" in said(page.error)[0]
    (tmp_path / "empty").mkdir()
    page = visit("ask", tmp_path / "empty")
    page.text_area[0].set_value("a dog")
    page.button[0].click().run()
    assert "no recording" in said(page.error)[0] and answers == []


def test_ask_takes_the_form_to_the_model_and_the_address(visit, data, runs, answers):
    page = visit("ask", data, *runs)
    page.selectbox(key="recording-1").set_value("b")
    page.text_area[0].set_value("a dog\n\n the door ")
    page.button[0].click().run()
    follow(page)
    ((task, arguments),) = answers
    assert task == "ask" and arguments["sentences"] == ["a dog", "the door"]
    assert arguments["media"] == str((data / "media" / "b.mp4").resolve())
    assert arguments["model"] == str(runs[0].resolve())
    lanes = view(page, "answer")["timeline"]["lanes"]
    assert [lane["name"] for lane in lanes] == ["1. a dog", "2. the door"]
    assert page.query_params == {"recording": "b", "model": "good", "q": ["a dog", "the door"]}
    again = visit("ask", data, *runs, **page.query_params)
    follow(again)
    assert view(again, "answer")["timeline"]["lanes"] == lanes


def follow(page):
    """As the browser does while an answer is made."""
    for _ in range(50):
        if any(getattr(e, "key", None) == "answer" for e in page.main):
            return
        page.run()
    raise AssertionError(page)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"model": "../x"}, "is no model here"),
        ({"recording": "../../etc/passwd"}, "no such recording"),
    ],
)
def test_a_wrong_permalink_is_one_line(visit, data, runs, answers, change, words):
    page = visit("ask", data, *runs, **{"recording": "a", "model": "good", "q": "a dog", **change})
    (error,) = said(page.error)
    assert words in error and "\n" not in error and answers == []


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (BadInput("/some/file: line 3 is <b>*wrong*</b>"), "/some/file: line 3 is <b>*wrong*</b>"),
        (RuntimeError("secret"), "Something went wrong on this page."),
    ],
    ids=["bad-input", "bug"],
)
def test_an_error_of_a_page_is_one_line(visit, data, runs, monkeypatch, caplog, error, words):
    class Runner(local_script_runner.LocalScriptRunner):
        def __init__(self, *words, **more):
            super().__init__(*words, **more)
            self._on_script_error = server._on_error  # as `build` gives it to the server

    def fail(*_):
        raise error

    monkeypatch.setattr("streamlit.testing.v1.app_test.LocalScriptRunner", Runner)
    monkeypatch.setattr(Catalog, "predictions", fail)
    page = visit("explore", data, *runs)
    (line,) = said(page.error)
    assert line.startswith(words) and "secret" not in line
    assert ("a page failed" in caplog.text) == (not isinstance(error, BadInput))


@pytest.mark.parametrize(
    "group",
    [
        {"by": "mistake", "bin": "0"},  # of no run
        {"by": "mistake", "bin": "0", "of": "gone"},
        {"by": "../x", "bin": "0"},
        {"by": "words", "bin": "99"},
        {"by": "words", "bin": "9" * 5000},
        {"by": "words", "bin": "-1"},
        {"by": "words"},
    ],
)
def test_an_address_of_no_group_shows_all_queries(visit, data, runs, group):
    page = visit("explore", data, *runs, set="data/test", **group)
    assert not page.error and view(page, "queries")["total"] == len(SAMPLES)


def test_an_address_of_a_group_shows_its_queries(visit, data, runs):
    words = {"set": "data/test", "by": "answered position", "bin": "0", "of": "good"}
    page = visit("explore", data, *runs, **words)
    assert 0 < view(page, "queries")["total"] < len(SAMPLES)
    assert any("Only answered position" in caption for caption in said(page.caption))
