"""FiftyOne's temporal detections: `labels.json` of a FiftyOneTemporalDetectionDataset, read and
written, and `samples.json` of a FiftyOneDataset, read.

Layouts as FiftyOne 1.22 documents and parses them: `support` is the first and last frame, both
included, counted from 1; `timestamps` are seconds. A label is a sentence; the same label several
times in a recording is one query with several windows. The key in `labels.json`, or the stem of
`filepath`, names the recording.

Written are `timestamps`, so that no frame rate is needed and times stay exact, and as attributes
of each detection its qid, the window's number and the whole dataset line. Queries that are not
there stand under `not_there`, which FiftyOne does not read. It rounds times to frames and loses
`not_there` once it exports anew.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

from grounding.annotations import fields
from grounding.annotations.json_file import Located, objects, read_json
from grounding.annotations.kept import Found, Pair, gather, keep, keys_of, recall
from grounding.annotations.row import Format, Options, Row
from grounding.errors import AnnotationError
from grounding.timecode import frame_rate, frame_seconds, milliseconds_of
from grounding.types import Sample

LINE, NUMBER = "line", "window"  # attributes: our own line, which of its windows it is
ABSENT = "not_there"
_HEAD = re.compile(r'\ufeff?\s*\{\s*("classes"\s*:\s*(null|\[[^\]]*\])\s*,\s*)?"labels"\s*:\s*\{')


class _Detection(NamedTuple):
    vid: str
    rate: Fraction | None
    values: Located


def read(path: Path, options: Options) -> Iterable[Row]:
    """The queries of an export; frames need a rate, the sample's own or the options'.

    Raises:
        AnnotationError: with the line.
    """
    document = read_json(path)
    if not isinstance(document, Located):
        raise AnnotationError(f"{path}:1: no FiftyOne export; its labels.json is a JSON object")
    kept: dict[str, Row] = {}
    keys: dict[str, str] = {}  # our own line -> its key: every window of a query carries the same
    line = document.line
    try:
        for each in fields.items(document.get(ABSENT, []), ABSENT):
            key, row = recall(fields.text(each, f"a line of {ABSENT}"), line)
            kept[key] = row
        found = []
        for vid, rate, values in _detections(path, document, options):
            line = values.line
            held = values.get("attributes")
            held = {**values, **held} if isinstance(held, dict) else values
            own, number = held.get(LINE), held.get(NUMBER)
            if isinstance(own, str) and own not in keys:
                keys[own], row = recall(own, line)
                kept.setdefault(keys[own], row)
            key = keys[own] if isinstance(own, str) else ""
            window = _window(values, rate)
            text = _text(values.get("label"), document.get("classes"))
            at = number if isinstance(number, int) else 0
            found.append(Found(line, vid, text, window, window, key, at))
    except ValueError as error:
        if isinstance(error, AnnotationError):
            raise
        raise AnnotationError(f"{path}:{line}: {error}") from None
    return gather(found, kept, lambda window: window)


def _detections(path: Path, document: Located, options: Options) -> Iterator[_Detection]:
    labels = document.get("labels")
    if isinstance(labels, dict):
        for vid, some in labels.items():
            for each in objects(path, document.line, some, f"the label of {vid!r}"):
                yield _Detection(vid, options.rate, each)
    elif "samples" in document:
        for sample in objects(path, document.line, document["samples"], "samples"):
            vid = Path(re.split(r"[/\\]", str(sample.get("filepath") or ""))[-1]).stem
            if not vid:
                raise AnnotationError(f"{path}:{sample.line}: the sample has no filepath")
            rate = options.rate or _rate(path, sample)
            for each in _of_sample(path, sample):
                yield _Detection(vid, rate, each)
    else:
        raise AnnotationError(f"{path}:1: holds neither 'labels' nor 'samples'; export it anew")


def _of_sample(path: Path, sample: Located) -> Iterator[Located]:
    """The detections of the field `ground_truth`, or of the only field that has some."""
    fields = {
        name: value
        for name, value in sample.items()
        if isinstance(value, Located)
        and value.get("_cls") in ("TemporalDetections", "TemporalDetection")
    }
    if len(fields) > 1 and "ground_truth" not in fields:
        raise AnnotationError(
            f"{path}:{sample.line}: the fields {', '.join(fields)} all hold temporal detections; "
            "export one, or call it ground_truth"
        )
    for field in [fields["ground_truth"]] if "ground_truth" in fields else fields.values():
        if field["_cls"] == "TemporalDetection":
            yield field
        else:
            yield from objects(path, field.line, field.get("detections"), "detections")


def _rate(path: Path, sample: Located) -> Fraction | None:
    metadata = sample.get("metadata")
    rate = metadata.get("frame_rate") if isinstance(metadata, dict) else None
    if rate is None:
        return None
    if isinstance(rate, bool) or not isinstance(rate, int | float) or not 0.01 < rate < 100_000:
        raise AnnotationError(
            f"{path}:{sample.line}: frame_rate is {fields.shown(rate)}; it must be frames a second"
        )
    return frame_rate(float(rate))


def _text(label: Any, classes: Any) -> str:
    """The label as FiftyOne takes it: a number may stand for a class."""
    is_number = isinstance(label, int) and not isinstance(label, bool)
    if is_number and isinstance(classes, list) and 0 <= label < len(classes):
        label = classes[label]
    return "" if label is None else str(label)


def _window(values: Located, rate: Fraction | None) -> Pair:
    """Start and end in seconds."""
    name = "support" if values.get("support") is not None else "timestamps"
    pair = values.get(name)
    if not isinstance(pair, list) or len(pair) != 2:
        raise ValueError(f"{name} is {fields.shown(pair)}; it must be a list of two numbers")
    if name == "timestamps":
        first, last = (milliseconds_of(v) / 1000 if isinstance(v, str) else v for v in pair)
        return fields.number(first, "start"), fields.number(last, "end")
    if rate is None:
        raise ValueError("support counts frames, and the frame rate is not known; pass --rate")
    if not all(isinstance(v, int) and not isinstance(v, bool) for v in pair):
        raise ValueError(f"support is {fields.shown(pair)}; it must be two frame numbers")
    return frame_seconds(pair[0] - 1, rate), frame_seconds(pair[1], rate)


def looks(head: str) -> bool:
    """Whether a file that begins like this is an export with temporal detections."""
    return _HEAD.match(head) is not None or ('"samples"' in head and '"TemporalDetection' in head)


def write(samples: Sequence[Sample], options: Options) -> str:
    """The text of a `labels.json`; FiftyOne finds the recordings in `data/` beside it."""
    keys_of(samples)
    labels: dict[str, list[dict[str, Any]]] = {}
    for sample in samples:
        some = labels.setdefault(sample.vid, [])
        own = keep(sample)
        some += [
            {
                "label": sample.query.text,
                "timestamps": [window.start, window.end],
                "attributes": {"qid": sample.qid, NUMBER: number, LINE: own},
            }
            for number, window in enumerate(sample.windows, 1)
        ]
    document: dict[str, Any] = {"labels": labels}
    absent = [keep(sample) for sample in samples if not sample.windows]
    if absent:
        document[ABSENT] = absent
    return json.dumps(document, ensure_ascii=False, indent=1) + "\n"


FORMAT = Format(read, looks, (".json",), "FiftyOne temporal detections", write)
