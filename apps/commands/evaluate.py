"""Score a prediction file against annotations."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from apps.tables import report_table
from grounding.errors import BadInput


def arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `grounding evaluate`."""
    parser.add_argument("--predictions", required=True, metavar="P.jsonl")
    parser.add_argument("--annotations", required=True, metavar="A.jsonl")
    parser.add_argument("--json", metavar="PATH|-", help="write the report as JSON; - = stdout")


def run(args: argparse.Namespace) -> int:
    """Print the table, or write the report."""
    from grounding.annotations import read_predictions, read_samples
    from grounding.files import write_text
    from grounding.report import evaluate

    predictions, unsorted = read_predictions(args.predictions)
    annotations = Path(args.annotations)
    samples = read_samples(annotations)
    for path, rows in ((args.annotations, samples), (args.predictions, predictions)):
        if not rows:
            raise BadInput(f"{path}: holds no line; there is nothing to score")
    # position baselines are fitted on the training split that lies beside the annotations
    train = annotations.with_name("train.jsonl")
    fitted_on = read_samples(train) if train.is_file() and train != annotations else None
    report = evaluate(predictions, samples, train=fitted_on, unsorted=unsorted)
    if args.json == "-":
        json.dump(report, sys.stdout, indent=1)
        print()
        return 0
    if args.json:
        write_text(Path(args.json), json.dumps(report, indent=1))
    print(report_table(annotations.stem, report), end="")
    return 0
