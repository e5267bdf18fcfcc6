"""Recordings that visitors send: nothing else is kept, and only under names of our own."""

from __future__ import annotations

import os
import re
import secrets
import time
from pathlib import Path
from typing import BinaryIO

from grounding.errors import BadInput
from grounding.files import make_room
from grounding.media.container import is_playlist

LIMIT = 2 << 30  # bytes a recording may have
KEPT = 7 * 86400.0  # seconds that a recording stays, from when it came
CHUNK = 1 << 20  # bytes copied at once
HEAD = 64 << 10  # bytes looked at first
MB = 1 << 20
ACCEPTED = "MP4, MOV, MKV, WebM, AVI, TS, MPG, WMV or FLV"
SUFFIXES = (".mp4", ".mov", ".mkv", ".webm", ".avi", ".ts", ".mpg", ".wmv", ".flv")
TOKEN = re.compile(r"[0-9a-f]{32}", re.ASCII)
_ENDINGS = "|".join(map(re.escape, (*SUFFIXES, ".part", ".name")))
OURS = re.compile(rf"\.?[0-9a-f]{{32}}({_ENDINGS})", re.ASCII)
LONGEST_NAME = 120  # letters kept of what a visitor calls a recording
PICTURE_BRANDS = {b"avif", b"avis", b"heic", b"heix", b"heif", b"mif1", b"msf1", b"crx "}
MOV_BOXES = {b"moov", b"mdat", b"wide", b"free", b"skip"}
ASF = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
PACKET = 188  # bytes of a transport stream's packet, each of which begins with G
PACKETS = 5  # of them that must fit

LOOKS = {
    b"PK\x03\x04": "a ZIP archive",
    b"\x1f\x8b": "a gzip archive",
    b"7z\xbc\xaf": "a 7z archive",
    b"Rar!": "a RAR archive",
    b"%PDF": "a PDF document",
    b"\x89PNG": "a picture (PNG)",
    b"\xff\xd8\xff": "a picture (JPEG)",
    b"GIF8": "a picture (GIF)",
    b"ID3": "sound alone (MP3)",
    b"fLaC": "sound alone (FLAC)",
    b"OggS": "an Ogg file",
    b"MZ": "a program",
    b"\x7fELF": "a program",
    b"#!": "a script",
}
PAGES = (b"<!doctype html", b"<html", b"<head", b"<script", b"<body")


def receive(stream: BinaryIO, store: Path, *, limit: int = LIMIT, name: str = "") -> Path:
    """Copy what a visitor sends to the folder `store` -> `<random token><suffix>`.

    Whole or not at all, readable by us alone. Reading stops at the first byte above `limit`. The
    visitor's own `name` for it is kept beside it as a text (see `name_of`), never as a path.

    Raises:
        BadInput: it is no recording, empty, too large, or cannot be kept.
    """
    head = _head(stream, min(HEAD, limit + 1))
    suffix = _suffix(head)
    if suffix is None:
        raise BadInput(f"the file looks like {_looks(head)}; send a video: {ACCEPTED}")
    token = secrets.token_hex(16)
    part, kept = store / f".{token}.part", store / f"{token}{suffix}"
    try:
        store.mkdir(parents=True, exist_ok=True)
        handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(handle, "wb") as file:
                size, chunk = 0, head
                while chunk:
                    size += len(chunk)
                    if size > limit:
                        raise BadInput(
                            f"the file has more than {limit / MB:.4g} MB, the most that is taken; "
                            "send a shorter or a smaller recording"
                        )
                    file.write(chunk)
                    chunk = stream.read(min(CHUNK, limit + 1 - size))
            part.replace(kept)
            if shown := _shown(name):
                _named(kept).write_text(shown, encoding="utf-8")
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise BadInput(
            f"the recording cannot be kept ({error.strerror or error}); free some space"
        ) from None
    return kept


