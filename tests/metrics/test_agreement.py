import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from grounding.annotations.reannotated import read_reannotated
from grounding.errors import BadInput
from grounding.metrics import agreement
from grounding.metrics.retrieval import pad_windows, query_values

SHARED = Path(__file__).parents[3] / "shared" / "data"
PEOPLE = pad_windows([[[0, 10], [0, 10], [5, 15]], [[0, 10], [20, 30]], [[0, 4]], []])


def test_agreement_by_hand():
    assert agreement.pairwise(PEOPLE)[:2] == pytest.approx([(1 + 1 / 3 + 1 / 3) / 3, 0])
    assert np.isnan(agreement.pairwise(PEOPLE)[2:]).all()  # one answer, none


def test_best_and_mean_over_people_by_hand():
    predicted = pad_windows([[[0, 10]], [[0, 8]], [[0, 1]], [[0, 1]]])
    found = agreement.multi_reference(predicted, PEOPLE)
    assert found["mIoU best"][:3] == pytest.approx([1, 0.8, 0.25])
    assert found["mIoU mean"][:3] == pytest.approx([(1 + 1 + 1 / 3) / 3, 0.4, 0.25])
    assert found["R1@0.5 best"][:3].tolist() == [1, 1, 0]
    assert found["R1@0.5 mean"][:3] == pytest.approx([2 / 3, 0.5, 0])
    assert all(np.isnan(value[3]) for value in found.values())


def test_the_human_ceiling_by_hand():
    found = agreement.human_ceiling(PEOPLE)
    # first query: two people have the other's 1 as best and the third 1/3
    assert found["mIoU best"][:2] == pytest.approx([(1 + 1 + 1 / 3) / 3, 0])
    assert found["mIoU mean"][:2] == pytest.approx(agreement.pairwise(PEOPLE)[:2])
    assert np.isnan(found["mIoU best"][2:]).all() and not any(k.startswith("R5") for k in found)


def test_one_person_alone_has_no_ceiling():
    with pytest.raises(BadInput, match="1 person alone has no ceiling"):
        agreement.human_ceiling(PEOPLE[:, :1])


def test_people_against_the_data_sets_own_windows():
    truth = pad_windows([[[0, 10]], [[0, 10]], [], [[0, 1]]])
    found = agreement.people_as_answers(PEOPLE, truth)
    assert found["R1@0.5"] == pytest.approx([2 / 3, 0.5, np.nan, np.nan], nan_ok=True)
    assert found["mIoU"][0] == pytest.approx((1 + 1 + 1 / 3) / 3)


spans = arrays(float, (3, 4, 2), elements=st.integers(0, 20).map(float)).map(
    lambda a: np.sort(a, -1)
)


@given(spans)
def test_one_reference_is_the_usual_metric_and_more_never_lower_the_best(people):
    predicted = people[:, :1] + 1
    alone = agreement.multi_reference(predicted, people[:, :1])
    usual = query_values(predicted, people[:, :1])
    for name, value in usual.items():
        assert alone[f"{name} best"] == pytest.approx(value)
        assert alone[f"{name} mean"] == pytest.approx(value)
    for name, value in agreement.multi_reference(predicted, people).items():
        if name.endswith("best"):
            assert (value >= alone[name]).all()


@given(spans, st.permutations(range(4)))
def test_the_order_of_people_does_not_matter(people, order):
    assert agreement.pairwise(people[:, order]) == pytest.approx(agreement.pairwise(people))
    shuffled = agreement.human_ceiling(people[:, order])
    for name, value in agreement.human_ceiling(people).items():
        assert shuffled[name] == pytest.approx(value)


def test_people_agree_on_charades_as_published():
    """Mean pairwise IoU 0.521 on 1000 queries x 5 people, and what that makes of a score."""
    folder = SHARED / "charades-reannotated"
    lines = SHARED / "annotations" / "charades-sta" / "charades_test_release.jsonl"
    if not folder.exists() or not lines.exists():
        pytest.skip("the shared Charades files are not beside this checkout")
    rows = [json.loads(line) for line in lines.read_text().splitlines()]
    queries = read_reannotated(
        sorted(folder.glob("*.csv")), {row["vid"]: row["duration"] for row in rows}
    )
    people = pad_windows([query.windows for query in queries])
    assert agreement.pairwise(people).mean() == pytest.approx(0.521, abs=0.0005)
    own = {(row["vid"], row["query"]): row["relevant_windows"] for row in rows}
    truth = pad_windows([own[query.vid, query.text] for query in queries])
    found = agreement.with_intervals(
        agreement.people_as_answers(people, truth), [query.vid for query in queries]
    )
    mean, low, high = found["R1@0.5"]
    assert low < mean < high and 40 < mean < 50  # people, held to the published windows
    assert found["mIoU"][0] < 50
