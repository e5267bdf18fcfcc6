"""Predictions as text for other programs: one function a format, `FORMATS` names them.

Times count from the recording's first frame. Sentences come from anywhere: none can break out of
its field.
"""

from __future__ import annotations

import io
import json
import math
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from csv import writer
from fractions import Fraction

from grounding.annotations.jsonl import prediction_to_row
from grounding.errors import BadInput
from grounding.types import Moment, Prediction

ABSENT = 0.5  # at this probability and above, the moment is probably not there
COLUMNS = ("vid", "query", "qid", "rank", "start", "end", "score", "absent")
# Frame rates that equipment has, as ratios.
RATES = [Fraction(n) for n in (24, 25, 30, 48, 50, 60)]
RATES += [Fraction(1000 * n, 1001) for n in (24, 30, 48, 60)]
DROPPED = {Fraction(30000, 1001), Fraction(60000, 1001)}  # timecode leaves out numbers


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
    cues = ["WEBVTT\n"]
    for start, end, name, text in _cues(predictions):
        safe = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        times = f"{_clock(start, '.')} --> {_clock(end, '.')}"
        cues.append(f"{name.replace('>', '')}\n{times}\n{safe}\n")
    return "\n".join(cues)


def srt(predictions: Sequence[Prediction]) -> str:
    """SubRip: a numbered cue for each moment, in time order.

    SubRip cannot escape: what looks like a tag stays one.
    """
    cues = []
    for number, (start, end, _, text) in enumerate(_cues(predictions), 1):
        times = f"{_clock(start, ',')} --> {_clock(end, ',')}"
        cues.append(f"{number}\n{times}\n{text.replace('-->', '→')}\n")
    return "\n".join(cues)


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
        sentence = _one_line(prediction.query.text)
        for rank, moment in enumerate(prediction.moments, 1):
            first = frame_number(moment.start, rate)
            length = max(frame_number(moment.end, rate) - first, 1)
            places = (first, first + length, recorded, recorded + length)
            number, recorded = number + 1, recorded + length
            times = " ".join(timecode(place, rate) for place in places)
            lines += [
                f"{number:03d}  AX       V     C        {times}",
                f"* FROM CLIP NAME: {sentence}",
                f"* SOURCE FILE: {_one_line(prediction.query.vid or '')}",
                f"* COMMENT: {_label(prediction, moment)}, rank {rank}",
                "",
            ]
    return "\n".join(lines)


Format = Callable[[Sequence[Prediction], Fraction | None], str]  # predictions, frames per second
FORMATS: dict[str, Format] = {
    "jsonl": lambda predictions, _: jsonl(predictions),
    "csv": lambda predictions, _: csv(predictions),
    "vtt": lambda predictions, _: vtt(predictions),
    "srt": lambda predictions, _: srt(predictions),
    "edl": edl,
}
COUNT_FRAMES = frozenset({"edl"})  # the formats that need the frame rate


def frame_rate(measured: float, is_variable: bool = False) -> Fraction:
    """The exact rate behind a measured one, in frames per second: 29.97 -> 30000/1001.

    A variable rate counts as the nearest whole one, so that timecode follows the clock.
    """
    if is_variable or not measured > 0:
        return Fraction(max(round(measured), 1))
    for rate in RATES:
        if math.isclose(rate, measured, rel_tol=1e-5):
            return rate
    return Fraction(measured).limit_denominator(1001)


def frame_number(seconds: float, rate: Fraction) -> int:
    """The frame nearest to a time in seconds, without rounding on the way."""
    return round(Fraction(seconds) * rate)


def timecode(frame: int, rate: Fraction) -> str:
    """HH:MM:SS:FF of a frame, or HH:MM:SS;FF with drop-frame counting.

    Frames are counted one by one in a second of the nearest whole number of frames. Drop-frame
    leaves out the first numbers of every minute but each tenth, so that the hours are true.

    >>> timecode(1800, Fraction(30000, 1001))
    '00:01:00;02'
    """
    base = max(math.floor(rate + Fraction(1, 2)), 1)
    mark = ":"
    if rate in DROPPED:
        mark, dropped = ";", base // 15
        tens, rest = divmod(frame, 600 * base - 9 * dropped)
        minutes = max(rest - dropped, 0) // (60 * base - dropped)
        frame += dropped * (9 * tens + minutes)
    seconds, frame = divmod(frame, base)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{seconds:02d}{mark}{frame:02d}"


def _cues(predictions: Sequence[Prediction]) -> Iterator[tuple[int, int, str, str]]:
    """Start and end in milliseconds, name and text of every moment, by time; none is empty."""
    cues = []
    for prediction in predictions:
        for rank, moment in enumerate(prediction.moments, 1):
            start, end = round(1000 * moment.start), round(1000 * moment.end)
            name = f"{_one_line(str(prediction.query.qid))}-{rank}"
            cues.append((start, max(end, start + 1), name, _label(prediction, moment)))
    yield from sorted(cues, key=lambda cue: cue[:2])


def _label(prediction: Prediction, moment: Moment) -> str:
    """The sentence with the score, on one line."""
    note = ", probably not there" if is_absent(prediction) else ""
    return f"{_one_line(prediction.query.text)} ({moment.score:.3f}{note})"


def _one_line(text: str) -> str:
    """Without line breaks and other control characters."""
    words = " ".join(text.split())
    return "".join(c for c in words if unicodedata.category(c) != "Cc")


def _clock(milliseconds: int, mark: str) -> str:
    """HH:MM:SS and milliseconds behind `mark`."""
    seconds, milliseconds = divmod(milliseconds, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{seconds:02d}{mark}{milliseconds:03d}"
