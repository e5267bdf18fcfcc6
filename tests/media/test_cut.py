"""A moment cut into a file shows the right frames at the right times and sounds like the source."""

import resource
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grounding.errors import BadInput, UnreadableMedia
from grounding.media.cut import LONGEST_SLUG, clip_names, cut
from grounding.types import Moment, Prediction, Query
from tests.media.recordings import picture, read_number

HOSTILE = ["../../etc/passwd", "a/b\\c", "dog: barks?", "狗在叫", "x" * 300, ".", "-rf", "a\nb\0"]


def frames_of(path):
    """Numbers and times of all frames, and the stream's length, by PyAV alone."""
    with av.open(path) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        pictures = list(container.decode(stream))
        assert all(p.rotation == 0 for p in pictures)
        numbers = [read_number(p.to_ndarray(format="rgb24")) for p in pictures]
        return numbers, [p.time for p in pictures], float(stream.duration * stream.time_base)


def sound_of(path):
    """Samples (channels, N) of a cut's sound, its rate and its length in seconds."""
    with av.open(path) as container:
        stream = container.streams.audio[0]
        assert stream.codec_context.name == "aac"
        heard = list(container.decode(stream))
        assert heard[0].pts == 0
        samples = np.concatenate([frame.to_ndarray() for frame in heard], axis=1)
        return samples, stream.sample_rate, float(stream.duration * stream.time_base)


def noise(seconds, rate, channels=1):
    samples = np.random.default_rng(0).normal(0, 0.2, (int(seconds * rate), channels))
    smooth = np.cumsum(samples, 0)
    smooth[20:] -= smooth[:-20].copy()  # low frequencies survive AAC
    return (smooth / np.abs(smooth).max() * 20000).astype(np.int16)


def offset(heard, wanted):
    """By how many samples the one comes before or after the other, which is as long."""
    size = 2 * len(wanted)
    match = np.fft.irfft(np.fft.rfft(heard, size) * np.fft.rfft(wanted, size).conj())
    place = int(match.argmax())
    return min(place, size - place)


