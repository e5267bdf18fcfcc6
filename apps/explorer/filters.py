"""The filters of the query list."""

from __future__ import annotations

import numpy as np
import streamlit as st

from apps.explorer.text import plain
from grounding.catalog import QuestionSet
from grounding.comparison import ORDERS, Comparison, Filter, Group
from grounding.errors import BadInput
from grounding.groupings import grouping

OUTCOMES = ("any", "right", "wrong", "absent")
AGREEMENTS = (
    "any", "all right", "all wrong", "some right", "same moment", "different moments"
)  # fmt: skip
ANY = "any"
MOST = 1e9  # a slider holds no more, and no sensible score is larger
MEANINGS = {
    "file": "as the annotation file has them",
    "worst first": "lowest IoU of the best answer, on average over the runs",
    "best first": "highest IoU",
    "most confident mistakes": "wrong answers with the highest score",
    "longest moment": "by the true moment",
    "shortest moment": "by the true moment",
    "most disagreement": "best answers that overlap least between the runs",
    "recording": "by recording, then by time",
}


def chosen_filter(table: Comparison, question: QuestionSet) -> tuple[Filter, str]:
    """Draw the filters; return what is wanted and in which order."""
    key = question.id
    text = st.text_input(
        "Search queries and recordings", key=f"text-{key}", placeholder="words, a recording, a qid"
    )
    outcome = ANY
    if table.names and question.has_truth:
        outcome = st.segmented_control("Show", OUTCOMES, default=ANY, key=f"outcome-{key}") or ANY
    left, right = st.columns(2, vertical_alignment="bottom")
    with left:
        order = st.selectbox("Order", list(ORDERS), key=f"order-{key}", help=_orders())
    with right, st.popover("More filters", width="stretch"):
        more = _more(table, question)
    group = _group(table)
    wanted = Filter(text=text or "", outcome=outcome, group=group, **more)  # type: ignore[arg-type]
    return wanted, order


def _orders() -> str:
    return "  \n".join(f"**{name}**: {what}" for name, what in MEANINGS.items())


def _more(table: Comparison, question: QuestionSet) -> dict[str, object]:
    key = question.id
    found: dict[str, object] = {}
    names = list(table.names)
    if names:
        run = st.selectbox("Right, wrong and score of", ["any run", *names], key=f"run-{key}")
        found["run"] = None if run == "any run" else run
    if len(names) > 1:
        several = AGREEMENTS if question.has_truth else (ANY, *AGREEMENTS[-2:])
        found["agreement"] = st.selectbox("The runs agree", several, key=f"agree-{key}")
    needs = sorted({s.needs for s in table.samples if s.needs})
    if needs:
        need = st.selectbox("Needs", [ANY, *needs], key=f"needs-{key}")
        found["needs"] = None if need == ANY else need
    found["length"] = _range("Moment length (seconds)", table.length, f"length-{key}")
    if names:
        found["score"] = _range("Best score", table.score, f"score-{key}")
    return found


def _range(label: str, values: np.ndarray, key: str) -> tuple[float, float] | None:
    """A slider over what there is; None where it holds back nothing."""
    known = values[np.isfinite(values) & (np.abs(values) < MOST)]
    if not len(known):
        return None
    low, high = float(np.floor(known.min() * 10) / 10), float(np.ceil(known.max() * 10) / 10)
    if low >= high:
        return None
    picked: tuple[float, float] = st.slider(label, low, high, (low, high), key=key)
    return None if picked == (low, high) else picked


def _group(table: Comparison) -> Group | None:
    """The bar of Compare that led here, and the way out of it."""
    state = st.session_state
    group: Group | None = state.get("group")
    if group is None:
        return None
    by, at, run = group
    try:
        labels = grouping(table, by, run)[0]
    except BadInput:  # an address of another time: no such grouping or run
        labels = []
    if at >= len(labels):
        del state["group"]
        return None
    left, right = st.columns([3, 2], vertical_alignment="center")
    whose = "" if run is None else f" ({run})"
    left.caption(plain(f"Only {by}: {labels[at]}{whose}"))
    right.button(
        "Show all", key="leave-group", width="stretch", on_click=lambda: state.pop("group", None)
    )
    return group
