"""Our own lines inside other programs' files: what a tool cannot say survives beside what it can.

A format that has room for comments keeps each sample's whole dataset line there, as JSON, and
marks its moments with the line's key. On reading, a moment that nobody touched gets back its exact
times and text from the line; one that was moved or renamed in the tool is read as the tool has it;
a query whose moments were all deleted is gone. Moments without a line, as in files by others, make
one query for each sentence of a recording.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from grounding.annotations.fields import record
from grounding.annotations.jsonl import rows_of, sample_to_row
from grounding.annotations.row import Options, Row
from grounding.annotations.walking import Entry
from grounding.errors import AnnotationError
from grounding.types import Sample

Pair = tuple[float, float]
# JSON needs none of these outside its strings, and in them it can say them otherwise
_ESCAPES = {ord(c): f"\\u{ord(c):04x}" for c in "<>&"}


@dataclass(slots=True)
class Found:
    """One moment in a file.

    Attributes:
        line: where it stands, from 1.
        vid: name of the recording.
        text: the sentence, as the file has it.
        shown: start and end as the file has them, in its unit.
        window: start and end in seconds.
        key: of the kept line it belongs to; "" where it says none.
        number: which of that line's windows it is, from 1.
        extra: what else the file says of it.
    """

    line: int
    vid: str
    text: str
    shown: Pair
    window: Pair
    key: str = ""
    number: int = 0
    extra: dict[str, Any] = field(default_factory=dict)


def keep(sample: Sample) -> str:
    """A sample as one line of JSON: ASCII, no `<`, `>`, `&` or `-->`."""
    return json.dumps(sample_to_row(sample)).translate(_ESCAPES)


def key_of(qid: int | str) -> str:
    """A query's identity, its type included, in the alphabet of `keep`.

    >>> key_of(7), key_of("7")
    ('7', '"7"')
    """
    return json.dumps(qid).translate(_ESCAPES)


def keys_of(samples: Sequence[Sample]) -> list[str]:
    """A key for each sample.

    Raises:
        AnnotationError: a qid stands twice.
    """
    keys = [key_of(sample.qid) for sample in samples]
    twice = next((key for key, count in Counter(keys).items() if count > 1), None)
    if twice is not None:
        raise AnnotationError(f"qid {twice} stands twice; give each query its own")
    return keys


def split_key(name: str) -> tuple[str, int]:
    """Key and number of the window in `<key>-<number>`; ("", 0) for other names."""
    key, _, number = name.strip().rpartition("-")
    return (key, int(number)) if number.isdecimal() and len(number) < 8 else ("", 0)


def recall(text: str, line: int) -> tuple[str, Row]:
    """A kept line -> its key and its row.

    Raises:
        ValueError: it is none of ours, or somebody broke it.
    """
    try:
        data = record(json.loads(text), "a kept line")
        (row,) = rows_of(Entry(Path(), line, "", data), Options())
    except KeyError as error:
        raise ValueError(f"the kept line has no {error}; delete it or restore it") from None
    except RecursionError:
        raise ValueError("a kept line is nested too deeply; delete it") from None
    except json.JSONDecodeError:
        raise ValueError(f"{text[:40]!r} is no kept line; delete it or restore it") from None
    if row.qid is None:
        raise ValueError("the kept line has no qid; delete it or restore it")
    return key_of(row.qid), row


def gather(
    found: Iterable[Found],
    kept: Mapping[str, Row],
    shown: Callable[[Pair], Pair],
    said: Callable[[str], str] = str,
) -> list[Row]:
    """The queries of a file's moments.

    Args:
        found: the moments.
        kept: key -> our own line.
        shown: seconds -> what the writer makes of them.
        said: a sentence -> what the writer makes of it.
    """
    moments: dict[str, list[Found]] = {key: [] for key in kept}
    others: dict[tuple[str, str, str], list[Found]] = {}
    for each in found:
        if each.key in kept:
            moments[each.key].append(each)
        else:
            others.setdefault((each.vid, each.text, repr(each.extra)), []).append(each)
    rows = []
    for key, row in kept.items():
        own, text = moments[key], row.text
        texts = {each.text for each in own}
        if len(texts) == 1 and texts != {said(text)}:
            text = texts.pop()  # renamed
        elif len(texts) > 1:  # somebody made several queries of one
            for each in own:
                if each.text != said(text):
                    others.setdefault((each.vid, each.text, ""), []).append(each)
            own = [each for each in own if each.text == said(text)]
        if own or not row.windows:
            own.sort(key=lambda each: each.number)
            windows = [_exact(each, row.windows, shown) for each in own]
            rows.append(replace(row, text=text, windows=windows))
    for number, ((vid, text, _), some) in enumerate(others.items(), 1):
        windows = list(dict.fromkeys(each.window for each in some))
        # beside kept lines the place in the file is no identity: it may be another's qid
        qid = f"{vid}#{number}" if kept else None
        rows.append(Row(some[0].line, vid, text, windows, qid=qid, extra=some[0].extra))
    return rows


def _exact(found: Found, windows: Sequence[Pair], shown: Callable[[Pair], Pair]) -> Pair:
    """The kept line's own times where the file's are what the writer made of them."""
    if 0 < found.number <= len(windows):
        window = windows[found.number - 1]
        if shown(window) == found.shown:
            return window
    return found.window
