"""Samples -> files of any format.

A format that holds one recording a file gets a folder: `<vid><suffix>` for each recording. What no
file system holds in a name is written as %XX there, so that no name leaves the folder.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from pathlib import Path

from grounding.annotations.row import Format, Options
from grounding.errors import AnnotationError
from grounding.files import write_text
from grounding.naming import file_stem
from grounding.types import Sample


def write_files(
    out: Path, samples: Sequence[Sample], format: Format, options: Options
) -> list[Path]:
    """Write a dataset, each file whole or not at all -> the files.

    `out` is the file; for a format of one recording a file it is a folder, unless its name ends as
    the format's do and all samples are of one recording.

    Raises:
        AnnotationError: the format is not written, or cannot hold these samples.
    """
    if format.write is None:
        raise AnnotationError(f"{out}: {format.note} is read alone; name a format that is written")
    recordings: dict[str, list[Sample]] = {}
    for sample in samples:
        recordings.setdefault(sample.vid, []).append(sample)
    is_file = out.name.lower().endswith(format.suffixes[0]) and not out.is_dir()
    if format.per_recording and is_file and len(recordings) > 1:
        raise AnnotationError(
            f"{out}: holds one recording, and the samples are of {len(recordings)}; name a folder"
        )
    if not format.per_recording or is_file:
        texts = {out: format.write(samples, options)}
    else:
        if out.exists() and not out.is_dir():
            raise AnnotationError(f"{out}: is a file; name a folder, one file a recording goes in")
        paths = _paths(out, list(recordings), format.suffixes[0])
        texts = {paths[v]: format.write(some, options) for v, some in recordings.items()}
    for path, text in texts.items():
        try:
            text.encode()
        except UnicodeEncodeError as error:
            what = f"{text[max(error.start - 20, 0) : error.end].splitlines()[-1]!a}"
            raise AnnotationError(f"{path}: {what} is no Unicode; correct the sentence") from None
    for path, text in texts.items():
        write_text(path, text)
    return list(texts)


def _paths(folder: Path, vids: Sequence[str], suffix: str) -> dict[str, Path]:
    """Recording -> file; two names that some file system takes for one are told apart."""
    paths: dict[str, Path] = {}
    taken: set[str] = set()
    for vid in vids:
        try:
            stem = file_stem(vid)
            if _folded(stem) in taken:
                stem = file_stem(vid, is_twin=True)
        except ValueError as error:
            raise AnnotationError(f"{folder}: {error}") from None
        taken.add(_folded(stem))
        paths[vid] = folder / f"{stem}{suffix}"
    return paths


def _folded(stem: str) -> str:
    return unicodedata.normalize("NFKC", stem).casefold()
