"""Score a prediction file against annotations."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from apps.tables import people_table, report_table
from grounding.errors import BadInput


def arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `grounding evaluate`."""
    parser.add_argument("--predictions", required=True, metavar="P.jsonl")
    parser.add_argument("--annotations", required=True, metavar="A", help="of any known format")
    parser.add_argument(
        "--format",
        "--from",  # as `grounding annotations` and the reader's errors call it
        dest="format",
        metavar="NAME",
        help="of the annotations (default: found out)",
    )
    parser.add_argument("--durations", metavar="CSV", help="vid,duration: seconds of recordings")
    parser.add_argument("--media", metavar="DIR", help="recordings to measure durations of")
    parser.add_argument(
        "--train",
        metavar="A",
        help="what position baselines are fitted on (default: train.jsonl beside the annotations)",
    )
    parser.add_argument(
        "--annotators",
        nargs="+",
        metavar="CSV",
        help="the same queries timed by several people: how far people agree",
    )
    parser.add_argument("--json", metavar="PATH|-", help="write the report as JSON; - = stdout")


def run(args: argparse.Namespace) -> int:
    """Print the table, or write the report."""
    from grounding.annotations import read
    from grounding.answers import read_answers
    from grounding.files import write_text
    from grounding.people import CHARADES_STA, is_charades, judge
    from grounding.report import evaluate

    answers = read_answers(args.predictions)
    annotations = Path(args.annotations)
    samples = read(annotations, args.format, args.durations, args.media, lenient=True)
    for path, rows in ((args.annotations, samples), (args.predictions, answers.qids)):
        if not rows:
            raise BadInput(f"{path}: holds no line; there is nothing to score")
    if (answers.match(samples) < 0).all():
        raise BadInput(
            f"{args.predictions}: none of its qids is one of {annotations}; "
            "are they answers to the same queries?"
        )
    beside = annotations.with_name("train.jsonl")
    train = args.train or (beside if beside.is_file() and beside != annotations else None)
    media = args.media if args.train else None  # lines beside say how long recordings are
    fitted_on = read(train, None, args.durations, media, lenient=True) if train else None
    report = evaluate(answers, samples, train=fitted_on)
    if args.annotators:
        report["people"] = judge(args.annotators, answers, samples)
    elif is_charades(samples):
        report["people"] = {"ceiling": {k: [v] for k, v in CHARADES_STA.items()}}
    if args.json == "-":
        json.dump(report, sys.stdout, indent=1)
        print()
        return 0
    if args.json:
        write_text(Path(args.json), json.dumps(report, indent=1))
    print(report_table(annotations.stem, report), end="")
    if "people" in report:
        print("\n" + people_table(report["people"]), end="")
    return 0
