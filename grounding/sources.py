"""Where a training's clips come from: its recordings, or a public file of features."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from grounding.dataset import ClipTable, DatasetFolder, load_clips, pool
from grounding.encoders import frame_encoder
from grounding.errors import BadInput
from grounding.feature_files import Features, Recipe, file_recipe
from grounding.features import FeatureStore, Progress
from grounding.field_features import opened
from grounding.layouts import resample
from grounding.settings import FeatureSettings
from grounding.timeline import Timeline
from grounding.types import Sample

# clips wait in memory as their precision says; a batch of them is always float32
_KEPT = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def clips_of(
    features: Features, duration: float, settings: FeatureSettings
) -> npt.NDArray[np.float32]:
    """Rows -> (clips, D), the way the training does it."""
    if settings.layout is not None:
        return resample(features.x, settings.clips, last_row=settings.last_row)
    return pool(features, Timeline(duration, settings.clips))


def read_clips(
    folder: DatasetFolder,
    samples: Iterable[Sample],
    settings: FeatureSettings,
    *,
    device: str = "cpu",
    progress: Progress | None = None,
) -> tuple[ClipTable, Recipe]:
    """The clips of all recordings that the samples ask about, and what made their features.

    Raises:
        BadInput: recordings or features are missing or not what the settings say.
    """
    samples = list(samples)
    if settings.file is not None:
        return _from_file(folder.root / settings.file, samples, settings, progress)
    vids = list(dict.fromkeys(sample.vid for sample in samples))
    encoder = frame_encoder(
        settings.encoder, precision=settings.precision, batch=settings.batch, device=device
    )
    store = FeatureStore(folder.root / "features", encoder, settings.rate)
    return load_clips(folder, vids, store, settings.clips, progress=progress), store.recipe


def _from_file(
    path: Path, samples: list[Sample], settings: FeatureSettings, progress: Progress | None
) -> tuple[ClipTable, Recipe]:
    """Each recording is read once and only its clips are kept."""
    duration: dict[str, float] = {}
    for sample in samples:
        if abs(duration.setdefault(sample.vid, sample.duration) - sample.duration) > 1e-3:
            raise BadInput(
                f"recording {sample.vid!r} lasts {duration[sample.vid]:g} s in one query and "
                f"{sample.duration:g} s in {sample.qid!r}; correct the annotations"
            )
    vids = list(duration)
    x: torch.Tensor | None = None
    single = []
    with opened(path, settings.layout) as file:
        file.require(vids)
        for place, vid in enumerate(vids):
            rows = file.read(vid)
            if len(rows) == 1:
                single.append(vid)
            clips = torch.from_numpy(clips_of(Features(rows), duration[vid], settings))
            if x is None:
                x = torch.empty(len(vids), *clips.shape, dtype=_KEPT[settings.precision])
            x[place] = clips
            if progress:
                progress(place + 1, len(vids), vid)
    if single:
        some = ", ".join(map(repr, single[:3])) + (", ..." if len(single) > 3 else "")
        raise BadInput(
            f"{path}: {len(single)} of {len(vids)} recordings have one row ({some}), in which no "
            "moment differs from another; extract more rows, or leave their queries out"
        )
    assert x is not None
    table = ClipTable(x, {vid: i for i, vid in enumerate(vids)}, duration)
    return table, file_recipe(path, settings.layout)
