"""Errors a user can act on: one line that names the file, the value and the remedy.

The command turns every `BadInput` into that line on stderr and exit code 2; anything else is a bug
and shows itself.
"""

from __future__ import annotations

import os


class BadInput(ValueError):
    """Something the user gave cannot be used. The message is one line: what, which value, what to
    do.
    """


class AnnotationError(BadInput):
    """A line of an annotation or prediction file is wrong."""


class ConfigError(BadInput):
    """A configuration key or value is wrong."""


class RecipeMismatch(BadInput):
    """Features were made by another recipe than the one the model was trained on."""


class UnreadableMedia(BadInput):
    """A recording cannot be opened or decoded.

    Attributes: `path` (the file as given) and `reason` (one line, no path).
    """

    def __init__(self, path: str | os.PathLike[str], reason: str) -> None:
        self.path = os.fspath(path)
        self.reason = reason
        super().__init__(f"{self.path}: {reason}")

    def __reduce__(self) -> tuple[type, tuple[str, str]]:
        return type(self), (self.path, self.reason)


class UnreachableMedia(UnreadableMedia):
    """A recording on another machine cannot be got now; trying again later may succeed."""


class WorkerLost(BadInput):
    """A process that worked on a recording is gone: that recording, or its size, is to blame.

    Attributes: `kind`, one of "timeout", "memory", "crash" (a signal of its own making) and
    "killed" (somebody else's, as the system does where memory runs out).
    """

    def __init__(self, kind: str, message: str) -> None:
        self.kind = kind
        super().__init__(message)

    def __reduce__(self) -> tuple[type, tuple[str, str]]:
        return type(self), (self.kind, str(self))


class Interrupted(KeyboardInterrupt):
    """Stopped by Ctrl-C after all that was finished has been saved; the message says how to go
    on.
    """
