"""The report: the field's numbers, floors and ceilings, and everything odd about the files."""

import json
import math
import random
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grounding.annotations import read
from grounding.answers import answers_of, read_answers
from grounding.errors import AnnotationError
from grounding.metrics.average_precision import LENGTHS, THRESHOLDS, average_precision, of_length
from grounding.metrics.retrieval import iou
from grounding.report import evaluate
from grounding.scoring import score, truth_of
from grounding.types import Moment, Prediction, Query, Sample

SHARED = Path(__file__).parents[2] / "shared" / "data"
TRUTH = SHARED / "annotations" / "qvhighlights" / "highlight_val_release.jsonl"
ANSWERS = SHARED / "qvhighlights-preds" / "qd_detr_onlyclip_val_preds.jsonl"
GOLD = SHARED / "qvhighlights-preds" / "qd_detr_onlyclip_val_metrics.json"


@pytest.fixture(scope="module")
def published():
    if not (TRUTH.exists() and ANSWERS.exists()):
        pytest.skip("the shared QVHighlights files are not beside this checkout")
    return read_answers(ANSWERS), read(TRUTH, lenient=True), json.loads(GOLD.read_text())


@pytest.fixture(scope="module")
def report(published):
    return evaluate(*published[:2])


def test_every_published_number_is_met(published, report):
    gold = published[2]
    names = {
        "MR-full-R1@0.5": "R1@0.5",
        "MR-full-R1@0.7": "R1@0.7",
        "MR-full-mAP": "mAP",
        "MR-full-mAP@0.5": "mAP@0.5",
        "MR-full-mAP@0.75": "mAP@0.75",
        **{f"MR-{length}-mAP": f"mAP-{length}" for length in LENGTHS},
    }
    seen = 0
    for key, value in gold["brief"].items():
        ours = names.get(key, key.replace("HL-min-", "HL-"))
        assert report["metrics"][ours] == pytest.approx(value, abs=0.01), key
        seen += 1
    truth = truth_of(published[1])
    predicted = score(published[0], truth).predicted
    bounds = {name: of_length(truth.windows, *edges) for name, edges in LENGTHS.items()}
    for name, windows in {"full": truth.windows, **bounds}.items():
        asked = ~(windows != windows)[..., 0].all(-1)
        precision = 100 * average_precision(predicted, windows)[asked].mean(0)
        best = iou(predicted[:, :1, :2], windows)[asked, 0].max(-1)
        for place, threshold in enumerate(THRESHOLDS):
            key = f"{threshold:g}"
            assert precision[place] == pytest.approx(gold[name]["MR-mAP"][key], abs=0.01)
            recall = 100 * (best >= threshold).mean()
            assert recall == pytest.approx(gold[name]["MR-R1"][key], abs=0.01)
            seen += 2
        assert precision.mean() == pytest.approx(gold[name]["MR-mAP"]["average"], abs=0.01)
    assert seen == 14 + 80


def test_floors_and_ceilings_are_not_0_and_100(report):
    """evaluation.md: the truth as its own answer, a constant saliency, the middle third."""
    ceiling, floor = report["ceiling"], report["baselines"]["whole-file"]
    assert ceiling["mAP"] == pytest.approx(99.76, abs=0.01)
    for key, value in {"short": 80, "middle": 90, "long": 93}.items():
        assert ceiling[f"mAP-{key}"] == pytest.approx(value, abs=1)
    assert ceiling["HL-VeryGood-mAP"] == pytest.approx(61, abs=1)
    assert floor["HL-Fair-mAP"] == pytest.approx(24, abs=1)
    assert report["metrics"]["ECE"] == pytest.approx(37.1, abs=0.1)


def test_odd_things_of_real_files_are_counted(report):
    counts = {w["kind"].partition(":")[0]: w["count"] for w in report["warnings"]}
    assert counts["saliency has another length than the recording has clips"] == 13
    assert counts["predicted moment has no length"] == 22
    assert counts["prediction ends past the end of the recording"] == 2


def test_shuffled_lines_give_the_same_report(published, tmp_path):
    random.seed(0)
    found = []
    for kind in ("plain", "mixed"):
        files = []
        for path in (ANSWERS, TRUTH, TRUTH):
            lines = path.read_text().splitlines()
            lines = lines[:200] if len(files) < 2 else lines[200:400]  # the last is for training
            if kind == "mixed":
                random.shuffle(lines)
            files.append(tmp_path / f"{kind}-{len(files)}.jsonl")
            files[-1].write_text("\n".join(lines))
        samples, train = (read(file, lenient=True) for file in files[1:])
        report = evaluate(read_answers(files[0]), samples, train=train)
        found.append(json.dumps(report, sort_keys=True))
    assert found[0] == found[1]


