import numpy as np
import pytest

from grounding.comparison import Filter, Group, compare, select
from grounding.errors import BadInput
from grounding.groupings import ANSWERS, grouping
from grounding.outcomes import Outcome
from grounding.panels import calibration, mistakes, positions
from grounding.types import Moment, Prediction, Query, Sample


def sample(qid, *windows, vid="v", text="a person opens the door"):
    return Sample(Query(text, qid, vid), 100.0, tuple(Moment(*w) for w in windows))


def answer(qid, *moments, absent=None):
    return Prediction(Query("x", qid, "v"), tuple(Moment(*m) for m in moments), absent)


SAMPLES = [
    sample(0, (10, 20)),
    sample(1, (10, 20)),
    sample(2, (10, 20), (30, 40)),
    sample(3),
    sample(4, (80, 90), text="she runs and then she falls"),
    sample(5, (80, 90)),
    sample(6),
]
ANSWERED = [
    answer(0, (10, 20, 0.9)),  # right
    answer(1, (12, 14, 0.8)),  # too short
    answer(2, (8, 42, 0.7)),  # merged
    answer(3, (0, 5, 0.6)),  # false alarm
    answer(4, (10, 20, 0.2), absent=0.8),  # missed
    answer(5, (10, 20, 0.95)),  # wrong place
]  # 6: no line, and nothing is there


@pytest.fixture
def table():
    return compare(SAMPLES, {"run": ANSWERED})


def test_mistakes_by_hand(table):
    labels, group = grouping(table, "mistake", "run")
    told = [labels[g] if g >= 0 else None for g in group]
    assert told == [
        None, "too short", "merged", "false alarm", "missed", "wrong place", "missed"
    ]  # fmt: skip


def test_every_wrong_answer_has_a_kind_and_no_right_one(table):
    _, group = grouping(table, "mistake", "run")
    good = np.isin(table.outcome[0], (Outcome.RIGHT, Outcome.ABSENT_FOUND))
    assert ((group < 0) == good).all()


def test_groups_of_answers_lead_to_their_queries(table):
    for by in ANSWERS:
        labels, group = grouping(table, by, "run")
        assert labels
        for place in range(len(labels)):
            found = select(table, Filter(group=Group(by, place, "run")))
            assert found.tolist() == np.flatnonzero(group == place).tolist() != []
    with pytest.raises(BadInput, match="name one"):
        grouping(table, "mistake")
    with pytest.raises(BadInput, match="no run here"):
        grouping(table, "mistake", "other")
    with pytest.raises(BadInput, match="no breakdown here"):
        grouping(table, "colour")


def test_bars_of_mistakes_count_queries_and_tell_gains(table):
    bars = {bar.label: bar for bar in mistakes(table)}
    assert sum(bar.n for bar in bars.values()) == 6
    assert bars["merged"].value == pytest.approx(100 / 7)
    assert "20.0 points of R1@0.5" in bars["wrong place"].note
    assert select(table, Filter(group=bars["too short"].group)).tolist() == [1]


def test_calibration_is_judged_where_scores_are_probabilities(table):
    points, errors = calibration(table)
    # five queries have a moment: sure 0.9, 0.8, 0.7, 0.2, 0.95; only the first is right
    assert errors["run"] == pytest.approx(100 * (2 * (0.925 - 0.5) + 0.8 + 0.7 + 0.2) / 5)
    assert sum(p.n for p in points) == 5
    top = points[-1]
    assert (top.x, top.value, top.n) == pytest.approx((92.5, 50.0, 2))
    assert select(table, Filter(group=top.group)).tolist() == [0, 5]
    logits = compare(SAMPLES, {"run": [answer(0, (10, 20, 1.7)), *ANSWERED[1:]]})
    assert calibration(logits) == ([], {})


def test_positions_tell_a_habit(table):
    bars = positions(table, [sample(9, (0, 10)), sample(10)])
    share = {(bar.series, bar.label): bar.value for bar in bars}
    assert share["truth", "first fifth"] == pytest.approx(60.0)
    assert share["truth in training", "first fifth"] == 100.0
    assert share["run", "first fifth"] == pytest.approx(80.0)
    assert sum(v for (series, _), v in share.items() if series == "run") == pytest.approx(100)


def test_events_and_verbs_are_told_by_the_sentence(table):
    labels, group = grouping(table, "events")
    assert labels == ["1 event", "2 events"] and group.tolist() == [0, 0, 0, -1, 1, 0, -1]
    labels, group = grouping(table, "verb")
    assert labels[group[0]] == "open" and labels[group[4]] != "open"


def test_people_part_the_queries_by_how_far_they_agree():
    said = np.array([0.1, 0.6, 1.0, 0.5, np.nan, 0.3, np.nan])
    labels, group = grouping(compare(SAMPLES, {"run": ANSWERED}, agreement=said), "people agree")
    assert labels == ["IoU 0–0.25", "IoU 0.25–0.5", "IoU 0.5–0.75", "IoU 0.75–1"]
    assert group.tolist() == [0, 2, 3, -1, -1, 1, -1]
    assert grouping(compare(SAMPLES, {}), "people agree")[0] == []
