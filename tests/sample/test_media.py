"""The rendered files show and sound what the annotations say."""

from __future__ import annotations

from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from grounding.sample.figure import JOINTS, PARENTS, metres_wide
from grounding.sample.picture import RGB, Painter
from grounding.sample.script import FIGURES, SINGLES, Event, Script
from grounding.sample.writing import kept_frames


def media(corpus: Path, script: Script) -> Any:
    return av.open(str(corpus / "media" / f"{script.vid}.mp4"))


def pictures(corpus: Path, script: Script, wanted: set[int]) -> dict[int, NDArray[np.int16]]:
    """The wanted frames as shown, by their number on the regular clock."""
    shown = {}
    with media(corpus, script) as box:
        for frame in box.decode(video=0):
            i = round(frame.pts * frame.time_base * script.rate)
            if i in wanted:
                upright = np.rot90(frame.to_ndarray(format="rgb24"), frame.rotation // 90)
                shown[i] = upright.astype(np.int16)
    return shown


def share_of(picture: NDArray[np.int16], colour: str) -> float:
    """Part of the picture that has about this colour."""
    far = np.abs(picture - np.array(RGB[colour], dtype=np.int16)).max(axis=2)
    return float((far < 45).mean())


def loudness_of(
    track: NDArray[np.float32], rate: int, begin: float, start: float, end: float
) -> float:
    """Root mean square from start to end, in seconds, of a track that begins at `begin`."""
    cut = track[max(0, round((start - begin) * rate)) : round((end - begin) * rate)]
    return float(np.sqrt(np.mean(np.square(cut)))) if len(cut) else 0.0


def overlaps(event: Event, other: Event, margin: float = 0.0) -> bool:
    return other.first < event.last + margin and event.first < other.last + margin


def test_files_are_h264_and_aac_and_last_as_long_as_said(
    corpus: Path, scripts: list[Script]
) -> None:
    for script in scripts:
        with media(corpus, script) as box:
            video = box.streams.video[0]
            assert video.codec_context.name == "h264"
            assert video.start_time == 0
            assert box.duration / av.time_base == pytest.approx(script.duration, abs=5e-4)
            assert video.duration * video.time_base == pytest.approx(script.duration, abs=5e-4)
            assert video.frames == len(kept_frames(script))
            assert len(box.streams.audio) == (0 if script.silent else 1)
            for sound in box.streams.audio:
                assert sound.codec_context.name == "aac"
                assert sound.channels == 1
                assert sound.sample_rate == script.sample_rate
            if not script.irregular:
                assert video.average_rate == script.rate
    assert sum(script.silent for script in scripts) == 1


def test_an_irregular_video_has_irregular_times_but_every_edge(
    corpus: Path, scripts: list[Script]
) -> None:
    script = next(script for script in scripts if script.irregular)
    with media(corpus, script) as box:
        times = [frame.pts * frame.time_base for frame in box.decode(video=0)]
    steps = {round(float((b - a) * script.rate)) for a, b in pairwise(times)}
    assert steps == {1, 2, 3, 4}
    for event in script.events:
        for edge in {event.first, event.last} - {script.frames}:
            assert min(abs(float(t - edge / script.rate)) for t in times) < 1e-4


def test_the_turned_video_is_upright_for_who_reads_its_rotation(
    corpus: Path, scripts: list[Script]
) -> None:
    (script,) = [script for script in scripts if script.rotation]
    with media(corpus, script) as box:
        frame = next(box.decode(video=0))
        assert (frame.width, frame.height) == (script.height, script.width)
        assert frame.rotation == script.rotation
    event = next(event for event in script.events if event.action)
    middle = (event.first + event.last) // 2
    seen = pictures(corpus, script, {middle})[middle]
    drawn = Painter(script).frame(middle)
    assert drawn is not None
    assert np.abs(seen - np.asarray(drawn, dtype=np.int16)).mean() < 6


def test_a_shape_is_on_screen_in_its_window_and_not_outside(
    corpus: Path, scripts: list[Script]
) -> None:
    checked = 0
    for script in scripts:
        kept = set(kept_frames(script))
        colourful = [event for event in script.events if event.colours]
        wanted = {
            i
            for event in colourful
            for i in (event.first - 1, event.first, event.last - 1, event.last)
        }
        if script.irregular:  # the frame before an edge may be left out
            wanted &= kept
        shown = pictures(corpus, script, wanted)
        for event in colourful:
            for colour in event.colours:
                for i in {event.first, event.last - 1} & set(shown):
                    assert share_of(shown[i], colour) > 0.002, (script.vid, event, i)
                rivals = [e for e in colourful if e is not event and colour in e.colours]
                for i in {event.first - 1, event.last} & set(shown):
                    if not any(e.first <= i < e.last for e in rivals):
                        assert share_of(shown[i], colour) < 0.0005, (script.vid, event, i)
                        checked += 1
    assert checked > 20


def test_shapes_and_figure_are_large(scripts: list[Script]) -> None:
    for script in scripts:
        painter = Painter(script)
        still = np.asarray(painter.background, dtype=np.int16)
        for event in script.events:
            alone = not any(overlaps(event, e) for e in script.events if e is not event)
            if event.action is None or not alone:
                continue
            image = painter.frame((event.first + event.last) // 2)
            assert image is not None
            changed = np.abs(np.asarray(image, dtype=np.int16) - still).max(axis=2) > 30
            rows = np.flatnonzero(changed.any(axis=1))
            tall = (rows[-1] - rows[0] + 1) / script.height
            least = 0.4 if event.action in FIGURES else 0.28 if event.action in SINGLES else 0.19
            assert tall > least, (script.vid, event)


def test_sound_is_heard_in_its_window_and_not_outside(corpus: Path, scripts: list[Script]) -> None:
    checked = 0
    for script in scripts:
        if script.silent:
            continue
        with media(corpus, script) as box:
            frames = list(box.decode(audio=0))
            begin = float(frames[0].pts * frames[0].time_base)
            track = np.concatenate([frame.to_ndarray()[0] for frame in frames])
        loudness = partial(loudness_of, track, script.sample_rate, begin)
        sounding = [event for event in script.events if event.sound]
        for event in sounding:
            start, end = script.window(event)
            assert loudness(start, end) > 0.02, (script.vid, event)
            if any(overlaps(event, e, 0.4 * float(script.rate)) for e in sounding if e != event):
                continue
            assert loudness(start - 0.3, start - 0.08) < 0.004
            assert loudness(end + 0.08, end + 0.3) < 0.004
            # A soft edge, and for the beats a rest, may hide the last tenths.
            assert loudness(start, start + 0.1) > 0.02
            checked += 1
    assert checked > 5


def test_motion_lasts_as_long_as_the_video_and_moves_only_as_a_body_can(
    corpus: Path, scripts: list[Script]
) -> None:
    for script in scripts:
        path = corpus / "motion" / f"{script.vid}.npy"
        figured = [event for event in script.events if event.action in FIGURES]
        assert path.exists() == bool(figured)
        if not figured:
            continue
        motion = np.load(path)
        assert motion.dtype == np.float32
        assert motion.shape == (round(script.duration * 20), len(JOINTS), 3)
        assert np.isfinite(motion).all()
        assert motion[..., 1].min() > -1e-5  # nothing under the ground
        assert 1.45 < motion[:, JOINTS.index("head"), 1].max() < 2.2
        bones = np.linalg.norm(motion[:, 1:] - motion[:, list(PARENTS[1:])], axis=-1)
        assert np.ptp(bones, axis=0).max() < 1e-5
        assert np.abs(np.diff(motion, axis=0)).max() < 0.5  # metres in a twentieth of a second
        for event in figured:
            start, end = (round(t * 20) for t in script.window(event))
            travel = np.ptp(motion[start:end, 0, 0])
            assert (travel > 0.7 * metres_wide(script)) == (event.action == "walk")


def test_the_corpus_shows_many_kinds_of_events(scripts: list[Script]) -> None:
    actions = {event.action for script in scripts for event in script.events}
    assert len(actions & set(SINGLES)) == len(SINGLES)
    assert len(actions & set(FIGURES)) >= 3
    assert None in actions
