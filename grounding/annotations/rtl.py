"""ActivityNet-RTL: questions whose answers carry time stamps, as `<12.5> <20.0> because ...`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from grounding.annotations.fields import besides, identity, items, number, record, text
from grounding.annotations.row import Format, Options, Row
from grounding.annotations.walking import Entry, by_member

_STAMP = re.compile(r"<(\d*\.\d+|\d+\.?)>")


def _rows(entry: Entry, options: Options) -> Iterator[Row]:
    video = record(entry.value, "what stands there")
    duration = number(video["duration"], "duration")
    if "QA" not in video:  # the evaluation file: a list of questions
        vid, qid = text(video["vid"], "vid"), identity(video["question_id"], "question_id")
        extra = besides(video, "vid", "question_id", "question", "duration")
        asked, answer = text(video["question"], "question"), text(video["answer"], "answer")
        yield _row(entry, vid, qid, asked, answer, duration, extra)
        return
    for each in items(video["QA"], "QA"):  # the training file: by video
        pair = record(each, "a member of QA")
        extra = besides(pair, "q", "a") | {"answer": pair["a"]}
        asked, answer = text(pair["q"], "q"), text(pair["a"], "a")
        yield _row(entry, entry.name, None, asked, answer, duration, extra)


def _row(
    entry: Entry,
    vid: str,
    qid: int | str | None,
    asked: str,
    answer: str,
    duration: float,
    extra: dict[str, Any],
) -> Row:
    # as its evaluation takes them: the first two stamps, in whatever order
    stamps = sorted(float(stamp) for stamp in _STAMP.findall(answer)[:2])
    if len(stamps) < 2:
        extra["relevant_windows"] = None
    windows = [(stamps[0], stamps[1])] if len(stamps) == 2 else []
    return Row(entry.line, vid, asked, windows, duration, qid, extra=extra)


def _looks(head: str) -> bool:
    questions = '"question_id"' in head and '"answer"' in head and '"vid"' in head
    return questions or ('"QA"' in head and '"q"' in head and '"a"' in head)


FORMAT = Format(
    read=by_member(_rows),
    looks=_looks,
    suffixes=(".json",),
    note="ActivityNet-RTL of LITA: questions with time stamps in the answers, train and val",
)
