"""The maps: where a moment starts across, where it ends upwards, a value for each cell."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from grounding.explaining import style
from grounding.explaining.seeing import Seen
from grounding.timeline import Floats, Ints
from models.explanation import Map

Place = Callable[[float, float, float, float], Any]  # left, top, width, height in inches -> axes
ACROSS = 3  # maps in a row
WORSE = 0.75  # share of a map's cells
LARGEST = 0.6  # a part of a map larger than this needs no closer look
LEAST = 13  # pixels of a cell that has room for a number
WANTED = ("before", "now")
SHADES = {"seen": "Greys", "detail": "Greys", "before": "Oranges", "now": "Oranges"}


def draw_maps(seen: Seen, place: Place, top: float, side: float) -> None:
    """All maps of the head side by side, squares of equal size."""
    shown = seen.explained.maps[:ACROSS]
    priors = [float(m.values.max()) for m in shown if m.role in WANTED]
    pitch = (style.WIDE - 0.7) / ACROSS
    for i, each in enumerate(shown):
        axes = place(0.9 + i * pitch, top, side, side)
        if i == 0:
            axes.set_ylabel("ends at (s)", fontsize=style.SMALL)
        low, high = (0.0, max(priors)) if each.role in WANTED else limits(each)
        _draw(axes, seen, each, (low, high))
    if len(shown) < ACROSS:
        _say(seen, place(0.9 + len(shown) * pitch, top, side, side))


def _say(seen: Seen, axes: Any) -> None:
    """What is lacking, where it would be."""
    axes.axis("off")
    lines = [line for note in seen.notes for line in style.wrap(note, 48, 6)]
    axes.text(
        0, 0.98, "\n".join(lines), va="top", fontsize=style.TEXT, color=style.QUIET,
        linespacing=1.5, transform=axes.transAxes,
    )  # fmt: skip


def draw_key(figure: Any, seen: Seen, x: float, y: float) -> None:
    """What the outlines mean, in one line."""
    words = [("□", "true moment", style.INK)] if seen.sample.windows else []
    words.append(("□", "answers, best first", style.ANSWER))
    if seen.sample.glance is not None:
        words += [
            ("□", "positives that training would choose now", style.CHOSEN),
            ("◇", "glance: cells up and left of its lines cover it", style.ACCENT),
        ]
    for sign, text, colour in words:
        figure.text(x, y, sign, va="top", color=colour, fontweight="bold", fontsize=style.TEXT + 2)
        figure.text(x + 0.012, y, text, va="top", color=colour, fontsize=style.TEXT)
        x += 0.03 + 0.0052 * len(text)


def grid(each: Map, clips: int) -> Floats:
    """(N, N) values, row = last clip, column = first clip; NaN where there is no cell."""
    values = np.full((clips, clips), np.nan)
    first, last = each.cells.numpy().T
    values[last, first] = each.values.double().numpy()
    return values


def limits(each: Map) -> tuple[float, float]:
    """Up to the best; what is worse than most looks alike, however bad it is."""
    values = each.values.double().numpy()
    return float(np.quantile(values, WORSE)), float(values.max())


def close_up(seen: Seen, each: Map) -> tuple[int, int] | None:
    """First and last clip of the square that holds the best answer, the true moment nearest to it
    and the positives, or these without the answer; None where that is a large part of the map.
    """
    cells = each.cells.numpy()
    best = seen.answer_cells[:1]
    away = np.abs(cells[seen.truth_cells][:, None] - cells[best]).sum((1, 2))
    sought = [*seen.truth_cells[np.argsort(away, kind="stable")[:1]]]
    sought += [*np.flatnonzero(each.chosen.numpy())]
    for marked in ([*sought, *best], sought):
        part = _around(cells[marked], seen.line.clips)
        if part is not None:
            return part
    return None


def _around(cells: Ints, clips: int) -> tuple[int, int] | None:
    if not len(cells):
        return None
    low, high = int(cells.min()), int(cells.max())
    more = max(2, (high - low) // 5)
    low, high = max(low - more, 0), min(high + more, clips - 1)
    return (low, high) if high - low + 1 <= clips * LARGEST else None


def _draw(axes: Any, seen: Seen, each: Map, ends: tuple[float, float]) -> None:
    duration, clips = seen.line.duration, seen.line.clips
    image = _cells(axes, seen, each, ends)
    axes.set_title(each.title, loc="left", fontsize=style.TEXT + 1, fontweight="bold")
    axes.set_xlabel("starts at (s)", fontsize=style.SMALL)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    small = _pixels(axes, duration / clips) < LEAST
    part = close_up(seen, each) if small else None
    _outline(axes, seen, each, part)
    if part is not None:
        _enlarge(
            axes, seen, each, ends, (part[0] * duration / clips, (part[1] + 1) * duration / clips)
        )
    bar = axes.inset_axes((1.03, 0.62, 0.025, 0.36))
    colours = axes.figure.colorbar(image, cax=bar)
    colours.ax.tick_params(labelsize=style.SMALL, length=2)
    colours.outline.set_visible(False)
    worst = f"{ends[0]:.2f}" if each.role in WANTED else f"≤ {ends[0]:.2f}"
    colours.set_ticks(list(ends), labels=[worst, f"{ends[1]:.2f}"])


def _cells(axes: Any, seen: Seen, each: Map, ends: tuple[float, float]) -> Any:
    from matplotlib import colormaps
    from matplotlib.colors import ListedColormap

    whole = seen.line.duration
    # pale enough for every outline to stand out
    shades = ListedColormap(colormaps[SHADES[each.role]](np.linspace(0.06, 0.62, 256)))
    axes.tick_params(labelsize=style.SMALL)
    return axes.imshow(
        grid(each, seen.line.clips), origin="lower", extent=(0, whole, 0, whole), cmap=shades,
        vmin=ends[0], vmax=ends[1], interpolation="none",
    )  # fmt: skip


def _enlarge(
    axes: Any, seen: Seen, each: Map, ends: tuple[float, float], part: tuple[float, float]
) -> None:
    """The part of interest once more, in the corner where no moment can be."""
    from matplotlib.patches import Rectangle

    low, high = part
    side = high - low
    axes.add_patch(Rectangle((low, low), side, side, fill=False, ec=style.QUIET, lw=0.8, zorder=3))
    corner = axes.inset_axes((0.53, 0.075, 0.47, 0.47))
    _cells(corner, seen, each, ends)
    corner.set_xlim(low, high)
    corner.set_ylim(low, high)
    _outline(corner, seen, each)
    corner.yaxis.tick_right()  # beside it, where no cell is
    corner.tick_params(length=2)
    for side in corner.spines.values():
        side.set_color(style.QUIET)


def _outline(axes: Any, seen: Seen, each: Map, apart: tuple[int, int] | None = None) -> None:
    """Outlines of cells with the answers' ranks; positives, and answers other than the best, only
    where they are not shown `apart`, between these two clips.
    """
    from matplotlib.patches import Rectangle

    side = seen.line.duration / seen.line.clips
    index, pixels = each.cells.numpy(), _pixels(axes, side)

    def box(cell: int, colour: str, width: float, inside: float, face: str = "none") -> None:
        at, long = (index[cell] + inside) * side, side * (1 - 2 * inside)
        patch = Rectangle(at, long, long, fc=face, ec=colour, lw=width, zorder=5)
        patch.set_path_effects(_halo(width + 1.6))
        axes.add_patch(patch)

    def is_apart(cell: int) -> bool:
        return apart is not None and apart[0] <= index[cell, 0] and index[cell, 1] <= apart[1]

    for cell in np.flatnonzero(each.chosen.numpy()).tolist():
        if not is_apart(cell):
            box(cell, style.CHOSEN, 1.3, 0.14)
    _glance(axes, seen)
    for cell in seen.truth_cells.tolist():
        box(cell, style.INK, 2.2, -0.14)
    for rank, cell in reversed(list(enumerate(seen.answer_cells.tolist(), 1))):
        if rank > 1 and is_apart(cell):
            continue
        box(cell, style.ANSWER, 1.6, 0.06, style.PAPER)
        inside = pixels >= LEAST
        note = axes.annotate(
            str(rank), (index[cell] + (0.5 if inside else 1.0)) * side,
            xytext=(0, 0) if inside else (2, 0), textcoords="offset points",
            ha="center" if inside else "left", va="center_baseline" if inside else "bottom",
            fontsize=style.SMALL, fontweight="bold", color=style.ANSWER, zorder=7, clip_on=True,
        )  # fmt: skip
        if not inside:
            note.set_path_effects(_halo(2.5))


def _pixels(axes: Any, side: float) -> float:
    """How wide a cell of so many seconds is drawn."""
    low, high = axes.get_xlim()
    return float(side / (high - low) * axes.bbox.width)


def _glance(axes: Any, seen: Seen) -> None:
    """The lines up and left of which all cells cover the glance."""
    if seen.sample.glance is None:
        return
    at, end = min(seen.sample.glance, seen.line.duration), seen.line.duration
    look = {"color": style.ACCENT, "lw": 1.0, "ls": (0, (4, 3)), "zorder": 4}
    axes.plot([at, at, 0], [end, at, at], scalex=False, scaley=False, **look)
    axes.plot(
        at, at, marker="D", ms=7, mfc=style.PAPER, mec=style.ACCENT, mew=1.6, zorder=6,
        scalex=False, scaley=False,
    )  # fmt: skip


def _halo(width: float) -> list[Any]:
    from matplotlib.patheffects import Normal, Stroke

    return [Stroke(linewidth=width, foreground=style.PAPER), Normal()]
