import numpy as np
import pytest

from models.encoders.pixels import PixelGrid


def test_colour_and_change_by_hand():
    frames = np.zeros((2, 16, 24, 3), np.uint8)
    frames[0, :2, :3] = (255, 0, 0)  # the first of 8 x 8 places is red
    frames[1, :2, :3] = (0, 255, 0)
    x = PixelGrid().encode(frames, None).reshape(2, 8, 8, 4)
    assert x[0, 0, 0].tolist() == [1, 0, 0, 0]
    assert x[1, 0, 0].tolist() == [0, 1, 0, 0]  # as bright as before: no change of grey
    assert not x[:, 1:].any() and not x[:, :, 1:].any()


def test_batches_make_no_difference():
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, (7, 64, 85, 3), dtype=np.uint8)
    grid = PixelGrid()
    whole = grid.encode(frames, None)
    parts = [grid.encode(frames[:3], None), grid.encode(frames[3:], frames[2])]
    assert np.array_equal(whole, np.concatenate(parts))
    assert whole.shape == (7, grid.width) and whole.min() >= 0 and whole.max() <= 1


def test_frames_smaller_than_the_grid_are_refused():
    with pytest.raises(ValueError, match="7 x 9"):
        PixelGrid().encode(np.zeros((1, 9, 7, 3), np.uint8), None)
