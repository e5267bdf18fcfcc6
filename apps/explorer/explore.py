"""Explore: every query of a set with its recording, the truth and what each run answered."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import streamlit as st

from apps.explorer import address, components, welcome
from apps.explorer.filters import chosen_filter
from apps.explorer.place import the_place
from apps.explorer.player import source
from apps.explorer.sets import comparison_of, pick, place_of
from apps.explorer.text import plain, seconds
from grounding.catalog import Catalog, QuestionSet
from grounding.comparison import Comparison, Outcome, select
from grounding.errors import BadInput
from grounding.views import timeline

PAGE = 100  # rows of the list sent to the browser at once
SIGNS = {
    Outcome.RIGHT: ("✓", "right", "right"),
    Outcome.WRONG: ("✗", "wrong", "wrong"),
    Outcome.ABSENT_FOUND: ("∅", "right", "not there, and it says so"),
    Outcome.ABSENT_MISSED: ("✗", "wrong", "not there, but it answers moments"),
    Outcome.ABSENT_CLAIMED: ("∅", "wrong", "there, but it says it is not"),
    Outcome.UNANSWERED: ("–", "none", "no answer"),
    Outcome.UNKNOWN: ("", "none", "best score"),
}


def page() -> None:
    """Pickers on top; list, player and timeline below."""
    catalog = the_place().workspace.catalog()
    if not catalog.questions:
        welcome.show(catalog)
        return
    question, runs = pick(catalog)
    for warning in catalog.warnings[:3]:
        st.warning(plain(the_place().workspace.shown(warning)))
    _pane(catalog, question, runs)


@st.fragment
def _pane(catalog: Catalog, question: QuestionSet, runs: Sequence[str]) -> None:
    """What a choice changes: reruns alone, so that the next query costs milliseconds."""
    table = comparison_of(catalog, question, runs)
    if not table.samples:
        st.info("This file has no query.")
        return
    left, right = st.columns([2, 3], gap="medium")
    with left:
        wanted, order = chosen_filter(table, question)
        found = select(table, wanted, order=order)
        at = _list(question, table, found)
    with right:
        if at is None:
            st.info("No query passes the filters.")
        else:
            _detail(catalog, question, table, found, at)


def _list(question: QuestionSet, table: Comparison, found: np.ndarray) -> int | None:
    """The list of queries -> place of the chosen one in `found`."""
    if not len(found):
        return None
    state = st.session_state
    wanted = state.get("qid")
    places = np.flatnonzero([str(table.samples[i].qid) == str(wanted) for i in found])
    if len(places) > 1:  # qids of a batch are unique in each recording alone
        vid = state.get("vid")
        same = [i for i in places if table.samples[found[i]].vid == vid]
        places = np.array(same or places)
    at = int(places[0]) if len(places) else 0
    if len(places) == 0 or "first" not in state or state.get("listed") != (question.id, len(found)):
        state["first"] = at - at % PAGE
        state["listed"] = (question.id, len(found))
    state["first"] = first = min(state["first"], (len(found) - 1) // PAGE * PAGE)

    def move(to: int) -> None:
        to = min(max(to, 0), len(found) - 1)
        state["qid"], state["vid"] = table.samples[found[to]].qid, table.samples[found[to]].vid
        state["first"] = to - to % PAGE

    def turn() -> None:
        state["first"] = max(first + PAGE * int(state["queries"].turned), 0)

    state["move"] = move
    components.queries(
        {
            "rows": [
                _row(question, table, int(found[i]), i)
                for i in range(first, min(first + PAGE, len(found)))
            ],
            "first": first,
            "selected": at,
            "total": len(found),
        },
        key="queries",
        on_chosen=lambda: move(int(state["queries"].chosen)),
        on_turned=turn,
    )
    return at


def _row(question: QuestionSet, table: Comparison, index: int, at: int) -> dict[str, object]:
    sample = table.samples[index]
    when = ", ".join(f"{w.start:.1f}–{w.end:.1f} s" for w in sample.windows[:2])
    sub = f"{sample.vid} · {when or ('not there' if question.has_truth else sample.qid)}"
    marks = []
    for r, name in enumerate(table.names):
        sign, kind, label = SIGNS[Outcome(int(table.outcome[r, index]))]
        if not sign:  # without truth, the score is all there is
            sign = f"{table.score[r, index]:.2f}"
        iou = table.iou[r, index]
        best = "" if np.isnan(iou) else f", IoU {iou:.2f}"
        marks.append({"sign": sign, "kind": kind, "label": f"{name}: {label}{best}"})
    return {"at": at, "text": sample.query.text, "sub": sub, "marks": marks}


def _detail(
    catalog: Catalog, question: QuestionSet, table: Comparison, found: np.ndarray, at: int
) -> None:
    """Sentence, player and timeline of one query."""
    index = int(found[at])
    sample = table.samples[index]
    group = st.session_state.get("group")
    address.write(place_of(question.id, table.names, sample, group))
    try:
        playing = source(catalog.recording(question, sample.vid))
    except BadInput as error:
        message = the_place().workspace.shown(str(error))
        playing = {"src": None, "message": message}
    facts = [f"query {sample.qid}", sample.vid]
    if question.has_truth:
        facts.append(seconds(sample.duration))
    if sample.needs:
        facts.append(f"needs {sample.needs}")
    rest = st.session_state.get("player", {}).get("time")
    if rest is not None:
        facts.append(f"at {seconds(rest)}")
    answers = {name: table.answers[r][index] for r, name in enumerate(table.names)}
    components.timeline(
        {
            **playing,
            "id": f"{question.id}:{sample.qid}:{sample.vid}:{playing['src']}",
            "title": sample.query.text,
            "facts": " · ".join(facts),
            "start": None,
            "steps": {"at": at, "total": len(found)},
            "timeline": timeline(sample, answers, has_truth=question.has_truth),
        },
        key="player",
        on_place=lambda: st.session_state["move"](int(st.session_state["player"].place)),
    )


page()
