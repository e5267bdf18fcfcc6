"""Boundaries between clips: where they lie by hand, and what they never do."""

import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st

from models.boundaries import refine
from models.cells import Cells


def ends(lifted, first, last):
    """In clips."""
    found = refine(torch.tensor([lifted]), torch.tensor([[first]]), torch.tensor([[last]]))
    return (found[0, 0] * len(lifted)).tolist()


def test_crossings_by_hand():
    """The line from -1 at 0.5 to 3 at 1.5 is zero at 0.75; from 2 at 2.5 to -6 at 3.5, at 2.75."""
    assert ends([-1.0, 3.0, 2.0, -6.0], 1, 2) == pytest.approx([0.75, 2.75])
    assert ends([-3.0, 1.0, 6.0, -2.0], 1, 2) == pytest.approx([1.25, 3.25])


def test_an_end_stays_where_nothing_changes_sign():
    assert ends([1.0, 3.0, 2.0, 4.0], 1, 2) == [1, 3]  # both sides speak for it
    assert ends([-1.0, -3.0, -2.0, -4.0], 1, 2) == [1, 3]  # and against it
    assert ends([3.0, -1.0, -1.0, 3.0], 1, 2) == [
        1,
        3,
    ]  # the inside speaks against, the outside for
    assert ends([0.0, 0.0, 0.0, 0.0], 1, 2) == [1, 3]
    assert ends([1.0, 1.0, -1.0, -1.0], 0, 1) == [0, 2]  # the recording begins there
    assert ends([-1.0, -1.0, 1.0, 1.0], 2, 3) == [2, 4]  # and ends there


numbers = st.floats(-100, 100, width=32)


@given(st.lists(numbers, min_size=1, max_size=12))
@example([-100.0, 1e-6, -100.0])
@example([-1.0, 1e-38, -1.0])
def test_moments_stay_moments_and_ends_within_half_a_clip(values):
    cells, lifted = Cells(len(values), [len(values)]), torch.tensor([values])
    found = refine(lifted, cells.first[None], cells.last[None])
    assert (found[..., 0] < found[..., 1]).all()
    assert (found >= 0).all() and (found <= 1).all()
    assert ((found - cells.spans()).abs() <= 0.5 / len(values)).all()
