"""Rows of the public files become clips as published."""

from itertools import pairwise
from typing import get_args, get_type_hints

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grounding.layouts import LAYOUTS, resample
from grounding.settings import FeatureSettings


def by_the_text(x, clips, last_row):
    """d3g.md 1.3, a clip at a time."""
    x = x / np.linalg.norm(x, axis=1, keepdims=True)
    rows = len(x)
    bounds = [round(k / clips * rows) for k in range(clips + 1)]
    if not last_row:
        bounds = [min(b, rows - 1) for b in bounds]
    out = []
    for low, high in pairwise(bounds):
        out.append(x[low:high].mean(0) if high > low else x[min(low, rows - 1)])
    return np.stack(out)


@given(
    rows=st.integers(1, 90),
    clips=st.sampled_from([1, 2, 7, 16, 32, 64]),
    last_row=st.booleans(),
    seed=st.integers(0, 9),
)
def test_clips_are_those_of_the_published_rule(rows, clips, last_row, seed):
    x = np.random.default_rng(seed).standard_normal((rows, 5)).astype(np.float32)
    got = resample(x, clips, last_row=last_row)
    assert got.shape == (clips, 5) and got.dtype == np.float32
    np.testing.assert_allclose(got, by_the_text(x, clips, last_row), atol=1e-6)


def test_boundaries_are_rounded_half_to_even():
    # 5 rows in 2 clips: 2.5 becomes 2, so that the first clip has two rows and the second three
    x = np.eye(5, dtype=np.float32)
    np.testing.assert_allclose(resample(x, 2)[0], [0.5, 0.5, 0, 0, 0])
    np.testing.assert_allclose(resample(x, 2)[1] * 3, [0, 0, 1, 1, 1])


def test_the_last_row_counts_unless_the_published_slip_is_wanted():
    x = np.eye(8, dtype=np.float32)
    assert resample(x, 4)[-1, 7] > 0
    assert (resample(x, 4, last_row=False)[:, 7] == 0).all()


def test_few_rows_are_repeated_and_empty_rows_stay_zero():
    x = np.array([[3.0, 0.0], [0.0, 0.0]], np.float32)
    assert resample(x, 4).tolist() == [[1, 0], [1, 0], [0, 0], [0, 0]]


@pytest.mark.parametrize("shape,clips", [((0, 4), 2), ((3, 4), 0)])
def test_nothing_cannot_become_clips(shape, clips):
    with pytest.raises(ValueError, match="cannot become"):
        resample(np.zeros(shape, np.float32), clips)


def test_the_settings_name_every_layout():
    literal, _ = get_args(get_type_hints(FeatureSettings)["layout"])
    assert set(get_args(literal)) == set(LAYOUTS)
