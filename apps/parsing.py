"""A command's arguments: wrong ones are one line with the nearest valid option."""

from __future__ import annotations

import argparse
import difflib
from collections.abc import Sequence
from typing import NoReturn

from grounding.errors import BadInput


class Parser(argparse.ArgumentParser):
    """argparse whose errors are BadInput: one line, exit 2."""

    def __init__(self, prog: str, description: str | None) -> None:
        super().__init__(prog=prog, description=description, allow_abbrev=False)
        self.accepts_config = False  # `train` takes further dotted keys

    def error(self, message: str) -> NoReturn:
        """Instead of usage and exit: one line."""
        raise BadInput(f"{message}; see {self.prog} --help")

    def parse(self, words: Sequence[str]) -> argparse.Namespace:
        """Parse; the words it does not know are `rest` where the command takes config keys.

        Raises:
            BadInput: an unknown or wrong argument.
        """
        args, rest = self.parse_known_args(list(words))
        if rest and not self.accepts_config:
            options = [o for action in self._actions for o in action.option_strings]
            near = difflib.get_close_matches(rest[0].split("=")[0], options, 1)
            hint = f"did you mean {near[0]}?" if near else f"see {self.prog} --help"
            raise BadInput(f"{rest[0]}: unknown argument; {hint}")
        args.rest = rest
        return args


def positive(text: str) -> int:
    """A whole number of at least 1."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{value} is less than 1")
    return value
