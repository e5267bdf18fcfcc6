"""Colours, sizes and letters of a picture: the explorer's on its light theme."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

INK = "#31333f"  # the theme's text, and the truth
QUIET = "#6f717b"
FAINT = "#e4e5e9"
PAPER = "#ffffff"
ACCENT = "#1f6bcc"  # the glance
# Okabe and Ito's, pulled towards the ink as on the timeline: apart for colour-blind people too
ANSWER = "#0f639b"
PRIOR = "#ac6513"
CHOSEN = "#0f7e63"

WIDE = 16.0  # inches; 1600 pixels
DPI = 100
TEXT, SMALL, TITLE = 10.5, 9.0, 17.0  # points

# what has letters that the first lacks, where it is installed
FAMILIES = (
    "DejaVu Sans",
    "Noto Sans CJK SC",
    "Noto Sans CJK JP",
    "Source Han Sans SC",
    "WenQuanYi Zen Hei",
    "PingFang SC",
    "Hiragino Sans",
    "Microsoft YaHei",
    "Arial Unicode MS",
    "Noto Sans",
    "Noto Sans Devanagari",
    "Noto Sans Arabic",
    "Noto Emoji",
    "Segoe UI Symbol",
)


def families(installed: Sequence[str]) -> list[str]:
    """Of `FAMILIES`, those that are there; the first comes with the drawing library."""
    return [FAMILIES[0], *(name for name in FAMILIES[1:] if name in set(installed))]


def wrap(text: str, columns: int, most: int) -> list[str]:
    """Lines of at most so many columns, at most `most` of them; what is cut off ends in "…".

    Letters of East Asia are two columns wide. Words longer than a line are cut.

    >>> wrap("one two three", 8, 2), wrap("one two three", 8, 1)
    (['one two', 'three'], ['one two…'])
    """
    lines, line = [], ""
    for word in " ".join(text.split()).split(" "):
        joined = f"{line} {word}" if line else word
        if columns_of(joined) <= columns:
            line = joined
            continue
        if line:
            lines.append(line)
        line = word
        while columns_of(line) > columns:
            cut = fitting(line, columns)
            lines.append(line[:cut])
            line = line[cut:]
    lines.append(line)
    if len(lines) <= most:
        return lines
    last = lines[most - 1]
    return [*lines[: most - 1], f"{last[: fitting(last, columns - 1)]}…"]


def columns_of(text: str) -> int:
    """How wide a line is, in letters of the Latin alphabet."""
    return sum(
        0 if unicodedata.combining(c) else 1 + (unicodedata.east_asian_width(c) in "WF")
        for c in text
    )


def fitting(text: str, columns: int) -> int:
    """How many letters of `text` stand in so many columns; at least one."""
    count = next((n for n in range(len(text), 0, -1) if columns_of(text[:n]) <= columns), 1)
    return max(count, 1)
