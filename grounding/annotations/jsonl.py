"""The dataset line (the QVHighlights line as the field shares it) and the prediction line."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

from grounding.errors import AnnotationError
from grounding.files import write_text
from grounding.types import Moment, Prediction, Query, Sample

_KNOWN = {
    "qid",
    "vid",
    "query",
    "duration",
    "relevant_windows",
    "glance",
    "needs",
    "saliency_scores",
}


def _lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise AnnotationError(f"{path}: no such file") from None
    except UnicodeDecodeError as error:
        raise AnnotationError(
            f"{path}: byte {error.start} is not UTF-8; save it as UTF-8"
        ) from None
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (json.JSONDecodeError, RecursionError) as error:
            what = getattr(error, "msg", "nested too deeply")
            raise AnnotationError(
                f"{path}:{number}: not JSON ({what}); one object a line"
            ) from None
        if not isinstance(row, dict):
            raise AnnotationError(f"{path}:{number}: {str(row)[:40]!r} is no JSON object")
        yield number, row


def _number(row: Mapping[str, Any], key: str) -> float:
    value = row[key]
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{key} is {value!r}; it must be a number of seconds")
    return float(value)


def _qid(row: Mapping[str, Any]) -> int | str:
    qid = row["qid"]
    if isinstance(qid, bool) or not isinstance(qid, int | str):
        raise ValueError(f"qid is {qid!r}; it must be an integer or a string")
    return qid


def _windows(rows: Any, key: str, fields: int) -> list[list[float]]:
    if not isinstance(rows, list):
        raise ValueError(f"{key} is {rows!r}; it must be a list of [start, end]")
    for row in rows:
        good = isinstance(row, list) and len(row) == fields
        if not good or not all(isinstance(v, int | float) and not isinstance(v, bool) for v in row):
            raise ValueError(
                f"{key} holds {str(row)[:40]}; each must be a list of {fields} numbers"
            )
    return rows


def sample_from_row(row: Mapping[str, Any]) -> Sample:
    """One dataset line -> Sample; keys it does not know are kept in `extra`.

    Raises:
        ValueError: a value is wrong; KeyError: a key is missing.
    """
    duration = _number(row, "duration")
    windows = tuple(
        Moment(a, b) for a, b in _windows(row["relevant_windows"], "relevant_windows", 2)
    )
    saliency = row.get("saliency_scores")
    sample = Sample(
        query=Query(str(row["query"]), _qid(row), str(row["vid"])),
        duration=duration,
        windows=windows,
        glance=_number(row, "glance") if row.get("glance") is not None else None,
        needs=row.get("needs"),
        saliency=None if saliency is None else tuple(saliency),
        extra={k: v for k, v in row.items() if k not in _KNOWN},
    )
    for window in windows:
        if window.end > duration + 1e-3:
            raise ValueError(f"end {window.end} s is after the recording ({duration} s)")
    return sample


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
    samples: list[Sample] = []
    seen: dict[int | str, int] = {}
    for number, row in _lines(path):
        try:
            sample = sample_from_row(row)
        except KeyError as error:
            raise AnnotationError(f"{path}:{number}: the key {error} is missing") from None
        except (ValueError, TypeError) as error:
            raise AnnotationError(f"{path}:{number}: {error}; correct the line") from None
        if sample.qid in seen:
            first = seen[sample.qid]
            raise AnnotationError(f"{path}:{number}: qid {sample.qid!r} stands in line {first} too")
        seen[sample.qid] = number
        samples.append(sample)
    return samples


def write_samples(path: str | Path, samples: Iterable[Sample]) -> None:
    """Write a dataset's annotation file, whole or not at all."""
    rows = (json.dumps(sample_to_row(s), ensure_ascii=False) for s in samples)
    write_text(Path(path), "".join(row + "\n" for row in rows))


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


def prediction_from_row(row: Mapping[str, Any]) -> Prediction:
    """One prediction line -> Prediction, its moments sorted by score.

    Raises:
        ValueError: a value is wrong; KeyError: a key is missing.
    """
    rows = _windows(row["pred_relevant_windows"], "pred_relevant_windows", 3)
    absent = row.get("pred_absent")
    return Prediction(
        Query(str(row.get("query") or row["qid"]), _qid(row), str(row["vid"])),
        tuple(Moment(*map(float, r)) for r in sorted(rows, key=lambda r: -r[2])),
        None if absent is None else _number(row, "pred_absent"),
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
    for number, row in _lines(path):
        try:
            predictions.append(prediction_from_row(row))
            best = [window[2] for window in row["pred_relevant_windows"]]
            unsorted += any(a < b for a, b in pairwise(best))
        except KeyError as error:
            raise AnnotationError(f"{path}:{number}: the key {error} is missing") from None
        except (ValueError, TypeError) as error:
            raise AnnotationError(f"{path}:{number}: {error}; correct the line") from None
    return predictions, unsorted


def write_predictions(path: str | Path, predictions: Iterable[Prediction]) -> None:
    """Write a prediction file, whole or not at all."""
    rows = (json.dumps(prediction_to_row(p), ensure_ascii=False) for p in predictions)
    write_text(Path(path), "".join(row + "\n" for row in rows))
