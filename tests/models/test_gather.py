"""Several processes on one batch compute what one process computes on it."""

import functools
from itertools import chain

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from grounding.processes import together
from grounding.ranks import Ranks
from models.gather import alone, split
from tests import rank_tasks

asked = st.lists(st.integers(0, 5), min_size=1, max_size=12).map(
    lambda drawn: [sorted(set(drawn)).index(video) for video in drawn]
)
# five videos for two; one with most queries; one alone, so that a process has none
BATCHES = [[0, 1, 2, 3, 4, 0, 2], [0, 0, 0, 0, 1], [0, 0]]
PLACES = [[3, 0, 4], [2, 1]]


@given(asked, st.integers(1, 4))
def test_videos_are_dealt_out_evenly_with_their_queries(video, count):
    batch = rank_tasks.batch_of(video)
    shares = [split(batch, rank, count) for rank in range(count)]
    videos = [shares[0].parts.videos[rank].tolist() for rank in range(count)]
    queries = [shares[0].parts.queries[rank].tolist() for rank in range(count)]
    assert sorted(chain(*videos)) == list(range(max(video) + 1))
    assert sorted(chain(*queries)) == list(range(len(video)))
    assert max(map(len, videos)) - min(map(len, videos)) <= 1
    for share, own, asks in zip(shares, videos, queries, strict=True):
        assert {video[q] for q in asks} == set(own)
        assert torch.equal(share.clips.x, batch.clips.x[own or [0]])
        assert torch.equal(share.words.x, batch.words.x[asks or [0]])
        assert share.query is batch.query  # the rest is of all


@given(asked, st.integers(1, 4))
def test_alone_a_process_knows_its_own_queries_and_where_they_belong(video, count):
    batch = rank_tasks.batch_of(video)
    for rank in range(count):
        share = split(batch, rank, count)
        asks = share.parts.queries[rank]
        own = alone(share)
        assert own.parts is None
        if len(asks):
            for name in ("sentence", "query", "glance", "absent"):
                assert torch.equal(getattr(own, name), getattr(batch, name)[asks]), name
            assert torch.equal(own.clips.x[own.video], batch.clips.x[batch.video[asks]])
        assert len(own.words.x) == len(own.query) == len(own.video) > 0


@pytest.fixture(scope="module")
def two():
    work = functools.partial(rank_tasks.all_of_it, batches=BATCHES, places=PLACES)
    return together(2, "cpu", work, {})


@pytest.mark.parametrize("i", range(len(BATCHES)))
@pytest.mark.parametrize("name", sorted(rank_tasks.HEAD_SETTINGS))
def test_two_processes_have_the_loss_gradients_and_memory_of_one(two, name, i):
    loss, gradients, state = two[0][name, i]
    wanted, whole, memory = rank_tasks.steps(Ranks(), BATCHES)[name, i]
    assert loss == pytest.approx(wanted, abs=1e-5)
    for weight in whole:
        assert np.allclose(gradients[weight], whole[weight], atol=1e-5), weight
    assert any(np.abs(gradient).max() > 1e-3 for gradient in whole.values())
    assert state.keys() == memory.keys()
    for key in memory:
        assert np.allclose(state[key], memory[key], atol=1e-5, equal_nan=True), key


def test_rows_of_unequal_processes_stand_at_their_places_and_gradients_come_back(two):
    everything, gradient = two[1]
    assert everything == [0, 1, 2, 3, 4]
    assert gradient == [2 * 2 * place for place in PLACES[0]]  # d x^2 = 2 x, times two processes


def test_what_processes_had_last_is_agreed_on(two):
    state, mean = two[2]
    assert state["counter"] == [[5], [11], [20]]
    assert state["visited"] == [False, True, True]
    assert state["similarity"] == pytest.approx([0.5, 0.1, 0.2])
    assert state["queue"] == [0.0, 0.0]  # no row a query: each keeps its own
    assert mean == 1.5
