"""The report: the field's numbers, floors and ceilings, and everything odd about the files."""

import json
import random
from pathlib import Path

import pytest

from grounding.annotations import read
from grounding.answers import answers_of, read_answers
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
    files = []
    for path in (ANSWERS, TRUTH):
        lines = path.read_text().splitlines()[:200]
        (tmp_path / f"plain-{path.name}").write_text("\n".join(lines))
        random.shuffle(lines)
        (tmp_path / f"mixed-{path.name}").write_text("\n".join(lines))
    for kind in ("plain", "mixed"):
        answers = read_answers(tmp_path / f"{kind}-{ANSWERS.name}")
        samples = read(tmp_path / f"{kind}-{TRUTH.name}", lenient=True)
        samples.sort(key=lambda s: s.qid)  # what is drawn at random is drawn in their order
        found = evaluate(answers, samples)
        for warning in found["warnings"]:
            warning.pop("example")
        files.append(json.dumps(found, sort_keys=True))
    assert files[0] == files[1]


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


def test_highlights_need_saliency_on_both_sides():
    judged = sample(0, (0, 10), saliency=([4, 4, 4],), extra={"relevant_clip_ids": [0]})
    with_scores = answer(0, (0, 10, 1.0), saliency=tuple(range(15, 0, -1)))
    assert evaluate([with_scores], [judged])["metrics"]["HL-Fair-mAP"] == 100
    assert "HL-Fair-mAP" not in evaluate([answer(0, (0, 10, 1.0))], [judged])["metrics"]
    ragged = sample(0, (0, 10), saliency=([4, 4], [1]), extra={"relevant_clip_ids": [0, 1]})
    found = evaluate([with_scores], [ragged])
    assert any(w["kind"].startswith("saliency of the truth") for w in found["warnings"])


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
