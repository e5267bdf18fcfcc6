"""Annotation and prediction files -> our types, and back."""

from grounding.annotations.checking import Problem, check
from grounding.annotations.formats import FORMATS
from grounding.annotations.jsonl import (
    read_predictions,
    read_samples,
    write_predictions,
    write_samples,
)
from grounding.annotations.reading import opened, read, read_rows, write
from grounding.annotations.row import Format, Options, Row
from grounding.annotations.samples import samples_of

__all__ = [
    "FORMATS",
    "Format",
    "Options",
    "Problem",
    "Row",
    "check",
    "opened",
    "read",
    "read_predictions",
    "read_rows",
    "read_samples",
    "samples_of",
    "write",
    "write_predictions",
    "write_samples",
]
