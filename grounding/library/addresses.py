"""The text of a URL: its path, its parts, and what of it may be shown.

A URL may hold secrets: a name and password before the host, a token or a signature behind the
question mark. `shown` leaves both out; nothing else of a URL goes into messages or results.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

# Links of a chain may stand before the path (simplecache::s3://bucket/a.mp4) or behind it
# (zip://a.mp4::s3://bucket/a.zip). A path that `Path` has seen never holds "//".
_URL = re.compile(
    r"(?P<head>(?:[A-Za-z][\w+.-]*::)*[A-Za-z][\w+.-]+://)(?P<rest>.*?)(?P<tail>::.*)?", re.DOTALL
)
# Elsewhere than on the web a question mark may be part of a name, or of a pattern.
_QUERY = re.compile(r"\?[^?/]*=[^?]*$", re.DOTALL)
_WEB_QUERY = re.compile(r"[?#].*$", re.DOTALL)
_SECRET = re.compile(r"^[^/]*@")
_LOCAL = ("file", "local")
_CONTAINER = ("abfs", "abfss")  # container@account is no secret


@dataclass(frozen=True, slots=True)
class Address:
    """A URL, cut: `head` + `path` + `query` + `tail`; the path begins with host or bucket."""

    head: str
    path: str
    query: str = ""
    tail: str = ""

    @property
    def protocol(self) -> str:
        """`s3`, `https`, ... in lower case."""
        return self.head[: -len("://")].rpartition("::")[2].lower()

    @property
    def is_web(self) -> bool:
        """Whether its path is written with %20 and the like."""
        return self.protocol in ("http", "https")

    @property
    def is_plain_web(self) -> bool:
        """Whether it is on the web and nothing else is between."""
        return self.is_web and "::" not in self.head + self.tail

    @property
    def name(self) -> str:
        """The last part of the path."""
        return PurePosixPath(readable(self, self.path.rstrip("/"))).name if self.path else ""

    @property
    def suffix(self) -> str:
        """`.mp4`; in lower case, empty where there is none."""
        return PurePosixPath(self.name).suffix.lower()

    @property
    def shown(self) -> str:
        """The URL without what may be secret."""
        keep = self.protocol in _CONTAINER and ":" not in self.path.partition("@")[0]
        path = self.path if keep else _SECRET.sub("", self.path)
        tail = "".join("::" + shown(link) for link in self.tail.split("::")[1:])
        return self.head + path + tail

    def at(self, below: str) -> str:
        """The URL of a path relative to this one, which is a folder."""
        path = f"{self.path.rstrip('/')}/{below}" if self.path else below
        return str(replace(self, path=path, query=""))

    def __str__(self) -> str:
        return self.head + self.path + self.query + self.tail


def is_url(text: str) -> bool:
    """Whether the text is a URL; the text of a `Path` never is."""
    return _URL.fullmatch(text) is not None


def parse(url: str) -> Address:
    """Cut a URL into its parts; ValueError where it is none."""
    found = _URL.fullmatch(url)
    if found is None:
        raise ValueError("is no URL")
    address = Address(found["head"], found["rest"], tail=found["tail"] or "")
    if address.is_web and "::" not in address.head and _WEB_QUERY.search(address.path):
        # "::" in a token begins no link of a chain
        address = replace(address, path=address.path + address.tail, tail="")
    query = (_WEB_QUERY if address.is_web else _QUERY).search(address.path)
    if query is None:
        return address
    return replace(address, path=address.path[: query.start()], query=query[0])


def shown(text: str) -> str:
    """A path or URL without what may be secret."""
    return parse(text).shown if is_url(text) else text


def readable(address: Address, path: str) -> str:
    """A part of the path as people write it."""
    return unquote(path) if address.is_web else path


def place_of(text: str) -> Path | str:
    """What a text names: a URL stays one, `file://` is a path, and so is all else."""
    if is_url(text):
        address = parse(text)
        if address.protocol not in _LOCAL or "::" in text:
            return text
        return Path(unquote(urlsplit(text).path))
    return Path(text)


def resolve(base: Address, text: str) -> Path | str:
    """What a text names that stands in the file `base`: relative paths are beside that file."""
    place = place_of(text)
    if isinstance(place, str) or place.is_absolute():
        return place
    host, _, path = base.path.partition("/")
    folder = posixpath.dirname("/" + path)
    cut = (_WEB_QUERY if base.is_web else _QUERY).search(text)
    name, query = (text[: cut.start()], cut[0]) if cut else (text, "")
    inside = posixpath.normpath(posixpath.join(folder, name))
    return str(replace(base, path=host + inside, query=query))
