"""A library of recordings as users have them: most are sound, some broken in ten ways."""

import json
import os
import struct
from pathlib import Path

import av
import numpy as np

from tests.library.making import render

WAYS = (
    "half", "damaged", "no-index", "text", "empty", "dangling", "audio", "locked", "folder", "blank"
)  # fmt: skip
PARTIAL = ("half", "damaged")  # what decodes of them is predicted


def make_library(
    folder: Path, count: int, broken: int, frames: int = 250, different: int = 8
) -> None:
    """`count` recordings, some of them broken: `g000.mp4` and on, `b000-half.mp4` and on.

    Only `different` are rendered; others are the same pictures in a file of another content.
    """
    folder.mkdir(parents=True)
    seeds = [render(folder / f".seed{k}.mp4", k, frames, scale=2) for k in range(different)]
    data = [seed.read_bytes() for seed in seeds]
    for seed in seeds:
        seed.unlink()
    for number in range(count - broken):
        path = folder / f"g{number:03}.mp4"
        path.write_bytes(data[number % different] + struct.pack(">I4sI", 12, b"free", number))
    for number in range(broken):
        way = WAYS[number % len(WAYS)]
        path = folder / f"b{number:03}-{way}.mp4"
        _break(
            path, way, data[number % different] + struct.pack(">I4sI", 12, b"free", 1000 + number)
        )


def _break(path: Path, way: str, data: bytes) -> None:
    if way == "half":
        path.write_bytes(data[: len(data) // 2])
    elif way == "damaged":
        middle, spoilt = len(data) // 2, bytes(np.random.default_rng(0).bytes(len(data) // 20))
        path.write_bytes(data[:middle] + spoilt + data[middle + len(spoilt) :])
    elif way == "no-index":
        start = data.index(b"moov") - 4
        (size,) = struct.unpack_from(">I", data, start)
        path.write_bytes(data[:start] + data[start + size :])
    elif way == "text":
        path.write_text(json.dumps({"this": "is no video"}))
    elif way == "empty":
        path.touch()
    elif way == "dangling":
        path.symlink_to("nowhere.mp4")
    elif way == "audio":
        _sound_alone(path)
    elif way == "locked":
        path.write_bytes(data)
        path.chmod(0)
    elif way == "folder":
        path.mkdir()
    else:
        _blank(path)


def _sound_alone(path: Path) -> None:
    with av.open(path, "w") as container:
        stream = container.add_stream("aac", rate=16000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 16000), np.float32), "fltp", "mono")
        frame.rate = 16000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())


def _blank(path: Path) -> None:
    """A video stream that holds no frame."""
    with av.open(path, "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        container.start_encoding()


def without_root(command: list[str]) -> list[str]:
    """The command such that a file without read permission cannot be read, even by root."""
    if os.geteuid() != 0:
        return command
    drop = "-dac_override,-dac_read_search"
    return ["setpriv", f"--bounding-set={drop}", f"--inh-caps={drop}", *command]
