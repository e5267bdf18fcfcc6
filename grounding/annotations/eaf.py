"""The XML of ELAN's files, parsed so that no file can harm."""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from xml.parsers import expat

from grounding.errors import AnnotationError

KEPT, LINKS = "grounding", "grounding-query"  # our properties; our type of tier
UNITS = {  # units of time a second
    "milliseconds": Fraction(1000),
    "NTSC-frames": Fraction(30000, 1001),
    "PAL-frames": Fraction(25),
    "PAL-50-frames": Fraction(50),
}


@dataclass(slots=True)
class Annotation:
    line: int
    name: str
    tier: str
    slots: tuple[str, str] | None  # None = those of `parent`
    parent: str = ""
    text: str = ""


@dataclass(slots=True)
class Document:
    """What the parser finds."""

    units: str = "milliseconds"
    media: str = ""
    origin: int = 0
    slots: dict[str, int | None] = field(default_factory=dict)
    annotations: list[Annotation] = field(default_factory=list)
    links: set[str] = field(default_factory=set)  # names of our tiers with queries
    properties: list[tuple[int, str]] = field(default_factory=list)  # ours, by line


class _Parser:
    """Fills a `Document`."""

    def __init__(self) -> None:
        self.document = Document()
        self.tier = self.text = ""
        self.is_ours = False
        self.expat = expat.ParserCreate(namespace_separator=" ")
        self.expat.buffer_text = True
        self.expat.StartElementHandler = self._start
        self.expat.EndElementHandler = self._end
        self.expat.CharacterDataHandler = self._characters
        # no document type, no entities: no bombs, and nothing is fetched
        self.expat.StartDoctypeDeclHandler = self._refuse

    @property
    def line(self) -> int:
        return self.expat.CurrentLineNumber

    def _refuse(self, *_: object) -> None:
        raise ValueError("it declares a document type, which ELAN never writes; take that out")

    def _start(self, tag: str, values: dict[str, str]) -> None:
        self.text = ""
        document = self.document
        if tag == "HEADER":
            document.units = values.get("TIME_UNITS", document.units)
            if document.units not in UNITS:
                raise ValueError(
                    f"TIME_UNITS {document.units[:40]!r} is none of {', '.join(UNITS)}"
                )
        elif tag == "MEDIA_DESCRIPTOR" and not document.media:
            document.media = values.get("MEDIA_URL") or values.get("RELATIVE_MEDIA_URL") or ""
            document.origin = _whole(values.get("TIME_ORIGIN") or "0", "TIME_ORIGIN")
        elif tag == "PROPERTY":
            self.is_ours = values.get("NAME") == KEPT
        elif tag == "TIME_SLOT":
            value = values.get("TIME_VALUE")
            time = None if value is None else _whole(value, "TIME_VALUE")
            document.slots[_needed(values, "TIME_SLOT_ID")] = time
        elif tag == "TIER":
            self.tier = _needed(values, "TIER_ID")
            if values.get("LINGUISTIC_TYPE_REF") == LINKS:
                document.links.add(self.tier)
        elif tag in ("ALIGNABLE_ANNOTATION", "REF_ANNOTATION"):
            name = _needed(values, "ANNOTATION_ID")
            made = Annotation(self.line, name, self.tier, None)
            if tag == "REF_ANNOTATION":
                made.parent = _needed(values, "ANNOTATION_REF")
            else:
                refs = (_needed(values, f"TIME_SLOT_REF{n}") for n in (1, 2))
                made.slots = (next(refs), next(refs))
            document.annotations.append(made)

    def _characters(self, text: str) -> None:
        self.text += text

    def _end(self, tag: str) -> None:
        if tag == "PROPERTY" and self.is_ours:
            self.document.properties.append((self.line, self.text))
        elif tag == "ANNOTATION_VALUE" and self.document.annotations:
            self.document.annotations[-1].text = self.text


def _needed(values: dict[str, str], name: str) -> str:
    if name not in values:
        raise ValueError(f"{name} is missing; save the file in ELAN anew")
    return values[name]


def _whole(text: str, name: str) -> int:
    if not re.fullmatch(r"-?\d{1,15}", text, re.A):
        raise ValueError(f"{name} is {text[:40]!r}; it must be a whole number")
    return int(text)


def read_eaf(path: Path) -> Document:
    """What stands in a file.

    Raises:
        AnnotationError: it is no XML, declares a document type or lacks what ELAN writes.
    """
    if not path.exists() or path.is_dir():
        raise AnnotationError(f"{path}: no such file")
    parser = _Parser()
    try:
        parser.expat.Parse(path.read_bytes(), True)
    except expat.ExpatError as error:
        said = expat.errors.messages.get(error.code, "")
        raise AnnotationError(f"{path}:{error.lineno}: not XML ({said}); save it anew") from None
    except (ValueError, LookupError) as error:
        raise AnnotationError(f"{path}:{parser.line}: {error}") from None
    return parser.document


class Times:
    """When annotations are, in the document's unit."""

    def __init__(self, document: Document) -> None:
        self._annotations = {each.name: each for each in document.annotations}
        self._slots = _aligned(document)
        self._referring: dict[str, tuple[Fraction, Fraction]] = {}

    def of(self, annotation: Annotation) -> tuple[Fraction, Fraction]:
        """Start and end, those of what it refers to where it has none of its own.

        Raises:
            ValueError: a slot has no time, or what it refers to is not there.
        """
        chain: list[str] = []
        while annotation.slots is None and annotation.name not in self._referring:
            chain.append(annotation.name)
            if annotation.parent not in self._annotations or len(chain) > len(self._annotations):
                raise ValueError(f"it refers to {annotation.parent[:40]!r}, which is not there")
            annotation = self._annotations[annotation.parent]
        if annotation.slots is None:
            pair = self._referring[annotation.name]
        else:
            first, last = (self._slots.get(slot) for slot in annotation.slots)
            if first is None or last is None:
                raise ValueError(f"annotation {annotation.name[:40]!r} has no times; align it")
            pair = first, last
        self._referring.update(dict.fromkeys(chain, pair))
        return pair


def _aligned(document: Document) -> dict[str, Fraction | None]:
    """Slot -> time; those without one lie evenly between their neighbours on the tier."""
    times = {name: None if t is None else Fraction(t) for name, t in document.slots.items()}
    for _, some in itertools.groupby(document.annotations, key=lambda each: each.tier):
        slots = [slot for each in some for slot in each.slots or ()]
        order = [slot for slot, _ in itertools.groupby(slots)]
        known = [at for at, slot in enumerate(order) if times.get(slot) is not None]
        for left, right in itertools.pairwise(known):
            first, last = times[order[left]], times[order[right]]
            assert first is not None and last is not None
            for at in range(left + 1, right):
                times[order[at]] = first + (last - first) * Fraction(at - left, right - left)
    return times
