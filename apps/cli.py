"""The `grounding` command: finds the command's own module and keeps the error contract.

Exit code 0 = done, 2 = bad input with one line on stderr, 130 = interrupted; anything else is a
bug.
"""

from __future__ import annotations

import difflib
import importlib
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from grounding.errors import BadInput
from grounding.launched import repeats

COMMANDS = {
    "demo": "the main job on the embedded sample: render, train, predict, evaluate, look",
    "sample": "render the sample corpus alone",
    "init": "a folder of recordings and a sheet of sentences and times -> dataset folder",
    "train": "train a model from glances",
    "ground": "ask a model WHEN: moments of a recording for each sentence",
    "batch": "ask many recordings at once; goes on where it stopped",
    "weights": "what an encoder's name needs, where it looks, whether it is there",
    "features": "extract features of a dataset's recordings, or of media files, once",
    "app": "open the explorer: predictions against the truth, on screen",
    "explain": "draw what a run saw for one query",
    "evaluate": "score a prediction file against annotations",
    "annotations": "turn annotations of one format into another, or list what is wrong with them",
}


class Done(Exception):
    """Raised with an exit code by what prints help."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code and never shows a traceback for bad input."""
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        return _dispatch(words)
    except BadInput as error:
        return _fail(str(error))
    except KeyboardInterrupt as error:
        print(f"grounding: {error}" if str(error) else "grounding: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # the reader of our output went away; Python would complain once more when it flushes
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        if error.filename is None and error.strerror is None:
            raise
        where = f"{error.filename}: " if error.filename is not None else ""
        return _fail(f"{where}{error.strerror}; check the path, its permissions and the free space")


def entry() -> NoReturn:
    """What the installed command calls."""
    sys.exit(main())


def _dispatch(words: list[str]) -> int:
    # the value of a global option is no command
    values = {i + 1 for i, word in enumerate(words) if word == "--device"}
    name = next((w for i, w in enumerate(words) if not w.startswith("-") and i not in values), None)
    if name is None:
        if words and not {"-h", "--help", "--version"} & set(words):
            raise BadInput(f"{words[0]}: names no command; see grounding --help")
        print(_version() if "--version" in words else _help())
        return 0
    if name not in COMMANDS:
        near = difflib.get_close_matches(name, COMMANDS, 1)
        hint = f"did you mean {near[0]!r}?" if near else "see grounding --help"
        raise BadInput(f"{name}: no such command; {hint}")
    words.remove(name)  # global options may stand before the command
    module = importlib.import_module(f"apps.commands.{name}")
    from apps.parsing import Parser

    parser = Parser(prog=f"grounding {name}", description=module.__doc__)
    parser.add_argument(
        "--device", choices=("auto", "cpu", "cuda"), default="auto", help="where models run"
    )
    parser.add_argument("--quiet", action="store_true", help="no progress on stderr")
    module.arguments(parser)
    try:
        args = parser.parse(words)
    except BadInput:
        if repeats():
            return 2
        raise
    code: int = module.run(args)
    return code


def _help() -> str:
    width = max(map(len, COMMANDS))
    lines = [f"  {name:<{width}}  {text}" for name, text in COMMANDS.items()]
    return (
        "usage: grounding COMMAND ...\n\nAsk WHEN something happens in a recording.\n\n"
        + "\n".join(lines)
        + "\n\nglobal options: --device auto|cpu|cuda, --quiet"
        + "\n`grounding COMMAND --help` tells more"
    )


def _version() -> str:
    import importlib.metadata

    return f"grounding-workbench {importlib.metadata.version('grounding-workbench')}"


def _fail(message: str) -> int:
    print("grounding: " + " ".join(message.split()), file=sys.stderr)
    return 2
