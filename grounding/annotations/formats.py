"""Every format by its name, and which of them a file is."""

from __future__ import annotations

import difflib
from pathlib import Path

from grounding.annotations import (
    babel,
    captions,
    charades,
    csv_table,
    didemo,
    edl,
    elan,
    fiftyone,
    humanml3d,
    jsonl,
    label_studio,
    nextgqa,
    rtl,
    srt,
    vtt,
)
from grounding.annotations.row import Format
from grounding.annotations.source import beginning
from grounding.errors import AnnotationError, BadInput

# the formats of the field, then those of tools
FORMATS: dict[str, Format] = {
    "jsonl": jsonl.FORMAT,
    "charades-sta": charades.FORMAT,
    "activitynet-captions": captions.SECONDS,
    "tacos": captions.FRAMES,
    "didemo": didemo.FORMAT,
    "humanml3d": humanml3d.TEXTS,
    "tmr": humanml3d.TMR,
    "babel": babel.FORMAT,
    "activitynet-rtl": rtl.FORMAT,
    "next-gqa": nextgqa.FORMAT,
    "fiftyone": fiftyone.FORMAT,
    "label-studio": label_studio.FORMAT,
    "elan": elan.FORMAT,
    "vtt": vtt.FORMAT,
    "srt": srt.FORMAT,
    "edl": edl.FORMAT,
    "csv": csv_table.FORMAT,
}


def format_named(name: str, *, writing: bool = False) -> Format:
    """The format of that name.

    Raises:
        BadInput: there is none, or it cannot be written and shall be.
    """
    known = [n for n, each in FORMATS.items() if each.write is not None or not writing]
    if name in known:
        return FORMATS[name]
    what = "can be read but not written" if name in FORMATS else "is no format"
    near = difflib.get_close_matches(name, known, 1)
    hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}"
    raise BadInput(f"{name} {what}; {hint}")


def sniff(path: Path) -> str:
    """The name of a file's format, by its suffix and what it begins with.

    Raises:
        AnnotationError: none fits, or several.
    """
    head = beginning(path)
    name = f"{path.name.lower()}{'/' if path.is_dir() else ''}"
    by_suffix = {n: each for n, each in FORMATS.items() if name.endswith(each.suffixes)}
    others = {} if path.is_dir() else FORMATS
    fitting: list[str] = []
    for formats in (by_suffix, others):
        fitting = fitting or [n for n, each in formats.items() if each.looks(head)]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        raise AnnotationError(f"{path}: may be {' or '.join(fitting)}; say which with --from")
    if path.is_dir():
        raise AnnotationError(f"{path}: is a folder of no known format; name a file in it")
    if '"pred_relevant_windows"' in head:
        raise AnnotationError(f"{path}: holds predictions; name the file of what is true")
    if len(by_suffix) == 1 and head.lstrip().startswith("{"):
        return next(iter(by_suffix))  # its reader says what is missing
    empty = "" if head.strip() else " (it is empty)"
    raise AnnotationError(
        f"{path}: no known format begins like this{empty}; "
        f"say which it is with --from: {', '.join(FORMATS)}"
    )


def written_as(path: Path) -> str:
    """The name of the format that a file to be written has by its suffix.

    Raises:
        BadInput: none has it, or several.
    """
    writable = [n for n, each in FORMATS.items() if each.write is not None]
    fitting = [n for n in writable if path.name.lower().endswith(FORMATS[n].suffixes[:1])]
    if len(fitting) == 1:
        return fitting[0]
    said = " or ".join(fitting or writable)
    raise BadInput(f"{path}: its name does not tell its format; say --to {said}")
