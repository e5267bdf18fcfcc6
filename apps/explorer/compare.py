"""Compare: runs side by side, with intervals and what guessing reaches, and where they differ."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair
import numpy as np
import streamlit as st

from apps.explorer import address, welcome
from apps.explorer.place import the_place
from apps.explorer.sets import Version, comparison_of, pick, version
from apps.explorer.text import plain
from grounding.comparison import (
    BREAKDOWNS,
    METRICS,
    Breakdown,
    Comparison,
    Group,
    breakdown,
    differences,
    summary,
)
from grounding.report import Report
from grounding.types import Sample

COLOURS = ["#0077c2", "#e07b00", "#009e73", "#cc79a7", "#8c7a00"]  # Okabe and Ito's
BASELINES = {
    "random": "two random instants",
    "centre-prior": "the span around the middle that fits best",
    "best-fixed-span": "one span for every recording",
    "whole-file": "all of it",
}
HEIGHT = 280


def page() -> None:
    """Pickers, the table, then the breakdown."""
    catalog = the_place().workspace.catalog()
    if not catalog.questions:
        welcome.show(catalog)
        return
    question, runs = pick(catalog)
    if not question.has_truth:
        st.info("The truth is not known for these queries: there is nothing to measure against.")
        return
    if not runs:
        st.info("There is no prediction for these queries; train a model or choose other queries.")
        return
    table = comparison_of(catalog, question, runs)
    train = catalog.train_samples(question)
    key = version(catalog, question, runs)
    address.write({"set": question.id, "runs": runs})
    _metrics(table, _summary(table, train, key), key)
    _breakdown(table, key)


@st.cache_data(max_entries=16, show_spinner="measuring")
def _summary(
    _table: Comparison, _train: Sequence[Sample] | None, key: Version
) -> dict[str, Report]:
    return summary(_table, _train)


def _metrics(table: Comparison, reports: dict[str, Report], key: Version) -> None:
    """A row for each run and baseline; intervals in brackets."""
    some = next(iter(reports.values()))
    keys = list(some["metrics"])
    rows: list[dict[str, Any]] = []
    for name, report in reports.items():
        rows.append({"": name} | {k: _with_interval(report, k) for k in keys})
    guesses = [name for name in BASELINES if name in some["baselines"]]
    for name in guesses:
        values = some["baselines"][name]
        rows.append({"": name} | {k: _number(values.get(k)) for k in keys})
    if some["ceiling"]:
        rows.append(
            {"": "ceiling of the clip grid"} | {k: _number(some["ceiling"].get(k)) for k in keys}
        )
    asked = sum(1 for s in table.samples if s.windows)
    recordings = len({s.vid for s in table.samples})
    st.caption(
        plain(
            f"{asked} queries with a moment, {len(table.samples) - asked} without, "
            f"{recordings} recordings. Percent; in brackets 95 % intervals, drawn by recording."
        )
    )
    st.dataframe(rows, hide_index=True, width="stretch")
    meanings = "; ".join(f"{name}: {BASELINES[name]}" for name in guesses)
    st.caption(plain(f"What guessing reaches. {meanings}."))
    for warning in some["warnings"]:
        st.caption(plain(f"{warning['kind']}: {warning['count']}"))
    if len(table.names) > 1:
        _differences(table, key)


def _differences(table: Comparison, key: Version) -> None:
    """The other runs against the first, query by query: tighter than two intervals."""
    first = table.names[0]
    rows = []
    for name in table.names[1:]:
        row = {"difference": f"{name} − {first}"}
        for metric, (value, low, high) in _difference(table, first, name, key).items():
            row[metric] = f"{value:+.1f} [{low:+.1f}, {high:+.1f}]"
        rows.append(row)
    st.dataframe(rows, hide_index=True, width="stretch")
    st.caption("Points, paired by query: an interval without 0 is a real difference.")


@st.cache_data(max_entries=64, show_spinner=False)
def _difference(
    _table: Comparison, a: str, b: str, key: Version
) -> dict[str, tuple[float, float, float]]:
    return differences(_table, a, b)


def _with_interval(report: Report, key: str) -> str:
    value = report["metrics"].get(key)
    interval = report["interval95"].get(key)
    return _number(value) + (f" [{interval[0]:.1f}, {interval[1]:.1f}]" if interval else "")


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"


def _breakdown(table: Comparison, key: Version) -> None:
    """One metric by groups of queries; a group leads to its queries."""
    left, right = st.columns(2)
    by = left.selectbox("By", BREAKDOWNS, key="by", format_func=_words)
    metric = right.selectbox("Metric", METRICS, index=METRICS.index("R1@0.5"), key="metric")
    found = _groups(table, by, metric, key)
    if not found.bins:
        st.info("These queries do not say it.")
        return
    picked = st.altair_chart(
        _chart(found), width="stretch", on_select="rerun", selection_mode="bar", key="chart"
    )
    chosen = picked.get("selection", {}).get("bar", [])
    if chosen:
        _open(by, int(chosen[0]["bin"]))
    st.caption("Click a bar to see its queries, or choose the group:")
    with st.container(horizontal=True):
        for at, group in enumerate(found.bins):
            noun = "query" if group.n == 1 else "queries"
            label = plain(f"{group.label}: {group.n} {noun}")
            if st.button(label, key=f"bin-{by}-{at}", disabled=group.n == 0):
                _open(by, at)


def _words(by: str) -> str:
    return {
        "length": "moment length",
        "position": "position in the recording",
        "words": "query length",
        "needs": "what is needed to answer",
        "relative length": "moment length, as a share of the recording",
    }.get(by, by)


@st.cache_resource(max_entries=64, show_spinner=False)
def _groups(_table: Comparison, by: str, metric: str, key: Version) -> Breakdown:
    return breakdown(_table, by, metric)


def _open(by: str, at: int) -> None:
    """Go to the queries behind a bar."""
    st.session_state["group"] = Group(by, at)
    st.session_state.pop("qid", None)
    st.session_state.pop("chart", None)
    st.switch_page("explore.py")


def _chart(found: Breakdown) -> Any:
    """Bars with intervals; names and places say what colours say."""
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


page()
