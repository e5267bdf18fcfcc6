"""Reports and predictions as plain text tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

COLUMNS = ("R1@0.3", "R1@0.5", "R1@0.7", "R5@0.5", "mIoU")


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
    parts = [_section(f"{split}, {report['n']} queries", report)]
    for name, group in report.get("groups", {}).items():
        parts.append(_section(f"{split}, {name}, {group['n']} queries", group))
    for warning in report.get("warnings", ()):
        parts.append(
            f"warning: {warning['kind']} ({warning['count']}, first: {warning['example']})"
        )
    return "\n\n".join(parts) + "\n"


def _section(title: str, report: Mapping[str, Any]) -> str:
    def cells(values: Mapping[str, float]) -> list[str]:
        return [f"{values[c]:.1f}" if c in values else "-" for c in COLUMNS]

    intervals = report["interval95"]
    spread = [
        f"{intervals[c][0]:.1f}-{intervals[c][1]:.1f}" if c in intervals else "-" for c in COLUMNS
    ]
    rows = [["model", *cells(report["metrics"])], ["  95 % interval", *spread]]
    rows += [[name, *cells(values)] for name, values in report["baselines"].items()]
    if report["ceiling"]:
        rows.append(["ceiling of the clip grid", *cells(report["ceiling"])])
    table = text_table([title, *COLUMNS], rows)
    absent = report["metrics"].get("absent-F1")
    return table if absent is None else f"{table}\nabsent-F1 {absent:.1f}"
