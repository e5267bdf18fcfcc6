"""Compare: runs side by side, with intervals and what guessing reaches, and what they get wrong."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import streamlit as st

from apps.explorer import address, looks, welcome
from apps.explorer.place import the_place
from apps.explorer.sets import Version, comparison_of, pick, version
from apps.explorer.text import plain
from grounding.catalog import Catalog, QuestionSet
from grounding.comparison import Comparison, differences, summary
from grounding.report import Report
from grounding.types import Sample

FAMILIES: dict[str, Callable[[str], bool]] = {
    "Recall": lambda key: key.startswith(("R1", "R5")) or key == "mIoU",
    "Average precision": lambda key: key.startswith("mAP"),
    "Highlights": lambda key: key.startswith("HL"),
    "Absence and calibration": lambda key: key.startswith("absent") or key == "ECE",
}
BASELINES = {
    "random": "two random instants",
    "centre-prior": "the span around the middle that fits best",
    "best-fixed-span": "one span for every recording",
    "text-prior": "the span that the words alone speak for",
    "whole-file": "all of it",
}


def page() -> None:
    """Pickers, the table, then the breakdown."""
    catalog = the_place().workspace.catalog()
    if not catalog.questions:
        welcome.show(catalog)
        return
    question, runs = pick(catalog)
    for warning in catalog.warnings[:3]:
        st.warning(plain(the_place().workspace.shown(warning)))
    if not question.has_truth:
        st.info("The truth is not known for these queries: there is nothing to measure against.")
        return
    if not runs:
        there = bool(catalog.answers_to(question))
        missing = "There is no prediction for these queries; train a model or choose other queries."
        st.info("Choose a run above." if there else missing)
        address.write({"set": question.id})
        return
    table = comparison_of(catalog, question, runs)
    train = catalog.train_samples(question)
    key = version(catalog, question, runs)
    address.write({"set": question.id, "runs": runs})
    answers = [a for a in catalog.answers_to(question) if a.name in runs]
    unsorted = {a.name: catalog.unsorted(a) for a in answers}
    _metrics(table, _summary(table, train, unsorted, key), _human(catalog, question, key), key)
    looks.show(table, train, key)


@st.cache_data(max_entries=16, show_spinner="measuring")
def _summary(
    _table: Comparison,
    _train: Sequence[Sample] | None,
    _unsorted: dict[str, int],
    key: Version,
) -> dict[str, Report]:
    return summary(_table, _train, _unsorted)


@st.cache_data(max_entries=16, show_spinner=False)
def _human(
    _catalog: Catalog, _question: QuestionSet, key: Version
) -> tuple[int, dict[str, list[float]]] | None:
    """How many queries people timed, and what they reach as a model is scored."""
    people = _catalog.people(_question)
    if people is None:
        return None
    return len(people.rows), people.ceiling(_catalog.samples(_question))


def _metrics(
    table: Comparison,
    reports: dict[str, Report],
    human: tuple[int, dict[str, list[float]]] | None,
    key: Version,
) -> None:
    """A row for each run and baseline, one family of metrics at a time; intervals in brackets."""
    some = next(iter(reports.values()))
    measured = list(dict.fromkeys(k for report in reports.values() for k in report["metrics"]))
    families = {name: [k for k in measured if belongs(k)] for name, belongs in FAMILIES.items()}
    there = [name for name, keys in families.items() if keys]
    asked = sum(1 for s in table.samples if s.windows)
    recordings = len({s.vid for s in table.samples})
    st.caption(
        plain(
            f"{asked} queries with a moment, {len(table.samples) - asked} without, "
            f"{recordings} recordings. Percent; in brackets 95 % intervals, drawn by recording."
        )
    )
    if not there:
        st.info("None of these queries says what is to be found: there is nothing to measure.")
        return
    family = st.segmented_control("Metrics", there, default=there[0], key="family", required=True)
    keys = families[family or there[0]]
    rows: list[dict[str, Any]] = []
    for name, report in reports.items():
        rows.append({"": name} | {k: _with_interval(report, k) for k in keys})
    floors = some["baselines"]
    guesses = [name for name in BASELINES if any(k in floors.get(name, {}) for k in keys)]
    for name in guesses:
        rows.append({"": name} | {k: _number(floors[name].get(k)) for k in keys})
    if any(k in some["ceiling"] for k in keys):
        rows.append({"": "ceiling"} | {k: _number(some["ceiling"].get(k)) for k in keys})
    if human is not None and any(k in human[1] for k in keys):
        rows.append({"": "people"} | {k: _of_three(human[1].get(k)) for k in keys})
    pinned = {"": st.column_config.Column(pinned=True)}
    st.dataframe(rows, hide_index=True, width="stretch", column_config=pinned)
    meanings = "; ".join(f"{name}: {BASELINES[name]}" for name in guesses)
    if meanings:
        st.caption(plain(f"What guessing reaches. {meanings}."))
    if human is not None:
        st.caption(
            f"people: each of those who timed {human[0]} of these queries, scored as a model is. "
            "A score far above says that a model guesses one person's habits."
        )
    _warnings(reports)
    if len(table.names) > 1:
        _differences(table, key)


def _warnings(reports: dict[str, Report]) -> None:
    """What is odd about the files; whose, where it is not the same for every run."""
    whose: dict[str, list[str]] = {}
    for name, report in reports.items():
        for warning in report["warnings"]:
            whose.setdefault(f"{warning['kind']}: {warning['count']}", []).append(name)
    told = [
        said if len(names) == len(reports) else f"{said} ({', '.join(names)})"
        for said, names in whose.items()
    ]
    if told:
        st.caption(plain(f"Worth knowing of the files: {'; '.join(told)}."))


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


def _of_three(value: list[float] | None) -> str:
    """A percent, with its interval where there is one."""
    if value is None:
        return ""
    spread = f" [{value[1]:.1f}, {value[2]:.1f}]" if len(value) > 1 else ""
    return f"{value[0]:.1f}{spread}"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"


page()
