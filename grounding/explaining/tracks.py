"""Everything that runs over time: one row above the other, seconds across."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from grounding.explaining import style, words
from grounding.explaining.frames import LONG, Strip
from grounding.explaining.seeing import Seen
from grounding.export import is_absent
from grounding.types import Moment
from models.explanation import Chart, Role

COLOURS: dict[Role, str] = {
    "seen": style.ANSWER,
    "detail": "#8fb3d1",
    "before": style.QUIET,
    "now": style.PRIOR,
}
LEFT, RIGHT = 1.95, 0.75  # inches beside the rows
PALE = "#d3e0eb"
BAR = 0.24  # inches
CHART = 1.0
WIDTH = style.WIDE - LEFT - RIGHT
PICTURES = WIDTH / LONG
EPOCH = 0.085


@dataclass(frozen=True)
class Row:
    """One row: its name, what stands below the name, and how it is drawn."""

    title: str
    height: float  # inches
    draw: Callable[[Any], None]
    legend: Sequence[tuple[str, str, str]] = ()  # sign, words, colour


def rows(seen: Seen) -> list[Row]:
    """All rows of a picture, from top to bottom."""
    found = []
    if seen.strip is not None:
        found.append(Row("recording", PICTURES, partial(_strip, strip=seen.strip, seen=seen)))
    truth = lanes(seen.sample.windows)
    count = max(truth, default=0) + 1
    legend = [] if seen.sample.glance is None else [("◇", "glance", style.ACCENT)]
    found.append(
        Row("truth", max(count * (BAR + 0.06), 0.38), partial(_truth, seen=seen, at=truth), legend)
    )
    answers = max(len(seen.prediction.moments), 1)
    doubt = [("", "probably not there", style.ANSWER)] if is_absent(seen.prediction) else []
    found.append(
        Row("answer", max(answers * (BAR + 0.06), 0.38), partial(_answer, seen=seen), doubt)
    )
    for chart in seen.explained.charts:
        found.append(Row(chart.title, CHART, partial(_chart, seen=seen, chart=chart), _key(chart)))
        if chart.marks and seen.history is not None:
            found.append(_history_row(seen.history, seen))
    return found


def lanes(moments: Sequence[Moment]) -> list[int]:
    """For each moment the first lane where it overlaps none before it.

    >>> lanes([Moment(0, 5), Moment(4, 9), Moment(5, 8)])
    [0, 1, 0]
    """
    ends: list[list[Moment]] = []
    places = []
    for moment in moments:
        free = (i for i, lane in enumerate(ends) if all(moment.iou(m) == 0 for m in lane))
        place = next(free, len(ends))
        if place == len(ends):
            ends.append([])
        ends[place].append(moment)
        places.append(place)
    return places


def prepare(axes: Any, seen: Seen, last: bool) -> None:
    """An axis of seconds, with the true moments and the glance behind everything."""
    axes.set_xlim(0, seen.line.duration)
    axes.set_yticks([])
    axes.yaxis.tick_right()
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(style.QUIET if last else style.FAINT)
    axes.tick_params(axis="x", labelsize=style.SMALL, labelbottom=last, bottom=last)
    if last:
        axes.set_xlabel("seconds", fontsize=style.SMALL, labelpad=2)
    for window in seen.sample.windows:
        axes.axvspan(window.start, window.end, color=style.INK, alpha=0.07, lw=0, zorder=0)
    if seen.sample.glance is not None:
        axes.axvline(seen.sample.glance, color=style.ACCENT, lw=1, ls=(0, (4, 3)), zorder=1)


def label(figure: Any, row: Row, x: float, y: float, height: float) -> None:
    """The name of a row at its left, and what its colours mean below."""
    name = style.wrap(row.title, 19, 2)
    for i, line in enumerate(name):
        below = y - i * 0.2 / height
        figure.text(x, below, line, va="top", fontweight="bold", fontsize=style.TEXT)
    for i, (sign, text, colour) in enumerate(row.legend, len(name)):
        below = y - i * 0.2 / height
        figure.text(
            x, below, f"{sign} {text}".lstrip(), va="top", fontsize=style.SMALL, color=colour
        )


def _strip(axes: Any, strip: Strip, seen: Seen) -> None:
    edges = strip.edges
    for start, end, picture in zip(edges[:-1], edges[1:], strip.pictures, strict=True):
        axes.imshow(picture, extent=(start, end, 0, 1), aspect="auto", zorder=2)
        axes.axvline(end, color=style.PAPER, lw=2, zorder=3)
    axes.set_xlim(0, seen.line.duration)
    axes.set_ylim(0, 1)


def _truth(axes: Any, seen: Seen, at: Sequence[int]) -> None:
    count = max(at, default=0) + 1
    axes.set_ylim(count, 0)
    for window, lane in zip(seen.sample.windows, at, strict=True):
        axes.barh(
            lane + 0.5, window.length, BAR / (BAR + 0.06), window.start,
            color=style.INK, ec=style.INK, lw=1.4, hatch="///", hatchcolor=style.QUIET, zorder=2,
        )  # fmt: skip
    if not seen.sample.windows:
        axes.text(0, 0.5, " the moment is not there", va="center", fontsize=style.SMALL)
    if seen.sample.glance is not None:
        axes.plot(
            seen.sample.glance, 0.5, "D", ms=8, mfc=style.PAPER, mec=style.ACCENT, mew=1.8, zorder=5
        )


def _answer(axes: Any, seen: Seen) -> None:
    moments = seen.prediction.moments
    axes.set_ylim(max(len(moments), 1), 0)
    if not moments:
        axes.text(0, 0.5, " nothing was found", va="center", fontsize=style.SMALL)
    for i, moment in enumerate(moments):
        axes.barh(
            i + 0.5, moment.length, BAR / (BAR + 0.06), moment.start,
            color=PALE if i or is_absent(seen.prediction) else style.ANSWER,
            ec=style.ANSWER, lw=1.4, zorder=2,
        )  # fmt: skip
        iou = seen.iou(moment)
        said = f"{i + 1}: {words.span(moment)}, score {moment.score:.2f}"
        said += "" if iou is None else f", IoU {iou:.2f}"
        after = moment.end < 0.72 * seen.line.duration
        axes.annotate(
            said, (moment.end if after else moment.start, i + 0.5),
            xytext=(5 if after else -5, 0), textcoords="offset points",
            va="center", ha="left" if after else "right", fontsize=style.SMALL, zorder=4,
        )  # fmt: skip


def _key(chart: Chart) -> list[tuple[str, str, str]]:
    lines = [("━" if c.role != "before" else "┅", c.name, COLOURS[c.role]) for c in chart.curves]
    if chart.level is not None:
        lines.append(("┄", f"{chart.level[0]} {chart.level[1]:.2f}", style.INK))
    if chart.marks:
        lines.append(("▲", "centres", COLOURS[chart.marks[-1].role]))
    return lines


def _chart(axes: Any, seen: Seen, chart: Chart) -> None:
    edges = seen.line.edges
    everything = np.concatenate([c.values.double().numpy() for c in chart.curves])
    low, high = min(float(everything.min()), 0.0), float(everything.max())
    room = max(high - low, 1e-9)
    axes.set_ylim(low - (0.18 if chart.marks else 0.04) * room, high + 0.08 * room)
    for curve in chart.curves:
        values, colour = curve.values.double().numpy(), COLOURS[curve.role]
        dashes = (0, (3, 2)) if curve.role == "before" else "-"
        axes.stairs(values, edges, color=colour, lw=1.6, ls=dashes, baseline=None, zorder=3)
        if chart.level is not None and curve is chart.curves[0]:
            above = np.maximum(values, chart.level[1])
            axes.stairs(above, edges, baseline=chart.level[1], fill=True, color=colour, alpha=0.22)
    if chart.level is not None:
        axes.axhline(chart.level[1], color=style.INK, lw=1, ls=":", zorder=2)
    middles = (edges[:-1] + edges[1:]) / 2
    for marks in chart.marks:
        at = middles[marks.clips.numpy()]
        face = style.PAPER if marks.role == "before" else COLOURS[marks.role]
        axes.plot(
            at, np.full(len(at), low - 0.09 * room), "^", ms=10 if marks.role == "before" else 5,
            mfc=face, mec=COLOURS[marks.role], zorder=3 + (marks.role == "now"),
        )  # fmt: skip
    axes.set_yticks([low, high], labels=[f"{low:.2g}", f"{high:.2g}"], fontsize=style.SMALL)
    axes.tick_params(axis="y", length=0)


def _history_row(history: npt.NDArray[np.bool_], seen: Seen) -> Row:
    height = float(np.clip(EPOCH * len(history), 0.85, 1.8))
    legend = [("", line, style.PRIOR) for line in words.moved(history)]
    draw = partial(_history, seen=seen, history=history)
    return Row("centres, by epoch", height, draw, legend)


def _history(axes: Any, seen: Seen, history: npt.NDArray[np.bool_]) -> None:
    from matplotlib.colors import ListedColormap

    epochs = len(history)
    axes.imshow(
        history, extent=(0, seen.line.duration, epochs, 0), aspect="auto",
        cmap=ListedColormap(["none", style.PRIOR]), vmin=0, vmax=1,
        interpolation="none", zorder=0.5, alpha=0.85,
    )  # fmt: skip
    axes.set_xlim(0, seen.line.duration)
    axes.set_ylim(epochs, 0)
    axes.set_yticks([0.5, epochs - 0.5], labels=["epoch 1", str(epochs)], fontsize=style.SMALL)
    axes.tick_params(axis="y", length=0)
