"""The charts of Compare: names and places say what colours say, and a click leads to queries."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair
import numpy as np

from grounding.comparison import Breakdown
from grounding.panels import Bar

COLOURS = ["#0077c2", "#e07b00", "#009e73", "#cc79a7", "#8c7a00"]  # Okabe and Ito's
GREYS = ["#6b6b6b", "#a3a3a3"]  # what is no run
HEIGHT = 280


def grouped_bars(bars: Sequence[Bar], runs: Sequence[str], title: str) -> Any:
    """Groups beside each other, a bar for each series; `place` of a bar comes back on a click."""
    series = list(dict.fromkeys([*(b.series for b in bars if b.series not in runs), *runs]))
    base = altair.Chart(altair.InlineData(values=_rows(bars))).encode(
        x=altair.X(
            "group:N",
            sort=list(dict.fromkeys(bar.label for bar in bars)),
            title=None,
            # slanted, so that a phone shows every name
            axis=altair.Axis(labelAngle=-30, labelOverlap=False),
        ),
        xOffset=altair.XOffset("series:N", sort=series),
    )
    shown = base.mark_bar(cursor="pointer").encode(
        y=altair.Y("value:Q", title=title),
        color=_colour(series, runs),
        tooltip=_tooltip("value:Q"),
    )
    return shown.add_params(_click()).properties(height=HEIGHT)


def breakdown_bars(found: Breakdown) -> Any:
    """A metric of every run by groups, with intervals; the bin comes back on a click."""
    rows = []
    for at, group in enumerate(found.bins):
        for r, name in enumerate(found.names):
            if np.isnan(group.value[r]):
                continue
            low, high = group.interval95[r]
            row = {
                "bin": at,
                "group": f"{group.label} ({group.n})",
                "run": name,
                "value": group.value[r],
                "queries": group.n,
                "recordings": group.recordings,
            }
            # JSON has no NaN: one recording alone has no interval
            rows.append(row if np.isnan(low) else {**row, "low": low, "high": high})
    order = [f"{g.label} ({g.n})" for g in found.bins]
    base = altair.Chart(altair.InlineData(values=rows)).encode(
        x=altair.X("group:N", sort=order, title=None, axis=altair.Axis(labelAngle=0)),
        xOffset=altair.XOffset("run:N", sort=list(found.names)),
    )
    bar = altair.selection_point(name="bar", fields=["bin"], on="click", clear=False)
    colour = altair.Color(
        "run:N",
        sort=list(found.names),
        scale=altair.Scale(domain=list(found.names), range=COLOURS),
        legend=altair.Legend(orient="top", title=None),
    )
    scale = altair.Scale(domain=[0, 100])
    bars = base.mark_bar(cursor="pointer").encode(
        y=altair.Y("value:Q", title=f"{found.metric} (%)", scale=scale),
        color=colour,
        tooltip=[
            altair.Tooltip("run:N"),
            altair.Tooltip("group:N"),
            altair.Tooltip("value:Q", format=".1f"),
            altair.Tooltip("low:Q", format=".1f"),
            altair.Tooltip("high:Q", format=".1f"),
            altair.Tooltip("queries:Q"),
            altair.Tooltip("recordings:Q"),
        ],
    )
    # light around dark: to be seen on bars and on both themes
    whiskers = [
        base.mark_rule(strokeWidth=width, color=shade).encode(y="low:Q", y2="high:Q")
        for width, shade in ((5, "#fff"), (2, "#222"))
    ]
    return altair.layer(bars.add_params(bar), *whiskers).properties(height=HEIGHT)


def reliability(points: Sequence[Bar], runs: Sequence[str]) -> Any:
    """Confidence across, accuracy up; on the diagonal, a score means what it says."""
    scale = altair.Scale(domain=[0, 100])
    data = altair.InlineData(values=_rows(points))
    base = altair.Chart(data).encode(
        x=altair.X("x:Q", title="score of the first answer (%)", scale=scale),
        y=altair.Y("value:Q", title="right (%)", scale=scale),
        color=_colour(list(runs), runs),
    )
    diagonal = (
        altair.Chart(altair.InlineData(values=[{"x": 0, "value": 0}, {"x": 100, "value": 100}]))
        .mark_line(strokeDash=[4, 4], color="#8a8a8a")
        .encode(x="x:Q", y="value:Q")
    )
    dots = base.mark_point(filled=True, opacity=1, cursor="pointer").encode(
        size=altair.Size("queries:Q", legend=None, scale=altair.Scale(range=[60, 500])),
        shape=altair.Shape("series:N", sort=list(runs), legend=None),
        tooltip=_tooltip("value:Q", altair.Tooltip("x:Q", title="score", format=".1f")),
    )
    lines = base.mark_line(strokeWidth=1.5)
    # tall, so that a way off the diagonal is seen
    return altair.layer(diagonal, lines, dots.add_params(_click())).properties(height=420)


def _rows(bars: Sequence[Bar]) -> list[dict[str, Any]]:
    rows = []
    for place, bar in enumerate(bars):
        row = {
            "place": place,
            "group": bar.label,
            "series": bar.series,
            "value": bar.value,
            "queries": bar.n,
            "note": bar.note,
        }
        rows.append(row if bar.x != bar.x else {**row, "x": bar.x})  # JSON has no NaN
    return rows


def _click() -> Any:
    return altair.selection_point(name="bar", fields=["place"], on="click", clear=False)


def _colour(series: Sequence[str], runs: Sequence[str]) -> Any:
    others = [name for name in series if name not in runs]
    colours = dict(zip(others, GREYS, strict=False)) | dict(zip(runs, COLOURS, strict=False))
    return altair.Color(
        "series:N",
        sort=list(series),
        scale=altair.Scale(domain=list(series), range=[colours[name] for name in series]),
        legend=altair.Legend(orient="top", title=None),
    )


def _tooltip(value: str, *more: Any) -> list[Any]:
    return [
        altair.Tooltip("series:N", title="of"),
        altair.Tooltip("group:N"),
        *more,
        altair.Tooltip(value, format=".1f"),
        altair.Tooltip("queries:Q"),
        altair.Tooltip("note:N", title=" "),
    ]
