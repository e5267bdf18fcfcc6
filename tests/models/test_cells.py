import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from models.cells import Cells, sparse_cells


@pytest.mark.parametrize(
    "clips,counts,valid",
    [(16, [15], 136), (64, [15, 8, 8], 1104), (128, [15, 8, 8, 8], 2548)],
)
def test_the_published_maps_have_their_published_numbers_of_cells(clips, counts, valid):
    """d3g.md section 2.1, the table."""
    cells = sparse_cells(clips, counts)
    assert len(cells) == len(set(cells)) == valid
    assert all(0 <= i <= j < clips for i, j in cells)


def test_cells_stand_shortest_first():
    lengths = [j - i for i, j in sparse_cells(64, [15, 8, 8])]
    assert lengths == sorted(lengths)


@given(st.integers(1, 24), st.lists(st.integers(0, 6), max_size=3), st.integers(0, 10))
def test_pooling_is_the_maximum_over_the_cells_clips(clips, counts, seed):
    cells = Cells(clips, counts)
    x = torch.randn(2, clips, 3, generator=torch.Generator().manual_seed(seed))
    pooled = cells.pool(x)
    for p, (i, j) in enumerate(zip(cells.first.tolist(), cells.last.tolist(), strict=True)):
        assert torch.equal(pooled[:, p], x[:, i : j + 1].amax(1))


@given(st.integers(1, 24), st.lists(st.integers(0, 6), max_size=3), st.integers(0, 10))
def test_sums_over_cells_and_shares_over_clips_are_those_of_a_plain_loop(clips, counts, seed):
    cells, g = Cells(clips, counts), torch.Generator().manual_seed(seed)
    curve = torch.randn(2, clips, generator=g)
    shares = torch.rand(2, len(cells), generator=g)
    sums, cover = torch.zeros(2, len(cells)), torch.zeros(2, clips)
    for p, (i, j) in enumerate(zip(cells.first.tolist(), cells.last.tolist(), strict=True)):
        for clip in range(i, j + 1):
            sums[:, p] += curve[:, clip]
            cover[:, clip] += shares[:, p]
    assert torch.allclose(cells.sums(curve), sums, atol=1e-4)
    assert torch.allclose(cells.cover(shares), cover, rtol=1e-4, atol=1e-4)


def test_spans_and_covering_agree():
    cells = Cells(8, [7])
    clip = torch.tensor([3])
    middle = 3.5 / 8
    spans = cells.spans()
    assert torch.equal(cells.covers(clip)[0], (spans[:, 0] < middle) & (middle < spans[:, 1]))


def test_iou_by_hand():
    cells = Cells(4, [3])
    found = {
        (int(a), int(b)): float(v)
        for a, b, v in zip(
            cells.first, cells.last, cells.iou(torch.tensor([1]), torch.tensor([2]))[0], strict=True
        )
    }
    assert found[1, 2] == 1 and found[0, 3] == 0.5 and found[3, 3] == 0
    assert found[2, 3] == pytest.approx(1 / 3)


def test_the_wrong_number_of_clips_is_refused():
    with pytest.raises(ValueError, match="8 clips"):
        Cells(8, [2]).pool(torch.zeros(1, 9, 2))
