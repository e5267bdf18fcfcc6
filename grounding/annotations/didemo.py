"""DiDeMo: a JSON list of sentences, each timed by several people in segments of five seconds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from grounding.annotations.fields import besides, identity, number, record, spans, text
from grounding.annotations.row import Format, Options, Row
from grounding.annotations.walking import Entry, by_member

SEGMENT = 5.0  # seconds


def _rows(entry: Entry, options: Options) -> Iterator[Row]:
    query = record(entry.value, "what stands there")
    times = spans(query["times"], "times")
    if not times:
        raise ValueError("times is empty; somebody must have timed it")
    # the segments that most people chose, the first named where they tie; both ends are included
    first, last = Counter(times).most_common(1)[0][0]
    yield Row(
        line=entry.line,
        vid=text(query["video"], "video"),
        text=text(query["description"], "description"),
        windows=[(first * SEGMENT, (last + 1) * SEGMENT)],
        duration=number(query["num_segments"], "num_segments") * SEGMENT,
        qid=identity(query["annotation_id"], "annotation_id"),
        extra=besides(query, "video", "description", "annotation_id"),
    )


FORMAT = Format(
    read=by_member(_rows),
    looks=lambda head: '"num_segments"' in head and '"times"' in head and '"description"' in head,
    suffixes=(".json",),
    note="DiDeMo: the segments most annotators chose; everybody's are kept under `times`",
)
