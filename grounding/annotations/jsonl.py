"""The dataset line (the QVHighlights line as the field shares it) and the prediction line."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

from grounding.annotations.fields import besides, identity, items, number, shown, spans, text
from grounding.annotations.row import Format, Options, Row
from grounding.annotations.samples import sample_of, samples_of
from grounding.annotations.walking import Entry, by_object, objects_of
from grounding.errors import AnnotationError
from grounding.files import write_text
from grounding.types import Moment, Prediction, Query, Sample

_KNOWN = (
    "qid",
    "vid",
    "query",
    "duration",
    "relevant_windows",
    "glance",
    "needs",
    "saliency_scores",
)
_NUMBERS = {int, float}
_REQUIRED = ("qid", "vid", "query", "duration", "relevant_windows")


def rows_of(entry: Entry, options: Options) -> Iterator[Row]:
    """One line; where `relevant_windows` is missing or null, `extra` says so."""
    line = entry.value
    given = {key: line[key] for key in _KNOWN if line.get(key) is not None}
    extra = besides(line, *_KNOWN)
    if "relevant_windows" not in given:
        extra["relevant_windows"] = None
    saliency = given.get("saliency_scores")
    yield Row(
        line=entry.line,
        vid=str(identity(line["vid"], "vid")),
        text=text(line["query"], "query"),
        windows=spans(given.get("relevant_windows", []), "relevant_windows"),
        duration=number(given["duration"], "duration") if "duration" in given else None,
        qid=identity(given["qid"], "qid") if "qid" in given else None,
        glance=number(given["glance"], "glance") if "glance" in given else None,
        needs=text(given["needs"], "needs") if "needs" in given else None,
        saliency=None if saliency is None else tuple(items(saliency, "saliency_scores")),
        extra=extra,
    )


def _strict_rows(entry: Entry, options: Options) -> Iterator[Row]:
    """One line of a dataset folder, where everything must be there; `relevant_windows` may be null:
    nobody said when.
    """
    for key in _REQUIRED:
        if entry.value[key] is None and key != "relevant_windows":
            raise ValueError(f"{key} is None; give it a value")
    yield from rows_of(entry, options)


_read_strictly = by_object(_strict_rows)


def sample_from_row(row: Mapping[str, Any]) -> Sample:
    """One dataset line -> Sample; keys it does not know are kept in `extra`.

    Raises:
        ValueError: a value is wrong; KeyError: a key is missing.
    """
    (strict,) = _strict_rows(Entry(Path(), 1, "", row), Options())
    return sample_of(strict)


def sample_to_row(sample: Sample) -> dict[str, Any]:
    """Sample -> dataset line."""
    row: dict[str, Any] = {
        "qid": sample.qid,
        "vid": sample.vid,
        "query": sample.query.text,
        "duration": sample.duration,
        "relevant_windows": [[w.start, w.end] for w in sample.windows],
    }
    if sample.glance is not None:
        row["glance"] = sample.glance
    if sample.needs is not None:
        row["needs"] = sample.needs
    if sample.saliency is not None:
        row["saliency_scores"] = list(sample.saliency)
    return {**row, **sample.extra}


def read_samples(path: str | Path) -> list[Sample]:
    """Read a dataset's annotation file.

    Raises:
        AnnotationError: naming file, line and value.
    """
    path = Path(path)
    return samples_of(_read_strictly(path, Options()), path=path)


def write_samples(path: str | Path, samples: Iterable[Sample]) -> None:
    """Write a dataset's annotation file, whole or not at all."""
    write_text(Path(path), _lines(samples, Options()))


def _lines(samples: Iterable[Sample], options: Options) -> str:
    return "".join(_line(sample_to_row(sample)) + "\n" for sample in samples)


def _line(row: Mapping[str, Any]) -> str:
    line = json.dumps(row, ensure_ascii=False)
    try:
        line.encode()
    except UnicodeEncodeError:  # half a character in a key we do not know
        return json.dumps(row)
    return line


def _looks(head: str) -> bool:
    keys = ('"query"', '"vid"')
    if not head.lstrip().startswith("{") or not all(key in head for key in keys):
        return False
    return '"pred_relevant_windows"' not in head


FORMAT = Format(
    read=by_object(rows_of),
    looks=_looks,
    suffixes=(".jsonl", ".json"),
    note="the lines of QVHighlights, as many data sets are shared",
    write=_lines,
)


def prediction_to_row(prediction: Prediction) -> dict[str, Any]:
    """Prediction -> prediction line: milliseconds, six digits of score."""
    row: dict[str, Any] = {
        "qid": prediction.query.qid,
        "vid": prediction.query.vid,
        "query": prediction.query.text,
        "pred_relevant_windows": [
            [round(m.start, 3), round(m.end, 3), round(m.score, 6)] for m in prediction.moments
        ],
    }
    if prediction.saliency:
        row["pred_saliency_scores"] = [round(s, 4) for s in prediction.saliency]
    if prediction.absent is not None:
        row["pred_absent"] = round(prediction.absent, 6)
    return row


def _triples(rows: Any) -> list[list[float]]:
    for row in items(rows, "pred_relevant_windows"):
        if type(row) is not list or len(row) != 3 or not _NUMBERS.issuperset(map(type, row)):
            raise ValueError(
                f"pred_relevant_windows holds {shown(row)}; each must be a list of 3 numbers"
            )
    windows: list[list[float]] = rows
    return windows


def _worst_last(row: list[float]) -> float:
    return -row[2]


def prediction_from_row(row: Mapping[str, Any]) -> Prediction:
    """One prediction line -> Prediction, its moments sorted by score.

    Raises:
        ValueError: a value is wrong; KeyError: a key is missing.
    """
    rows = _triples(row["pred_relevant_windows"])
    absent = row.get("pred_absent")
    return Prediction(
        Query(str(row.get("query") or row["qid"]), identity(row["qid"], "qid"), str(row["vid"])),
        tuple(Moment(float(a), float(b), float(s)) for a, b, s in sorted(rows, key=_worst_last)),
        None if absent is None else float(number(absent, "pred_absent")),
        tuple(map(float, row.get("pred_saliency_scores") or ())),
    )


def read_predictions(path: str | Path) -> tuple[list[Prediction], int]:
    """Read a prediction file -> predictions and how many of their lists had to be sorted by score.

    Raises:
        AnnotationError: naming file, line and value.
    """
    path = Path(path)
    predictions: list[Prediction] = []
    unsorted = 0
    for line, row in objects_of(path):
        try:
            predictions.append(prediction_from_row(row))
            best = [window[2] for window in row["pred_relevant_windows"]]
            unsorted += any(a < b for a, b in pairwise(best))
        except KeyError as error:
            raise AnnotationError(f"{path}:{line}: the key {error} is missing") from None
        except (ValueError, TypeError) as error:
            raise AnnotationError(f"{path}:{line}: {error}; correct the line") from None
    return predictions, unsorted


def write_predictions(path: str | Path, predictions: Iterable[Prediction]) -> None:
    """Write a prediction file, whole or not at all."""
    rows = (json.dumps(prediction_to_row(p), ensure_ascii=False) for p in predictions)
    write_text(Path(path), "".join(row + "\n" for row in rows))