def test_the_order_of_training_lines_changes_nothing():
    """These four tell two spans apart only by how their sum is rounded."""
    moments = [(0.7, 1), (0.8, 1), (0.7, 0.8999999999999999), (0.7, 0.8999999999999999)]
    train = [
        Sample(Query("a dog barks", qid, "v"), 1.0, (Moment(*moment),))
        for qid, moment in enumerate(moments)
    ]
    whole = [Sample(Query("a dog barks", 0, "v"), 1.0, (Moment(0.7, 1),))]
    there, back = (evaluate([], whole, train=lines) for lines in (train, train[::-1]))
    assert there == back


def sample(qid, *windows, vid=None, **more):
    moments = tuple(Moment(*w) for w in windows)
    query = Query("a person opens the door", qid, vid or f"v{qid}")
    return Sample(query, 30.0, moments, **more)


def answer(qid, *moments, absent=None, saliency=()):
    query = Query("x", qid, f"v{qid}")
    return Prediction(query, tuple(Moment(*m) for m in moments), absent, saliency)


THERE = [sample(0, (0, 10)), sample(1, (10, 20))]
WORLDS = {
    "plain": (THERE, [answer(0, (0, 10, 0.9)), answer(1, (0, 5, 0.4))], None),
    "one recording": ([sample(0, (0, 10), vid="v")], [answer(0, (0, 10, 0.5))], THERE),
    "no answers": (THERE, [], None),
    "empty answers": (THERE, [answer(0), answer(1)], THERE),
    "all absent": ([sample(0), sample(1)], [answer(0, absent=0.9), answer(1, absent=0.1)], THERE),
    "some absent": ([*THERE, sample(2)], [answer(2, (0, 1, 0.5), absent=0.7)], THERE),
    "logits": (THERE, [answer(0, (0, 10, 7.0)), answer(1, (0, 5, -2.0))], THERE),
    "an instant": ([sample(0, (5, 5))], [answer(0, (5, 5, 1.0))], THERE),
    "train without moments": (THERE, [answer(0, (0, 10, 0.9))], [sample(9)]),
    "nothing": ([], [], None),
}


@pytest.mark.parametrize("name", WORLDS)
def test_a_report_is_strict_json_with_the_contracts_keys(name):
    samples, predictions, train = WORLDS[name]
    found = evaluate(predictions, samples, train=train)
    json.dumps(found, allow_nan=False)
    keys = {"n", "metrics", "interval95", "baselines", "ceiling", "warnings"}
    assert set(found) >= keys and found["n"] == len(samples)
    assert all(0 <= v <= 100 for v in found["metrics"].values())
    assert set(found["interval95"]) <= set(found["metrics"])
    for warning in found["warnings"]:
        assert set(warning) == {"kind", "count", "example"} and warning["count"] > 0


def test_nothing_is_said_where_no_query_counts():
    """R1 over no query is not 0; one recording tells nothing of others."""
    found = evaluate(WORLDS["all absent"][1], WORLDS["all absent"][0])
    assert set(found["metrics"]) == {"absent-F1", "absent-precision", "absent-recall"}
    assert found["ceiling"] == {} and found["baselines"]["random"] == {}
    alone = evaluate(WORLDS["one recording"][1], WORLDS["one recording"][0])
    assert alone["metrics"]["R1@0.5"] == 100 and alone["interval95"] == {}


@pytest.mark.parametrize("train", [[], [sample(9)], [sample(9, (3, 3))]])  # a glance is no moment
def test_train_without_moments_is_said(train):
    found = evaluate(WORLDS["plain"][1], THERE, train=train)
    assert {w["kind"]: w["count"] for w in found["warnings"]} == {
        "no moment to fit position baselines on: there are none": 2
    }
    assert set(found["baselines"]) == {"random", "whole-file"}


