"""What Compare shows below its table, one thing at a time; every bar leads to its queries."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import streamlit as st

from apps.explorer import charts, sets
from apps.explorer.sets import Version
from apps.explorer.text import plain
from grounding.comparison import (
    BREAKDOWNS,
    METRICS,
    Breakdown,
    Comparison,
    Group,
    breakdown,
)
from grounding.groupings import grouping
from grounding.panels import Bar, calibration, mistakes, positions
from grounding.types import Sample

WORDS = {
    "length": "moment length",
    "position": "position in the recording",
    "words": "query length",
    "needs": "what is needed to answer",
    "relative length": "moment length, as a share of the recording",
    "events": "events that the sentence tells of",
    "people agree": "how far people agree on the moment",
}


def show(table: Comparison, train: Sequence[Sample] | None, key: Version) -> None:
    """The picker and what it picks."""
    names = [name for name in LOOKS if name != "People" or table.agreement is not None]
    asked = st.session_state.get("look", names[0])
    name = st.segmented_control(
        "Look at",
        names,
        default=asked if asked in names else names[0],
        key=f"look-{st.session_state.get('arrivals', 0)}",
        required=True,
    )
    st.session_state["look"] = name or names[0]
    LOOKS[name or names[0]](table, train, key)


def _by_group(table: Comparison, train: Sequence[Sample] | None, key: Version) -> None:
    """One metric by groups of queries."""
    left, right = st.columns(2)
    known = [by for by in BREAKDOWNS if by != "people agree"]
    by = left.selectbox("By", known, key="by", format_func=lambda by: WORDS.get(by, by))
    _grouped(table, by, right, key)


def _people(table: Comparison, train: Sequence[Sample] | None, key: Version) -> None:
    """How far people agree, and what that means for a score."""
    st.caption(
        "Several people timed the same queries. Where they do not agree with each other, no model "
        "can agree with the one whose times became the truth."
    )
    _grouped(table, "people agree", st, key)


def _grouped(table: Comparison, by: str, place: Any, key: Version) -> None:
    at = METRICS.index("R1@0.5")
    metric = place.selectbox("Metric", METRICS, index=at, key=f"metric-{by}")
    found = _groups(table, by, metric, key)
    if not found.bins:
        st.info("These queries do not say it.")
        return
    chosen = _drawn(charts.breakdown_bars(found), "chart")
    if chosen:
        _open(table, Group(by, int(chosen["bin"])))
    st.caption("Click a bar to see its queries, or choose the group:")
    with st.container(horizontal=True):
        for at, group in enumerate(found.bins):
            noun = "query" if group.n == 1 else "queries"
            label = plain(f"{group.label}: {group.n} {noun}")
            if st.button(label, key=f"bin-{by}-{at}", disabled=group.n == 0):
                _open(table, Group(by, at))


def _mistakes(table: Comparison, train: Sequence[Sample] | None, key: Version) -> None:
    bars = _kept_mistakes(table, key)
    _linked(table, charts.grouped_bars(bars, table.names, "queries (%)"), bars, "mistakes")
    st.caption(
        "By the first answer. Too short and too long lie right but end wrong; merged covers "
        "several true moments; split lies in one beside another answer; missed: nothing was found "
        "though something is there; false alarm: something was found though nothing is. Pointing "
        "at a bar says what mending that kind would gain."
    )


def _calibration(table: Comparison, train: Sequence[Sample] | None, key: Version) -> None:
    points, errors = calibration(table)
    if not points:
        st.info(
            "The scores of these runs are no probabilities; runs trained with this version have "
            "scores that are."
        )
        return
    names = [name for name in table.names if name in errors]
    _linked(table, charts.reliability(points, names), points, "calibration")
    said = "; ".join(f"{name} {error:.1f}" for name, error in errors.items())
    st.caption(
        plain(
            f"Expected calibration error (points): {said}. Below the line, a run is surer than it "
            "is right."
        )
    )


def _positions(table: Comparison, train: Sequence[Sample] | None, key: Version) -> None:
    bars = positions(table, train)
    _linked(table, charts.grouped_bars(bars, table.names, "moments (%)"), bars, "positions")
    st.caption(
        "Where the middle of moments lies. A run that answers one place more often than the truth "
        "is there has learned a habit; text-prior in the table above is how far habits alone get."
    )


Look = Callable[[Comparison, Sequence[Sample] | None, Version], None]
LOOKS: dict[str, Look] = {
    "Groups": _by_group,
    "Mistakes": _mistakes,
    "Calibration": _calibration,
    "Position bias": _positions,
    "People": _people,
}


@st.cache_resource(max_entries=64, show_spinner=False)
def _groups(_table: Comparison, by: str, metric: str, key: Version) -> Breakdown:
    return breakdown(_table, by, metric)


@st.cache_resource(max_entries=16, show_spinner="looking at the mistakes")
def _kept_mistakes(_table: Comparison, key: Version) -> list[Bar]:
    return mistakes(_table)


def _linked(table: Comparison, chart: Any, bars: Sequence[Bar], name: str) -> None:
    """A chart whose bars lead to their queries, by a click or by name."""
    chosen = _drawn(chart, name)
    if chosen:
        group = bars[int(chosen["place"])].group
        if group is not None:
            _open(table, group)
    there = [bar for bar in bars if bar.n and bar.group is not None]
    if not there:
        return
    left, right = st.columns([3, 1], vertical_alignment="bottom")
    at = left.selectbox(
        "Click a mark to see its queries, or choose them",
        range(len(there)),
        format_func=lambda i: f"{there[i].series}, {there[i].label} ({there[i].n})",
        key=f"{name}-choice",
    )
    if right.button("See the queries", key=f"{name}-open", width="stretch"):
        group = there[at or 0].group
        assert group is not None
        _open(table, group)


def _drawn(chart: Any, name: str) -> dict[str, Any] | None:
    """Draw a chart; the row that was clicked."""
    picked = st.altair_chart(
        chart, width="stretch", on_select="rerun", selection_mode="bar", key=name
    )
    chosen = picked.get("selection", {}).get("bar", [])
    return chosen[0] if chosen else None


def _open(table: Comparison, group: Group) -> None:
    """Go to the queries behind a bar, by an address of their own: one step of Back returns."""
    state = st.session_state
    behind = np.flatnonzero(grouping(table, group.by, group.run)[1] == group.place)
    for chart in ("chart", "mistakes", "calibration", "positions"):
        state.pop(chart, None)
    sample = table.samples[int(behind[0])]
    st.switch_page(
        "explore.py", query_params=sets.place_of(state["set"], table.names, sample, group)
    )
