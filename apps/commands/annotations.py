"""Turn annotations of one format into another, or list what is wrong with them."""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from apps.progress import bar, say
from grounding.errors import BadInput

if TYPE_CHECKING:
    from grounding.annotations import Problem
    from grounding.annotations.reading import Opened

SLOWEST, FASTEST = Fraction(1, 60), 1000  # frames per second
SHOWN = 10  # problems of each kind; --json has all


def arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `grounding annotations`."""
    parser.add_argument("what", choices=("convert", "check"))
    parser.add_argument("source", metavar="IN", type=Path, help="a file, or a folder of texts")
    parser.add_argument(
        "target", metavar="OUT", type=Path, nargs="?", help="of convert: the file to write"
    )
    parser.add_argument("--from", dest="format", metavar="NAME", help="format of IN; else sniffed")
    parser.add_argument("--to", metavar="NAME", help="format of OUT; else by its suffix")
    parser.add_argument(
        "--durations", metavar="CSV", type=Path, help="lines vid,seconds; they go before IN's own"
    )
    parser.add_argument(
        "--media", metavar="DIR", type=Path, help="recordings to measure durations against"
    )
    parser.add_argument(
        "--clamp", action="store_true", help="of convert: repair times and tell which"
    )
    parser.add_argument(
        "--rate", metavar="R", type=_rate, help="frames per second, as 25 or 30000/1001"
    )
    parser.add_argument("--vid", metavar="NAME", help="recording of a file about one")
    parser.add_argument(
        "--json", metavar="PATH|-", help="of check: write all problems as JSON; - = stdout"
    )


def _rate(text: str) -> Fraction:
    try:
        # a long or exponential spelling would be a number of many pages
        rate = Fraction(text if len(text) <= 24 and "e" not in text.lower() else "0")
    except (ValueError, ZeroDivisionError):
        rate = Fraction(0)
    if not SLOWEST <= rate <= FASTEST:
        raise argparse.ArgumentTypeError(
            f"{text[:40]!r} is no number of frames per second ({SLOWEST} to {FASTEST})"
        )
    return rate


def run(args: argparse.Namespace) -> int:
    """Write OUT, or print what is wrong with IN."""
    needless = ("target", "to", "clamp") if args.what == "check" else ("json",)
    for name in needless:
        if getattr(args, name):
            option = "OUT" if name == "target" else f"--{name}"
            raise BadInput(f"{option}: {args.what} takes none; see grounding annotations --help")
    if args.what == "convert" and args.target is None:
        raise BadInput("convert needs OUT, the file to write; check needs none")
    if args.what == "check":
        _check(args)
    else:
        _convert(args)
    return 0


def _opened(args: argparse.Namespace) -> Opened:
    from grounding.annotations import Options, opened

    with bar("measuring", args.quiet) as progress:
        file = opened(
            args.source,
            args.format,
            durations=args.durations,
            media=args.media,
            options=Options(args.rate, args.vid),
            progress=progress,
        )
    if not file.rows:
        raise BadInput(
            f"{args.source}: holds no query as {file.format}; "
            "check the file, or name its format with --from"
        )
    return file


def _check(args: argparse.Namespace) -> None:
    from grounding.annotations import check
    from grounding.files import write_text

    file = _opened(args)
    problems = check(file.rows, media=file.media)
    if args.json:
        report = {
            "file": str(file.path),
            "format": file.format,
            "queries": len(file.rows),
            "recordings": len({row.vid for row in file.rows}),
            "counts": Counter(problem.kind for problem in problems),
            "problems": [_as_json(problem) for problem in problems],
        }
        text = json.dumps(report, indent=1, ensure_ascii=False) + "\n"
        if args.json != "-":
            write_text(Path(args.json), text)
        else:
            print(text, end="")
            return
    recordings = len({row.vid for row in file.rows})
    print(f"{file.path}: {file.format}, {len(file.rows)} queries of {recordings} recordings")
    print("\n".join(_listed(file.path, problems)) or "nothing is wrong")


def _as_json(problem: Problem) -> dict[str, str | int]:
    found: dict[str, str | int] = {
        "kind": problem.kind,
        "line": problem.line,
        "vid": problem.vid,
        "query": problem.text,
        "value": problem.value,
    }
    return found if problem.source is None else {"file": str(problem.source), **found}


def _listed(path: Path, problems: Sequence[Problem]) -> list[str]:
    """By kind, the first few of each."""
    lines: list[str] = []
    for kind, count in Counter(problem.kind for problem in problems).items():
        lines.append(f"{kind}: {count}")
        for problem in [each for each in problems if each.kind == kind][:SHOWN]:
            where = f"{problem.source or path}:{problem.line}"
            text = " ".join(problem.text.split())
            said = text if len(text) <= 50 else f"{text[:47]}..."
            lines.append(f"  {where}: {problem.vid}: {problem.value} ({said})")
        if count > SHOWN:
            lines.append(f"  and {count - SHOWN} more")
    return lines


def _convert(args: argparse.Namespace) -> None:
    from grounding.annotations import Options, samples_of, write
    from grounding.annotations.formats import format_named, written_as

    target = args.to or written_as(args.target)
    format_named(target, writing=True)  # before IN is read
    file = _opened(args)
    rows, repairs = file.repaired() if args.clamp else (file.rows, [])
    samples = samples_of(rows, path=file.path)
    write(args.target, samples, target, Options(args.rate, args.vid))
    for line in _listed(file.path, repairs):
        say(line, args.quiet)
    if lost := len(file.rows) - len(rows):
        say(f"queries left out, for nothing remains of their moments: {lost}", args.quiet)
    came = f"{file.path} ({file.format}) -> {args.target} ({target})"
    say(f"{came}: {len(samples)} queries of {len({s.vid for s in samples})} recordings", args.quiet)
