import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grounding.types import Moment, Prediction, Query, Sample
from grounding.views import timeline

QUERY = Query("a door opens", 1, "v")


def sample(*windows, duration=30.0, **more):
    return Sample(QUERY, duration, tuple(Moment(*w) for w in windows), **more)


def answer(*moments, **more):
    return Prediction(QUERY, tuple(Moment(*m) for m in moments), **more)


def test_lanes_are_the_truth_and_then_the_runs():
    found = timeline(
        sample((2, 8), glance=3.14159),
        {"a": answer((2, 8, 0.9), (10, 12.3456, 0.2)), "b": None},
    )
    truth, a, b = found["lanes"]
    assert (truth["kind"], truth["note"]) == ("truth", "")
    assert truth["bars"] == [{"start": 2.0, "end": 8.0, "label": "true moment 2.0–8.0 s"}]
    first, second = a["bars"]
    assert first == {
        "start": 2.0, "end": 8.0, "score": 0.9, "rank": 1, "iou": 1.0,
        "label": "1. 2.0–8.0 s, score 0.90, IoU 1.00",
    }  # fmt: skip
    assert (second["rank"], second["iou"], second["end"]) == (2, 0.0, 12.346)
    assert b == {"kind": "run", "name": "b", "note": "no answer", "bars": [], "curve": []}
    assert found["glance"] == 3.142 and found["duration"] == 30.0


@pytest.mark.parametrize(
    "given,note",
    [
        (answer((0, 1), absent=0.834), "IoU 0.00 · probably not there (0.83)"),
        (answer(absent=0.5), "probably not there (0.50)"),
        (answer((0, 2), absent=0.2), "IoU 0.50"),
        (answer(absent=0.2), "no answer"),
        (answer(), "no answer"),
    ],
)
def test_notes_say_what_bars_cannot(given, note):
    assert timeline(sample((1, 2)), {"a": given})["lanes"][1]["note"] == note


def test_what_is_not_there_says_so_and_has_no_iou():
    truth, run = timeline(sample(), {"a": answer((1, 2))})["lanes"]
    assert truth["note"] == "not there" and truth["bars"] == []
    (unsaid,) = timeline(sample(extra={"relevant_windows": None}), {})["lanes"]
    assert unsaid["note"] == "nobody said when" and unsaid["bars"] == []
    assert run["bars"][0]["iou"] is None and "IoU" not in run["bars"][0]["label"]


def test_without_truth_there_is_no_lane_for_it():
    found = timeline(sample((1, 2), glance=1.5), {"a": answer((1, 2))}, has_truth=False)
    assert [lane["kind"] for lane in found["lanes"]] == ["run"]
    assert found["glance"] is None and found["lanes"][0]["bars"][0]["iou"] is None


def test_moments_end_with_the_recording_but_are_judged_as_they_are():
    late = timeline(sample((0, 10)), {"a": answer((5, 15), (20, 21))}, duration=9.9996)
    bars = late["lanes"][1]["bars"]
    assert late["duration"] == 9.999 and bars[0]["end"] == 9.999
    assert bars[0]["iou"] == pytest.approx(1 / 3, abs=1e-4)
    assert bars[1]["start"] == bars[1]["end"] == 9.999
    assert timeline(sample(), {}, duration=float("nan"))["duration"] == 30.0


def test_a_curve_is_scaled_by_its_own_least_and_most():
    def curve(*values):
        return timeline(sample(), {"a": answer(saliency=values)})["lanes"][1]["curve"]

    assert curve(-1.0, 0.0, 1.0) == [0.0, 0.5, 1.0]
    assert curve(3.0, 3.0) == [0.0, 0.0]
    assert curve(float("nan"), 1.0, 2.0) == [0.0, 0.0, 1.0]
    assert curve() == []


def test_saliency_of_three_annotators_on_two_second_clips():
    given = sample(saliency=([4, 4, 4], [0, 2, 1]), extra={"relevant_clip_ids": [14, 3]})
    assert timeline(given, {})["saliency"] == [
        {"start": 6.0, "end": 8.0, "value": 0.25},
        {"start": 28.0, "end": 30.0, "value": 1.0},
    ]
    assert timeline(given, {}, duration=29.0)["saliency"][1]["end"] == 29.0
    assert len(timeline(given, {}, duration=20.0)["saliency"]) == 1


def test_saliency_of_one_score_per_clip():
    flat = timeline(sample(saliency=(0, 2, 4)), {})["saliency"]
    assert [clip["value"] for clip in flat] == [0.0, 0.5, 1.0]
    assert [clip["start"] for clip in flat] == [0.0, 10.0, 20.0]
    listed = sample(saliency=(2,), extra={"relevant_clip_ids": [1]})
    assert timeline(listed, {})["saliency"] == [{"start": 2.0, "end": 4.0, "value": 0.5}]


@pytest.mark.parametrize(
    "saliency,clips",
    [
        (([1, 2, 3],), None),
        (("x",), None),
        (([1, 2],), [1, 2]),
        (([],), [1]),
        (({"a": 1},), [1]),
        ((1.0,), "3"),
        (([1],), ["3"]),
        (([1],), [-1]),
        (([True],), [1]),
        (([10**400],), [1]),
        (([1],), [10**400]),
    ],
)
def test_saliency_of_any_other_shape_is_not_shown(saliency, clips):
    extra = {} if clips is None else {"relevant_clip_ids": clips}
    assert timeline(sample(saliency=saliency, extra=extra), {})["saliency"] == []


times = st.floats(0, 1e6)
scores = st.floats(allow_nan=False)


@given(
    st.lists(st.tuples(times, times, scores), max_size=4),
    st.lists(st.tuples(times, times), max_size=3),
    st.floats(0.001, 1e5),
    st.lists(st.floats(), max_size=5),
    st.one_of(st.none(), times),
)
def test_any_timeline_is_json_within_the_recording(moments, windows, duration, curve, glance):
    ordered = [(min(a, b), max(a, b), s) for a, b, s in sorted(moments, key=lambda m: -m[2])]
    given = sample(*[sorted(w) for w in windows], duration=duration, glance=glance)
    found = timeline(given, {"a": answer(*ordered, saliency=tuple(curve)), "b": None})
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    for lane in found["lanes"]:
        for bar in lane["bars"]:
            assert 0 <= bar["start"] <= bar["end"] <= found["duration"] <= duration + 1e-6
        assert all(0 <= value <= 1 for value in lane.get("curve", ()))
