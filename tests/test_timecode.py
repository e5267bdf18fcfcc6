"""Frames, time code and clocks agree there and back; export's own tests are in test_export."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grounding.timecode import (
    DROPPED,
    RATES,
    clock,
    frame_number,
    frame_of,
    frame_seconds,
    milliseconds_of,
    timecode,
)

NTSC = Fraction(30000, 1001)
frames = st.integers(0, 60 * 3600 * 99)
rates = st.sampled_from([*RATES, Fraction(25, 2), Fraction(120), Fraction(1, 2)])


@given(frames, rates)
def test_a_timecode_names_its_frame(frame, rate):
    assert frame_of(timecode(frame, rate), rate) == frame
    assert frame_number(frame_seconds(frame, rate), rate) == frame


@given(frames, st.sampled_from(sorted(DROPPED)))
def test_a_colon_counts_every_frame_unless_the_list_says_otherwise(frame, rate):
    dropping = timecode(frame, rate)
    assert frame_of(dropping.replace(";", ":"), rate, drop=True) == frame
    whole = Fraction(round(rate))
    assert frame_of(timecode(frame, whole), rate) == frame


@pytest.mark.parametrize(
    "code,rate,says",
    [
        ("00:01:00;00", NTSC, "is left out"), ("00:01:00;01", NTSC, "is left out"),
        ("00:00:00:30", NTSC, "a second has 30"), ("00:00:00;10", Fraction(25), "25 frames/s do"),
        ("00:60:00:00", Fraction(25), "no timecode"), ("1:2:3:4", Fraction(25), "no timecode"),
        ("00:00:00:0x", Fraction(25), "no timecode"),
    ],
)  # fmt: skip
def test_what_no_recorder_writes_is_refused(code, rate, says):
    with pytest.raises(ValueError, match=says):
        frame_of(code, rate)


@given(st.integers(0, 10**12), st.sampled_from(".,"))
def test_a_clock_comes_back(milliseconds, mark):
    assert (
        milliseconds_of(clock(milliseconds % 3_600_000_000, mark)) == milliseconds % 3_600_000_000
    )


@pytest.mark.parametrize(
    "text,milliseconds",
    [
        ("01:02.5", 62_500),
        ("1:01:01,0005", 3_661_000),
        (" 00:00:01 ", 1000),
        ("00:00:00.9996", 1000),
    ],
)
def test_clocks_as_programs_write_them(text, milliseconds):
    assert milliseconds_of(text) == milliseconds


@pytest.mark.parametrize(
    "text", ["", "5", "1:2", "00:61:00", "1:00:00:00", "\u0660\u0660:\u0660\u0661", "-00:01"]
)
def test_what_is_no_clock_is_refused(text):
    with pytest.raises(ValueError, match="is no time"):
        milliseconds_of(text)


@pytest.mark.parametrize("frame,rate", [(10**400, Fraction(25)), (1, Fraction(0))])
def test_no_recording_has_so_many_frames(frame, rate):
    with pytest.raises(ValueError, match="many frames"):
        frame_seconds(frame, rate)
