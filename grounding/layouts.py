"""The layouts of the public feature files, and how their rows become clips (d3g.md 1.2, 1.3).

The rows of such a file say nothing about seconds: they stand evenly over the recording, whose
duration the annotations give.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class Layout:
    """One public file.

    Attributes:
        file: the name under which it is shared.
        made: what computed its rows.
        width: numbers a row.
        key: name of the array in a recording's group; None = the recording is the array.
    """

    file: str
    made: str
    width: int
    key: str | None = None

    def __str__(self) -> str:
        place = f"<vid>/{self.key}" if self.key else "<vid>"
        return f"{self.file}: {self.made}, an array {place} of (rows, {self.width}) a recording"


LAYOUTS = {
    "charades-vgg": Layout("vgg_rgb_features.hdf5", "VGG of RGB frames", 4096),
    "activitynet-c3d": Layout(
        "sub_activitynet_v1-3.c3d.hdf5", "C3D reduced by PCA", 500, "c3d_features"
    ),
    "tacos-c3d": Layout("tall_c3d_features.hdf5", "C3D's first full layer", 4096),
}


def layout_of(file: str) -> str | None:
    """The layout of the public file of that name."""
    return next((name for name, layout in LAYOUTS.items() if layout.file == file), None)


# what arrays of this width usually are, for people who hold another file than they think
USUAL = {
    300: "word vectors",
    500: "ActivityNet's C3D reduced by PCA",
    512: "CLIP or ResNet-18",
    768: "a ViT-B or CLIP ViT-L",
    1024: "I3D",
    2048: "ResNet or two-stream I3D",
    2304: "SlowFast",
    2816: "SlowFast with CLIP",
    4096: "VGG or C3D",
}


def resample(
    x: npt.NDArray[np.floating[Any]], clips: int, *, last_row: bool = True
) -> npt.NDArray[np.float32]:
    """(T, D) rows -> (clips, D): rows of length 1, then their mean in each clip.

    The boundary of clip k is k / clips * T, rounded half to even; a clip between equal boundaries
    (T < clips) repeats the row it starts at. The means are not brought to length 1 again.

    Args:
        x: rows, evenly over the recording.
        clips: P.
        last_row: the published code holds its boundaries at T - 1, so that with T >= P the last
            row is in no clip; False does the same. True, the default, counts it.

    Raises:
        ValueError: there is no row or no clip.
    """
    rows = len(x)
    if rows < 1 or clips < 1:
        raise ValueError(f"{rows} rows cannot become {clips} clips")
    x = np.asarray(x, np.float32)
    unit = x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)
    edges = np.rint(np.arange(clips + 1) / clips * rows).astype(np.int64)
    if not last_row:
        edges = np.minimum(edges, rows - 1)
    starts = np.minimum(edges, rows - 1)  # a last clip without rows repeats the last one
    # between equal places, reduceat gives the row that stands there: the repetition wanted
    total = np.add.reduceat(unit, starts[:-1] if last_row else starts, axis=0)[:clips]
    count = np.maximum(np.diff(edges), 1)
    mean: npt.NDArray[np.float32] = (total / count[:, None]).astype(np.float32)
    return mean
