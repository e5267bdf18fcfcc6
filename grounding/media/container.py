"""Opening a media file: what cannot be a recording is refused in one line before it is read."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

from grounding.errors import UnreadableMedia

# A file that names other files or addresses must not make us open those.
PLAYLISTS = {"concat", "hls", "dash", "sdp", "rtsp", "imf"}
# FFmpeg's other readers that run scripts, listen, or open more than the one file they are given.
REACHING = {"avisynth", "image2", "lavfi", "rtp", "sap", "vapoursynth", "vobsub"}
PLAYLIST_STARTS = (b"#EXTM3U", b"ffconcat", b"v=0")
PLAYLIST_TAGS = (b"<MPD", b"<AssetMap", b"<CompositionPlaylist")
MP4_BOXES = {b"ftyp", b"mdat", b"wide", b"free", b"skip", b"moov"}
READ_ERRORS_IN_A_ROW = 64


def require_readable(path: str | os.PathLike[str]) -> str:
    """Return the absolute path of a regular, readable, non-empty file.

    A pipe or a device is refused unopened: opening a pipe would wait for its writer for ever.

    Raises:
        UnreadableMedia: it is anything else.
    """
    try:
        status = Path(path).stat()
        if stat.S_ISDIR(status.st_mode):
            shut = not os.access(path, os.R_OK | os.X_OK)
            what = "a folder that may not be searched" if shut else "a folder, not a recording"
            raise UnreadableMedia(path, f"is {what}")
        if not stat.S_ISREG(status.st_mode):
            raise UnreadableMedia(path, "is a pipe or a device; copy it to a file first")
        with Path(path).open("rb"):
            pass
    except UnreadableMedia:
        raise
    except FileNotFoundError:
        raise UnreadableMedia(path, "no such file") from None
    except PermissionError:
        raise UnreadableMedia(path, "no permission to read it") from None
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the name
        reason = getattr(error, "strerror", None) or str(error)
        raise UnreadableMedia(path, f"cannot be opened: {reason}") from None
    if status.st_size == 0:
        raise UnreadableMedia(path, "is empty (0 bytes)")
    return str(Path(path).absolute())


def open_container(path: str | os.PathLike[str]) -> Any:
    """Open a media file with PyAV; the caller closes the `av` container it gets.

    Nothing but the file itself is opened, whatever it says: readers that follow references are
    shut out before they see it.

    Raises:
        UnreadableMedia: the file is no recording.
    """
    import av

    location = require_readable(path)
    try:
        container = av.open(location, metadata_errors="replace", options=_restrictions())
    except (av.FFmpegError, OSError) as error:
        raise UnreadableMedia(path, _why_not_opened(location, error)) from None
    name = container.format.name
    if name in PLAYLISTS or name == "image2" or name.endswith("_pipe"):
        container.close()
        what = "a playlist" if name in PLAYLISTS else "a picture"
        raise UnreadableMedia(path, f"is {what}, not a recording")
    return container


def packets(
    container: Any, *streams: Any, on_error: Callable[[Exception], None] | None = None
) -> Iterator[Any]:
    """Yield the packets of the given streams, or of all; read errors go to `on_error`.

    A read error ends PyAV's own generator although the file may go on behind the damage, so
    reading is taken up again until nothing more comes. Each stream ends with an empty packet
    that flushes its decoder.
    """
    import av

    errors = 0
    while errors < READ_ERRORS_IN_A_ROW:
        try:
            for packet in container.demux(*streams):
                errors = 0
                yield packet
            return
        except IndexError:  # PyAV stumbles at the end over streams that damage made appear
            return
        except av.FFmpegError as error:
            errors += 1
            if on_error is not None:
                on_error(error)


def is_playlist(head: bytes) -> bool:
    """Tell whether a file that begins like this names other files to be played."""
    start = head.lstrip(b"\xef\xbb\xbf\r\n\t ")  # a byte order mark and blanks
    if start.startswith(PLAYLIST_STARTS):
        return True
    return start.startswith(b"<") and any(tag in head for tag in PLAYLIST_TAGS)


@cache
def _restrictions() -> dict[str, str]:
    """Options under which FFmpeg reads the one file and nothing else."""
    import av

    readers = av.formats_available - PLAYLISTS - REACHING
    return {"protocol_whitelist": "file", "format_whitelist": ",".join(sorted(readers))}


def _why_not_opened(location: str, error: Exception) -> str:
    with Path(location).open("rb") as file:
        head = file.read(2048)
    if is_playlist(head):
        return "is a playlist, not a recording"
    if head[4:8] in MP4_BOXES:
        return "its index is missing or broken (an interrupted recording?); get the file again"
    if isinstance(error, EOFError):
        return "ends before its first frame (an interrupted recording?)"
    # ArgumentError: FFmpeg has a reader for it, but one that is shut out
    if type(error).__name__ in ("InvalidDataError", "ArgumentError"):
        return "is not a media file"
    return f"cannot be read as a media file ({getattr(error, 'strerror', None) or error})"
