"""BABEL: one JSON object by motion sequence, labelled as a whole and by frame."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from grounding.annotations.fields import besides, items, number, record, text
from grounding.annotations.row import Format, Options, Row
from grounding.annotations.walking import Entry, by_member

_KNOWN = ("dur", "seq_ann", "frame_ann", "seq_anns", "frame_anns")


def _rows(entry: Entry, options: Options) -> Iterator[Row]:
    sequence = record(entry.value, "what stands there")
    duration = number(sequence["dur"], "dur")
    shared = besides(sequence, *_KNOWN)
    for level in ("seq", "frame"):
        for label in _labels(sequence, level):
            whole = level == "seq"
            start = 0.0 if whole else number(label["start_t"], "start_t")
            end = duration if whole else number(label["end_t"], "end_t")
            said = label.get("raw_label") or label["proc_label"]
            yield Row(
                line=entry.line,
                vid=entry.name,
                text=text(said, "raw_label"),
                windows=[(start, end)],
                duration=duration,
                qid=text(label["seg_id"], "seg_id") if label.get("seg_id") else None,
                extra=shared
                | besides(label, "raw_label", "start_t", "end_t", "seg_id")
                | {"level": level},
            )


def _labels(sequence: dict[str, Any], level: str) -> Iterator[dict[str, Any]]:
    """Of one annotator, or of each of several, as in the sparsely labelled files."""
    people = [sequence.get(f"{level}_ann"), *items(sequence.get(f"{level}_anns") or [], "anns")]
    for each in people:
        if each is not None:
            labels = record(each, f"{level}_ann")["labels"]
            for label in items(labels, "labels"):
                yield record(label, "a label")


FORMAT = Format(
    read=by_member(_rows),
    looks=lambda head: '"babel_sid"' in head or '"frame_ann' in head or '"seq_ann' in head,
    suffixes=(".json",),
    note="BABEL: labels of frames and of whole sequences, of one or several annotators",
)
