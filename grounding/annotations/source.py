"""Text of annotation files: UTF-8 or an error that names the line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from grounding.errors import AnnotationError

HEAD = 1 << 16  # bytes that tell what a file is


def read_text(path: Path, *, wide: bool = False) -> str:
    """All of a file; a byte order mark is left out. `wide` takes UTF-16 too, which such a mark
    tells.

    Raises:
        AnnotationError: there is no such file, or it is not UTF-8 text.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise AnnotationError(f"{path}: no such file") from None
    except IsADirectoryError:
        raise AnnotationError(f"{path}: is a folder; name a file in it") from None
    is_wide = wide and data[:2] in (b"\xff\xfe", b"\xfe\xff")
    try:
        text = data.decode("utf-16" if is_wide else "utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise AnnotationError(
            f"{path}:{line}: byte {error.start} is not UTF-8; save the file as UTF-8"
        ) from None
    if (at := text.find("\x00")) >= 0:
        line = text.count("\n", 0, at) + 1
        raise AnnotationError(f"{path}:{line}: holds a zero byte; is the file damaged?")
    return text


def lines_of(path: Path) -> Iterator[tuple[int, str]]:
    """The lines that are not blank, with their numbers from 1.

    Raises:
        AnnotationError: as `read_text`.
    """
    # not splitlines: a sentence may hold any of the characters that it takes for line ends
    for number, line in enumerate(read_text(path).split("\n"), 1):
        if line.strip():
            yield number, line.removesuffix("\r")


def beginning(path: Path) -> str:
    """What a file begins with; of a folder, what its first file begins with.

    Raises:
        AnnotationError: there is none.
    """
    if path.is_dir():
        first = min((p for p in path.iterdir() if p.is_file() and p.name[0] != "."), default=None)
        if first is None:
            raise AnnotationError(f"{path}: holds no file; name a file or another folder")
        path = first
    try:
        with path.open("rb") as file:
            head = file.read(HEAD)
    except FileNotFoundError:
        raise AnnotationError(f"{path}: no such file") from None
    # some tools write UTF-16; whether a format takes it is for its reader to say
    encoding = "utf-16" if head[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    return head.decode(encoding, errors="replace")
