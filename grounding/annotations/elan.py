"""ELAN's annotation format (EAF 2.7 to 3.0): one recording's tiers, times in milliseconds.

Read are time-aligned annotations of every tier and, with the times of those they refer to, the
others; slots without a time lie evenly between their neighbours. An annotation is a sentence, its
tier stands in `tier`; the same one several times on a tier is one query. The first media file
names the recording, else the file's stem. A file with a document type or entities is refused.

Written are tiers on which nothing overlaps, as ELAN wants them, a tier with each moment's query
and window, and each dataset line as a property of the document, which ELAN keeps: nothing is lost.
Link the recording in ELAN: its address is not known here.
"""

from __future__ import annotations

import heapq
import re
from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path
from urllib.parse import unquote
from xml.sax.saxutils import escape

from grounding import cues
from grounding.annotations.eaf import KEPT, LINKS, UNITS, Times, read_eaf
from grounding.annotations.folders import one_recording
from grounding.annotations.kept import Found, gather, keep, keys_of, recall, split_key
from grounding.annotations.row import Options, Row
from grounding.errors import AnnotationError
from grounding.naming import name_of
from grounding.types import Sample

_ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_HEAD = """<?xml version="1.0" encoding="UTF-8"?>
<ANNOTATION_DOCUMENT AUTHOR="" DATE="1970-01-01T00:00:00+00:00" FORMAT="3.0" VERSION="3.0" \
xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" \
xsi:noNamespaceSchemaLocation="http://www.mpi.nl/tools/elan/EAFv3.0.xsd">
"""
_TYPES = f"""    <LINGUISTIC_TYPE GRAPHIC_REFERENCES="false" LINGUISTIC_TYPE_ID="moment" \
TIME_ALIGNABLE="true"/>
    <LINGUISTIC_TYPE CONSTRAINTS="Symbolic_Association" GRAPHIC_REFERENCES="false" \
LINGUISTIC_TYPE_ID="{LINKS}" TIME_ALIGNABLE="false"/>
    <CONSTRAINT DESCRIPTION="1-1 association with a parent annotation" \
STEREOTYPE="Symbolic_Association"/>
"""


def read(path: Path, options: Options) -> Iterable[Row]:
    """The queries of a file.

    Raises:
        AnnotationError: with the line.
    """
    document = read_eaf(path)
    times, unit = Times(document), UNITS[document.units]
    kept: dict[str, Row] = {}
    found: list[Found] = []
    line = 1
    try:
        for line, text in document.properties:
            key, row = recall(text, line)
            kept[key] = row
        linked = {a.parent: a.text for a in document.annotations if a.tier in document.links}
        vid = options.vid or _stem(document.media) or name_of(path.stem)
        for each in document.annotations:
            line = each.line
            if each.tier in document.links:
                continue
            start, end = (time / unit + Fraction(document.origin, 1000) for time in times.of(each))
            key, number = split_key(linked.get(each.name, ""))
            extra = {"tier": each.tier} if key not in kept else {}
            shown, window = (float(1000 * start), float(1000 * end)), (float(start), float(end))
            text = cues.sentence(each.text)
            found.append(Found(line, vid, text, shown, window, key, number, extra))
    except ValueError as error:
        raise AnnotationError(f"{path}:{line}: {error}") from None
    return gather(found, kept, lambda window: cues.cue_times(*window), _said)


def _stem(address: str) -> str:
    return Path(re.split(r"[/\\]", unquote(address))[-1]).stem


def _said(text: str) -> str:
    """A sentence as XML can hold it, on one line."""
    return cues.sentence(_ILLEGAL.sub("", text))


def looks(head: str) -> bool:
    """Whether a file that begins like this is ELAN's."""
    return "<ANNOTATION_DOCUMENT" in head


def write(samples: Sequence[Sample], options: Options) -> str:
    """The text of a file; it is about one recording."""
    moments = sorted(
        (*cues.cue_times(window.start, window.end), sample.query.text, f"{key}-{number}")
        for key, sample in zip(keys_of(samples), samples, strict=True)
        for number, window in enumerate(sample.windows, 1)
    )
    slots = sorted(
        (time, at, side)
        for at, moment in enumerate(moments)
        for side, time in enumerate(moment[:2])
    )
    names = {(at, side): f"ts{number}" for number, (_, at, side) in enumerate(slots, 1)}
    parts = [_HEAD, '    <HEADER MEDIA_FILE="" TIME_UNITS="milliseconds">\n']
    parts += [
        f'        <PROPERTY NAME="{KEPT}">{escape(keep(sample))}</PROPERTY>\n' for sample in samples
    ]
    last = f'        <PROPERTY NAME="lastUsedAnnotationId">{2 * len(moments)}</PROPERTY>\n'
    parts += [last, "    </HEADER>\n    <TIME_ORDER>\n"]
    parts += [
        f'        <TIME_SLOT TIME_SLOT_ID="{names[at, side]}" TIME_VALUE="{time}"/>\n'
        for time, at, side in slots
    ]
    parts.append("    </TIME_ORDER>\n")
    for number, tier in enumerate(_tiers(moments), 1):
        name = "moments" if number == 1 else f"moments {number}"
        parts.append(f'    <TIER LINGUISTIC_TYPE_REF="moment" TIER_ID="{name}">\n')
        for at in tier:
            refs = " ".join(f'TIME_SLOT_REF{n + 1}="{names[at, n]}"' for n in (0, 1))
            own = f'ALIGNABLE_ANNOTATION ANNOTATION_ID="a{at + 1}" {refs}'
            parts.append(_annotation(own, _said(moments[at][2])))
        parts.append("    </TIER>\n")
        parts.append(
            f'    <TIER LINGUISTIC_TYPE_REF="{LINKS}" PARENT_REF="{name}" '
            f'TIER_ID="query of {name}">\n'
        )
        for at in tier:
            own = f'REF_ANNOTATION ANNOTATION_ID="a{len(moments) + at + 1}" '
            parts.append(_annotation(f'{own}ANNOTATION_REF="a{at + 1}"', moments[at][3]))
        parts.append("    </TIER>\n")
    return "".join([*parts, _TYPES, "</ANNOTATION_DOCUMENT>\n"])


def _tiers(moments: Sequence[tuple[int, int, str, str]]) -> list[list[int]]:
    """Which moments, sorted by start, stand on each tier, so that none overlap there."""
    tiers: list[list[int]] = []
    free: list[tuple[int, int]] = []  # when a tier's last moment ends, and the tier
    for at, (start, end, *_) in enumerate(moments):
        if free and free[0][0] <= start:
            tier = heapq.heappop(free)[1]
        else:
            tier = len(tiers)
            tiers.append([])
        tiers[tier].append(at)
        heapq.heappush(free, (end, tier))
    return tiers


def _annotation(element: str, text: str) -> str:
    name = element.partition(" ")[0]
    return (
        f"        <ANNOTATION>\n            <{element}>\n"
        f"                <ANNOTATION_VALUE>{escape(text)}</ANNOTATION_VALUE>\n"
        f"            </{name}>\n        </ANNOTATION>\n"
    )


FORMAT = one_recording(read, looks, ".eaf", "ELAN", write)
