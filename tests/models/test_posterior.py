"""The probability of each cell, by hand on three cells."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from models.posterior import posterior

ALL = torch.tensor([[True, True, True]])
EVEN = torch.ones(1, 3)


def shares(evidence, prior=EVEN, possible=ALL):
    return posterior(torch.tensor([evidence]), prior, possible)[0].tolist()


def test_evidence_and_prior_both_move_it():
    assert shares([0.0, 0.0, 0.0]) == pytest.approx([1 / 3] * 3)
    assert shares([math.log(2), 0.0, 0.0]) == pytest.approx([1 / 2, 1 / 4, 1 / 4])
    prior = torch.tensor([[0.5, 1.0, 0.25]])
    assert shares([0.0, 0.0, 0.0], prior) == pytest.approx([2 / 7, 4 / 7, 1 / 7])
    # odds 2 x 0.5 : 1 x 1 : 4 x 0.25
    assert shares([math.log(2), 0.0, math.log(4)], prior) == pytest.approx([1 / 3] * 3)


def test_what_cannot_be_the_moment_gets_nothing():
    possible = torch.tensor([[True, False, True]])
    assert shares([0.0, 50.0, 0.0], possible=possible) == pytest.approx([1 / 2, 0, 1 / 2])
    prior = torch.tensor([[1.0, 0.0, 1.0]])
    assert shares([0.0, 50.0, 0.0], prior) == pytest.approx([1 / 2, 0, 1 / 2])


def test_a_query_without_any_possible_cell_has_no_moment():
    assert shares([1.0, 2.0, 3.0], possible=~ALL) == [0, 0, 0]
    assert shares([1.0, 2.0, 3.0], prior=torch.zeros(1, 3)) == [0, 0, 0]


@given(st.integers(0, 50), st.sampled_from([0.1, 10.0, 1000.0]))
def test_shares_sum_to_one_over_the_possible_cells(seed, scale):
    g = torch.Generator().manual_seed(seed)
    evidence = scale * torch.randn(5, 7, generator=g)
    prior, possible = torch.rand(5, 7, generator=g), torch.rand(5, 7, generator=g) < 0.4
    found = posterior(evidence, prior, possible)
    assert not found[~possible].any() and (found >= 0).all()
    assert torch.allclose(found.sum(1), possible.any(1).float(), atol=1e-5)