NUMBERS = st.sampled_from([0, -1, 3, 4.5, 1e9, 1e30, -1e308, 1e308, math.nan, math.inf, 10**25])
TIMES = st.sampled_from([0, 3, 4.5, 150, 1e9, 1e308])
WINDOWS = st.lists(st.lists(NUMBERS, min_size=3, max_size=3), max_size=12)
LINES = st.fixed_dictionaries(
    {
        "qid": st.integers(0, 3) | st.sampled_from(["0", "1", "x"]),
        "pred_relevant_windows": WINDOWS,
    },
    optional={"pred_absent": NUMBERS | st.just(0.7), "pred_saliency_scores": st.lists(NUMBERS)},
)
JUDGED = st.fixed_dictionaries(
    {
        "duration": st.sampled_from([0.001, 7, 150, 1e5, 1e15, 1e300]),
        "relevant_windows": st.none()
        | st.lists(st.tuples(TIMES, TIMES).map(sorted) | st.just([9, -1]), max_size=3),
    },
    optional={
        "relevant_clip_ids": st.lists(NUMBERS | st.just("a"), min_size=2, max_size=2),
        "saliency_scores": st.lists(st.lists(NUMBERS, max_size=3), min_size=2, max_size=2),
    },
)


@pytest.mark.filterwarnings("error")
@settings(max_examples=150, deadline=None)
@given(st.lists(LINES, max_size=5), st.lists(JUDGED, min_size=1, max_size=4))
def test_whatever_files_hold_is_a_report_or_a_line(tmp_path_factory, answers, truth):
    folder = tmp_path_factory.mktemp("any")
    rows = [{"qid": q, "vid": f"v{q}", "query": "a dog", **t} for q, t in enumerate(truth)]
    for name, lines in (("p.jsonl", answers), ("t.jsonl", rows)):
        (folder / name).write_text("\n".join(map(json.dumps, lines)))
    try:
        found = evaluate(read_answers(folder / "p.jsonl"), read(folder / "t.jsonl", lenient=True))
    except AnnotationError as error:
        assert re.search(r"[pt]\.jsonl:\d+: ", str(error))
    else:
        json.dumps(found, allow_nan=False)
        assert all(0 <= v <= 100 for v in found["metrics"].values())


def test_scores_that_are_no_probabilities_have_no_ece():
    found = evaluate(WORLDS["logits"][1], THERE)
    assert "ECE" not in found["metrics"] and found["reliability"] == []
    assert any("no probabilities" in w["kind"] for w in found["warnings"])
    shown = evaluate(WORLDS["plain"][1], THERE)
    assert shown["metrics"]["ECE"] == pytest.approx(100 * (0.1 + 0.4) / 2)
    assert [row["n"] for row in shown["reliability"]] == [1, 1]


def test_the_words_are_a_baseline_only_where_they_were_learned_elsewhere():
    predictions = WORLDS["plain"][1]
    assert "text-prior" not in evaluate(predictions, THERE)["baselines"]
    assert "text-prior" in evaluate(predictions, THERE, train=THERE)["baselines"]


def test_absence_by_hand():
    samples = [sample(0), sample(1), sample(2, (0, 10)), sample(3, (0, 10))]
    said = [answer(0, absent=0.9), answer(1, absent=0.2), answer(2, absent=0.5), answer(3)]
    metrics = evaluate(said, samples)["metrics"]
    assert metrics["absent-precision"] == metrics["absent-recall"] == metrics["absent-F1"] == 50
    assert "absent-F1" not in evaluate(said, samples[2:])["metrics"]


def test_a_file_that_says_nothing_of_moments_is_neither_absent_nor_asked():
    """TVSum's lines: highlight scores alone."""
    silent = [sample(0, extra={"relevant_windows": None}), sample(1, (0, 10))]
    found = evaluate([answer(0, absent=0.9), answer(1, (0, 10, 1.0))], silent)
    assert "absent-F1" not in found["metrics"]
    assert found["metrics"]["R1@0.5"] == 100
    assert sum(found["mistakes"]["queries"].values()) == found["mistakes"]["queries"]["right"] == 1
    mixed = [*silent, sample(2)]
    found = evaluate([answer(0, absent=0.9), answer(2, absent=0.9)], mixed)
    assert found["metrics"]["absent-F1"] == 100


def test_qids_are_matched_as_text_and_every_mismatch_is_counted():
    samples = [sample("7", (0, 10)), sample(8, (0, 10)), sample(9, (0, 10))]
    given = [answer(7, (0, 10, 1.0)), answer(8), answer(8, (0, 10, 1.0)), answer(99)]
    found = evaluate(given, samples)
    assert found["metrics"]["R1@0.5"] == pytest.approx(66.67)
    told = {w["kind"]: (w["count"], w["example"]) for w in found["warnings"]}
    assert told["prediction for an unknown qid"] == (1, 99)
    assert told["several predictions for one qid; the last one counts"] == (1, "8")
    assert told["qid is text in one file and a number in the other"] == (1, 7)
    assert told["no prediction for a query"] == (1, 9)


