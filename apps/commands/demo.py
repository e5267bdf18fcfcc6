"""The main job on the embedded sample: render, extract, train, predict, evaluate, look."""

from __future__ import annotations

import argparse
from pathlib import Path

from apps.commands.app import PORT, open_app
from apps.parsing import positive
from apps.progress import bar, say
from apps.tables import report_table
from grounding import demonstration
from grounding.devices import resolve


def arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `grounding demo`."""
    parser.add_argument("--dir", default="demo", metavar="DIR", help="where all of it goes")
    parser.add_argument("--videos", type=positive, default=96, help="sample videos (default 96)")
    parser.add_argument("--config", default=str(demonstration.CONFIG), help="what to train")
    parser.add_argument("--port", type=positive, default=PORT, help=f"of the explorer ({PORT})")
    parser.add_argument("--no-app", action="store_true", help="do not open the explorer at the end")


def run(args: argparse.Namespace) -> int:
    """All steps; what an interrupted demo finished stays finished."""
    from grounding.annotations import read_samples

    root = Path(args.dir)
    data, run_dir = demonstration.data_folder(root), demonstration.run_folder(root)
    settings = demonstration.settings(root, args.config)
    say(f"1/3  rendering {args.videos} videos into {data}", args.quiet)
    with bar("rendering", args.quiet) as progress:
        demonstration.render(root, args.videos, progress)
    say(f"2/3  extracting features and training {settings.head} into {run_dir}", args.quiet)
    with bar("features", args.quiet) as extracting, bar("epochs", args.quiet) as epochs:
        reports = demonstration.learn(
            root, settings, device=resolve(args.device), extracting=extracting, epochs=epochs
        )
    say("3/3  what the model answers, beside what guessing reaches\n", args.quiet)
    print(report_table("test", reports["test"]), end="")
    example = next(s for s in read_samples(data / "annotations" / "test.jsonl") if s.windows)
    truth = ", ".join(f"{w.start:.2f} to {w.end:.2f} s" for w in example.windows)
    media = data / "media" / f"{example.vid}.mp4"
    say(
        f'\nask it:  grounding ground {media} "{example.query.text}" --model {run_dir}'
        f"\n         (it happens from {truth})",
        args.quiet,
    )
    if not args.no_app:
        say("", args.quiet)
        open_app([str(data), str(run_dir)], workspace=root, port=args.port, device=args.device)
    return 0
