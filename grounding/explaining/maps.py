"""The maps: where a moment starts across, where it ends upwards, a value for each cell."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from grounding.explaining import style
from grounding.explaining.seeing import Seen
from grounding.timeline import Floats
from models.explanation import Map

Place = Callable[[float, float, float, float], Any]  # left, top, width, height in inches -> axes
ACROSS = 3  # maps in a row
SHADES = {"seen": "Greys", "detail": "Greys", "before": "Oranges", "now": "Oranges"}


def draw_maps(seen: Seen, place: Place, top: float, tall: float) -> None:
    """All maps of the head side by side, squares of equal size."""
    shown = seen.explained.maps[:ACROSS]
    priors = [m.values.max() for m in shown if m.role in ("before", "now")]
    pitch = (style.WIDE - 0.35) / ACROSS
    for i, each in enumerate(shown):
        axes = place(0.95 + i * pitch, top, tall * 0.92, tall * 0.92)
        most = float(max(priors)) if each.role in ("before", "now") else None
        _draw(axes, seen, each, most)


def grid(each: Map, clips: int) -> Floats:
    """(N, N) values, row = last clip, column = first clip; NaN where there is no cell."""
    values = np.full((clips, clips), np.nan)
    first, last = each.cells.numpy().T
    values[last, first] = each.values.double().numpy()
    return values


def _draw(axes: Any, seen: Seen, each: Map, most: float | None) -> None:
    import matplotlib

    duration, clips = seen.line.duration, seen.line.clips
    values = grid(each, clips)
    shades = matplotlib.colormaps[SHADES[each.role]].resampled(256)
    low = float(np.nanmin(values)) if most is None else 0.0
    high = float(np.nanmax(values)) if most is None else most
    image = axes.imshow(
        values,
        origin="lower",
        extent=(0, duration, 0, duration),
        cmap=shades,
        vmin=low,
        vmax=high,
        interpolation="none",
    )
    axes.set_title(each.title, loc="left", fontsize=style.TEXT + 1, fontweight="bold")
    axes.set_xlabel("starts at (s)", fontsize=style.SMALL)
    axes.set_ylabel("ends at (s)", fontsize=style.SMALL)
    axes.tick_params(labelsize=style.SMALL)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    _outline(axes, seen, each)
    bar = axes.inset_axes((0.62, 0.1, 0.34, 0.03))
    colours = axes.figure.colorbar(image, cax=bar, orientation="horizontal")
    colours.ax.tick_params(labelsize=style.SMALL, length=2)
    colours.outline.set_visible(False)
    colours.set_ticks([low, high], labels=[f"{low:.2f}", f"{high:.2f}"])


def _outline(axes: Any, seen: Seen, each: Map) -> None:
    from matplotlib.patches import Rectangle
    from matplotlib.patheffects import Normal, Stroke

    side = seen.line.duration / seen.line.clips
    cells = each.cells.numpy() * side

    def box(cell: int, colour: str, width: float, grow: float = 0.0) -> None:
        at = cells[cell] - grow
        patch = Rectangle(at, side + 2 * grow, side + 2 * grow, fill=False, ec=colour, lw=width)
        patch.set_path_effects([Stroke(linewidth=width + 1.6, foreground=style.PAPER), Normal()])
        axes.add_patch(patch)

    for cell in np.flatnonzero(each.chosen.numpy()):
        box(cell, style.CHOSEN, 1.2)
    if seen.sample.glance is not None:
        at = min(seen.sample.glance, seen.line.duration)
        look = {"color": style.ACCENT, "lw": 1.0, "ls": (0, (4, 3))}
        axes.plot([at, at], [at, seen.line.duration], **look)
        axes.plot([0, at], [at, at], **look)
        axes.plot(at, at, marker="D", ms=7, mfc=style.PAPER, mec=style.ACCENT, mew=1.6, zorder=6)
    grow = side * 0.5
    for cell in seen.truth_cells:
        box(cell, style.INK, 2.4, grow)
    for rank, cell in reversed(list(enumerate(seen.answer_cells, 1))):
        box(cell, style.ANSWER, 2.2 if rank == 1 else 1.4, grow if rank == 1 else 0)
        x, y = cells[cell]
        note = axes.annotate(
            str(rank),
            (x + side, y + side),
            xytext=(4, 3),
            textcoords="offset points",
            fontsize=style.TEXT if rank == 1 else style.SMALL,
            fontweight="bold" if rank == 1 else "normal",
            color=style.ANSWER,
            zorder=7,
        )
        note.set_path_effects([Stroke(linewidth=2.5, foreground=style.PAPER), Normal()])
