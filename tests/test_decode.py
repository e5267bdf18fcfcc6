"""Promises of decoding: what is kept is what a plain greedy loop keeps, number for number."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from grounding import decode as decoding
from grounding.decode import decode, keep_best
from grounding.types import Moment, Query
from models.cells import Cells
from models.records import GroundingOutput


def plain_loop(spans, scores, overlap, top):
    """The definition: best first, each against all that were kept."""
    moments, kept = [], []
    for i in np.argsort(-scores, kind="stable"):
        if len(kept) == top:
            break
        if not math.isfinite(scores[i]):
            continue
        moment = Moment(*map(float, spans[i]))
        if all(moment.iou(other) <= overlap for other in moments):
            moments.append(moment)
            kept.append(int(i))
    return kept + [-1] * (top - len(kept))


# few values, so that ties, equal, empty, touching and nested spans all occur
TIMES = st.sampled_from([0.0, 0.1, 0.2, 0.3, 1 / 3, 0.5, 0.7, 1.0])
SPAN = st.tuples(TIMES, TIMES).map(sorted)
SCORE = st.sampled_from([-math.inf, -1.0, -0.0, 0.0, 0.25, 0.5, 0.5, 3.0])


@st.composite
def candidates(draw):
    queries, count = draw(st.integers(1, 5)), draw(st.integers(1, 12))
    rows = st.lists(st.tuples(SPAN, SCORE), min_size=count, max_size=count)
    table = [sorted(draw(rows), key=lambda c: -c[1]) for _ in range(queries)]
    spans = np.array([[c[0] for c in row] for row in table])
    scores = np.array([[c[1] for c in row] for row in table])
    return 37.3 * spans, scores


@given(candidates(), st.sampled_from([0.0, 0.3, 0.4, 0.5, 1.0]), st.integers(1, 6))
def test_what_is_kept_is_what_a_plain_loop_keeps(given_, overlap, top):
    spans, scores = given_
    expected = [plain_loop(*row, overlap, top) for row in zip(spans, scores, strict=True)]
    assert keep_best(spans, scores, overlap, top).tolist() == expected


@pytest.mark.parametrize("cached", [1, 300, 1 << 17])
def test_real_maps_are_decoded_as_by_a_plain_loop(cached, monkeypatch):
    """Also where the queries are worked off in parts."""
    monkeypatch.setattr(decoding, "CACHED", cached)
    cells = Cells(64, [15, 8, 8])
    g = torch.Generator().manual_seed(0)
    scores = torch.rand(6, len(cells), generator=g).round(decimals=2)  # ties
    scores[1] = 0.5
    scores[2, 3:] = -torch.inf  # three single clips remain
    scores[3] = -torch.inf
    scores, order = scores.sort(dim=1, descending=True, stable=True)
    output = GroundingOutput(cells.spans()[order], scores, torch.zeros(6, 64), torch.zeros(6))
    durations = [30.7, 100.0, 7.5, 61.3, 8.125, 999.9]
    queries = [Query("a dog runs", i) for i in range(6)]
    predictions = decode(output, queries, durations, None, overlap=0.4)
    for q, prediction in enumerate(predictions):
        seconds = output.spans[q].double().numpy() * durations[q]
        kept = plain_loop(seconds, scores[q].double().numpy(), 0.4, 5)
        expected = [(*seconds[i], float(scores[q, i])) for i in kept if i >= 0]
        assert [(m.start, m.end, m.score) for m in prediction.moments] == expected
    assert [len(p.moments) for p in predictions[1:4]] == [5, 3, 0]


def test_no_query_is_no_prediction():
    nothing = GroundingOutput(*map(torch.zeros, [(0, 3, 2), (0, 3), (0, 4), (0,)]))
    assert decode(nothing, [], [], None) == []


def test_what_a_head_did_not_sort_is_sorted():
    spans = torch.tensor([[[0.0, 0.2], [0.4, 0.6], [0.7, 0.9]]])
    output = GroundingOutput(
        spans, torch.tensor([[-3.0, 9.0, 2.0]]), torch.zeros(1, 4), torch.zeros(1)
    )
    (found,) = decode(output, [Query("x", 0)], [10.0], None)
    assert [m.score for m in found.moments] == [9.0, 2.0, -3.0]
    assert [m.start for m in found.moments] == pytest.approx([4, 7, 0], abs=1e-5)
