"""Draw what a run saw for one query: the map, the truth, the prior and how it moved."""

from __future__ import annotations

import argparse
from pathlib import Path

from apps.parsing import Parser
from apps.progress import say
from grounding.devices import resolve


def arguments(parser: Parser) -> None:
    """Options of `grounding explain`."""
    parser.add_argument("run", metavar="RUN", help="run folder of a training")
    parser.add_argument("--qid", required=True, metavar="Q", help="which query")
    parser.add_argument(
        "--out", required=True, metavar="P", type=Path, help="the picture: .png or .svg"
    )
    parser.add_argument("--split", metavar="S", help="where several splits have that qid")
    parser.add_argument(
        "--data", metavar="DATASET", help="dataset folder (default: the one of the training)"
    )


def run(args: argparse.Namespace) -> int:
    """Write the picture; say where it is and what it lacks."""
    from grounding.explaining import draw, explain
    from grounding.explaining.drawing import require_ending

    require_ending(args.out)
    seen = explain(
        args.run, args.qid, split=args.split, dataset=args.data, device=resolve(args.device)
    )
    lacking = draw(seen, args.out)
    for note in (*seen.notes, *lacking):
        say(note, args.quiet)
    say(f"picture: {args.out}", args.quiet)
    return 0
