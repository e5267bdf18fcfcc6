"""Windows are shares of the video, whatever it is padded to, and their maximum is the clips'."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from models.windows import Windows, range_max, sliding


def mask_of(*counts, longest):
    return torch.arange(longest)[None] < torch.tensor(counts)[:, None]


def test_windows_of_a_quarter_and_of_a_half():
    found = sliding(mask_of(8, longest=8), (0.25, 0.5), 0.5)
    places = list(zip(found.first[0].tolist(), found.last[0].tolist(), strict=True))
    assert places == [(i, i + 1) for i in range(7)] + [(i, i + 3) for i in (0, 2, 4)]
    assert found.real.all()
    assert found.middle(mask_of(8, longest=8))[0, [0, -1]].tolist() == [0.125, 0.75]


def test_few_clips_make_windows_equal_and_only_the_first_of_them_counts():
    found = sliding(mask_of(2, longest=2), (0.25,), 0.5)
    assert len(found.first[0]) == 7
    distinct = found.distinct()[0]
    assert found.first[0][distinct].tolist() == [0, 1]


@given(st.integers(1, 20), st.integers(0, 5), st.floats(0.02, 1.0), st.floats(0.1, 0.5))
def test_windows_lie_on_the_videos_own_clips(clips, padding, size, stride):
    mask = mask_of(clips, longest=clips + padding)
    found = sliding(mask, (size,), stride)
    alone = sliding(mask_of(clips, longest=clips), (size,), stride)
    assert torch.equal(found.first, alone.first) and torch.equal(found.last, alone.last)
    assert found.real.all()
    assert (found.first >= 0).all() and (found.first <= found.last).all()
    assert (found.last < clips).all()
    covered = {
        c
        for a, b in zip(found.first[0], found.last[0], strict=True)
        for c in range(int(a), int(b) + 1)
    }
    assert covered == set(range(clips))


@given(st.integers(1, 20), st.data())
def test_the_maximum_over_a_window_is_its_clips(clips, data):
    x = torch.randn(2, clips, 3, generator=torch.Generator().manual_seed(clips))
    ends = st.tuples(st.integers(0, clips - 1), st.integers(0, clips - 1)).map(sorted)
    places = torch.tensor(data.draw(st.lists(ends, min_size=4, max_size=4))).view(2, 2, 2)
    windows = Windows(places[..., 0], places[..., 1], torch.ones(2, 2, dtype=torch.bool))
    found = range_max(x, windows)
    for v in range(2):
        for w, (first, last) in enumerate(places[v].tolist()):
            assert torch.equal(found[v, w], x[v, first : last + 1].amax(0))
