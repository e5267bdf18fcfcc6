"""Formats of one recording a file: a data set is a folder of them, named by their recordings."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from grounding.annotations.row import Format, Options, Row
from grounding.errors import AnnotationError
from grounding.types import Sample

Read = Callable[[Path, Options], Iterable[Row]]


def one_recording(
    read: Read,
    looks: Callable[[str], bool],
    suffix: str,
    note: str,
    write: Callable[[Sequence[Sample], Options], str],
) -> Format:
    """A format of one recording a file, whose reader takes a folder of such files too."""

    def either(path: Path, options: Options) -> Iterable[Row]:
        return read_folder(path, read, suffix, options) if path.is_dir() else read(path, options)

    note = f"{note}, one recording a file"
    return Format(either, looks, (suffix, "/"), note, write, per_recording=True)


def read_folder(folder: Path, read: Read, suffix: str, options: Options) -> Iterator[Row]:
    """The queries of all files in a folder whose names end with `suffix`; hidden ones and folders
    inside are left out.

    Raises:
        AnnotationError: there is no such file, or one of them is wrong.
    """
    if options.vid is not None:
        raise AnnotationError(f"{folder}: its files name their recordings; leave out --vid")
    paths = sorted(
        path
        for path in folder.iterdir()
        if path.name.lower().endswith(suffix) and path.name[0] != "." and path.is_file()
    )
    if not paths:
        raise AnnotationError(f"{folder}: no file called *{suffix} in it; name another folder")
    for path in paths:
        for row in read(path, options):
            yield replace(row, source=path)
