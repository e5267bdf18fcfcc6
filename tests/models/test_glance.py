"""Promises of D3G's head: what it needs of a query is one integer and two numbers a clip."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from grounding.dataset import ClipTable, QueryData
from grounding.types import Moment, Query, Sample
from models.cells import Cells
from models.encoders.text import WordTokenizer
from models.heads.glance import Glance, GlanceSettings


@given(st.integers(1, 20), st.lists(st.integers(0, 6), max_size=3), st.data())
def test_the_cells_that_cover_a_glance_follow_from_one_integer(clips, counts, data):
    cells = Cells(clips, counts)
    clip = data.draw(st.integers(0, clips - 1))
    covered = cells.covers(torch.tensor([clip]))[0].tolist()
    places = zip(cells.first.tolist(), cells.last.tolist(), strict=True)
    assert covered == [clip in range(first, last + 1) for first, last in places]


def head(diagonals, clips=16, **settings):
    return Glance(
        GlanceSettings(clips=clips, diagonals=diagonals, width=8, adjust=True, **settings), 8, 8
    )


def numbers(tensors):
    return sum(t.numel() for t in tensors)


def test_what_training_remembers_of_a_query_depends_on_neither_the_map_nor_other_queries():
    for queries in (7, 700):
        for diagonals in ([], [4, 2], [15]):
            glance = head(diagonals)
            glance.prepare(queries)
            assert numbers(glance.training_state().values()) == queries * (2 * 16 + 1)


def test_what_the_data_keep_of_a_query_does_not_grow_with_the_data():
    def of(queries):
        samples = [
            Sample(Query("a red dog", i, f"v{i % 3}"), 9.0, (Moment(1, 2),), 1.5)
            for i in range(queries)
        ]
        rows = {f"v{i}": i for i in range(3)}
        table = ClipTable(torch.zeros(3, 16, 4), rows, dict.fromkeys(rows, 9.0))
        data = QueryData(samples, table, WordTokenizer(["red", "dog"]))
        kept = [*vars(data).values(), *vars(data.supervised).values()]
        parts = [*data.tokens, *(v for v in kept if isinstance(v, torch.Tensor))]
        assert len(parts) >= 5
        return numbers(parts) / queries

    assert of(6) == of(600) < 16  # fewer than one number a clip, so no mask of any kind


@pytest.mark.parametrize("stack", ["residual", "published"])
def test_both_networks_can_be_chosen_and_trained(stack):
    torch.manual_seed(0)
    network = head([15], map=1.0, kernel=5, layers=2, stack=stack).map.proposals
    names = {name for name, _ in network.named_parameters()}
    assert {"layers.0.weight", "norms.1.bias"} <= names
    x = torch.randn(2, 136, 8)
    out = network(x)
    assert out.shape == x.shape
    assert bool((out >= 0).all()) == (stack == "published")  # it ends in a ReLU
    out.sum().backward()
    assert all(p.grad is not None for p in network.parameters())
