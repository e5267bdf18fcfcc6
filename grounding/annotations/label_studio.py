"""Label Studio: its JSON export (also the short one), read; JSON tasks to import, written.

Read are timeline labels of a video, whose ranges are frames counted from 1 with both ends
included, as its editor shows them, and so need the frame rate; and regions of a sound recording,
in seconds. A region's own text is the sentence, else its label; the same sentence several times in
a task is one query. Where a task has several annotations, `annotator` says whose each query is.
Cancelled ones and predictions are left out. The task's `vid`, or the stem of its media's address,
names the recording.

Written is a task for each recording with the sentences as labels: timeline labels where the frame
rate is given, else regions in seconds; data that labels can be loaded from (`value="$labels"`);
and the whole dataset lines as `queries`, which Label Studio exports unchanged, so that nothing is
lost. Its media address is the recording's name: put the real one there.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from grounding.annotations import fields
from grounding.annotations.json_file import Located, objects, read_json
from grounding.annotations.kept import Found, Pair, gather, keep, keys_of, recall
from grounding.annotations.row import Format, Options, Row
from grounding.errors import AnnotationError
from grounding.timecode import frame_number, frame_seconds
from grounding.types import Sample

MEDIA = ("video", "audio", "media", "url", "sound", "video_url", "audio_url")
_UPLOADED = re.compile(r"[0-9a-f]{8}-(?=.)")  # what an upload puts before a file's name


def read(path: Path, options: Options) -> Iterable[Row]:
    """The queries of an export; timeline labels need the options' frame rate.

    Raises:
        AnnotationError: with the line.
    """
    rows: list[Row] = []
    for task in objects(path, 1, read_json(path), "the export"):
        kept: dict[str, Row] = {}
        found: list[Found] = []
        line = task.line
        try:
            data = task.get("data", task)  # the short export has no `data`
            if not isinstance(data, dict):
                raise ValueError(f"data is {fields.shown(data)}; it must be an object")
            vid = _vid(data, options)
            for each in objects(path, line, data.get("queries"), "queries"):
                key, row = recall(json.dumps(each), each.line)
                kept[key] = row
            keys = list(kept)
            for regions, extra in _annotations(path, task):
                texts = _texts(regions)
                for each in regions:
                    line = each.line
                    name, number = _place(each.get("id"))
                    key = keys[name - 1] if 0 < name <= len(keys) else ""
                    for label, shown, window in _spans(each, options.rate):
                        text = texts.get(str(each.get("id"))) or label
                        found.append(Found(line, vid, text, shown, window, key, number, extra))
        except ValueError as error:
            if isinstance(error, AnnotationError):
                raise
            raise AnnotationError(f"{path}:{line}: {error}") from None
        is_timeline = any(isinstance(each.shown[0], int) for each in found)
        rate = options.rate if is_timeline else None
        rows += gather(found, kept, partial(_shown, rate=rate))
    return rows


def _annotations(path: Path, task: Located) -> Iterator[tuple[list[Located], dict[str, Any]]]:
    """The regions of each annotation, and what to tell of it."""
    if "annotations" not in task:  # the short export: a list for each control
        lists = [value for value in task.values() if isinstance(value, list)]
        yield [each for some in lists for each in some if isinstance(each, Located)], {}
        return
    some = objects(path, task.line, task["annotations"], "annotations")
    done = [each for each in some if not each.get("was_cancelled")]
    for annotation in done:
        by = annotation.get("completed_by")
        if isinstance(by, dict):
            by = by.get("email") or by.get("id")
        extra = {"annotator": by} if len(done) > 1 else {}
        yield list(objects(path, annotation.line, annotation.get("result"), "result")), extra


def _texts(regions: Sequence[Located]) -> dict[str, str]:
    """Region -> what its annotator wrote about it."""
    texts = {}
    for region in regions:
        value = region.get("value")
        is_text = region.get("type") == "textarea" and region.get("id") is not None
        if is_text and isinstance(value, dict):
            text = value.get("text")
            words = text if isinstance(text, list) else [text]
            texts[str(region.get("id"))] = " ".join(w for w in words if isinstance(w, str))
    return texts


def _spans(region: Located, rate: Fraction | None) -> Iterator[tuple[str, Pair, Pair]]:
    """Label, times as they stand (whole numbers are frames) and seconds of a region's spans."""
    value = region.get("value", region)
    if not isinstance(value, dict) or region.get("type") in ("textarea", "choices"):
        return
    if "timelinelabels" in value or "ranges" in value:
        ranges = value.get("ranges")
        if not isinstance(ranges, list) or not all(isinstance(r, dict) for r in ranges):
            raise ValueError(
                f"ranges is {fields.shown(ranges)}; it must be a list of start and end"
            )
        for label in _labels(value.get("timelinelabels")):
            for each in ranges:
                shown = _frames(each.get("start"), each.get("end"))
                if rate is None:
                    raise ValueError(
                        "a timeline counts frames, and the frame rate is not known; pass --rate"
                    )
                first, last = shown
                yield label, shown, (frame_seconds(first - 1, rate), frame_seconds(last, rate))
    elif "start" in value and "end" in value and "sequence" not in value:
        # whole seconds must not look like frames
        start, end = (float(fields.number(value[name], name)) for name in ("start", "end"))
        pair = start, end
        for label in _labels(value.get("labels")):
            yield label, pair, pair


