"""Where a training's clips come from: its recordings, or features that are there already."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from grounding.dataset import ClipTable, DatasetFolder, load_clips, pool
from grounding.encoders import frame_encoder
from grounding.errors import BadInput
from grounding.feature_files import Features, Recipe, file_recipe
from grounding.features import FeatureStore, Progress
from grounding.field_features import FeatureSource, opened
from grounding.layouts import resample
from grounding.ranks import Ranks
from grounding.settings import FeatureSettings
from grounding.streamed_features import is_streamed, streamed
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
        return _from_file(folder.root, settings.file, samples, settings, progress)
    vids = list(dict.fromkeys(sample.vid for sample in samples))
    encoder = frame_encoder(
        settings.encoder, precision=settings.precision, batch=settings.batch, device=device
    )
    store = FeatureStore(folder.root / "features", encoder, settings.rate)
    return load_clips(folder, vids, store, settings.clips, progress=progress), store.recipe


def read_for_all(
    ranks: Ranks,
    folder: DatasetFolder,
    samples: Iterable[Sample],
    settings: FeatureSettings,
    *,
    device: str = "cpu",
    progress: Progress | None = None,
) -> tuple[ClipTable, Recipe]:
    """`read_clips` of processes that train together: what is streamed is read once, by the first
    process, and the others have its clips from it; what lies here is read by each.
    """
    samples = list(samples)

    def read() -> tuple[ClipTable, Recipe]:
        return read_clips(folder, samples, settings, device=device, progress=progress)

    if ranks.count == 1 or settings.file is None or not is_streamed(settings.file):
        with ranks.first_alone():
            return read()
    made = read() if ranks.is_first else None
    about = ranks.from_first(lambda: made and _without_clips(*made))
    assert about is not None  # it is what the first made
    shape, dtype, row, duration, recipe = about
    x = made[0].x if made else torch.empty(shape, dtype=dtype)
    ranks.spread(x)
    return ClipTable(x, row, duration), recipe


def _without_clips(
    table: ClipTable, recipe: Recipe
) -> tuple[torch.Size, torch.dtype, dict[str, int], dict[str, float], Recipe]:
    return table.x.shape, table.x.dtype, dict(table.row), dict(table.duration), recipe


@contextmanager
def _source(root: Path, file: str, layout: str | None) -> Iterator[FeatureSource]:
    if is_streamed(file):
        yield streamed(file, root, layout)
        return
    with opened(root / file, layout) as source:
        yield source


def _from_file(
    root: Path,
    file: str,
    samples: list[Sample],
    settings: FeatureSettings,
    progress: Progress | None,
) -> tuple[ClipTable, Recipe]:
    """Each recording is read once and only its clips are kept."""
    duration: dict[str, float] = {}
    for sample in samples:
        if abs(duration.setdefault(sample.vid, sample.duration) - sample.duration) > 1e-3:
            raise BadInput(
                f"recording {sample.vid!r} lasts {duration[sample.vid]:g} s in one query and "
                f"{sample.duration:g} s in {sample.qid!r}; correct the annotations"
            )
    row = {vid: place for place, vid in enumerate(duration)}
    x: torch.Tensor | None = None
    single = []
    made: dict[Recipe | None, str] = {}
    with _source(root, file, settings.layout) as source:
        for done, (vid, features) in enumerate(source.each(list(row)), 1):
            if len(features.x) == 1:
                single.append(vid)
            made.setdefault(features.recipe, vid)
            clips = torch.from_numpy(clips_of(features, duration[vid], settings))
            if x is None:
                x = torch.empty(len(row), *clips.shape, dtype=_KEPT[settings.precision])
            x[row[vid]] = clips
            if progress:
                progress(done, len(row), vid)
    where = file if "://" in file else str(root / file)
    if single:
        some = ", ".join(map(repr, single[:3])) + (", ..." if len(single) > 3 else "")
        raise BadInput(
            f"{where}: {len(single)} of {len(row)} recordings have one row ({some}), in which no "
            "moment differs from another; extract more rows, or leave their queries out"
        )
    if len(made) > 1:
        kinds = "; ".join(f"{vid!r} by {recipe or 'who knows'}" for recipe, vid in made.items())
        raise BadInput(f"{where}: features are not of one recipe ({kinds}); take those of one")
    assert x is not None
    (recipe,) = made
    return ClipTable(x, row, duration), recipe or file_recipe(Path(where), settings.layout)
