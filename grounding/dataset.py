"""Dataset folder -> samples and clips -> batches."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from grounding.annotations import read_samples
from grounding.errors import BadInput
from grounding.features import Features, FeatureStore, Progress
from grounding.media import RECORDINGS
from grounding.settings import BatchOf, Supervision
from grounding.supervision import Supervised, facts_of
from grounding.timeline import Timeline
from grounding.types import Sample
from models.encoders.text import Sentences
from models.records import Batch, Padded

logger = logging.getLogger(__name__)


class DatasetFolder:
    """`annotations/<split>.jsonl` and `media/<vid>.<ext>` under one folder.

    Raises:
        BadInput: the folder has no `annotations`.
    """

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root)
        if not (self.root / "annotations").is_dir():
            raise BadInput(
                f"{self.root}: no dataset folder (it has no annotations/); make one with "
                "`grounding sample` or `grounding init`"
            )
        self._media: dict[str, Path] | None = None

    @property
    def splits(self) -> list[str]:
        """Names of the annotation files there are."""
        return sorted(path.stem for path in (self.root / "annotations").glob("*.jsonl"))

    def samples(self, split: str) -> list[Sample]:
        """The queries of one split.

        Raises:
            AnnotationError: the file is missing or wrong.
        """
        return read_samples(self.root / "annotations" / f"{split}.jsonl")

    def media(self, vid: str) -> Path:
        """The recording called `vid`.

        Raises:
            BadInput: there is none, or there are two.
        """
        if self._media is None:
            self._media = {}
            for path in sorted((self.root / "media").glob("*")):
                if path.suffix.lower() not in RECORDINGS:
                    continue
                if path.stem in self._media:
                    raise BadInput(
                        f"{path}: {self._media[path.stem].name} has the same vid; keep one of them"
                    )
                self._media[path.stem] = path
        if vid not in self._media:
            raise BadInput(f"{self.root / 'media'}: no recording is called {vid!r}; add {vid}.mp4")
        return self._media[vid]


def pool(features: Features, timeline: Timeline) -> npt.NDArray[np.float32]:
    """(T, D) rows -> (clips, D): the mean of the rows seen in each clip, or the row still shown in
    it.

    Rows without times count as spread evenly over the duration.
    """
    rows = len(features.x)
    times = features.times
    if times is None:
        times = (np.arange(rows) + 0.5) * timeline.duration / rows
    clip = timeline.clip_of(times)
    x = features.x.astype(np.float32)
    # rows come in time order, so each clip's rows stand together
    starts = np.searchsorted(clip, np.arange(timeline.clips + 1))
    total = np.concatenate([np.zeros((1, x.shape[1])), np.cumsum(x, axis=0, dtype=np.float64)])
    count = np.diff(starts)
    mean = (total[starts[1:]] - total[starts[:-1]]) / np.maximum(count, 1)[:, None]
    shown = np.clip(starts[:-1] - 1, 0, rows - 1)
    return np.where(count[:, None] > 0, mean, x[shown]).astype(np.float32)


def digest(samples: Sequence[Sample], supervision: Supervision) -> str:
    """What tells these queries from others: who, what, where, in which order, and all that a
    training under `supervision` knows of them.
    """
    rows = [(s.qid, s.vid, s.query.text, facts_of(s, supervision)) for s in samples]
    return hashlib.sha256(repr(rows).encode()).hexdigest()


@dataclass(frozen=True)
class ClipTable:
    """Clips of many recordings in one tensor.

    Attributes:
        x: (V, L, D), float32 or less; batches are float32.
        row: vid -> its place in `x`.
        duration: vid -> seconds.
    """

    x: Tensor
    row: Mapping[str, int]
    duration: Mapping[str, float]

    @property
    def width(self) -> int:
        """D."""
        return self.x.shape[2]


def load_clips(
    folder: DatasetFolder,
    vids: Sequence[str],
    store: FeatureStore,
    clips: int,
    *,
    workers: int = 2,
    progress: Progress | None = None,
) -> ClipTable:
    """Extract or read the features of all `vids` and pool them to clips.

    Raises:
        UnreadableMedia: a recording cannot be decoded; all others are extracted and kept first.
            What breaks part-way is used as far as it decodes, with a warning.
    """
    paths = {vid: folder.media(vid) for vid in vids}
    found = store.extract(list(paths.values()), workers=workers, progress=progress)
    pooled, duration = [], {}
    for vid, path in paths.items():
        features = found[path]
        if not isinstance(features, Features):
            raise features
        for problem in features.problems:
            logger.warning("%s: %s", path, problem)
        assert features.duration is not None
        duration[vid] = features.duration
        pooled.append(torch.from_numpy(pool(features, Timeline(features.duration, clips))))
    return ClipTable(torch.stack(pooled), {vid: i for i, vid in enumerate(paths)}, duration)


class QueryData:
    """Samples with their clips and words, cut into batches."""

    def __init__(
        self,
        samples: Sequence[Sample],
        clips: ClipTable,
        words: Sentences,
        supervision: Supervision = "glance",
        absence: bool = False,
        grid: int | None = None,
    ) -> None:
        """Batches carry the facts that `supervision` chooses and no other (grounding.supervision).

        `absence`: training also uses queries about what is not there. `grid`: clips that the head
        sees of a recording, where they are fewer than those of the table.
        """
        self.samples = list(samples)
        self.clips = clips
        self.tokens: Padded
        self.read(words)
        self.video = torch.tensor([clips.row[s.vid] for s in self.samples], dtype=torch.long)
        self.second = torch.tensor(
            [1 / Timeline(clips.duration[s.vid], 1).duration for s in self.samples]
        )
        numbers: dict[str, int] = {}
        self.sentence = torch.tensor(
            [numbers.setdefault(s.query.text.lower(), len(numbers)) for s in self.samples],
            dtype=torch.long,
        )
        durations = [clips.duration[s.vid] for s in self.samples]
        seen = grid or clips.x.shape[1]
        self.supervised = Supervised(self.samples, durations, seen, supervision, absence)

    def __len__(self) -> int:
        return len(self.samples)

    def read(self, words: Sentences) -> None:
        """Give the models sentences as `words` reads them."""
        self.tokens = words([s.query.text for s in self.samples])

    def digest(self) -> str:
        """What tells these queries from others."""
        return digest(self.samples, self.supervised.supervision)

    def batch(self, index: Tensor) -> Batch:
        """The queries at `index` (Q,) and the videos they need, each once."""
        videos, place = np.unique(self.video[index].numpy(), return_inverse=True)
        x = self.clips.x[torch.from_numpy(videos)].float()
        mask = torch.ones(x.shape[:2], dtype=torch.bool)
        words = Padded(self.tokens.x[index], self.tokens.mask[index])
        return Batch(
            clips=Padded(x, mask),
            words=words,
            video=torch.from_numpy(place),
            sentence=self.sentence[index],
            query=index,
            glance=self.supervised.glance[index],
            spans=self.supervised.spans[index],
            saliency=self.supervised.saliency(index),
            absent=self.supervised.absent[index],
            second=self.second[index],
        )

    def batches(self, size: int) -> Iterator[Batch]:
        """All queries in order, `size` at a time."""
        for start in range(0, len(self), size):
            yield self.batch(torch.arange(start, min(start + size, len(self))))

    def steps(self, size: int, of: BatchOf = "queries") -> int:
        """How many batches `shuffled` gives."""
        usable = torch.nonzero(self.supervised.usable).squeeze(1)
        count = len(usable) if of == "queries" else len(torch.unique(self.video[usable]))
        full, rest = divmod(count, size)
        return full + (rest > 1 or rest == count == 1)

    def shuffled(
        self, size: int, seed: int, epoch: int, of: BatchOf = "queries"
    ) -> Iterator[Batch]:
        """All usable queries in an order that is new each epoch and depends on `seed` and `epoch`
        alone; `size` queries a batch, or all queries of `size` videos.
        """
        usable = torch.nonzero(self.supervised.usable).squeeze(1)
        random = np.random.default_rng([seed, epoch])
        of_video = self.video[usable]
        drawn = usable if of == "queries" else torch.unique(of_video)
        order = torch.from_numpy(random.permutation(len(drawn)))
        for part in torch.split(order, size):
            # one left over has nothing to be told apart from
            if len(part) > 1 or len(part) == min(size, len(drawn)):
                chosen = drawn[part]
                if of == "videos":
                    chosen = usable[torch.isin(of_video, chosen)]
                yield self.batch(chosen)