def test_answers_about_other_recordings_are_counted():
    """Qids may be no more than line numbers: a wrong pair of files would score silently."""
    given = [answer(0, (0, 10, 1.0)), answer(1)]
    found = evaluate(given, [sample(0, (0, 10), vid="other"), sample(1, (0, 10))])
    told = {w["kind"].partition(":")[0]: (w["count"], w["example"]) for w in found["warnings"]}
    assert told["prediction names another recording than the annotations"] == (1, 0)


def test_no_answer_is_above_the_ceiling():
    """A window without length, which nothing overlaps with, may be the first of several."""
    found = evaluate([answer(0, (0, 10, 0.9))], [sample(0, (0, 0), (0, 10))])
    assert found["metrics"]["R1@0.7"] == found["ceiling"]["R1@0.7"] == 100
    assert found["ceiling"]["mIoU"] == 100


def test_highlights_need_saliency_on_both_sides():
    judged = sample(0, (0, 10), saliency=([4, 4, 4],), extra={"relevant_clip_ids": [0]})
    with_scores = answer(0, (0, 10, 1.0), saliency=tuple(range(15, 0, -1)))
    assert evaluate([with_scores], [judged])["metrics"]["HL-Fair-mAP"] == 100
    assert "HL-Fair-mAP" not in evaluate([answer(0, (0, 10, 1.0))], [judged])["metrics"]
    ragged = sample(0, (0, 10), saliency=([4, 4], [1]), extra={"relevant_clip_ids": [0, 1]})
    found = evaluate([with_scores], [ragged])
    assert any(w["kind"].startswith("saliency of the truth") for w in found["warnings"])


@pytest.mark.parametrize(
    ("ids", "scores", "duration"),
    [
        ([0, 10**30], [[1, 2], [3, 4]], 30.0),
        ([0, math.inf], [[1, 2], [3, 4]], 30.0),
        ([0, 1], [[], []], 30.0),
        ([0, 1], [[1, 1e308], [1, 1e308]], 30.0),
        ([0, 1], [[1, 2], [3, 4]], 1e15),
        ([0], [[1, 2], [3, 4]], 30.0),
    ],
)
def test_people_who_cannot_be_understood_are_counted(ids, scores, duration):
    extra = {"relevant_clip_ids": ids}
    odd = Sample(Query("x", 0, "v"), duration, (Moment(0, 10),), saliency=scores, extra=extra)
    found = evaluate([answer(0, (0, 10, 1.0), saliency=(1.0, 2.0))], [odd])
    kind = "saliency of the truth does not fit its clips: no highlight score"
    assert {"kind": kind, "count": 1, "example": 0} in found["warnings"]
    assert "HL-Fair-mAP" not in found["metrics"] and found["metrics"]["R1@0.5"] == 100


@pytest.mark.parametrize("window", [(9, 5, 0.9), (-3, -1, 0.9), (40, 20, 0.9)])
def test_a_moment_that_cannot_be_is_wrong_and_counted(tmp_path, window):
    file = tmp_path / "p.jsonl"
    line = {"qid": 0, "vid": "v0", "pred_relevant_windows": [window, (0, 10, 0.5)]}
    file.write_text(json.dumps(line))
    found = evaluate(read_answers(file), THERE[:1])
    assert found["metrics"]["R1@0.5"] == 0 and found["metrics"]["R5@0.5"] == 100
    assert found["metrics"]["mAP"] == 50
    assert any(w["kind"].startswith("predicted moment") for w in found["warnings"])


def test_parts_are_reported_apart():
    samples = [sample(0, (0, 10), needs="sight"), sample(1, (0, 10), needs="sound")]
    found = evaluate([answer(0, (0, 10, 1.0)), answer(1, (20, 30, 1.0))], samples)
    assert {k: g["metrics"]["R1@0.5"] for k, g in found["groups"].items()} == {
        "sight or both": 100,
        "sound": 0,
    }


def test_lists_and_answers_are_one_report():
    samples, predictions, train = WORLDS["some absent"]
    one = evaluate(predictions, samples, train=train)
    assert evaluate(answers_of(predictions), samples, train=train) == one
