"""Charades-STA: a text line per query, with ViGA's glance between the marks or without."""

from __future__ import annotations

import re
from collections.abc import Iterator

from grounding.annotations.fields import seconds
from grounding.annotations.row import Format, Options, Row
from grounding.annotations.walking import Entry, by_line

_LINE = re.compile(r"\S+[ \t]+\S+[ \t]+\S+[ \t]*##")


def _rows(entry: Entry, options: Options) -> Iterator[Row]:
    where, *rest = entry.value.split("##", 2)
    words = where.split()
    if not (rest and len(words) == 3 and _LINE.match(entry.value.strip())):
        raise ValueError(f"{entry.value[:40]!r} is not `vid start end##sentence`")
    *glance, sentence = rest
    if glance and not glance[0].strip():
        raise ValueError("no glance stands between its marks")
    yield Row(
        line=entry.line,
        vid=words[0],
        text=sentence,
        windows=[(seconds(words[1], "start"), seconds(words[2], "end"))],
        glance=seconds(glance[0], "glance") if glance else None,
    )


FORMAT = Format(
    read=by_line(_rows),
    looks=lambda head: _LINE.match(head.lstrip()) is not None,
    suffixes=(".txt",),
    note="Charades-STA: `vid start end##sentence`, or `vid start end##glance##sentence`",
)
