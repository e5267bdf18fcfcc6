"""Train a model from glances: grounding train CONFIG --data DATASET [--key.sub value ...]"""

from __future__ import annotations

import argparse
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from apps.parsing import Parser, positive
from apps.progress import bar, say
from apps.tables import report_table
from grounding.devices import resolve
from grounding.errors import BadInput
from grounding.launched import joined, started

if TYPE_CHECKING:
    from grounding.ranks import Ranks


def arguments(parser: Parser) -> None:
    """Options of `grounding train`; every key of the config is one too, e.g. --training.epochs
    3.
    """
    parser.accepts_config = True
    parser.add_argument(
        "config", nargs="?", metavar="CONFIG", help="a YAML file, e.g. configs/sample-frames.yaml"
    )
    parser.add_argument("--data", metavar="DATASET", help="dataset folder")
    parser.add_argument(
        "--run", metavar="DIR", help="run folder (default: runs/<name of the config>)"
    )
    parser.add_argument(
        "--resume", action="store_true", help="go on from the run's last checkpoint"
    )
    parser.add_argument(
        "--devices",
        type=positive,
        default=1,
        metavar="N",
        help="train in N processes together, on cuda each with its own GPU (default 1)",
    )
    parser.add_argument(
        "--fast-dev-run", action="store_true", help="two steps: does everything fit together?"
    )
    parser.add_argument(
        "--print-config", action="store_true", help="print the complete config and stop"
    )


def run(args: argparse.Namespace) -> int:
    """Train, then report on every split but train."""
    if not started():
        return _run(args, None)
    with joined(args.device) as ranks:
        if args.devices > 1:
            raise BadInput(
                f"--devices {args.devices}: torchrun has started the processes; leave it out"
            )
        args.quiet = args.quiet or not ranks.is_first
        return _run(args, ranks)


def _run(args: argparse.Namespace, ranks: Ranks | None) -> int:
    if not args.fast_dev_run:
        return _train(args, ranks)
    if args.resume:
        raise BadInput("--fast-dev-run keeps nothing to go on with; leave out --resume")
    if ranks and ranks.machines > 1:
        raise BadInput("--fast-dev-run: takes one machine; leave out --nnodes")
    # two steps are no training: nothing of them may be taken for a run
    with tempfile.TemporaryDirectory() as folder:
        args.run = str(Path(folder, "run"))
        return _train(args, ranks)


def _train(args: argparse.Namespace, ranks: Ranks | None) -> int:
    run_dir = ranks.from_first(partial(_prepare, args)) if ranks else _prepare(args)
    if run_dir is None:
        return 0
    from grounding.training import drop_run, train

    try:
        with bar("features", args.quiet) as extracting:
            reports = train(
                run_dir,
                resume=args.resume,
                device=resolve(args.device),
                devices=args.devices,
                ranks=ranks,
                fast=args.fast_dev_run,
                extracting=extracting,
                done=lambda epoch, epochs, row: say(_epoch_line(epoch, epochs, row), args.quiet),
            )
    except (BadInput, OSError):
        if not args.resume:
            drop_run(run_dir)
        raise
    for split, report in reports.items():
        print(report_table(split, report))
    kept = "it all fits together; nothing was kept" if args.fast_dev_run else f"run: {run_dir}"
    say(kept, args.quiet)
    return 0


def _prepare(args: argparse.Namespace) -> Path | None:
    """Make or find the run folder; None when only the config was asked for."""
    from grounding import config

    if args.config is None:
        if not (args.run and args.resume):
            raise BadInput("train: names no config; give one from configs/, or --run DIR --resume")
        if args.data:
            raise BadInput(f"--data {args.data}: a resumed run keeps its dataset; leave it out")
        if args.rest:
            raise BadInput(
                f"{args.rest[0]}: a resumed run keeps its config; start a new run to change it"
            )
        return Path(args.run)
    rest = [*args.rest, *(["--dataset", args.data] if args.data else [])]
    settings = config.load(args.config, rest)
    if args.print_config:
        print(config.dump(settings), end="")
        return None
    from grounding.training import read_run, start_run

    run_dir = Path(args.run) if args.run else free_run(Path("runs"), Path(args.config).stem)
    if args.resume and (run_dir / "config.yaml").exists():
        if read_run(run_dir) != settings:
            raise BadInput(
                f"{run_dir}: was started with another config or dataset; "
                f"go on with: grounding train --run {run_dir} --resume"
            )
        return run_dir
    start_run(run_dir, settings)
    return run_dir


def free_run(folder: Path, name: str) -> Path:
    """`folder/name`, or the first of name-2, name-3, ... that is free."""
    run_dir, number = folder / name, 1
    while run_dir.exists():
        number += 1
        run_dir = folder / f"{name}-{number}"
    return run_dir


def _epoch_line(epoch: int, epochs: int, row: dict[str, float]) -> str:
    return (
        f"epoch {epoch}/{epochs}  loss {row['loss']:.3f}  "
        f"val R1@0.5 {row['R1@0.5']:.1f}  mIoU {row['mIoU']:.1f}"
    )
