"""The frame returned for a time is the frame shown at that time, in every kind of file."""

import os

import numpy as np
import pytest

from grounding.errors import UnreadableMedia
from grounding.media.video import open_video
from tests.media.recordings import read_numbers

# Files that decord decodes exactly, and files on which it is wrong or gives up.
DECORD = [
    "constant.mp4",
    "sound.mp4",
    "ntsc.mp4",
    "groups.mp4",
    "constant.mkv",
    "constant.flv",
    "fragments.mp4",
    "vp9.webm",
    "plain_vp8.webm",
    "intra.avi",
    "variable.mp4",
    "turned_90.mp4",
    "turned_180.mp4",
    "turned_270.mp4",
]
PYAV = {
    "av1.mp4": "cannot decode av1",
    "stream.ts": "mpegts",
    "late.ts": "mpegts",
    "mpeg2.mpg": "cannot decode mpeg2video",
    "cut.mp4": "edit list",
    "hevc.mp4": "hevc is damaged",
    "open_gop_hevc.mp4": "hevc is damaged",
    "open_gop.mp4": "open GOP",
    "intra_refresh.mkv": "open GOP",
    "intra_refresh.mp4": "open GOP",
    "mpeg4.avi": "mpeg4 is damaged",
    "drops.avi": "mpeg4 is damaged",
    "b_frames.avi": "mpeg4 is damaged",
    "h264.avi": "B-frames in avi",
    "index_gap.avi": "index",
    "hidden.webm": "show no frame",
    "turned_90.mkv": "rotation",
    "mirrored.mp4": "mirrored",
    "mirrored_90.mp4": "mirrored",
}
EVERY = [*DECORD, *PYAV]
WAYS = [(name, "auto") for name in EVERY]
WAYS += [(name, "pyav") for name in DECORD] + [(name, "decord") for name in DECORD]


@pytest.mark.parametrize(("name", "backend"), WAYS)
def test_the_frame_at_every_time_is_the_one_shown(recording, name, backend):
    """At every frame's own time and half-way to the next, forwards and in any order."""
    truth = recording(name)
    halfway = (truth.times + np.append(truth.times[1:], truth.end)) / 2
    times = np.sort(np.concatenate([truth.times, halfway]))
    with open_video(truth.path, backend=backend) as reader:
        assert reader.timestamps() == pytest.approx(truth.times, abs=1e-3)
        batches = list(reader.iter_frames(times=times, batch=50))
        numbers = [n for batch in batches for n in read_numbers(batch.frames)]
        assert numbers == truth.shown(times).tolist()
        told = np.concatenate([batch.times for batch in batches])
        assert told == pytest.approx(np.repeat(truth.times, 2), abs=1e-3)

        mixed = np.random.default_rng(0).permutation(times)[:40]
        mixed = np.concatenate([mixed, mixed[:5]])
        assert read_numbers(reader.frames_at(mixed).frames) == truth.shown(mixed).tolist()
        for time in mixed[:12]:
            assert read_numbers(reader.frames_at([time]).frames) == [truth.shown(time)]
        assert reader.problems == []
        assert reader.info.warnings == () or name == "late.ts"


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("rate", [2, 30, None])
def test_sampling_at_a_rate_covers_the_video_once(recording, name, rate):
    truth = recording(name)
    with open_video(truth.path) as reader:
        numbers = [n for b in reader.iter_frames(rate=rate) for n in read_numbers(b.frames)]
        if rate is None:
            assert numbers == truth.numbers.tolist()
            return
        times = np.arange(1000) / rate
        times = times[times < reader.info.duration - 1e-6]
        assert numbers == truth.shown(times).tolist()
        assert reader.info.duration == pytest.approx(truth.end, abs=2e-3)


@pytest.mark.parametrize("name", EVERY)
def test_decord_is_used_where_it_is_exact_and_the_reason_is_told(recording, name, caplog):
    with caplog.at_level("INFO", "grounding.media.video"), open_video(recording(name).path) as r:
        info = r.info
    assert info.backend == ("pyav" if name in PYAV else "decord")
    assert PYAV.get(name, "the default") in info.reason
    assert f"decoding with {info.backend}: {info.reason}" in caplog.text


@pytest.mark.parametrize("name", PYAV)
def test_decord_is_refused_where_it_would_be_wrong(recording, name):
    with pytest.raises(UnreadableMedia, match=r"decord .*; use backend 'auto' or 'pyav'"):
        open_video(recording(name).path, backend="decord")


@pytest.mark.parametrize("name", ["constant.mp4", "variable.mp4", "stream.ts", "av1.mp4"])
def test_several_threads_decode_the_same(recording, name):
    truth = recording(name)
    with open_video(truth.path, threads=2) as reader:
        assert read_numbers(reader.frames_at(truth.times).frames) == truth.numbers.tolist()


def test_times_outside_the_video_mean_its_first_and_last_frame(recording):
    truth = recording("constant.mp4")
    with open_video(truth.path) as reader:
        batch = reader.frames_at([-3.0, 1e9, np.inf, -np.inf])
        assert read_numbers(batch.frames) == [0, 199, 199, 0]
        with pytest.raises(ValueError, match="NaN"):
            reader.frames_at([0.0, np.nan])
        assert reader.frames_at([]).frames.shape == (0, 128, 192, 3)


def test_a_time_just_before_a_frame_shows_the_frame_before(recording):
    """The tolerance for rounding must not reach further than the container's own clock."""
    with open_video(recording("constant.mp4").path) as reader:
        assert read_numbers(reader.frames_at([0.9999, 1.0]).frames) == [24, 25]
    with open_video(recording("intra.avi").path) as reader:  # a tick is a whole frame
        assert read_numbers(reader.frames_at([0.999, 1.0]).frames) == [14, 15]
    with open_video(recording("constant.mkv").path) as reader:  # 0.067 s stands for 2 / 30
        assert read_numbers(reader.frames_at([0.0660, 2 / 30]).frames) == [1, 2]


def test_far_frames_are_reached_by_seeking_not_by_decoding_everything(recording, monkeypatch):
    from grounding.media import pyav_backend

    fed = []
    packets = pyav_backend.packets

    def counted(*arguments):
        for packet in packets(*arguments):
            fed.append(packet.pts)
            yield packet

    monkeypatch.setattr(pyav_backend, "packets", counted)
    truth = recording("groups.mp4")
    with open_video(truth.path, backend="pyav") as reader:
        wanted = truth.times[[3, 150, 180]]
        assert read_numbers(reader.frames_at(wanted).frames) == [3, 150, 180]
    assert len(fed) < 60


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"rate": 0}, "rate"),
        ({"rate": float("nan")}, "rate"),
        ({"rate": 2, "times": [1]}, "not both"),
        ({"times": [float("nan")]}, "NaN"),
        ({"batch": 0}, "batch"),
    ],
)
def test_wrong_sampling_is_refused_before_anything_is_decoded(recording, wrong, said):
    with (
        open_video(recording("constant.mp4").path) as reader,
        pytest.raises(ValueError, match=said),
    ):
        reader.iter_frames(**wrong)


def test_making_a_recording_changes_no_scheduling(recording):
    """A real-time process among the tests starves all others (SVT-AV1 makes one, as root)."""
    if not hasattr(os, "sched_getscheduler"):
        pytest.skip("this system has no scheduling policies")
    recording("av1.mp4")
    assert os.sched_getscheduler(0) == os.SCHED_OTHER