def film(
    path,
    wave=None,
    rate=44100,
    layout="mono",
    frames=200,
    shape=None,
    size=(192, 128),
    codec="pcm_s16le",
):
    """Numbered frames, 25 a second, with sound as given: int16 (N, channels)."""
    with av.open(path, "w") as container:
        video = container.add_stream("libx264", rate=25)
        video.width, video.height, video.pix_fmt = *size, "yuv444p"
        video.options = {"preset": "ultrafast", "g": "25"}
        if shape:
            video.codec_context.sample_aspect_ratio = shape
        sound = None if wave is None else container.add_stream(codec, rate=rate)
        if sound is not None:
            sound.layout = layout
        for number in range(frames):
            image = np.ascontiguousarray(picture(number)[: size[1], : size[0]])
            frame = av.VideoFrame.from_ndarray(image).reformat(format="yuv444p")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            container.mux(video.encode(frame))
            if sound is not None:
                first, last = (k * rate // 25 for k in (number, number + 1))
                if len(part := wave[first:last]):
                    part = np.ascontiguousarray(part.reshape(1, -1))
                    block = av.AudioFrame.from_ndarray(part, "s16", layout)
                    block.sample_rate, block.pts = rate, first
                    block.time_base = Fraction(1, rate)
                    container.mux(sound.encode(block))
        container.mux(video.encode())
        if sound is not None:
            container.mux(sound.encode())
    return path


@pytest.mark.parametrize(
    "name",
    [
        "constant.mp4", "ntsc.mp4", "constant.mkv", "variable.mp4", "cut.mp4", "vp9.webm",
        "stream.ts", "b_frames.avi", "open_gop.mp4", "hidden.webm",
    ],
)  # fmt: skip
@pytest.mark.parametrize("start,end", [(0.0, 1.0), (1.7132, 3.2914), (2.0, 2.48)])
def test_frames_keep_their_content_and_their_times(recording, tmp_path, name, start, end):
    truth, out = recording(name), tmp_path / "out.mp4"
    cut(truth.path, Moment(start, end), out)
    numbers, times, length = frames_of(out)
    shown = (truth.times >= truth.times[truth.times <= start + 1e-3].max()) & (
        truth.times < end - 1e-3
    )
    assert numbers == truth.numbers[shown].tolist()
    assert times == pytest.approx(np.maximum(truth.times[shown] - start, 0), abs=1e-3)
    assert times[0] == 0 and length == pytest.approx(end - start, abs=2e-5)
    assert list(tmp_path.iterdir()) == [out]


@pytest.mark.parametrize(
    "name",
    ["turned_90.mp4", "turned_180.mp4", "turned_270.mp4", "turned_90.mkv", "mirrored_90.mp4"],
)
def test_turned_recordings_come_out_upright(recording, tmp_path, name):
    cut(recording(name).path, Moment(0.4, 0.8), tmp_path / "out.mp4")
    numbers, _, _ = frames_of(tmp_path / "out.mp4")
    assert numbers == list(range(10, 20))
    with av.open(tmp_path / "out.mp4") as container:
        first = next(container.decode(video=0)).to_ndarray(format="rgb24")
    assert first.shape == (128, 192, 3)
    assert np.abs(first.astype(int) - picture(10)).mean() < 8


@pytest.mark.parametrize("start,end", [(1.0, 1.005), (1.03, 1.03), (1.0, 1.039)])
def test_a_moment_shorter_than_a_frame_is_one_frame(recording, tmp_path, start, end):
    cut(recording("constant.mp4").path, Moment(start, end), tmp_path / "out.mp4")
    numbers, _, length = frames_of(tmp_path / "out.mp4")
    assert numbers == [25] and length == pytest.approx(0.04, abs=1e-4)


def test_a_moment_outside_is_brought_to_the_ends(recording, tmp_path):
    out = tmp_path / "out.mp4"
    cut(recording("constant.mp4").path, Moment(7.9, 99), out)
    assert frames_of(out)[0] == [197, 198, 199]
    cut(recording("constant.mp4").path, Moment(50, 99), out)
    assert frames_of(out)[0] == [199]


def test_a_silent_recording_gives_a_silent_file_with_its_index_in_front(recording, tmp_path):
    cut(recording("constant.mp4").path, Moment(1, 2), tmp_path / "out.mp4")
    with av.open(tmp_path / "out.mp4") as container:
        assert [s.type for s in container.streams] == ["video"]
    data = (tmp_path / "out.mp4").read_bytes()
    assert 0 < data.find(b"moov") < data.find(b"mdat")


@pytest.mark.parametrize(
    "name,start,off",
    [("in.mov", 0.0, 0), ("in.mov", 3.3333, 0), ("in.mkv", 0.7, 0), ("in.mkv", 5.1, 23)],
)
def test_sound_begins_and_ends_at_the_sample(tmp_path, name, start, off):
    rate, seconds = 44100, 1.777
    wave = noise(8, rate)
    cut(film(tmp_path / name, wave), Moment(start, start + seconds), tmp_path / "out.mp4")
    heard, found, length = sound_of(tmp_path / "out.mp4")
    first, count = round(start * rate), round(seconds * rate)
    assert found == rate and length == pytest.approx(count / rate, abs=0.5 / rate)
    assert count <= heard.shape[1] < count + 1024  # AAC comes in packets of 1024
    wanted = wave[first : first + count, 0] / 32768
    assert offset(heard[0, :count], wanted) <= off
    if off == 0:
        assert np.corrcoef(heard[0, :count], wanted)[0, 1] > 0.95


def test_sound_follows_the_pictures_where_the_clock_starts_late(tmp_path):
    source = film(tmp_path / "in.ts", noise(8, 44100), codec="aac")
    with av.open(source) as container:
        video = container.streams.video[0]
        zero = float(video.start_time * video.time_base)
        frames = list(container.decode(audio=0))
    everything = np.concatenate([frame.to_ndarray() for frame in frames], axis=1)[0]
    first = round((zero + 2.2 - frames[0].time) * 44100)
    assert zero > 0.02
    cut(source, Moment(2.2, 3.2), tmp_path / "out.mp4")
    heard, _, _ = sound_of(tmp_path / "out.mp4")
    assert offset(heard[0, :44100], everything[first : first + 44100]) <= 1


def test_late_sound_is_reached_by_seeking(tmp_path, monkeypatch):
    from grounding.media import cut as module

    fed, packets = [], module.packets

    def counted(*arguments):
        for packet in packets(*arguments):
            fed.append(packet.pts)
            yield packet

    monkeypatch.setattr(module, "packets", counted)
    cut(film(tmp_path / "in.mov", noise(8, 44100)), Moment(7, 7.5), tmp_path / "out.mp4")
    assert fed and min(fed) >= 4 * 44100


def test_a_tone_sounds_where_it_did_and_silence_stays(tmp_path):
    wave = np.zeros((6 * 48000, 2), np.int16)
    seconds = np.arange(len(wave)) / 48000
    on = (seconds >= 3) & (seconds < 4)
    wave[on] = (12000 * np.sin(2 * np.pi * 440 * seconds[on]))[:, None]
    source = film(tmp_path / "in.mov", wave, 48000, "stereo")  # the sound ends after 6 of 8 s
    cut(source, Moment(2.5, 7.5), tmp_path / "out.mp4")
    heard, rate, length = sound_of(tmp_path / "out.mp4")
    assert (heard.shape[0], rate, length) == (2, 48000, 5.0)
    loud = np.sqrt((heard[:, : 5 * rate].reshape(2, -1, 480) ** 2).mean(2))  # 10 ms each
    assert (loud[:, 52:148] > 0.2).all()
    assert (np.delete(loud, np.s_[46:154], axis=1) < 0.002).all()


@pytest.mark.parametrize(
    "rate,layout,channels,gives", [(6000, "mono", 1, (1, 48000)), (48000, "5.1", 6, (2, 48000))]
)
def test_sound_that_players_do_not_take_is_converted(tmp_path, rate, layout, channels, gives):
    source = film(tmp_path / "in.mkv", noise(8, rate, channels), rate, layout)
    cut(source, Moment(2, 3), tmp_path / "out.mp4")
    heard, found, length = sound_of(tmp_path / "out.mp4")
    assert (len(heard), found) == gives and length == pytest.approx(1)
    assert heard.std() > 0.02


def test_odd_sides_and_oblong_pixels_are_kept(tmp_path):
    source = film(tmp_path / "in.mkv", size=(191, 127), shape=Fraction(4, 3), frames=50)
    cut(source, Moment(0.4, 0.8), tmp_path / "out.mp4")
    with av.open(tmp_path / "out.mp4") as container:
        stream = container.streams.video[0]
        assert (stream.width, stream.height) == (192, 128)
        assert stream.sample_aspect_ratio == Fraction(4, 3)
    assert frames_of(tmp_path / "out.mp4")[0] == list(range(10, 20))


@pytest.mark.parametrize("matrix", [1, 2, 6])  # BT.709, unsaid, BT.601
def test_colours_stay(tmp_path, matrix):
    colours = np.zeros((64, 96, 3), np.uint8)
    colours[:, :32], colours[:, 32:64], colours[:, 64:] = (
        (220, 30, 30),
        (30, 200, 30),
        (30, 30, 210),
    )
    with av.open(tmp_path / "in.mp4", "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        stream.codec_context.colorspace = matrix
        for number in range(10):
            frame = av.VideoFrame.from_ndarray(colours).reformat(
                format="yuv420p", dst_colorspace=matrix
            )
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    cut(tmp_path / "in.mp4", Moment(0.2, 0.6), tmp_path / "out.mp4")
    planes = []
    for name in ("in.mp4", "out.mp4"):
        with av.open(tmp_path / name) as container:
            frame = next(container.decode(video=0))
            assert frame.colorspace == matrix
            planes.append(frame.to_ndarray().astype(int))  # YUV as stored
    assert np.abs(planes[0] - planes[1]).mean() < 2


def test_keyframes_are_clean_cuts(tmp_path):
    """Decoders that seek find every frame; at a change of scene x264 may do otherwise."""
    scenes = np.random.default_rng(0).integers(0, 256, (8, 32, 48, 3), np.uint8).repeat(4, 1)
    with av.open(tmp_path / "in.mp4", "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 192, 128, "yuv420p"
        for number in range(40):
            image = scenes[number // 5].repeat(4, 1)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(image))))
        container.mux(stream.encode())
    cut(tmp_path / "in.mp4", Moment(0, 1.6), tmp_path / "out.mp4")
    with av.open(tmp_path / "out.mp4") as container:
        keys = [bytes(p) for p in container.demux(video=0) if p.size and p.is_keyframe]
    assert len(keys) > 1
    for data in keys:
        kinds, place = set(), 0
        while place < len(data):
            kinds.add(data[place + 4] & 31)
            place += 4 + int.from_bytes(data[place : place + 4], "big")
        assert 5 in kinds and 1 not in kinds


def test_damage_costs_only_the_frames_it_hit(recording, tmp_path):
    cut(recording("damaged.mp4").path, Moment(1.8, 3.2), tmp_path / "out.mp4")
    numbers, times, length = frames_of(tmp_path / "out.mp4")
    assert numbers[0] == 45 and numbers[-1] == 79 and 60 not in numbers
    assert times == pytest.approx([(n - 45) / 25 for n in numbers], abs=1e-4)
    assert length == pytest.approx(1.4, abs=1e-4)


def test_where_nothing_decodes_there_is_no_file(recording, tmp_path):
    source = recording("damaged.mp4")
    with pytest.raises(UnreadableMedia, match=r"damaged.mp4: no frame decodes from 2.40 to 2.44 s"):
        cut(source.path, Moment(2.4, 2.44), tmp_path / "out.mp4")
    with pytest.raises(UnreadableMedia, match="no such file"):
        cut("nowhere.mp4", Moment(0, 1), tmp_path / "out.mp4")
    assert not list(tmp_path.iterdir())


@contextmanager
def room_for(size):
    """Files may grow to so many bytes: a disk that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_is_one_line_and_leaves_the_old_file(recording, tmp_path):
    source, out = recording("sound.mp4").path, tmp_path / "out.mp4"
    out.write_bytes(b"old")
    with room_for(3000), pytest.raises(BadInput, match=r"out.mp4: cannot be written \(File too"):
        cut(source, Moment(0, 4), out)
    assert out.read_bytes() == b"old" and list(tmp_path.iterdir()) == [out]


def predictions(vid, *sentences, moments=2):
    found = tuple(Moment(k, k + 1, 1 - k / 10) for k in range(moments))
    return [Prediction(Query(s, i, vid), found) for i, s in enumerate(sentences)]


def test_names_are_readable():
    names = [name for name, _ in clip_names(predictions("v1", "A dog barks!", "a dog: barks"))]
    assert names == [
        "v1-a-dog-barks-1.mp4", "v1-a-dog-barks-2.mp4", "v1-a-dog-barks-2-1.mp4",
        "v1-a-dog-barks-2-2.mp4",
    ]  # fmt: skip


def test_names_of_other_scripts_stay_apart_between_runs():
    first, second = (clip_names(predictions("v", s, moments=1))[0][0] for s in ("狗叫", "猫叫"))
    assert first != second and first.isascii() and second.isascii()
    assert clip_names(predictions("v", "狗叫", moments=1))[0][0] == first


@given(
    st.sampled_from(["v", "../up", "/etc/x", "a\0b", "v" * 400, "é" * 200, "..", "C:\\x"]),
    st.lists(st.text(min_size=1).filter(str.strip) | st.sampled_from(HOSTILE), max_size=5),
)
def test_names_differ_and_never_leave_the_folder(vid, sentences):
    names = [name for name, _ in clip_names(predictions(vid, *sentences))]
    assert len({name.casefold() for name in names}) == len(names) == 2 * len(sentences)
    for name in names:
        assert (Path("/clips") / name).resolve().parent == Path("/clips")
        assert not set(name) & set('/\\:*?"<>|\0\n') and len(name.encode()) < 230
        tail = name[len(clip_names(predictions(vid, "x"))[0][0]) - len("x-1.mp4") :]
        assert tail.isascii() and len(tail) <= LONGEST_SLUG + len("-1.mp4")
