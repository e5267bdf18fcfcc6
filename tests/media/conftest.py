"""The test videos, each rendered once per run and only when a test asks for it."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest

from tests.media import recordings as make
from tests.media.recordings import Recording

X264 = {"preset": "veryfast"}
NO_SCENE_CUT = "scenecut=0:bframes=3:b-adapt=0:keyint=40:min-keyint=40"


def _variable_ticks() -> list[int]:
    """30, then 10, then 15 pictures a second, with a pause of two seconds."""
    steps = [3000] * 80 + [9000] * 30 + [180000] + [6000] * 39
    return [0, *np.cumsum(steps).tolist()]


def _late(folder, recording) -> Recording:
    """A broadcast tuned into part-way: the first keyframe is frame 50, but frame 20 comes first."""
    source = recording("stream.ts")
    data = source.path.read_bytes()
    place = make.packet_places(source.path)[20][0]
    target = folder / "late.ts"
    target.write_bytes(data[: 188 * 3] + data[place // 188 * 188 :])
    keep = source.numbers >= 50
    times = source.times[keep]
    return Recording(target, times - times[0], source.numbers[keep], source.end - times[0])


def _hidden(folder, recording) -> Recording:
    """VP8 with two frames that are decoded but never shown."""
    source = recording("plain_vp8.webm")
    data = bytearray(source.path.read_bytes())
    hidden = [33, 90]
    for number in hidden:
        data[make.packet_places(source.path)[number][0] + 4] &= ~0x10  # behind the block header
    target = folder / "hidden.webm"
    target.write_bytes(data)
    keep = ~np.isin(source.numbers, hidden)
    return Recording(target, source.times[keep], source.numbers[keep], source.end)


def _index_gap(folder, recording) -> Recording:
    """AVI whose index misses ten frames in the middle."""
    source = recording("intra.avi")
    data = source.path.read_bytes()
    entry = data.rfind(b"idx1") + 8 + 16 * 60
    target = make.overwrite(source.path, folder / "index_gap.avi", entry, bytes(160))
    return Recording(target, source.times, source.numbers, source.end)


def _damaged(folder, recording) -> Recording:
    """Frame 60, of the third of eight groups, is no longer H.264 at all."""
    source = recording("groups.mp4")
    offset, size = make.packet_places(source.path)[60]
    target = make.overwrite(source.path, folder / "damaged.mp4", offset, b"\xff" * size)
    return Recording(target, source.times, source.numbers, source.end)


def _damaged_mkv(folder, recording) -> Recording:
    """Frames 60 to 64 are zeros, their block headers included; every frame is a keyframe."""
    source = recording("intra.mkv")
    places = make.packet_places(source.path)
    first, last = places[60][0] - 12, sum(places[64])
    target = make.overwrite(source.path, folder / "damaged.mkv", first, bytes(last - first))
    return Recording(target, source.times, source.numbers, source.end)


def _slipping(folder, recording) -> Recording:
    """HEVC whose frame 60 has become a unit of unknown type: decoders skip it in silence."""
    source = recording("hevc.mp4")
    offset, _ = make.packet_places(source.path)[60]
    target = make.overwrite(source.path, folder / "slipping.mp4", offset + 4, b"\x7e")
    return Recording(target, source.times, source.numbers, source.end)


def _joined_late(folder, recording, source_name: str, name: str) -> Recording:
    """A stream entered at its second keyframe; what that needs from before is not there."""
    source = recording(source_name)
    seen = []

    def from_second_key(packet):
        seen.extend([packet.pts] if packet.is_keyframe else [])
        return packet if len(seen) > 1 else None

    target = make.remux(source.path, folder / name, from_second_key)
    return Recording(target, source.times, source.numbers, source.end)


def _late_refresh(folder, recording) -> Recording:
    return _joined_late(folder, recording, "intra_refresh.mkv", "late_refresh.mkv")


def _late_open(folder, recording) -> Recording:
    return _joined_late(folder, recording, "open_gop_hevc.mp4", "late_open.mkv")


def _stray_time(folder, recording) -> Recording:
    """Frame 60 of a Flash video claims to be shown three days later."""
    source = recording("constant.flv")
    offset = make.packet_places(source.path)[60][0] + 7  # highest byte of its time
    target = make.overwrite(source.path, folder / "stray_time.flv", offset, b"\x10")
    return Recording(target, source.times, source.numbers, source.end)


def _stray_stream(folder, recording) -> Recording:
    """Frame 60 of a Flash video claims to be sound, of which the file has none."""
    source = recording("constant.flv")
    offset = make.packet_places(source.path)[60][0]
    target = make.overwrite(source.path, folder / "stray_stream.flv", offset, b"\x08")
    return Recording(target, source.times, source.numbers, source.end)


def _half(folder, recording) -> Recording:
    source = recording("constant.mp4")
    target = make.first_half(source.path, folder / "half.mp4")
    return Recording(target, source.times, source.numbers, source.end)


def _x264(params: str) -> dict:
    return {"options": X264 | {"x264-params": params}}


def _x265(params: str) -> dict:
    options = {"preset": "ultrafast", "x265-params": f"log-level=none:{params}"}
    return {"codec": "libx265", "options": options}


RENDERED = {
    "constant.mp4": {"options": X264},
    "sound.mp4": {"options": X264, "sound": True},
    "ntsc.mp4": {"options": X264, "rate": Fraction(30000, 1001)},
    "groups.mp4": {"options": X264, "gop": 25},
    "constant.mkv": {"options": X264, "rate": 30, "gop": 60},
    "intra.mkv": {"options": X264, "gop": 1, "b_frames": 0},
    "constant.flv": {"options": X264, "gop": 60},
    "fragments.mp4": {
        "options": X264,
        "gop": 60,
        "container_options": {"movflags": "frag_keyframe+empty_moov"},
    },
    "vp9.webm": {
        "codec": "libvpx-vp9",
        "options": {"deadline": "realtime", "cpu-used": "8"},
        "gop": 60,
    },
    "plain_vp8.webm": {
        "codec": "libvpx",
        "options": {"deadline": "realtime", "cpu-used": "8"},
        "frames": 120,
    },
    "hevc.mp4": _x265("keyint=50:open-gop=0:bframes=3"),
    "intra.avi": {"codec": "mjpeg", "pixels": "yuvj420p", "rate": 15, "frames": 120, "b_frames": 0},
    "mpeg4.avi": {"codec": "mpeg4", "gop": 12, "b_frames": 0},
    "drops.avi": {
        "codec": "mpeg4",
        "b_frames": 0,
        "ticks": [*range(50), *range(58, 120)],
    },
    "variable.mp4": {
        "options": X264,
        "ticks": _variable_ticks(),
        "base": Fraction(1, 90000),
        "rate": 15,
    },
    "av1.mp4": {"codec": "libsvtav1", "options": {"preset": "12"}, "frames": 100},
    "stream.ts": {"options": X264 | {"x264-params": "scenecut=0"}, "gop": 50},
    "mpeg2.mpg": {"codec": "mpeg2video", "gop": 12},
    "open_gop.mp4": _x264(f"open-gop=1:{NO_SCENE_CUT}"),
    "open_gop_hevc.mp4": _x265("keyint=50:open-gop=1:bframes=3"),
    "intra_refresh.mkv": _x264("intra-refresh=1:keyint=40"),
    "intra_refresh.mp4": _x264("intra-refresh=1:keyint=40") | {"b_frames": 0},
    "b_frames.avi": {"codec": "mpeg4", "gop": 12},
    "h264.avi": {"options": X264, "gop": 60},
    "turned_90.mp4": {"options": X264, "frames": 50, "turn": 90},
    "turned_180.mp4": {"options": X264, "frames": 50, "turn": 180},
    "turned_270.mp4": {"options": X264, "frames": 50, "turn": 270},
    "turned_90.mkv": {"options": X264, "frames": 50, "turn": 90},
    "mirrored.mp4": {"options": X264, "frames": 50, "mirror": True},
    "mirrored_90.mp4": {"options": X264, "frames": 50, "mirror": True, "turn": 90},
    "bare.h264": {"options": X264, "frames": 50},
}
DERIVED = {
    "cut.mp4": lambda folder, recording: make.cut(
        recording("constant.mp4"), folder / "cut.mp4", 3.0
    ),
    "late.ts": _late,
    "hidden.webm": _hidden,
    "index_gap.avi": _index_gap,
    "damaged.mp4": _damaged,
    "damaged.mkv": _damaged_mkv,
    "half.mp4": _half,
    "slipping.mp4": _slipping,
    "late_refresh.mkv": _late_refresh,
    "late_open.mkv": _late_open,
    "stray_time.flv": _stray_time,
    "stray_stream.flv": _stray_stream,
}


@pytest.fixture(scope="session")
def recording(tmp_path_factory) -> Callable[[str], Recording]:
    """Return the recording of a name, rendered on first use."""
    folder = tmp_path_factory.mktemp("recordings")
    ready: dict[str, Recording] = {}

    def get(name: str) -> Recording:
        if name not in ready:
            ready[name] = (
                make.render(folder / name, **RENDERED[name])
                if name in RENDERED
                else DERIVED[name](folder, get)
            )
        return ready[name]

    return get
