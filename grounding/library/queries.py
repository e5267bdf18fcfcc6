"""The query file of a batch: JSONL, one sentence a line, or CSV; and who is asked what.

A query without `vid` is asked of every recording. A `qid` that is given stays as it is, so that
predictions can be evaluated by it; one and the same is then answered once per recording. Queries
without one are numbered from 1 through all answers, in the order of the predictions (recording,
then place in the query file); numbers that are given are left out. These numbers are the same for
the same recordings and queries, whatever fails.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grounding.errors import BadInput
from grounding.library import tables
from grounding.library.recordings import Recording, normal
from grounding.types import Query

_WHOLE = re.compile("0|[1-9][0-9]{0,14}")


@dataclass(frozen=True, slots=True)
class Asked:
    """A line of the query file; None where it says nothing."""

    text: str
    qid: int | str | None = None
    vid: str | None = None


@dataclass(frozen=True, slots=True)
class Task:
    """A recording and its queries, at least one, in the order of the query file."""

    recording: Recording
    queries: tuple[Query, ...]

    @property
    def sentences(self) -> list[str]:
        """What is asked."""
        return [query.text for query in self.queries]


def read_queries(path: Path) -> list[Asked]:
    """Read a query file; `.csv` and `.tsv` are tables, lines that begin with `{` are JSON.

    Raises:
        BadInput: there is no such file, a line of it cannot be used (names the line), or it holds
            no query.
    """
    if not path.exists() or path.is_dir():
        raise BadInput(f"{path}: no such file; name the file of the queries")
    text = tables.decode(str(path), path.read_bytes())
    first, in_table = text.lstrip()[:1], path.suffix.lower() in tables.TABLES
    if in_table:
        rows = tables.table(str(path), text, ("query", "qid", "vid"), ("query",))
    elif first == "{" or path.suffix.lower() == ".jsonl":
        rows = tables.objects(str(path), text)
    else:
        rows = ((number, {"query": line}) for number, line in tables.lines(text))
    found: list[Asked] = []
    seen: dict[int | str, dict[str | None, int]] = {}
    for number, row in rows:
        if in_table and _WHOLE.fullmatch(row.get("qid", "")):  # in a table every number is text
            row["qid"] = int(row["qid"])
        try:
            asked = _asked(row)
        except ValueError as error:
            raise BadInput(f"{path}:{number}: {error}") from None
        found.append(asked)
        if asked.qid is None:
            continue
        others = seen.setdefault(asked.qid, {})
        same = others.values() if asked.vid is None else (others.get(asked.vid), others.get(None))
        if twin := next(filter(None, same), None):
            raise BadInput(
                f"{path}:{number}: qid {asked.qid!r} stands in line {twin} too; change one of them"
            )
        others[asked.vid] = number
    if not found:
        raise BadInput(f"{path}: holds no query; write one sentence a line")
    return found


def assign(recordings: Sequence[Recording], asked: Sequence[Asked]) -> tuple[list[Task], list[str]]:
    """Who is asked what -> the recordings that are asked anything, and the `vid` of every query
    that names none of them.
    """
    places: dict[str | None, list[int]] = {}
    for place, each in enumerate(asked):
        places.setdefault(None if each.vid is None else normal(each.vid), []).append(place)
    given = {str(each.qid) for each in asked}
    free = (number for number in itertools.count(1) if str(number) not in given)
    tasks = []
    for recording in recordings:
        own = sorted(places.get(None, []) + places.get(normal(recording.vid), []))
        queries = []
        for each in (asked[place] for place in own):
            qid = next(free) if each.qid is None else each.qid
            queries.append(Query(each.text, qid, recording.vid))
        if queries:
            tasks.append(Task(recording, tuple(queries)))
    known = {normal(recording.vid) for recording in recordings}
    return tasks, [each.vid for each in asked if each.vid and normal(each.vid) not in known]


def _asked(row: dict[str, Any]) -> Asked:
    """One row -> Asked, where an empty value says nothing; ValueError for a wrong one."""
    text = row.get("query", "")
    qid, vid = row.get("qid"), tables.word(row, "vid", "the name of a recording")
    if not isinstance(text, str) or not text.strip():
        raise ValueError(f"query is {str(text)[:40]!r}; it must be a sentence")
    if isinstance(qid, bool) or not isinstance(qid, int | str | None):
        raise ValueError(f"qid is {str(qid)[:40]!r}; it must be an integer or a string")
    try:
        f"{text}{qid}{vid}".encode()
    except UnicodeEncodeError:
        raise ValueError("half of a character pair stands alone; write it as UTF-8") from None
    return Asked(text.strip(), None if qid == "" else qid, vid)
