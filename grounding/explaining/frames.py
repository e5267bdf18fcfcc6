"""A few pictures of a recording, evenly spread over its time."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from grounding.dataset import DatasetFolder
from grounding.errors import BadInput, UnreadableMedia
from grounding.media.video import open_video
from grounding.timeline import Floats, Timeline

LONG = 15.0  # a strip's width in heights of its pictures
MOST = 24
SIDE = 144  # pixels


class Strip(NamedTuple):
    """Pictures of equal parts of the duration, each of the middle of its part."""

    pictures: npt.NDArray[np.uint8]  # (F, H, W, 3)
    edges: Floats  # (F + 1,) seconds


def strip_of(folder: DatasetFolder, vid: str, duration: float) -> Strip | str | None:
    """A strip; why there is none, where a recording does not decode; None where there is none."""
    try:
        path = folder.media(vid)
    except BadInput:
        return None  # feature files alone
    try:
        with open_video(path, short_side=SIDE) as reader:
            info = reader.info
            count = int(np.clip(round(LONG * info.height / info.width), 1, MOST))
            edges = Timeline(duration, count).edges
            return Strip(reader.frames_at((edges[:-1] + edges[1:]) / 2).frames, edges)
    except UnreadableMedia as error:
        return f"No pictures are shown: {error.reason}."
