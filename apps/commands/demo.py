"""The main job on the embedded sample: render, extract, train, predict, evaluate."""

from __future__ import annotations

import argparse
from pathlib import Path

from apps.devices import resolve
from apps.parsing import positive
from apps.progress import bar, say
from apps.tables import report_table
from grounding.errors import BadInput

CONFIG = Path(__file__).resolve().parent.parent.parent / "configs" / "sample-d3g.yaml"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `grounding demo`."""
    parser.add_argument("--dir", default="demo", metavar="DIR", help="where all of it goes")
    parser.add_argument("--videos", type=positive, default=96, help="sample videos (default 96)")
    parser.add_argument("--config", default=str(CONFIG), help="what to train")
    parser.add_argument("--no-app", action="store_true", help="do not open the explorer at the end")


def run(args: argparse.Namespace) -> int:
    """All steps; what an interrupted demo finished stays finished."""
    from grounding import config
    from grounding.annotations import read_samples
    from grounding.sample import render_sample

    root = Path(args.dir)
    data, run_dir = root / "sample", root / "run"
    settings = config.load(args.config, ["--dataset", str(data)])
    say(f"1/3  rendering {args.videos} videos into {data}", args.quiet)
    with bar("rendering", args.quiet) as progress:
        render_sample(data, videos=args.videos, progress=progress)

    from grounding.training import read_run, start_run, train

    if not (run_dir / "config.yaml").exists():
        start_run(run_dir, settings)
    elif read_run(run_dir) != settings:
        raise BadInput(f"{run_dir}: was trained with another config; choose another --dir")
    say(f"2/3  extracting features and training {settings.head} into {run_dir}", args.quiet)
    with bar("features", args.quiet) as extracting, bar("epochs", args.quiet) as epochs:
        reports = train(
            run_dir,
            resume=True,
            device=resolve(args.device),
            extracting=extracting,
            done=lambda epoch, total, row: epochs(epoch, total, "") if epochs else None,
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
    return 0
