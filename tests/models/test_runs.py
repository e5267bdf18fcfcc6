import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from models.runs import level, maximum_sum_runs, smooth

scores = st.lists(st.integers(-5, 5), min_size=1, max_size=12)


@given(scores)
def test_the_best_run_is_the_best_of_all_runs(score):
    mask = torch.ones(1, len(score), dtype=torch.bool)
    runs = maximum_sum_runs(torch.tensor([score]).float(), mask, 1)
    every = itertools.combinations(range(len(score) + 1), 2)
    best = max(sum(score[a:b]) for a, b in every)
    a, b = runs.cells[0, 0].tolist()
    assert float(runs.sums[0, 0]) == best == sum(score[a : b + 1])


@given(scores)
def test_further_runs_do_not_overlap_and_are_no_better(score):
    mask = torch.ones(1, len(score), dtype=torch.bool)
    runs = maximum_sum_runs(torch.tensor([score]).float(), mask, 3)
    found = [c for c, s in zip(runs.cells[0].tolist(), runs.sums[0], strict=True) if s.isfinite()]
    taken = [i for a, b in found for i in range(a, b + 1)]
    assert len(taken) == len(set(taken))
    sums = runs.sums[0][runs.sums[0].isfinite()].tolist()
    assert sums == sorted(sums, reverse=True)


def test_a_run_never_crosses_padding():
    score = torch.tensor([[1.0, 1.0, 9.0, 9.0]])
    mask = torch.tensor([[True, True, False, False]])
    runs = maximum_sum_runs(score, mask, 1)
    assert runs.cells[0, 0].tolist() == [0, 1]


def test_smoothing_by_hand():
    x = torch.tensor([[3.0, 0.0, 6.0, 100.0]])
    mask = torch.tensor([[True, True, True, False]])
    assert smooth(x, mask, 3).tolist() == [[1.5, 3.0, 3.0, 0.0]]
    assert smooth(x, mask, 1).tolist() == [[3.0, 0.0, 6.0, 0.0]]


def test_the_level_reads_real_clips_alone():
    x = torch.tensor([[0.0, 1.0, 2.0, 3.0, 4.0, 99.0]])
    mask = torch.tensor([[True] * 5 + [False]])
    assert float(level(x, mask, 0.25, 0.75)) == pytest.approx(2.0)
