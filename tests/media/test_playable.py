"""Browsers play the file itself or a proxy whose every frame has its time."""

from pathlib import Path

import av
import numpy as np
import pytest

from grounding.errors import BadInput, UnreadableMedia
from grounding.media import playable
from grounding.media.playable import make_proxy, obstacle, proxy_path
from grounding.media.probe import probe, scan
from grounding.media.video import open_video
from tests.media import recordings as make
from tests.media.recordings import read_numbers
from tests.media.test_cut import film, noise, offset, sound_of

REAL = Path(__file__).parents[3] / "shared" / "data" / "videos"


def shifted(folder, recording):
    """Half a second late on its own clock."""

    def later(packet):
        ticks = round(0.5 / packet.time_base)
        packet.pts, packet.dts = packet.pts + ticks, packet.dts + ticks
        return packet

    return make.remux(recording("constant.mp4").path, folder / "late.mp4", later)


@pytest.mark.parametrize(
    "name",
    [
        "constant.mp4", "sound.mp4", "variable.mp4", "ntsc.mp4", "vp9.webm", "plain_vp8.webm",
        "cut.mp4", "half.mp4", "av1.mp4",
    ],
)  # fmt: skip
def test_what_browsers_play_needs_nothing(recording, name):
    assert obstacle(recording(name).path) is None


@pytest.mark.parametrize(
    "name,says",
    [
        ("mpeg4.avi", "do not open avi files"),
        ("constant.mkv", "do not open matroska files"),
        ("stream.ts", "do not open mpegts files"),
        ("hevc.mp4", "do not play hevc in mp4 files"),
        ("turned_90.mp4", "turned or mirrored"),
        ("mirrored.mp4", "turned or mirrored"),
        ("open_gop.mp4", "no clean cuts"),
        ("intra_refresh.mp4", "no clean cuts"),
        ("fragments.mp4", "begins at 0.080 s on its own clock"),
    ],
)
def test_what_stands_in_the_way_is_one_line(recording, name, says):
    why = obstacle(recording(name).path)
    assert says in why and "\n" not in why


def test_pixels_streams_sound_and_clock_can_stand_in_the_way(recording, tmp_path):
    deep = make.render(tmp_path / "deep.mp4", frames=10, pixels="yuv444p").path
    assert "yuv444p" in obstacle(deep)
    assert "several video streams" in obstacle(make.two_videos(tmp_path / "two.mp4"))
    assert "0.500 s" in obstacle(shifted(tmp_path, recording))
    assert "sound (pcm_s16le)" in obstacle(film(tmp_path / "pcm.mov", noise(8, 44100)))
    with pytest.raises(UnreadableMedia, match="no such file"):
        obstacle(tmp_path / "nothing.mp4")


def check(source, out, numbers=True):
    """The proxy plays, is upright, small and even, and its frames keep number and time."""
    before, after = scan(source), scan(out)
    assert obstacle(out) is None and after.info.start == 0
    assert len(after.table.seconds) == len(before.table.seconds)
    assert np.abs(after.table.seconds - before.table.seconds).max() < 1e-3
    assert after.info.duration == pytest.approx(before.info.duration, abs=0.05)
    assert after.info.width % 2 == after.info.height % 2 == 0
    assert min(after.info.width, after.info.height) <= 720
    data = out.read_bytes()
    assert 0 < data.find(b"moov") < data.find(b"mdat")
    if numbers:
        with open_video(out) as reader:
            return [n for b in reader.iter_frames() for n in read_numbers(b.frames)]
    return None


@pytest.mark.parametrize(
    "name",
    [
        "mpeg4.avi", "drops.avi", "b_frames.avi", "h264.avi", "intra.avi", "constant.mkv",
        "hevc.mp4", "turned_90.mp4", "turned_270.mp4", "turned_90.mkv", "mirrored_90.mp4",
        "variable.mp4", "stream.ts", "constant.flv", "mpeg2.mpg", "open_gop.mp4", "cut.mp4",
        "fragments.mp4", "late.ts", "vp9.webm", "ntsc.mp4",
    ],
)  # fmt: skip
def test_every_frame_of_a_proxy_keeps_its_time(recording, tmp_path, name):
    truth, out = recording(name), tmp_path / "store" / "out.mp4"
    told = []
    make_proxy(truth.path, out, lambda *a: told.append(a))
    assert check(truth.path, out) == truth.numbers.tolist()
    info = probe(out)
    assert (info.width, info.height) == (192, 128)
    assert [done for done, _, _ in told] == sorted(done for done, _, _ in told)
    assert all(0 <= done <= total for done, total, _ in told) and told[-1][1] > 0
    assert list(out.parent.iterdir()) == [out]


