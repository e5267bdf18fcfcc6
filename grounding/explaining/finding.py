"""One query by its qid, in any split of a dataset."""

from __future__ import annotations

import difflib
from typing import NamedTuple

from grounding.dataset import DatasetFolder
from grounding.errors import BadInput
from grounding.types import Sample

NEAR = 3  # similar qids that an error names


class Found(NamedTuple):
    """A query and where it stands."""

    split: str
    place: int  # in its split, from 0
    sample: Sample


def find_query(folder: DatasetFolder, qid: str, split: str | None = None) -> Found:
    """The query of that qid.

    Raises:
        BadInput: there is no such query or split, or several splits have it.
        AnnotationError: a file is wrong.
    """
    where = f"{folder.root / 'annotations'}"
    if split is not None and split not in folder.splits:
        raise BadInput(f"--split {split}: {where} has only {', '.join(folder.splits)}")
    known: list[str] = []
    found: list[Found] = []
    for name in folder.splits if split is None else [split]:
        for place, sample in enumerate(folder.samples(name)):
            known.append(str(sample.qid))
            if known[-1] == qid:
                found.append(Found(name, place, sample))
    if len(found) == 1:
        return found[0]
    if found:
        names = " and ".join(f.split for f in found)
        raise BadInput(f"--qid {qid}: stands in {names}; say which with --split")
    near = difflib.get_close_matches(qid, list(dict.fromkeys(known)), NEAR, 0.0)
    inside = where if split is None else f"{where}/{split}.jsonl"
    raise BadInput(f"--qid {qid}: {inside} has no such query; near ones: {', '.join(near)}")
