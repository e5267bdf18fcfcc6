"""Render the sample corpus: videos with sound and motion, sentences, true moments, glances."""

from __future__ import annotations

import argparse

from apps.parsing import positive
from apps.progress import bar, say


def arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `grounding sample`."""
    parser.add_argument("dir", metavar="DIR", help="where the dataset folder will be")
    parser.add_argument("--videos", type=positive, default=96, help="how many (default 96)")
    parser.add_argument("--seed", type=int, default=0, help="same seed, same corpus (default 0)")


def run(args: argparse.Namespace) -> int:
    """Render; what is there already stays."""
    from grounding.sample import render_sample

    with bar("rendering", args.quiet) as progress:
        render_sample(args.dir, videos=args.videos, seed=args.seed, progress=progress)
    say(f"{args.dir}: {args.videos} videos, annotations in {args.dir}/annotations", args.quiet)
    return 0
