"""The parts of a batch -> predictions.jsonl, predictions.parquet and failures.jsonl."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from grounding.files import atomic
from grounding.library.parts import RESULTS, Part
from grounding.library.queries import Task
from grounding.types import Query

ROW_GROUP = 1 << 16

SCHEMA = pa.schema(
    [
        pa.field("recording", pa.string(), nullable=False),
        pa.field("qid", pa.string(), nullable=False),  # integers too: some files hold both
        pa.field("query", pa.string(), nullable=False),
        pa.field("rank", pa.int32()),  # from 1; null, like the next three, without any moment
        pa.field("start", pa.float64()),
        pa.field("end", pa.float64()),
        pa.field("score", pa.float64()),
        pa.field("absent", pa.float64()),
        pa.field("recipe", pa.string(), nullable=False),
        pa.field("run", pa.string(), nullable=False),
    ]
)


@dataclass(frozen=True, slots=True)
class Failure:
    """A recording that failed, or in part: a line of failures.jsonl.

    Attributes:
        recording: its vid.
        kind: "unreadable", "partial" (predicted on what decodes), "unreachable" (where it lies does
            not answer), "timeout", "memory", "crash" or "killed" (what its worker process was lost
            to), or "error" (anything else).
        reason: one line.
        attempts: how often it was tried.
    """

    recording: str
    kind: str
    reason: str
    attempts: int


def write_results(
    out: Path, found: Iterable[tuple[Task, Part]], recipe: str, run: str
) -> tuple[int, list[Failure]]:
    """Write the three files, each whole or not at all, in the order of `found` -> how many
    predictions, and the failures.
    """
    count, failures = 0, list[Failure]()
    with (
        atomic(out / RESULTS[0]) as lines,
        atomic(out / RESULTS[1]) as table,
        atomic(out / RESULTS[2]) as failed,
    ):
        with (
            lines.open("w", encoding="utf-8", newline="\n") as predictions,
            table.open("wb") as sink,
            pq.ParquetWriter(sink, SCHEMA) as parquet,
        ):
            waiting: list[dict[str, Any]] = []
            for task, part in found:
                vid = task.recording.vid
                if part.kind:
                    failures.append(Failure(vid, part.kind, part.reason, part.attempts))
                if not part.rows:
                    continue
                for query, row in zip(task.queries, part.rows, strict=True):
                    line = {"qid": query.qid, "vid": vid, **row}
                    predictions.write(json.dumps(line, ensure_ascii=False) + "\n")
                    waiting += _records(query, row, {"recipe": recipe, "run": run})
                    count += 1
                if len(waiting) >= ROW_GROUP:
                    parquet.write_table(pa.Table.from_pylist(waiting, SCHEMA))
                    waiting = []
            if waiting:
                parquet.write_table(pa.Table.from_pylist(waiting, SCHEMA))
        text = (json.dumps(asdict(each), ensure_ascii=False) + "\n" for each in failures)
        failed.write_text("".join(text), encoding="utf-8")
    return count, failures


def _records(
    query: Query, row: Mapping[str, Any], origin: Mapping[str, str]
) -> list[dict[str, Any]]:
    """One row of the table per moment; one without a rank when there is none."""
    shared = {
        "recording": query.vid,
        "qid": str(query.qid),
        "query": query.text,
        "absent": row.get("pred_absent"),
        **origin,
    }
    records = [
        {**shared, "rank": rank, "start": start, "end": end, "score": score}
        for rank, (start, end, score) in enumerate(row["pred_relevant_windows"], 1)
    ]
    return records or [shared]
