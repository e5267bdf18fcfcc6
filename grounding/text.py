"""The text of a file that some program wrote, whichever Unicode it chose."""

from __future__ import annotations

from pathlib import Path

from grounding.errors import AnnotationError


def read_text(path: Path) -> str:
    """UTF-8 or, where it begins with its mark, UTF-16; line ends as they are.

    Raises:
        AnnotationError: there is no such file, or it is of another encoding.
    """
    if not path.exists() or path.is_dir():
        raise AnnotationError(f"{path}: no such file")
    data = path.read_bytes()
    try:
        return data.decode("utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise AnnotationError(
            f"{path}:{line}: byte {error.start} is not UTF-8; save it as UTF-8"
        ) from None
