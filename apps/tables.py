"""Reports and predictions as plain text tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

# one table each, so that 80 columns hold it
FAMILIES = (
    ("R1@0.3", "R1@0.5", "R1@0.7", "R5@0.5", "mIoU"),
    ("mAP", "mAP@0.5", "mAP@0.75"),
    ("mAP-short", "mAP-middle", "mAP-long"),
    ("HL-Fair-mAP", "HL-Good-mAP", "HL-VeryGood-mAP"),
    ("HL-Fair-Hit1", "HL-Good-Hit1", "HL-VeryGood-Hit1"),
)
ALONE = ("absent-F1", "absent-precision", "absent-recall", "ECE")
WIDEST = 48  # letters of a split's name: its longest title has 80
MAIN = FAMILIES[:1]  # what a part of the queries is shown with


def text_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns as wide as their content; the first to the left, numbers to the right."""
    widths = [max(len(r[i]) for r in [head, *rows]) for i in range(len(head))]

    def line(row: Sequence[str]) -> str:
        cells = [
            row[0].ljust(widths[0]),
            *(c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True)),
        ]
        return "  ".join(cells).rstrip()

    return "\n".join([line(head), "  ".join("-" * w for w in widths), *map(line, rows)])


def report_table(split: str, report: Mapping[str, Any]) -> str:
    """A split's metrics beside what guessing reaches, with 95 % intervals."""
    name = split if len(split) <= WIDEST else f"{split[: WIDEST - 1]}…"
    parts = _section(f"{name}, {report['n']} queries", report, FAMILIES)
    if report.get("mistakes"):
        parts.append(_mistakes(report["mistakes"]))
    for part, group in report.get("groups", {}).items():
        parts += _section(f"{name}, {part}, {group['n']} queries", group, MAIN)
    for warning in report.get("warnings", ()):
        first = "" if warning["example"] is None else f", first: {warning['example']}"
        parts.append(f"warning: {warning['kind']} ({warning['count']}{first})")
    return "\n\n".join(parts) + "\n"


def people_table(people: Mapping[str, Any]) -> str:
    """What people say of the same queries, beside the model."""
    columns = ("R1@0.3", "R1@0.5", "R1@0.7", "mIoU")
    if "queries" not in people:
        reached = ", ".join(f"{c} {people['ceiling'][c][0]:.1f}" for c in columns)
        return (
            "people who timed 1000 queries of Charades-STA again reach, as a model is scored,\n"
            f"{reached}\n"
            "(--annotators with their files compares the model with all of them)\n"
        )
    title = f"{people['queries']} queries, {people['people']} people"

    def row(name: str, part: str, suffix: str = "") -> list[str]:
        values = [people[part].get(f"{column}{suffix}") for column in columns]
        return [name, *("-" if v is None else f"{v[0]:.1f}" for v in values)]

    rows = [
        row("people, as a model is scored", "ceiling"),
        row("a person, the others' best", "human", " best"),
        row("a person, the others' mean", "human", " mean"),
        row("model, the people's best", "model", " best"),
        row("model, the people's mean", "model", " mean"),
    ]
    value, *ends = people["agreement"]["mIoU"]
    spread = f" (95 % {ends[0]:.1f}-{ends[1]:.1f})" if ends else ""
    note = f"two people overlap by IoU {value:.1f} on average{spread}"
    return text_table([title, *columns], rows) + f"\n{note}\n"


def _section(title: str, report: Mapping[str, Any], families: Sequence[Sequence[str]]) -> list[str]:
    parts = [title]
    for family in families:
        columns = [c for c in family if c in report["metrics"]]
        if columns:
            parts.append(_family(report, columns))
    numbers = [
        f"{key} {report['metrics'][key]:.1f}{_spread(report, key)}"
        for key in ALONE
        if key in report["metrics"]
    ]
    return [*parts, "\n".join(numbers)] if numbers else parts


def _family(report: Mapping[str, Any], columns: Sequence[str]) -> str:
    def cells(values: Mapping[str, float]) -> list[str]:
        return [f"{values[c]:.1f}" if c in values else "-" for c in columns]

    intervals = report["interval95"]
    spread = [
        f"{intervals[c][0]:.1f}-{intervals[c][1]:.1f}" if c in intervals else "-" for c in columns
    ]
    rows = [["model", *cells(report["metrics"])], ["  95 % interval", *spread]]
    rows += [
        [name, *cells(values)]
        for name, values in report["baselines"].items()
        if any(c in values for c in columns)
    ]
    rows.append(["ceiling", *cells(report["ceiling"])])
    return text_table(["", *columns], rows)


def _spread(report: Mapping[str, Any], key: str) -> str:
    if key not in report["interval95"]:
        return ""
    low, high = report["interval95"][key]
    return f" ({low:.1f}-{high:.1f})"


def _mistakes(mistakes: Mapping[str, Any]) -> str:
    rows = [
        [kind, str(count), f"{mistakes['gain'][kind]:+.1f}" if kind in mistakes["gain"] else ""]
        for kind, count in mistakes["queries"].items()
        if count
    ]
    return text_table(["first answers", "queries", "R1@0.5 if mended"], rows)