def test_hevc_in_matroska_keeps_its_times(tmp_path):
    if "libx265" not in av.codecs_available:
        pytest.skip("this PyAV cannot write HEVC")
    options = {"preset": "ultrafast", "x265-params": "log-level=none:bframes=3"}
    truth = make.render(tmp_path / "in.mkv", "libx265", frames=80, options=options)
    make_proxy(truth.path, tmp_path / "out.mp4")
    assert check(truth.path, tmp_path / "out.mp4") == list(range(80))


@pytest.mark.parametrize(
    "name,copied", [("constant.mkv", True), ("stream.ts", True), ("open_gop.mp4", False)]
)
def test_pictures_are_copied_where_the_container_alone_hinders(
    recording, tmp_path, monkeypatch, name, copied
):
    encoded = []
    monkeypatch.setattr(playable, "cut", lambda *a: encoded.append(a))
    make_proxy(recording(name).path, tmp_path / "out.mp4")
    assert bool(encoded) != copied == (tmp_path / "out.mp4").exists()


def test_a_copy_with_other_times_is_not_taken(recording, tmp_path, monkeypatch):
    real = playable._shifted

    def wrong(source, times):
        return real(source, np.where(times == times.max(), times + 40, times))

    monkeypatch.setattr(playable, "_shifted", wrong)
    make_proxy(recording("constant.mkv").path, tmp_path / "out.mp4")
    check(recording("constant.mkv").path, tmp_path / "out.mp4")


def test_large_pictures_are_reduced_and_a_seek_is_short(tmp_path):
    with av.open(tmp_path / "in.avi", "w") as container:
        stream = container.add_stream("mjpeg", rate=10)
        stream.width, stream.height, stream.pix_fmt = 1082, 1922, "yuvj420p"
        for number in range(25):
            frame = av.VideoFrame.from_ndarray(make.picture(number))
            container.mux(stream.encode(frame.reformat(1082, 1922, "yuvj420p")))
        container.mux(stream.encode())
    make_proxy(tmp_path / "in.avi", tmp_path / "out.mp4")
    assert check(tmp_path / "in.avi", tmp_path / "out.mp4") == list(range(25))
    info, table = probe(tmp_path / "out.mp4"), scan(tmp_path / "out.mp4").table
    assert (info.width, info.height) == (720, 1280)
    keys = [*(table.key_ticks * float(table.time_base)), info.duration]
    assert max(np.diff(keys)) <= 1.0 + 0.11


@pytest.mark.parametrize("target", ["in.mkv", "in.avi"])
def test_sound_is_kept(tmp_path, target):
    """Copied or encoded anew, the pictures come with their sound, as AAC."""
    wave = noise(8, 44100)
    make_proxy(film(tmp_path / target, wave), tmp_path / "out.mp4")
    heard, rate, length = sound_of(tmp_path / "out.mp4")
    assert (len(heard), rate) == (1, 44100) and length == pytest.approx(8, abs=0.05)
    assert offset(heard[0, :352800], wave[:, 0] / 32768) <= 1


def test_a_proxy_belongs_to_one_state_of_one_file(recording, tmp_path):
    path, store = tmp_path / "a.avi", tmp_path / "store"
    path.write_bytes(b"one")
    first = proxy_path(path, store)
    assert first.parent == store and first.suffix == ".mp4" and len(first.stem) == 32
    assert proxy_path(tmp_path / "." / "a.avi", store) == first
    path.write_bytes(b"other")
    assert proxy_path(path, store) != first
    with pytest.raises(UnreadableMedia, match="check the path"):
        proxy_path(tmp_path / "nothing.avi", store)


def test_what_cannot_be_made_leaves_nothing(tmp_path):
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"\0\0\0\x18ftypisom" + bytes(1000))
    with pytest.raises(BadInput) as found:
        make_proxy(broken, tmp_path / "store" / "out.mp4")
    assert "\n" not in str(found.value) and not (tmp_path / "store" / "out.mp4").exists()


@pytest.mark.skipif(not REAL.is_dir(), reason="../shared/data/videos is not beside this checkout")
@pytest.mark.parametrize(
    "name",
    [
        "mmaction_test.avi", "flipping_a_pancake.mkv", "video_180.mov", "mediapipe_vp8_vorbis.mkv",
        "nasa_13013.mp4", "corrupted.mp4",
    ],
)  # fmt: skip
def test_real_recordings_keep_their_times(tmp_path, name):
    make_proxy(REAL / name, tmp_path / "out.mp4")
    check(REAL / name, tmp_path / "out.mp4", numbers=False)
    before, after = probe(REAL / name), probe(tmp_path / "out.mp4")
    assert (after.width, after.height) == (before.width, before.height)
    assert bool(before.audio_streams) == bool(after.audio_streams)