def _frames(first: Any, last: Any) -> tuple[int, int]:
    """First and last frame; the editor leaves out one of them for a single frame."""
    first, last = (last if first is None else first), (first if last is None else last)
    for frame in (first, last):
        if isinstance(frame, bool) or not isinstance(frame, int):
            raise ValueError(f"a range holds {fields.shown(frame)}; it must be a frame's number")
    return first, last


def _labels(labels: Any) -> list[str]:
    """The labels of a region; one without is a sentence still to be written."""
    some = labels if isinstance(labels, list) else [labels]
    return [str(label) for label in some if label is not None] or [""]


def _vid(data: dict[str, Any], options: Options) -> str:
    """The recording of a task: the one it names, or the stem of its address."""
    if isinstance(data.get("vid"), str):
        return str(data["vid"])
    texts = {key: value for key, value in data.items() if isinstance(value, str) and value}
    address = next((texts[key] for key in MEDIA if key in texts), None)
    if address is None and options.vid is None:
        raise ValueError(f"the task names no {' or '.join(MEDIA[:2])}; add vid to its data")
    if address is None:
        return str(options.vid)
    parts = urlsplit(address) if "://" in address or address.startswith("/") else None
    name = address
    if parts is not None:
        name = (parse_qs(parts.query).get("d") or [unquote(parts.path)])[0]
    stem = Path(re.split(r"[/\\]", name)[-1]).stem
    return _UPLOADED.sub("", stem, count=1) if "/upload/" in address else stem


def _place(name: Any) -> tuple[int, int]:
    """Query and window of a region that we wrote; (0, 0) for others."""
    match = re.fullmatch(r"q(\d{1,7})w(\d{1,7})", name, re.A) if isinstance(name, str) else None
    return (int(match[1]), int(match[2])) if match else (0, 0)


def _shown(window: Pair, rate: Fraction | None) -> Pair:
    """Frames, from 1 and both included, where the rate is known; else seconds."""
    if rate is None:
        return window
    first = frame_number(window[0], rate)
    return first + 1, max(frame_number(window[1], rate), first + 1)


def region(
    name: str, text: str, window: Pair, rate: Fraction | None, duration: float | None = None
) -> dict[str, Any]:
    """One region of a task."""
    start, end = _shown(window, rate)
    value: dict[str, Any]
    if rate is None:
        value = {"start": start, "end": end, "channel": 0, "labels": [text]}
    else:
        value = {"ranges": [{"start": start, "end": end}], "timelinelabels": [text]}
    media, kind = ("audio", "labels") if rate is None else ("video", "timelinelabels")
    made = {"id": name, "from_name": "moment", "to_name": media, "type": kind, "value": value}
    return made | ({"original_length": duration} if rate is None and duration else {})


def task_data(vid: str, texts: Iterable[str], rate: Fraction | None) -> dict[str, Any]:
    """The data of a task: the recording, and its labels without repetition."""
    media = "audio" if rate is None else "video"
    return {"vid": vid, media: vid, "labels": [{"value": text} for text in dict.fromkeys(texts)]}


def looks(head: str) -> bool:
    """Whether a file that begins like this is an export or a list of tasks."""
    if not head.lstrip().startswith(("[", "{")):
        return False
    return '"timelinelabels"' in head or (
        '"data"' in head and ('"annotations"' in head or '"predictions"' in head)
    )


def write(samples: Sequence[Sample], options: Options) -> str:
    """The text of a file of tasks, one for each recording."""
    keys_of(samples)
    rate = options.rate
    recordings: dict[str, list[Sample]] = {}
    for sample in samples:
        recordings.setdefault(sample.vid, []).append(sample)
    tasks = []
    for vid, some in recordings.items():
        result = [
            region(
                f"q{at}w{number}", sample.query.text, (window.start, window.end), rate,
                sample.duration,
            )
            for at, sample in enumerate(some, 1)
            for number, window in enumerate(sample.windows, 1)
        ]  # fmt: skip
        data = task_data(vid, (sample.query.text for sample in some), rate)
        data["queries"] = [json.loads(keep(sample)) for sample in some]
        tasks.append({"data": data, "annotations": [{"result": result}]})
    return json.dumps(tasks, ensure_ascii=False, indent=1) + "\n"


FORMAT = Format(read, looks, (".json",), "Label Studio tasks", write)