def find(token: str, store: Path) -> Path:
    """The recording that was kept under a token: the stem of the name that `receive` gave.

    Raises:
        BadInput: it is no token, or nothing is kept under it.
    """
    if isinstance(token, str) and TOKEN.fullmatch(token):
        for suffix in SUFFIXES:
            path = store / f"{token}{suffix}"
            if path.is_file() and not path.is_symlink():
                return path
    raise BadInput("there is no such recording here any more; send it again")


def name_of(path: Path) -> str:
    """What the visitor called a recording that was kept, without folders and suffix; "upload" where
    nothing is known.
    """
    try:
        return _named(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return "upload"


def clean(store: Path, older_than: float, most: int | None = None) -> int:
    """Remove recordings that were received more than so many seconds ago -> how many files.

    Of what is left, the oldest go too until it holds at most `most` bytes. Nothing but what
    `receive` wrote is touched, half-written files included.
    """
    removed, now = 0, time.time()
    if not store.is_dir():
        return 0
    kept: list[Path] = []
    for path in store.iterdir():
        if not OURS.fullmatch(path.name):
            continue
        try:
            if now - path.lstat().st_mtime > older_than:
                path.unlink()
                removed += 1
            else:
                kept.append(path)
        except FileNotFoundError:  # another one cleans as well
            continue
    return removed if most is None else removed + make_room(kept, most)


def _named(path: Path) -> Path:
    return path.with_name(f"{path.stem}.name")


def _shown(name: str) -> str:
    """A visitor's file name as one short line: no folders, no suffix, no control characters."""
    last = re.split(r"[/\\]", name)[-1].rpartition(".")
    words = " ".join((last[0] or last[2]).split())
    return "".join(c for c in words if c.isprintable())[:LONGEST_NAME]


def _head(stream: BinaryIO, size: int) -> bytes:
    """The first bytes of a stream that may give fewer than asked for."""
    head = b""
    while len(head) < size and (more := stream.read(size - len(head))):
        head += more
    return head


def _suffix(head: bytes) -> str | None:
    """The suffix of a recording that begins like this; None for anything else."""
    if head[4:8] == b"ftyp":
        brand = head[8:12]
        if brand in PICTURE_BRANDS:
            return None
        return ".mov" if brand == b"qt  " else ".mp4"
    if head[4:8] in MOV_BOXES:
        return ".mov"
    if head.startswith(b"\x1a\x45\xdf\xa3"):
        return ".webm" if b"webm" in head[:64] else ".mkv"
    if head.startswith(b"RIFF") and head[8:12] == b"AVI ":
        return ".avi"
    if head.startswith(b"FLV\x01"):
        return ".flv"
    if head.startswith(ASF):
        return ".wmv"
    if head.startswith(b"\x00\x00\x01\xba"):
        return ".mpg"
    starts = head[: PACKETS * PACKET : PACKET]
    if len(starts) == PACKETS and set(starts) == {0x47}:
        return ".ts"
    return None


def _looks(head: bytes) -> str:
    """What a file seems to be, in words."""
    if not head:
        return "nothing (0 bytes)"
    for magic, name in LOOKS.items():
        if head.startswith(magic):
            return name
    if head[4:8] == b"ftyp":
        return "a picture (HEIF)"
    if head.startswith(b"RIFF"):
        return {b"WAVE": "sound alone (WAV)", b"WEBP": "a picture (WebP)"}.get(
            head[8:12], "a RIFF file that is no AVI"
        )
    if is_playlist(head):
        return "a playlist, which names other files"
    start = head.lstrip(b"\xef\xbb\xbf\r\n\t ")[:512].lower()
    if start.startswith(PAGES):
        return "a web page (HTML)"
    if start.startswith(b"<"):
        return "a text with tags (XML, SVG)"
    try:
        text = head[:4096].decode("utf-8", "strict" if len(head) <= 4096 else "ignore")
    except UnicodeDecodeError:
        return "nothing known"
    return "text" if all(c.isprintable() or c in "\r\n\t\f" for c in text) else "nothing known"
