"""What the pages share: the pickers of a query set and its runs, and their comparison."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import streamlit as st

from apps.explorer import address
from grounding.catalog import AnswerSet, Catalog, QuestionSet
from grounding.comparison import Comparison, Group, compare
from grounding.errors import BadInput
from grounding.types import Sample

Version = tuple[str, tuple[str, ...], tuple[tuple[str, int, int], ...]]
SHOWN = 5  # runs side by side: as many as there are colours


def pick(catalog: Catalog) -> tuple[QuestionSet, list[str]]:
    """Both pickers beside each other: the query set, and the names of the runs to show."""
    if address.has_led_here():
        _follow()
    left, right = st.columns([1, 2])
    with left:
        question = _pick_set(catalog)
    with right:
        return question, _pick_runs(catalog, question)


def _follow() -> None:
    """Take over what the address says; pickers begin anew, for they hold what was picked before."""
    state, params = st.session_state, st.query_params
    state["arrivals"] = state.get("arrivals", 0) + 1
    for name, key in (("set", "set"), ("qid", "q"), ("vid", "vid")):
        state.pop(name, None)
        if key in params:
            state[name] = params[key]
    state["runs"] = params.get_all("runs")
    for stale in ("group", "first"):
        state.pop(stale, None)
    place = params.get("bin", "")
    if "by" in params and place.isdecimal() and len(place) < 5:
        state["group"] = Group(params["by"], int(place), params.get("of"))


def place_of(
    question: str, runs: Sequence[str], sample: Sample, group: Group | None
) -> dict[str, str | list[str]]:
    """The address of one query among those of a group."""
    place: dict[str, str | list[str]] = {"set": question, "runs": list(runs)}
    if group is not None:
        place |= {"by": group.by, "bin": str(group.place)}
        if group.run is not None:
            place["of"] = group.run
    return {**place, "q": str(sample.qid), "vid": sample.vid}


def _pick_set(catalog: Catalog) -> QuestionSet:
    """The query set: from the address of the page at first, then what the visitor picks."""
    ids = [q.id for q in catalog.questions]
    asked = st.session_state.get("set")
    if asked not in ids:
        asked = next((q.id for q in catalog.questions if catalog.answers_to(q)), ids[0])
    st.session_state["set"] = asked
    picked = st.selectbox("Queries", ids, index=ids.index(asked), key=_key("pick-set", len(ids)))
    if picked != asked:
        st.session_state["set"] = picked
        for stale in ("qid", "vid", "runs", "group"):
            st.session_state.pop(stale, None)
        address.write({})
    return catalog.question(picked)


def _pick_runs(catalog: Catalog, question: QuestionSet) -> list[str]:
    """Names of the runs to show, five at most."""
    names = [a.name for a in catalog.answers_to(question)]
    asked = st.session_state.get("runs")
    default = [n for n in asked if n in names] if asked else []
    st.session_state["runs"] = picked = st.multiselect(
        "Runs",
        names,
        default=(default or names)[:SHOWN],
        max_selections=SHOWN,
        key=_key("pick-runs", question.id),
        placeholder="no predictions for these queries" if not names else "choose runs",
        disabled=not names,
    )
    return picked


def _key(name: str, what: object) -> str:
    return f"{name}-{what}-{st.session_state.get('arrivals', 0)}"


def comparison_of(
    catalog: Catalog, question: QuestionSet, runs: Sequence[str], threshold: float = 0.5
) -> Comparison:
    """Queries x runs; made once for all visitors, until a file changes.

    Raises:
        BadInput: a file is wrong.
    """
    chosen = _chosen(catalog, question, runs)
    return _compare(version(catalog, question, runs), threshold, catalog, question, chosen)


def version(catalog: Catalog, question: QuestionSet, runs: Sequence[str]) -> Version:
    """What a comparison depends on: another value once one of its files has changed.

    Raises:
        BadInput: a run is not there any more.
    """
    paths = [question.path, *(a.path for a in _chosen(catalog, question, runs))]
    # position baselines are fitted on the train split beside it
    paths += [q.path for q in catalog.questions if q.dataset and q.dataset == question.dataset]
    paths += catalog.retimed
    return question.id, tuple(runs), tuple(_mark(path) for path in paths)


def _chosen(catalog: Catalog, question: QuestionSet, runs: Sequence[str]) -> list[AnswerSet]:
    answers = {a.name: a for a in catalog.answers_to(question)}
    if gone := [name for name in runs if name not in answers]:
        raise BadInput(f"{gone[0]}: is not there any more; reload the page")
    return [answers[name] for name in runs]


def _mark(path: Path) -> tuple[str, int, int]:
    try:
        stat = path.stat()
    except OSError as error:
        raise BadInput(f"{path.name}: {error.strerror}; reload the page") from None
    return str(path), stat.st_size, stat.st_mtime_ns


@st.cache_resource(max_entries=16, show_spinner=False)
def _compare(
    version: Version,
    threshold: float,
    _catalog: Catalog,
    _question: QuestionSet,
    _chosen: list[AnswerSet],
) -> Comparison:
    answers = {a.name: _catalog.predictions(a) for a in _chosen}
    samples = _catalog.samples(_question)
    people = _catalog.people(_question)
    return compare(
        samples,
        answers,
        threshold=threshold,
        has_truth=_question.has_truth,
        agreement=None if people is None else people.agreement(len(samples)),
    )
