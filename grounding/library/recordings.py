"""SOURCE ... -> recordings, each with a name of its own."""

from __future__ import annotations

import os
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from grounding.errors import BadInput
from grounding.library import addresses, listing
from grounding.library.manifest import LARGEST, is_manifest, read_manifest
from grounding.library.remote import Limits, read_bytes
from grounding.media import RECORDINGS
from grounding.media.container import require_readable


@dataclass(frozen=True, slots=True)
class Recording:
    """One recording and its name in every result.

    Attributes:
        vid: the name.
        place: a file of this machine, or a URL, which may hold secrets: `shown` is for people.
        version: what a listing said of the size and content of what the URL names.
    """

    vid: str
    place: Path | str = field(repr=False)
    version: str | None = field(default=None, repr=False, compare=False)

    @property
    def is_remote(self) -> bool:
        """Whether it must be fetched."""
        return isinstance(self.place, str)

    @property
    def shown(self) -> str:
        """The place without name, password or token."""
        return addresses.shown(str(self.place))


@dataclass(frozen=True, slots=True)
class _Found:
    """A recording that has no name yet.

    Attributes:
        place: path or URL.
        names: what it could be called, from the shortest to one that no other can have.
        version: see Recording.
        origin: line of the manifest that gave it its only name.
    """

    place: Path | str
    names: tuple[str, ...]
    version: str | None = None
    origin: str = ""

    @property
    def identity(self) -> str:
        """Equal for one recording that two sources found; they may overlap."""
        if isinstance(self.place, str):
            return self.place
        return str(self.place.parent.resolve() / self.place.name)


def find_recordings(sources: Sequence[str | Path], limits: Limits | None = None) -> list[Recording]:
    """The recordings that the sources name, sorted by vid; nothing of them is read.

    A source is a file, a folder with all below it but hidden files, a dataset folder (its
    `media`), a pattern (`*`, `?`, `[...]`, `**`), a manifest, or the URL of any of these but a
    dataset folder; see `manifest` and `listing.find`. What is there under that very name is no
    pattern. Links to folders are not followed.

    A recording that cannot be used is listed all the same, for its failure to be told: one that a
    manifest names and that is not there, a link to nowhere, a pipe, a folder that is called like
    a recording and holds none, a folder that may not be searched.

    The vid is what the manifest says, else the stem. Recordings that share one are told apart by
    the path below SOURCE without suffix, then with it, then with SOURCE's name before it, at last
    by the whole path.

    Raises:
        BadInput: a source is not there, a manifest is wrong, or there is no recording.
        OSError: a source cannot be read.
    """
    limits = limits or Limits()
    found = [each for source in sources for each in _expand(str(source), limits)]
    named = {each.identity for each in found if each.origin}
    kept = dict[tuple[str, str], _Found]()
    for each in found:
        if each.origin:
            kept.setdefault((each.identity, each.names[0]), each)
        elif each.identity not in named:
            kept.setdefault((each.identity, ""), each)
    if not kept:
        folders = ", ".join(addresses.shown(str(source)) for source in sources)
        raise BadInput(f"{folders}: no recording in it; known are {', '.join(RECORDINGS)}")
    recordings = [
        Recording(vid, each.place, each.version) for each, vid in _tell_apart(list(kept.values()))
    ]
    return sorted(recordings, key=lambda recording: recording.vid)


def normal(vid: str) -> str:
    """What two spellings of one name share: some systems take letters and their accents apart."""
    return unicodedata.normalize("NFC", vid)


def printable(text: str) -> str:
    """The text as UTF-8 can hold it: bytes of file names that are no Unicode become escapes."""
    return text.encode("utf-8", "backslashreplace").decode()


def _expand(source: str, limits: Limits) -> Iterator[_Found]:
    place = addresses.place_of(source)
    if isinstance(place, str):
        yield from _of_url(place, limits)
    elif place.is_dir():
        if (place / "annotations").is_dir() and (place / "media").is_dir():
            for path in sorted((place / "media").iterdir()):
                if listing.is_recording(path.name):
                    yield _Found(path, _names(path, place / "media", place.resolve().name))
        else:
            for path in _below(place):
                yield _Found(path, _names(path, place))
    elif os.path.lexists(place):
        if is_manifest(place.name):
            require_readable(place)
            yield from _listed(source, place.read_bytes())
        else:
            yield _Found(place, _names(place, place.parent))
    elif listing.has_magic(source):
        yield from _matching(place)
    else:
        raise BadInput(f"{source}: no such file or folder; check the path")


def _of_url(url: str, limits: Limits) -> Iterator[_Found]:
    address = addresses.parse(url)
    if is_manifest(address.name) and not listing.has_magic(address.name):
        yield from _listed(address.shown, read_bytes(url, limits, LARGEST), address)
        return
    for each in listing.find(url, limits):
        parts = len(PurePosixPath(each.below).parts)
        yield _Found(each.url, _names_of_url(each.url, parts), each.version)


