"""What a URL holds: one recording, or those below a folder, a page or a pattern."""

from __future__ import annotations

import html
import posixpath
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Any

from grounding.library.addresses import Address, parse, readable
from grounding.library.remote import Limits, diagnose, file_system, info, patiently, version
from grounding.media import RECORDINGS

DEEPEST = 32  # folders below a web page: some servers make up pages without end
MAGIC = "*?["
WEB_MAGIC = "*["  # a question mark begins the arguments there


@dataclass(frozen=True, slots=True)
class Remote:
    """A file on another machine.

    Attributes:
        url: its URL.
        below: its path in the folder that was searched, as people write it.
        version: what the listing says of its size and content; None = nothing sure.
    """

    url: str
    below: str
    version: str | None = None


def find(url: str, limits: Limits) -> list[Remote]:
    """The recordings a URL names: a file, a folder with all below it, or a pattern.

    On the web a folder is a page whose address ends in `/`, or that the server sends there: the
    recordings it links to, and so on through the pages below it, never beside or above.

    Raises:
        BadInput: there is nothing, or the server cannot be asked.
    """
    address = parse(url)
    look = _on_web if address.is_plain_web else _in_store
    return patiently(lambda: look(address, limits), url, limits)


def is_recording(below: str, suffix: str = "") -> bool:
    """Whether a path is one by its name, no part of it being hidden; a `suffix` is taken too."""
    hidden = any(part.startswith(".") for part in below.split("/"))
    known = below.lower().endswith(RECORDINGS) or bool(suffix and below.endswith(suffix))
    return known and not hidden


def has_magic(text: str, magic: str = MAGIC) -> bool:
    """Whether a text is a pattern."""
    return any(mark in text for mark in magic)


def own_suffix(pattern: str) -> str:
    """The ending a pattern asks for, as `.bin` in `**/*.bin`; empty where it asks for none."""
    suffix = PurePosixPath(pattern).suffix
    return "" if has_magic(suffix) else suffix


def _in_store(address: Address, limits: Limits) -> list[Remote]:
    fs, path = file_system(str(address), limits)
    try:
        found = info(fs, path)
    except FileNotFoundError:
        if not has_magic(address.path):
            raise
        return _matching(fs, path, *_rooted(address, MAGIC), limits)
    if found.get("type") != "directory":
        return [Remote(str(address), address.name, version(found))]
    return _below(address, path, fs.find(path, detail=True))


def _matching(fs: Any, pattern: str, root: Address, wanted: str, limits: Limits) -> list[Remote]:
    files = dict[str, Any]()
    for name, found in fs.glob(pattern, detail=True).items():
        if found.get("type") == "directory":
            files |= fs.find(name, detail=True)
        else:
            files[name] = found
    _, path = file_system(str(root), limits)
    return _below(root, path, files, own_suffix(wanted))


def _below(root: Address, path: str, files: dict[str, Any], suffix: str = "") -> list[Remote]:
    """The recordings among the files in the folder `path`, whose URL is `root`."""
    found = []
    for name, known in files.items():
        below = name.strip("/").removeprefix(path.strip("/")).lstrip("/")
        if is_recording(below, suffix):
            found.append(Remote(root.at(below), below, version(known)))
    return found


def _on_web(address: Address, limits: Limits) -> list[Remote]:
    url = str(address)
    if has_magic(address.path.partition("/")[2], WEB_MAGIC):
        root, wanted = _rooted(address, WEB_MAGIC)
        fits = _fits(readable(address, wanted))
        found = _linked(root, limits, own_suffix(wanted))
        return [each for each in found if fits(each.below)]
    if not address.path.endswith("/"):
        fs, path = file_system(url, limits)
        there = info(fs, path)
        sent_to = parse(there.get("url", url)).path
        if not (sent_to.endswith("/") and there.get("mimetype") == "text/html"):
            return [Remote(url, address.name, None if address.query else version(there))]
    return list(_linked(replace(address, path=address.path.rstrip("/") + "/"), limits))


def _linked(root: Address, limits: Limits, suffix: str = "") -> Iterator[Remote]:
    """The recordings that a page and the pages below it link to."""
    fs, _ = file_system(str(root), limits)
    start = str(replace(root, query=""))
    waiting, seen = [start], {start}
    while waiting:
        page = waiting.pop()
        try:
            links = fs.ls(page, detail=False)
        except Exception as error:
            if page == start or diagnose(error, limits)[1]:
                raise
            # a page that is shut costs only itself: fetching it will say why
            yield Remote(page, readable(root, page.removeprefix(start)).rstrip("/"))
            continue
        for link in links:
            # fsspec hands on what stands in the page: entities, dots, arguments, the page itself
            url = _tidy(html.unescape(link))
            if url in seen or not url.startswith(start):
                continue
            seen.add(url)
            below = readable(root, url.removeprefix(start))
            if url.endswith("/"):
                if below.count("/") <= DEEPEST:
                    waiting.append(url)
            elif is_recording(below, suffix):
                yield Remote(url, below)


def _tidy(url: str) -> str:
    """A link without arguments, `.` and `..`."""
    address = parse(url)
    host, _, path = address.path.partition("/")
    clean = posixpath.normpath(f"/{path.lstrip('/')}")
    end = "/" if path.endswith(("/", "/.", "/..")) and clean != "/" else ""
    return str(replace(address, path=host + clean + end, query=""))


def _rooted(address: Address, magic: str) -> tuple[Address, str]:
    """A pattern, cut into the folder before the first wildcard and the rest."""
    parts = address.path.split("/")
    at = next(place for place, part in enumerate(parts) if has_magic(part, magic))
    path = "/".join(parts[:at])
    root = replace(address, path=path + "/" if address.is_web else path, query="")
    return root, "/".join(parts[at:])


def _fits(pattern: str) -> Callable[[str], bool]:
    """Whether a path, or a folder it is in, matches."""
    from fsspec.utils import glob_translate

    matches = re.compile(glob_translate(pattern.rstrip("/"))).match

    def fits(below: str) -> bool:
        parts = below.split("/")
        return any(matches("/".join(parts[:upto])) for upto in range(1, len(parts) + 1))

    return fits
