"""Which queries are trained on, which choose the epoch, which are only reported."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path

from grounding.annotations import read_samples, write_samples
from grounding.dataset import DatasetFolder
from grounding.errors import BadInput
from grounding.settings import TrainingSettings
from grounding.types import Sample

HELD_OUT = "val.jsonl"  # in the run folder


def hold_out(samples: Sequence[Sample], count: int, seed: int) -> list[Sample]:
    """All queries of `count` recordings, in their order.

    The recordings follow from `seed` and their names alone: more recordings, or others in front,
    exchange as few of them as they can.
    """
    vids = sorted({sample.vid for sample in samples}, key=lambda vid: _draw(vid, seed))
    chosen = set(vids[:count])
    return [sample for sample in samples if sample.vid in chosen]


def _draw(vid: str, seed: int) -> bytes:
    return hashlib.sha256(f"{seed} {vid}".encode()).digest()


def held_out(folder: DatasetFolder, settings: TrainingSettings) -> list[Sample] | None:
    """What becomes `val` where the dataset has none; None where it has.

    Raises:
        BadInput: there is nothing to train on or to choose the epoch on.
    """
    where = f"{folder.root}/annotations"
    if "train" not in folder.splits:
        raise BadInput(f"{where}: has no train.jsonl; training needs it")
    if "val" in folder.splits:
        return None
    if settings.hold_out == 0:
        raise BadInput(
            f"{where}: has no val.jsonl; training needs it to choose the epoch: add it, or take "
            "training recordings for it with --training.hold_out N"
        )
    samples = folder.samples("train")
    there = len({sample.vid for sample in samples})
    if settings.hold_out >= there:
        raise BadInput(
            f"{where}/train.jsonl: has {there} recordings, of which training.hold_out takes "
            f"{settings.hold_out}; leave some to train on"
        )
    return hold_out(samples, settings.hold_out, settings.seed)


def keep_held_out(run: Path, samples: Iterable[Sample] | None) -> None:
    """Write them into the run folder, so that a resumed run and a reader have the same."""
    if samples is not None:
        write_samples(run / HELD_OUT, samples)


def read_splits(folder: DatasetFolder, run: Path) -> dict[str, list[Sample]]:
    """All splits by name; `val` comes out of `train` where the run folder holds some out.

    In the order of reports: test first, then its relatives, then what the epoch was chosen on.
    """
    splits = {name: folder.samples(name) for name in folder.splits}
    if (run / HELD_OUT).exists():
        splits["val"] = read_samples(run / HELD_OUT)
        vids = {sample.vid for sample in splits["val"]}
        splits["train"] = [sample for sample in splits["train"] if sample.vid not in vids]
    order = sorted(splits, key=lambda name: (name == "val", not name.startswith("test"), name))
    return {name: splits[name] for name in order}
