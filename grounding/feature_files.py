"""Features and their recipe, in files: ours with the recipe inside, and the field's bare arrays."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from grounding.errors import BadInput, RecipeMismatch
from grounding.files import atomic
from grounding.layouts import layout_of

Array = npt.NDArray[Any]

ANY_LAYOUT = "any layout"


@dataclass(frozen=True, slots=True)
class Recipe:
    """What made a feature; features are comparable when their recipes are equal.

    Attributes:
        encoder: registered name, with the model where there is one.
        weights: hash of the weights; None where there are none.
        rate: frames looked at per second; 0 = rows of a public file, `encoder` is its name.
        size: what the encoder sees of a frame; of a public file, its layout.
        version: of the code that computes it.
    """

    encoder: str
    weights: str | None
    rate: float
    size: str
    version: str

    @property
    def is_file(self) -> bool:
        """Whether these are rows of a public file, which no encoder here makes."""
        return self.rate == 0

    def __str__(self) -> str:
        if self.is_file:
            return f"rows of {self.encoder} ({self.size})"
        weights = f", weights {self.weights[:12]}" if self.weights else ""
        return (
            f"{self.encoder} ({self.size}, {self.rate:g} frames/s, version {self.version}{weights})"
        )

    def require(self, wanted: Recipe, name: str) -> None:
        """Raise RecipeMismatch, naming both recipes, unless this is `wanted`.

        Of two public files the layouts decide, where both are known.
        """
        known = {self.size, wanted.size} - {ANY_LAYOUT}
        files_agree = self.is_file and wanted.is_file and len(known) < 2
        if self != wanted and not files_agree:
            raise RecipeMismatch(
                f"{name}: features were made by {self}, the model expects {wanted}; {wanted.remedy}"
            )

    @property
    def remedy(self) -> str:
        """How to come by features of this recipe."""
        if self.is_file:
            return f"give --features {self.encoder}#VID --duration S"
        return f"extract them with --encoder {self.encoder}"

    @property
    def key(self) -> str:
        """Folder name: readable, and different for different recipes."""
        readable = "".join(c if c.isalnum() or c in "-_." else "-" for c in self.encoder)[:60]
        digest = hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()
        return f"{readable}-{digest[:8]}"


def file_recipe(path: Path, layout: str | None = None) -> Recipe:
    """The recipe of rows in a file that others made: its name and its layout, where that is given
    or the name is a public one; nobody knows their rate.
    """
    return Recipe(path.name, None, 0.0, layout or layout_of(path.name) or ANY_LAYOUT, "1")


@dataclass(frozen=True, slots=True)
class Features:
    """Features of one recording.

    Attributes:
        x: (T, D) float16 or float32.
        times: (T,) seconds at which the rows were seen; None = spread evenly over the duration.
        duration: seconds; None where the file does not say.
        recipe: what made them; None where the file does not say.
        problems: what broke while decoding.
    """

    x: npt.NDArray[np.floating[Any]]
    times: npt.NDArray[np.float64] | None = None
    duration: float | None = None
    recipe: Recipe | None = None
    problems: tuple[str, ...] = ()

    def require(self, wanted: Recipe, name: str) -> None:
        """Raise RecipeMismatch, naming both recipes, unless these features are what `wanted`
        says.
        """
        if self.recipe is not None:
            self.recipe.require(wanted, name)


def write_features(path: Path, features: Features) -> None:
    """Write features with their recipe as safetensors, whole or not at all."""
    from safetensors.numpy import save_file

    tensors: dict[str, npt.NDArray[Any]] = {"features": np.ascontiguousarray(features.x)}
    if features.times is not None:
        tensors["times"] = np.ascontiguousarray(features.times)
    meta = {"problems": json.dumps(features.problems)}
    if features.recipe is not None:
        meta["recipe"] = json.dumps(asdict(features.recipe))
    if features.duration is not None:
        meta["duration"] = repr(features.duration)
    with atomic(path) as temporary:
        save_file(tensors, temporary, meta)


def read_features(path: str | Path) -> Features:
    """Read features: `.safetensors` (ours, with recipe), `.npz`, `.npy`, `.pt`, `.pth`, `.h5`,
    `.hdf5`.

    A file with several recordings is asked as `FILE.h5#vid`.

    Raises:
        BadInput: no such file, another kind of file, the wrong shape, or numbers that are not
            finite; names the file.
    """
    name, _, vid = str(path).partition("#")
    file = Path(name)
    if not file.is_file():
        raise BadInput(f"{file}: no such file")
    if file.suffix not in _READERS:
        known = ", ".join(_READERS)
        raise BadInput(f"{file}: cannot read features from {file.suffix!r}; known are {known}")
    return _checked(file, partial(_READERS[file.suffix], file, vid))


def features_in(data: bytes, name: str) -> Features:
    """Read features from the bytes of a file: `.safetensors`, `.npz`, `.npy`, `.pt`, `.pth`.

    Args:
        name: the file they are of; its suffix says how to read them.

    Raises:
        BadInput: as `read_features`.
    """
    suffix = Path(name).suffix
    if suffix == ".safetensors":
        return _checked(name, partial(_safetensors_in, data, name))
    return _checked(name, partial(_READERS[suffix], _Held(data, name), ""))


class _Held(BytesIO):
    """The bytes of a file, called like it."""

    def __init__(self, data: bytes, name: str) -> None:
        super().__init__(data)
        self._name = name

    def __str__(self) -> str:
        return self._name


def _checked(file: Path | str, read: Callable[[], Features]) -> Features:
    try:
        features = read()
    except BadInput:
        raise
    except Exception as error:  # every library has its own; none may reach the user as it is
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise BadInput(f"{file}: not readable as features ({first}); extract them again") from None
    if features.x.ndim != 2 or 0 in features.x.shape:
        raise BadInput(f"{file}: features have shape {features.x.shape}; expected (rows, width)")
    if not np.issubdtype(features.x.dtype, np.floating):
        raise BadInput(f"{file}: holds {features.x.dtype}; save float16 or float32")
    if not np.isfinite(features.x).all():
        raise BadInput(f"{file}: holds numbers that are not finite; extract them again")
    times = features.times
    if times is not None and (
        times.shape != features.x.shape[:1]
        or not np.isfinite(times).all()
        or (np.diff(times) < 0).any()
    ):
        raise BadInput(f"{file}: its times are not one a row, in order; extract them again")
    return features


def _safetensors(file: Path, vid: str) -> Features:
    from safetensors import safe_open

    with safe_open(file, "np") as opened:
        meta = opened.metadata() or {}
        names = set(opened.keys())
        x = opened.get_tensor("features")
        times = opened.get_tensor("times") if "times" in names else None
    return _described(x, times, meta, file)


def _safetensors_in(data: bytes, name: str) -> Features:
    from safetensors.numpy import load

    tensors = load(data)
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    meta = header.get("__metadata__", {})
    return _described(tensors["features"], tensors.get("times"), meta, name)


def _described(
    x: Array, times: Array | None, meta: Mapping[str, str], file: Path | str
) -> Features:
    recipe = Recipe(**json.loads(meta["recipe"])) if "recipe" in meta else None
    duration = float(meta["duration"]) if "duration" in meta else None
    if duration is not None and not (math.isfinite(duration) and duration > 0):
        raise BadInput(f"{file}: says it lasts {duration} s; extract it again")
    return Features(x, times, duration, recipe, tuple(json.loads(meta.get("problems", "[]"))))


def _npz(file: Path | _Held, vid: str) -> Features:
    with np.load(file, allow_pickle=False) as arrays:
        if "features" not in arrays:
            held = ", ".join(arrays.files)
            raise BadInput(f"{file}: has no array 'features' but {held}; save it under that name")
        return Features(arrays["features"])


def _npy(file: Path | _Held, vid: str) -> Features:
    return Features(np.load(file, allow_pickle=False))


def _pt(file: Path | _Held, vid: str) -> Features:
    import torch

    loaded = torch.load(file, map_location="cpu", weights_only=True)
    if isinstance(loaded, dict):
        loaded = loaded["features"]
    x: Array = loaded.float().numpy() if loaded.dtype == torch.bfloat16 else loaded.numpy()
    return Features(x)


def _hdf5(file: Path, vid: str) -> Features:
    import h5py

    with h5py.File(file, "r") as opened:
        names = list(opened)
        if not vid and len(names) == 1:
            vid = names[0]
        if vid not in opened:
            some = ", ".join(names[:3])
            raise BadInput(f"{file}: holds {len(names)} recordings ({some}, ...); ask {file}#vid")
        recipe = file_recipe(file) if layout_of(file.name) else None
        return Features(array_in(opened[vid], f"{file}#{vid}")[()], recipe=recipe)


def array_in(node: Any, where: str, key: str = "c3d_features") -> Any:
    """The HDF5 array of one recording: the node itself, or the one called `key` in its group.

    Raises:
        BadInput: the group has no such array; names those it has.
    """
    import h5py

    if not isinstance(node, h5py.Group):
        return node
    if not isinstance(node.get(key), h5py.Dataset):
        held = ", ".join(map(repr, list(node)[:3])) or "nothing"
        raise BadInput(f"{where}: is a group that holds {held} but no {key!r}; name its array so")
    return node[key]


_READERS: dict[str, Callable[[Any, str], Features]] = {
    ".safetensors": _safetensors,
    ".npz": _npz,
    ".npy": _npy,
    ".pt": _pt,
    ".pth": _pt,
    ".h5": _hdf5,
    ".hdf5": _hdf5,
}
