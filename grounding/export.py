"""Predictions as text for other programs: one function a format, `FORMATS` names them.

Times count from the recording's first frame. Sentences come from anywhere: none can break out of
its field.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator, Sequence
from csv import writer
from fractions import Fraction
from typing import Any

from grounding import cues
from grounding.annotations.jsonl import prediction_to_row
from grounding.annotations.label_studio import region, task_data
from grounding.cues import one_line
from grounding.errors import BadInput
from grounding.timecode import DROPPED, frame_number, timecode
from grounding.timecode import frame_rate as frame_rate  # callers look for it here
from grounding.types import Moment, Prediction

ABSENT = 0.5  # at this probability and above, the moment is probably not there
COLUMNS = ("vid", "query", "qid", "rank", "start", "end", "score", "absent")


def is_absent(prediction: Prediction) -> bool:
    """Whether the model thinks that there is no such moment."""
    return prediction.absent is not None and prediction.absent >= ABSENT


def jsonl(predictions: Sequence[Prediction]) -> str:
    """One prediction line each, as in a run's `predictions` folder."""
    rows = (json.dumps(prediction_to_row(p), ensure_ascii=False) for p in predictions)
    return "".join(row + "\n" for row in rows)


def csv(predictions: Sequence[Prediction]) -> str:
    """A row for each moment (RFC 4180), sentences as they are, rank from 1, times in seconds."""
    text = io.StringIO(newline="")
    table = writer(text)
    table.writerow(COLUMNS)
    for prediction in predictions:
        row = prediction_to_row(prediction)
        for rank, (start, end, score) in enumerate(row["pred_relevant_windows"], 1):
            asked = (row["vid"], row["query"], row["qid"])
            table.writerow((*asked, rank, start, end, score, row.get("pred_absent")))
    return text.getvalue()


def vtt(predictions: Sequence[Prediction]) -> str:
    """WebVTT: a cue for each moment, in time order; its name is `<qid>-<rank>`."""
    return cues.vtt(_cues(predictions))


def srt(predictions: Sequence[Prediction]) -> str:
    """SubRip: a numbered cue for each moment, in time order.

    SubRip cannot escape: what looks like a tag stays one.
    """
    return cues.srt(c._replace(text=c.text.replace("-->", "→")) for c in _cues(predictions))


def edl(predictions: Sequence[Prediction], rate: Fraction | None) -> str:
    """CMX3600: an event for each moment, best first, one after the other on the record side.

    Args:
        rate: frames per second of the recordings, exactly; see `frame_rate`.

    Raises:
        BadInput: the rate is not known.
    """
    if rate is None:
        raise BadInput("an edit list counts frames, and the frame rate is not known; give MEDIA")
    mode = "DROP FRAME" if rate in DROPPED else "NON-DROP FRAME"
    lines = ["TITLE: GROUNDING", f"FCM: {mode}", ""]
    number = recorded = 0
    for prediction in predictions:
        sentence = one_line(prediction.query.text)
        for rank, moment in enumerate(prediction.moments, 1):
            first = frame_number(moment.start, rate)
            length = max(frame_number(moment.end, rate) - first, 1)
            places = (first, first + length, recorded, recorded + length)
            number, recorded = number + 1, recorded + length
            times = " ".join(timecode(place, rate) for place in places)
            lines += [
                f"{number:03d}  AX       V     C        {times}",
                f"* FROM CLIP NAME: {sentence}",
                f"* SOURCE FILE: {one_line(prediction.query.vid or '')}",
                f"* COMMENT: {_label(prediction, moment)}, rank {rank}",
                "",
            ]
    return "\n".join(lines)


def fiftyone(predictions: Sequence[Prediction]) -> str:
    """A `labels.json` of FiftyOne's temporal detections, best first, the score as confidence."""
    labels: dict[str, list[dict[str, Any]]] = {}
    for prediction in predictions:
        row = prediction_to_row(prediction)
        said = {"qid": row["qid"], "absent": row.get("pred_absent")}
        labels.setdefault(row["vid"] or "", []).extend(
            {
                "label": row["query"],
                "timestamps": [start, end],
                "confidence": score,
                "attributes": {"rank": rank} | {k: v for k, v in said.items() if v is not None},
            }
            for rank, (start, end, score) in enumerate(row["pred_relevant_windows"], 1)
        )
    return json.dumps({"labels": labels}, ensure_ascii=False, indent=1) + "\n"


def label_studio(predictions: Sequence[Prediction], rate: Fraction | None) -> str:
    """Label Studio's tasks with predictions: timeline labels of a video, sentences as labels.

    Args:
        rate: frames per second, exactly; None = regions of a sound recording, in seconds.
    """
    recordings: dict[str, list[Prediction]] = {}
    for prediction in predictions:
        recordings.setdefault(prediction.query.vid or "", []).append(prediction)
    tasks = []
    for vid, some in recordings.items():
        result = [
            {**region(f"q{at}w{rank}", p.query.text, (m.start, m.end), rate), "score": m.score}
            for at, p in enumerate(some, 1)
            for rank, m in enumerate(p.moments, 1)
        ]
        data = task_data(vid, (p.query.text for p in some), rate)
        tasks.append({"data": data, "predictions": [{"result": result}]})
    return json.dumps(tasks, ensure_ascii=False, indent=1) + "\n"


Format = Callable[[Sequence[Prediction], Fraction | None], str]  # predictions, frames per second
FORMATS: dict[str, Format] = {
    "jsonl": lambda predictions, _: jsonl(predictions),
    "csv": lambda predictions, _: csv(predictions),
    "vtt": lambda predictions, _: vtt(predictions),
    "srt": lambda predictions, _: srt(predictions),
    "edl": edl,
    "fiftyone": lambda predictions, _: fiftyone(predictions),
    "label-studio": label_studio,
}
COUNT_FRAMES = frozenset({"edl", "label-studio"})  # the formats that count frames of a video
SUFFIXES = {"fiftyone": "json", "label-studio": "json"}  # of files, where it is not the name


def _cues(predictions: Sequence[Prediction]) -> Iterator[cues.Cue]:
    """A cue for every moment, its text the sentence with the score."""
    for prediction in predictions:
        for rank, moment in enumerate(prediction.moments, 1):
            name = f"{one_line(str(prediction.query.qid))}-{rank}"
            times = cues.cue_times(moment.start, moment.end)
            yield cues.Cue(*times, name, _label(prediction, moment))


def _label(prediction: Prediction, moment: Moment) -> str:
    """The sentence with the score, on one line."""
    note = ", probably not there" if is_absent(prediction) else ""
    return f"{one_line(prediction.query.text)} ({moment.score:.3f}{note})"
