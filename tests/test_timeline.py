import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grounding.timeline import Timeline

durations = st.floats(0.04, 2e5)
timelines = st.one_of(
    st.builds(Timeline, durations, st.integers(1, 512)),
    st.builds(Timeline.every, st.floats(0.04, 4000), st.floats(0.05, 30)),
)


@given(timelines)
def test_clips_tile_the_recording(line):
    edges = line.edges
    assert edges[0] == 0 and edges[-1] == line.duration
    assert len(edges) == line.clips + 1
    assert (np.diff(edges) > 0).all()


@given(timelines)
def test_a_clip_starts_with_its_first_instant_and_ends_before_its_last(line):
    edges = line.edges
    clips = np.arange(line.clips)
    assert (line.clip_of(edges[:-1]) == clips).all()
    assert (line.clip_of(np.nextafter(edges[1:], 0)) == clips).all()


@given(timelines, st.floats(0, 1))
def test_seconds_and_unit_interval_there_and_back(line, share):
    assert line.to_unit(line.to_seconds(share)) == pytest.approx(share, abs=1e-12)


@given(timelines, st.data())
def test_a_cell_in_seconds_lies_on_the_same_clips(line, data):
    first = data.draw(st.integers(0, line.clips - 1))
    last = data.draw(st.integers(first, line.clips - 1))
    start, end = line.cells_to_seconds([first, last])
    assert line.clip_range(float(start), float(end)) == (first, last)


def test_the_last_short_clip():
    line = Timeline.every(30.744, 2.0)
    assert line.clips == 16
    assert line.edges[-2] == 30.0
    assert line.edges[-1] == 30.744
    assert int(line.clip_of(30.7)) == 15
    assert line.cells_to_seconds([15, 15]).tolist() == [30.0, 30.744]


def test_a_whole_number_of_clips_has_no_empty_last_one():
    assert Timeline.every(30.0, 2.0).clips == 15
    assert Timeline.every(0.3, 0.1).clips == 3


def test_outside_the_recording():
    line = Timeline(10.0, 4)
    assert line.clip_of([-1, 10.0, 11]).tolist() == [0, 3, 3]
    assert line.to_unit([-1, 11]).tolist() == [0, 1]


@pytest.mark.parametrize(
    "bad", [(0, 1), (-1, 1), (math.nan, 1), (math.inf, 1), (10, 0), (10, 3, 2.0)]
)
def test_wrong_timelines_are_refused(bad):
    with pytest.raises(ValueError):
        Timeline(*bad)


def test_not_a_number_is_no_instant():
    with pytest.raises(ValueError):
        Timeline(1, 1).clip_of(float("nan"))
    with pytest.raises(ValueError):
        Timeline(10, 2).cells_to_seconds([1, 0])
