"""Make a dataset folder from a folder of recordings and a sheet of sentences and times."""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path

from apps.progress import bar, say


def arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `grounding init`."""
    parser.add_argument("folder", metavar="FOLDER", type=Path, help="recordings, in subfolders too")
    parser.add_argument(
        "--queries",
        metavar="FILE.csv",
        type=Path,
        help="columns video, query, start, end, glance, absent, split, needs, qid in any order; "
        "times in seconds, mm:ss or hh:mm:ss; without it, a sheet to fill in is written",
    )
    parser.add_argument("--out", metavar="DATASET", type=Path, required=True, help="a new folder")
    parser.add_argument("--skip-bad", action="store_true", help="leave out rows with problems")
    parser.add_argument("--seed", type=int, default=0, help="of drawn splits and glances")


def run(args: argparse.Namespace) -> int:
    """Make it, or list what is wrong with the sheet and make nothing."""
    from grounding.intake import TEMPLATE, BadSheet, intake

    try:
        with bar("reading", args.quiet) as progress:
            made = intake(
                args.folder,
                args.queries,
                args.out,
                skip_bad=args.skip_bad,
                seed=args.seed,
                progress=progress,
            )
    except BadSheet as error:
        print("\n".join(error.problems), file=sys.stderr)
        raise
    if made.problems:
        print("\n".join(made.problems), file=sys.stderr)
        say(f"rows with problems are left out; problems: {len(made.problems)}", args.quiet)
    for note in made.notes:
        say(note, args.quiet)
    came = f"{made.linked} recordings hard-linked, {made.copied} copied"
    if args.queries is not None:
        counts = ", ".join(f"{split} {len(some)}" for split, some in made.samples.items())
        say(f"{args.out}: {came}; queries: {counts}", args.quiet)
        return 0
    again = ["grounding", "init", args.folder, "--queries", args.out / TEMPLATE, "--out"]
    say(f"{args.out}: {came}; fill in {args.out / TEMPLATE}, then:", args.quiet)
    say(shlex.join(map(str, [*again, f"{args.out}-filled"])), args.quiet)
    return 0
