"""Small videos whose frames carry their own number as a barcode, and what time shows which frame.

Sixteen black or white blocks across the upper half are the bits of the number, lowest first: they
survive any codec and any scaling, so the frame that comes back is known for certain.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

BITS, WIDTH, HEIGHT = 16, 192, 128


@dataclass(frozen=True)
class Recording:
    """A file, and which frame number is on screen from which time on, in seconds."""

    path: Path
    times: np.ndarray
    numbers: np.ndarray
    end: float

    def shown(self, times) -> np.ndarray:
        """The numbers on screen at the times; a time a hair before a frame means that frame."""
        return self.numbers[np.searchsorted(self.times, np.asarray(times) + 1e-6, "right") - 1]


def picture(number: int) -> np.ndarray:
    image = np.full((HEIGHT, WIDTH, 3), 96, np.uint8)
    image[HEIGHT // 2 :, (5 * number) % WIDTH :] = (200, 60, 40)
    for bit in range(BITS):
        block = slice(bit * WIDTH // BITS, (bit + 1) * WIDTH // BITS)
        image[: HEIGHT // 2, block] = 255 * (number >> bit & 1)
    return image


def read_number(image: np.ndarray) -> int:
    height, width = image.shape[:2]
    strip = image[height // 8 : height * 3 // 8].mean(axis=(0, 2))
    centres = ((np.arange(BITS) + 0.5) * width / BITS).astype(int)
    return int(sum(1 << bit for bit, x in enumerate(centres) if strip[x - 1 : x + 2].mean() > 128))


def read_numbers(frames) -> list[int]:
    return [read_number(frame) for frame in frames]


def render(
    path: Path,
    codec: str = "libx264",
    *,
    frames: int = 200,
    rate: Fraction | int = 25,
    ticks: list[int] | None = None,
    base: Fraction | None = None,
    pixels: str = "yuv420p",
    turn: int = 0,
    mirror: bool = False,
    gop: int = 250,
    b_frames: int = 2,
    options: dict[str, str] | None = None,
    container_options: dict[str, str] | None = None,
    sound: bool = False,
) -> Recording:
    """Encode numbered frames, at constant rate or at given ticks of a time base.

    `turn` (degrees counter-clockwise) and `mirror` are written as a display matrix over pictures
    stored so that they come out upright.
    """
    base = base or 1 / Fraction(rate)
    ticks = list(range(frames)) if ticks is None else ticks
    with _same_scheduling(), av.open(path, "w", options=container_options or {}) as container:
        stream = container.add_stream(codec, rate=Fraction(rate))
        stream.width, stream.height = (HEIGHT, WIDTH) if turn % 180 else (WIDTH, HEIGHT)
        stream.pix_fmt, stream.options = pixels, options or {}
        stream.codec_context.time_base = stream.time_base = base
        stream.codec_context.gop_size = gop
        stream.codec_context.max_b_frames = b_frames
        if turn or mirror:
            stream.set_display_rotation(turn, hflip=mirror)
        audio = container.add_stream("aac", rate=16000) if sound else None
        for number, tick in enumerate(ticks):
            image = picture(number)
            image = np.rot90(image[:, ::-1] if mirror else image, -turn // 90)
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image))
            frame = frame.reformat(format=pixels)
            frame.pts, frame.time_base = tick, base
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
        if audio is not None:
            _add_tone(container, audio, float((ticks[-1] + 1) * base))
    times = np.array([float((tick - ticks[0]) * base) for tick in ticks])
    end = float((ticks[-1] - ticks[0]) * base) + 1 / float(rate)
    return Recording(path, times, np.arange(len(ticks)), end)


def _add_tone(container, stream, seconds: float) -> None:
    wave = np.sin(np.arange(int(seconds * 16000)) * 0.1).astype(np.float32)[None]
    for first in range(0, wave.shape[1], 1024):
        block = np.ascontiguousarray(wave[:, first : first + 1024])
        frame = av.AudioFrame.from_ndarray(block, format="fltp", layout="mono")
        frame.sample_rate, frame.pts = 16000, first
        frame.time_base = Fraction(1, 16000)
        container.mux(stream.encode(frame))
    container.mux(stream.encode())


@contextmanager
def _same_scheduling() -> Iterator[None]:
    """Leave the scheduling of this thread as it is. Started by root, SVT-AV1 makes the thread that
    opens it a real-time one; all that is started from there inherits it, and two busy ones of two
    cores let nothing else run.
    """
    if not hasattr(os, "sched_getscheduler"):
        yield
        return
    policy, parameters = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        yield
    finally:
        os.sched_setscheduler(0, policy, parameters)


def tone(path: Path, seconds: float = 2.0) -> Path:
    with av.open(path, "w") as container:
        _add_tone(container, container.add_stream("aac", rate=16000), seconds)
    return path


def remux(
    source: Path,
    target: Path,
    change: Callable[[av.Packet], av.Packet | None] = lambda packet: packet,
    options: dict[str, str] | None = None,
) -> Path:
    """Copy the first video stream packet by packet without decoding, as `ffmpeg -c copy` does."""
    with av.open(source) as old, av.open(target, "w", options=options or {}) as new:
        stream = old.streams.video[0]
        copy = new.add_stream_from_template(stream)
        new.start_encoding()  # so that a file without packets is a file, too
        for packet in old.demux(stream):
            changed = change(packet) if packet.size else None
            if changed is not None:
                changed.stream = copy
                new.mux(changed)
    return target


def cut(source: Recording, target: Path, seconds: float) -> Recording:
    """Cut off the beginning without decoding: an edit list hides what the rest depends on."""
    with av.open(source.path) as container:
        offset = round(seconds / container.streams.video[0].time_base)

    def earlier(packet: av.Packet) -> av.Packet:
        packet.pts, packet.dts = packet.pts - offset, packet.dts - offset
        return packet

    remux(source.path, target, earlier)
    keep = source.times >= seconds - 1e-6
    times, numbers = source.times[keep], source.numbers[keep]
    return Recording(target, times - times[0], numbers, source.end - times[0])


def first_half(source: Path, target: Path) -> Path:
    """An interrupted download of a file whose index comes first."""
    whole = remux(source, target, options={"movflags": "faststart"}).read_bytes()
    target.write_bytes(whole[: len(whole) // 2])
    return target


def overwrite(source: Path, target: Path, offset: int, data: bytes) -> Path:
    content = bytearray(source.read_bytes())
    content[offset : offset + len(data)] = data
    target.write_bytes(content)
    return target


def packet_places(path: Path) -> list[tuple[int, int]]:
    """Offset and size in the file of every video packet, in decoding order."""
    with av.open(path) as container:
        return [(p.pos, p.size) for p in container.demux(video=0) if p.size]


def two_videos(path: Path) -> Path:
    """Two default streams: a small one first, a larger one of other length second."""
    with av.open(path, "w") as container:
        streams = []
        for size in ((96, 64), (WIDTH, HEIGHT)):
            stream = container.add_stream("libx264", rate=25)
            stream.width, stream.height = size
            stream.pix_fmt, stream.disposition = "yuv420p", av.stream.Disposition.default
            streams.append(stream)
        waiting = []
        for stream, frames in zip(streams, (40, 100), strict=True):
            for number in range(frames):
                frame = av.VideoFrame.from_ndarray(picture(number))
                frame = frame.reformat(stream.width, stream.height, "yuv420p")
                frame.pts, frame.time_base = number, Fraction(1, 25)
                waiting += stream.encode(frame)
            waiting += stream.encode()
        for packet in sorted(waiting, key=lambda p: p.dts * p.time_base):
            container.mux(packet)
    return path
