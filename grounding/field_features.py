"""Files of features that others made and share: one array a recording, no recipe inside.

Every check here ends in one line that says which file, which recording, what was found, what was
expected and what to do: such files differ between versions, and a wrong one trains without a word.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from grounding.errors import BadInput
from grounding.feature_files import Features, array_in, read_features
from grounding.layouts import LAYOUTS, USUAL, Layout

_HDF5 = (".h5", ".hdf5")
BARE = (".npy", ".npz", ".safetensors", ".pt", ".pth")
_CUT = re.compile(r"truncated file: eof = (\d+).*stored_eof = (\d+)")


class FeatureSource(Protocol):
    """Features of many recordings, wherever they lie."""

    def each(self, vids: Sequence[str]) -> Iterator[tuple[str, Features]]:
        """All of `vids`, one at a time, in the order that reads best.

        Raises:
            BadInput: some are missing, or are not what the layout says.
        """
        ...


def require(vids: Sequence[str], names: Collection[str], where: str) -> None:
    """Raises BadInput where recordings are missing from `names`: how many, which, and whether they
    are there under another spelling.
    """
    missing = [vid for vid in vids if vid not in names]
    if not missing:
        return
    some = ", ".join(map(repr, missing[:3])) + (", ..." if len(missing) > 3 else "")
    told = f"{where}: has no features of {len(missing)} of {len(vids)} recordings ({some})"
    for vid in missing:
        for spelling in _spellings(vid):
            if spelling in names:
                count = sum(any(s in names for s in _spellings(each)) for each in missing)
                raise BadInput(
                    f"{told}; {count} are there under another spelling ({vid!r} as "
                    f"{spelling!r}): rename them in the annotations"
                )
    held = ", ".join(map(repr, sorted(names)[:3])) or "nothing"
    raise BadInput(
        f"{told}; it holds {len(names)} ({held}): take the file of this dataset, or leave "
        "their queries out"
    )


class RowCheck:
    """Are the rows of one recording after another what the layout says, and of one kind?"""

    def __init__(self, layout: Layout | None) -> None:
        """`layout` None = any width, the same in all."""
        self._layout = layout
        self._first: tuple[str, int, int] | None = None  # the first one read, its rows and width

    def __call__(self, x: npt.NDArray[Any], where: str) -> None:
        """Raises BadInput, naming `where`, unless they are."""
        if x.ndim != 2 or 0 in x.shape:
            what = "one row" if x.ndim == 1 else "no rows of features"
            raise BadInput(f"{where}: has shape {x.shape}, {what}; expected (rows, width)")
        if not np.issubdtype(x.dtype, np.floating):
            raise BadInput(f"{where}: holds {x.dtype}; save float16 or float32")
        rows, width = x.shape
        self._first = self._first or (where, rows, width)
        first, first_rows, first_width = self._first
        expected = self._layout.width if self._layout else first_width
        if width != expected:
            if rows == expected:
                raise BadInput(
                    f"{where}: has shape {x.shape}, it lies on its side; save (rows, {expected})"
                )
            if not self._layout and rows == first_rows:
                raise BadInput(
                    f"{where}: has shape {x.shape} and {first} {(first_rows, first_width)}, they "
                    f"lie on their sides; save (rows, {rows})"
                )
            usual = f", looks like {USUAL[width]}" if width in USUAL else ""
            other = f"the layout of {self._layout.file}" if self._layout else first
            remedy = "that file, or --features.layout null" if self._layout else "rows of one kind"
            raise BadInput(
                f"{where}: {width} numbers a row{usual}; {other} has {expected}: take {remedy}"
            )
        bad = ~np.isfinite(x).all(1)
        if bad.any():
            row = int(bad.argmax())
            raise BadInput(
                f"{where}: {int(bad.sum())} of {rows} rows are not finite (first: row {row}); "
                "extract them again"
            )


class FieldFeatures:
    """An open HDF5 file, or a folder of `<vid>.npy` (`.npz`, `.safetensors`, `.pt`, `.pth`).

    Attributes:
        path: file or folder.
        layout: what is expected in it; None = any width.
    """

    def __init__(self, path: Path, layout: Layout | None, hdf5: Any = None) -> None:
        self.path, self.layout = path, layout
        self._hdf5 = hdf5
        self._files: dict[str, Path] = {}
        if hdf5 is None:
            found = sorted(file for file in path.iterdir() if file.suffix in BARE)
            self._files = {file.stem: file for file in found}
        self.names: frozenset[str] = frozenset(hdf5 if hdf5 is not None else self._files)
        self._check = RowCheck(layout)

    def each(self, vids: Sequence[str]) -> Iterator[tuple[str, Features]]:
        """As `FeatureSource`; nothing is read where some are missing."""
        require(vids, self.names, str(self.path))
        for vid in vids:
            yield vid, self.read(vid)

    def read(self, vid: str) -> Features:
        """(T, D) rows of a recording that is there.

        Raises:
            BadInput: they are not what the layout says.
        """
        where = f"{self.path}#{vid}"
        if self._hdf5 is None:
            features = read_features(self._files[vid])
        else:
            try:
                key = self.layout.key if self.layout else None
                x = array_in(self._hdf5[vid], where, key or "c3d_features")[()]
            except (OSError, RuntimeError) as error:
                raise BadInput(
                    f"{where}: cannot be read ({' '.join(str(error).split())[:120]}); the file is "
                    "damaged, download it again"
                ) from None
            features = Features(x)
        self._check(features.x, where)
        return features


@contextmanager
def opened(path: Path, layout: str | None) -> Iterator[FieldFeatures]:
    """Open a file of features, or a folder with a file a recording.

    Raises:
        BadInput: it is not there, is cut short, or is of another kind.
    """
    wanted = LAYOUTS[layout] if layout else None
    if not path.exists():
        what = f"; {layout} is the public {wanted}" if wanted else ""
        raise BadInput(
            f"{path}: no such file{what}; put it there, or name it with --features.file PATH "
            "(relative to the dataset folder, or absolute)"
        )
    if path.is_dir():
        found = FieldFeatures(path, wanted)
        if not found.names:
            raise BadInput(f"{path}: holds no {', '.join(BARE)}; write <vid>.npy a recording")
        yield found
        return
    if path.suffix not in _HDF5:
        raise BadInput(
            f"{path}: {path.suffix!r} holds one recording; give an HDF5 file ({', '.join(_HDF5)}) "
            f"or a folder with a file ({', '.join(BARE)}) a recording"
        )
    import h5py

    with ExitStack() as stack:
        try:
            file = stack.enter_context(h5py.File(path, "r"))
        except OSError as error:
            raise BadInput(f"{path}: {_why_closed(str(error))}") from None
        yield FieldFeatures(path, wanted, file)


def _why_closed(error: str) -> str:
    if cut := _CUT.search(error):
        there, whole = int(cut[1]), int(cut[2])
        return f"is cut short: {there:,} of {whole:,} bytes are there; download it again"
    if "signature not found" in error:
        return "is no HDF5 file, whatever its name says; download it again"
    return f"cannot be opened ({' '.join(error.split())[:120]}); check the file and its permissions"


def _spellings(vid: str) -> Iterator[str]:
    """Other names under which files have the same recording."""
    bare = vid.removeprefix("v_")
    stem = vid.rpartition(".")[0]
    for name in (f"v_{vid}", bare, f"{vid}.mp4", f"{vid}.avi", stem, vid.lower(), vid.upper()):
        if name not in ("", vid):
            yield name
