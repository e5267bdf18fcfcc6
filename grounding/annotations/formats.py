"""The formats by name."""

from __future__ import annotations

from grounding.annotations.csv_table import CSV
from grounding.annotations.edl import EDL
from grounding.annotations.elan import ELAN
from grounding.annotations.fiftyone import FIFTYONE
from grounding.annotations.label_studio import LABEL_STUDIO
from grounding.annotations.row import Format
from grounding.annotations.srt import SRT
from grounding.annotations.vtt import VTT

FORMATS: dict[str, Format] = {
    "fiftyone": FIFTYONE,
    "label-studio": LABEL_STUDIO,
    "elan": ELAN,
    "vtt": VTT,
    "srt": SRT,
    "edl": EDL,
    "csv": CSV,
}
