"""Ask many recordings WHEN; goes on where an earlier run of the same command stopped."""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path

from apps.parsing import positive
from apps.progress import bar, say
from grounding.devices import resolve
from grounding.files import require_writable


def arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `grounding batch`."""
    parser.add_argument(
        "sources", nargs="+", metavar="SOURCE", help="a video, or a folder with all below it"
    )
    parser.add_argument(
        "--queries",
        required=True,
        metavar="FILE",
        help="JSONL or CSV with query and, if you like, qid and vid; or one sentence a line; "
        "without vid every recording is asked",
    )
    parser.add_argument("--model", required=True, metavar="RUN", help="run folder of a training")
    parser.add_argument("--out", required=True, metavar="DIR", type=Path, help="results go here")
    parser.add_argument(
        "--top-k", type=positive, default=5, help="moments per sentence (default 5)"
    )
    parser.add_argument(
        "--workers",
        type=_count,
        default=2,
        help="processes that ask one recording each (default 2); 0 = this one, without limits",
    )
    parser.add_argument(
        "--engine",
        choices=("local", "ray"),
        default="local",
        help="what asks: processes of this machine (default), or actors of a Ray cluster",
    )
    parser.add_argument(
        "--max-seconds",
        type=positive,
        default=3600,
        metavar="S",
        help="for one recording (default 3600)",
    )
    parser.add_argument(
        "--max-memory",
        type=positive,
        default=4,
        metavar="GB",
        help="for one recording, beside the model (default 4)",
    )
    parser.add_argument(
        "--cut", metavar="DIR", type=Path, help="write each moment there as a playable MP4 file"
    )
    parser.add_argument("--fresh", action="store_true", help="forget the results in DIR")
    parser.add_argument("--strict", action="store_true", help="exit 1 when a recording failed")


def run(args: argparse.Namespace) -> int:
    """Ask, and say what failed."""
    from grounding.library import Limits, run_batch

    # the nodes may have GPUs that this machine lacks
    on_their_gpus = args.engine == "ray" and args.device == "cuda"
    device = args.device if on_their_gpus else resolve(args.device)
    if args.cut is not None:
        require_writable(args.cut, "--cut")
    with bar("recordings", args.quiet) as progress:
        done = run_batch(
            args.sources,
            args.queries,
            args.model,
            args.out,
            workers=args.workers,
            top=args.top_k,
            fresh=args.fresh,
            cut=args.cut,
            limits=Limits(seconds=args.max_seconds, memory=args.max_memory << 30),
            device=device,
            engine=args.engine,
            progress=progress,
        )
    before = f" ({done.resumed} finished before)" if done.resumed else ""
    counts = f"recordings: {done.recordings}{before}, predictions: {done.predictions}"
    say(f"{args.out}: {counts}", args.quiet)
    if done.idle:
        say(f"recordings that no query asks about: {done.idle}", args.quiet)
    if done.unmatched:
        count, example = len(done.unmatched), done.unmatched[0]
        say(f"warning: queries whose vid is no recording: {count} (as {example!r})")
    if done.failures:
        kinds = Counter(failure.kind for failure in done.failures)
        counts = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
        say(f"warning: failures: {counts}; see {args.out / 'failures.jsonl'}")
    return 1 if args.strict and done.failures else 0


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text} is no whole number from 0 on")
    return int(text)