def _listed(name: str, data: bytes, address: addresses.Address | None = None) -> Iterator[_Found]:
    """The recordings of a manifest called `name`, or of the one at a URL."""
    for line in read_manifest(name, data):
        if address is not None:
            place = addresses.resolve(address, line.place)
        else:
            place = addresses.place_of(line.place)
            place = Path(name).parent / place if isinstance(place, Path) else place
        own = place.name if isinstance(place, Path) else addresses.parse(place).name
        if own in ("", ".."):
            raise BadInput(f"{line.origin}: {addresses.shown(line.place)!r} names no file")
        written = PurePosixPath(line.place)
        outside = addresses.is_url(line.place) or written.is_absolute() or ".." in written.parts
        if isinstance(place, str):
            names = _names_of_url(place, 1 if outside else len(written.parts))
        else:
            names = _names(place, place.parent if outside else Path(name).parent)
        if line.vid is None:
            yield _Found(place, names)
        else:
            yield _Found(place, (line.vid,), origin=line.origin)


def _matching(pattern: Path) -> Iterator[_Found]:
    """What a pattern matches; folders with all below them."""
    root, rest = Path(pattern.anchor), list(pattern.relative_to(pattern.anchor).parts)
    while os.path.lexists(root / rest[0]):  # a name that really has brackets is no pattern
        root /= rest.pop(0)
    suffix, any_there = listing.own_suffix(rest[-1]), False
    try:
        matches = sorted(root.glob("/".join(rest)))
    except ValueError:  # ** beside other letters
        raise BadInput(f"{pattern}: ** must stand alone between slashes") from None
    for path in matches:
        any_there, below = True, path.relative_to(root)
        if path.is_dir():
            if not any(part.startswith(".") for part in below.parts):
                for inside in _below(path):
                    yield _Found(inside, _names(inside, root))
        elif listing.is_recording(below.as_posix(), suffix):
            yield _Found(path, _names(path, root))
    if not any_there:
        raise BadInput(f"{pattern}: matches nothing; check the pattern")


def _below(folder: Path) -> list[Path]:
    """The recordings in a folder and its subfolders, and what is called like one or shut."""
    found, odd = list[Path](), list[Path]()

    def fail(error: OSError) -> None:
        if error.filename is None or Path(error.filename) == folder:
            raise error
        odd.append(Path(error.filename))

    for place, folders, names in os.walk(folder, onerror=fail):
        folders[:] = [name for name in folders if not name.startswith(".")]
        odd += [Path(place, name) for name in folders if listing.is_recording(name)]
        found += [Path(place, name) for name in names if listing.is_recording(name)]
    if listing.is_recording(folder.name):
        odd.append(folder)
    searched = {parent for path in found for parent in path.parents} if odd else set()
    for path in sorted(set(odd), key=lambda path: len(path.parts), reverse=True):
        if path not in searched:
            found.append(path)
            searched.update(path.parents)
    return found


def _names(path: Path, root: Path, called: str | None = None) -> tuple[str, ...]:
    """Names a file found below `root` could have; `called` is the root's name."""
    below = path.relative_to(root) if path != root else Path(path.name)
    parent = (root if path != root else root.parent).resolve().name
    names = (below.stem, below.with_suffix(""), below, Path(called or parent, below))
    return tuple(printable(Path(name).as_posix()) for name in (*names, path.absolute()))


def _names_of_url(url: str, parts: int) -> tuple[str, ...]:
    """Names a recording elsewhere could have, the last `parts` of its path being its own."""
    address = addresses.parse(addresses.shown(url))
    path = PurePosixPath(addresses.readable(address, address.path))
    below, longer = (PurePosixPath(*path.parts[-count:]) for count in (parts, parts + 1))
    names = (below.stem, below.with_suffix(""), below, longer)
    return tuple(printable(str(name)) for name in (*names, address))


def _tell_apart(found: Sequence[_Found]) -> list[tuple[_Found, str]]:
    """The first name of each recording, a later one for those that share it.

    Raises:
        BadInput: two have only the same.
    """
    choice = [0] * len(found)
    while True:
        vids = [each.names[level] for each, level in zip(found, choice, strict=True)]
        count = Counter(map(normal, vids))
        shared = [
            place
            for place, vid in enumerate(vids)
            if count[normal(vid)] > 1 and choice[place] < len(found[place].names) - 1
        ]
        if not shared:
            break
        for place in shared:
            choice[place] += 1
    first = dict[str, _Found]()
    for each, vid in zip(found, vids, strict=True):
        if (twin := first.setdefault(normal(vid), each)) is not each:
            told = [other.origin or addresses.shown(str(other.place)) for other in (each, twin)]
            raise BadInput(
                f"{told[0]}: vid {vid!r} is that of {told[1]} too; give each its own in a manifest"
            )
    return list(zip(found, vids, strict=True))
