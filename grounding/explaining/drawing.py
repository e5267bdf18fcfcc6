"""One picture of what a model saw: what was asked, the maps, and everything on one time axis."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from grounding.errors import BadInput
from grounding.explaining import maps, style, tracks, words
from grounding.explaining.seeing import Seen
from grounding.files import atomic

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ENDINGS = (".png", ".svg")
EDGE = 0.35  # inches around what is drawn
MAPS = 3.95  # inches of a map
GAP = 0.12


def require_ending(path: Path) -> str:
    """`png` or `svg`.

    Raises:
        BadInput: the path ends in something else.
    """
    if path.suffix.lower() not in ENDINGS:
        raise BadInput(f"--out {path}: must end in {' or '.join(ENDINGS)}")
    return path.suffix.lower()[1:]


def draw(seen: Seen, path: str | Path) -> list[str]:
    """Write the picture, whole or not at all; no display is needed.

    Returns:
        what it could not draw: letters that no installed font has.

    Raises:
        BadInput: the path ends in neither .png nor .svg.
    """
    path = Path(path)
    kind = require_ending(path)
    logging.getLogger("matplotlib").setLevel(logging.ERROR)  # it tells of its font cache
    import matplotlib
    from matplotlib import font_manager

    look: Any = {
        "font.family": style.families(font_manager.get_font_names()),
        "font.size": style.TEXT,
        "text.color": style.INK,
        "axes.labelcolor": style.QUIET,
        "axes.edgecolor": style.QUIET,
        "xtick.color": style.QUIET,
        "ytick.color": style.QUIET,
        "axes.linewidth": 0.8,
        "text.parse_math": False,  # a sentence may hold dollars
        "svg.fonttype": "none",  # words stay words: to be searched, read aloud, in any font
        "svg.hashsalt": "grounding",
        "hatch.linewidth": 1.2,
    }
    with matplotlib.rc_context(look), warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        with atomic(path) as temporary:
            about: dict[str, Any] = {"Date": None} if kind == "svg" else {}
            _figure(seen).savefig(temporary, format=kind, dpi=style.DPI, metadata=about)
    if kind == "png" and any("missing from font" in str(w.message) for w in told):
        return ["No installed font has some of the letters; --out FILE.svg keeps them as text."]
    return []


def _figure(seen: Seen) -> Figure:
    from matplotlib.figure import Figure

    title = style.wrap(seen.sample.query.text, 105, 3)
    lines = [line for fact in words.facts(seen) for line in style.wrap(fact, 185, 2)]
    # beside the maps where one is lacking
    told = () if 0 < len(seen.explained.maps) < maps.ACROSS else seen.notes
    notes = [line for note in told for line in style.wrap(note, 185, 2)]
    rows = tracks.rows(seen)
    head = 0.34 * len(title) + 0.235 * len(lines) + 0.2
    foot = 0.55 + 0.235 * len(notes)
    middle = MAPS + 1.15 if seen.explained.maps else 0.0
    height = EDGE + head + middle + sum(row.height + GAP for row in rows) + foot

    figure = Figure(figsize=(style.WIDE, height), facecolor=style.PAPER)

    def place(left: float, top: float, width: float, tall: float) -> Any:
        at = (left / style.WIDE, 1 - (top + tall) / height)
        return figure.add_axes((*at, width / style.WIDE, tall / height))

    def write(top: float, text: str, **look: Any) -> None:
        x, y = EDGE / style.WIDE, 1 - top / height
        figure.text(x, y, text, va="top", ha="left", **look)

    top = EDGE
    for line in title:
        write(top, line, fontsize=style.TITLE, fontweight="bold")
        top += 0.34
    top += 0.04
    for line in lines:
        write(top, line, fontsize=style.TEXT, color=style.INK)
        top += 0.235
    top += 0.16
    if seen.explained.maps:
        maps.draw_key(figure, seen, EDGE / style.WIDE, 1 - top / height)
        maps.draw_maps(seen, place, top + 0.5, MAPS)
        top += middle
    for row in rows:
        axes = place(tracks.LEFT, top, tracks.WIDTH, row.height)
        tracks.prepare(axes, seen, last=row is rows[-1])
        row.draw(axes)
        tracks.label(figure, row, EDGE / style.WIDE, 1 - (top + 0.02) / height, height)
        top += row.height + GAP
    top += 0.5
    for line in notes:
        write(top, line, fontsize=style.SMALL, color=style.QUIET)
        top += 0.235
    return figure
