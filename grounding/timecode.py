"""Seconds as equipment and subtitles count them: frames, time code, clocks; rational inside.

Frames are counted from 0. Nothing is rounded but the last step, so that nothing drifts at 29.97.
"""

from __future__ import annotations

import math
import re
from fractions import Fraction

# Frame rates that equipment has, as ratios.
RATES = [Fraction(n) for n in (24, 25, 30, 48, 50, 60)]
RATES += [Fraction(1000 * n, 1001) for n in (24, 30, 48, 60)]
DROPPED = {Fraction(30000, 1001), Fraction(60000, 1001)}  # timecode leaves out numbers
_CODE = re.compile(r"(\d{2,4}):([0-5]\d)[:;]([0-5]\d)([:;.,])(\d{2,3})", re.A)
_CLOCK = re.compile(r"(?:(\d{1,6}):)?([0-5]?\d):([0-5]\d)(?:[.,](\d{1,9}))?", re.A)


def frame_rate(measured: float, is_variable: bool = False) -> Fraction:
    """The exact rate behind a measured one, in frames per second: 29.97 -> 30000/1001.

    A variable rate counts as the nearest whole one, so that timecode follows the clock.
    """
    if is_variable or not measured > 0:
        return Fraction(max(round(measured), 1))
    for rate in RATES:
        if math.isclose(rate, measured, rel_tol=1e-5):
            return rate
    return Fraction(measured).limit_denominator(1001)


def frame_number(seconds: float, rate: Fraction) -> int:
    """The frame nearest to a time in seconds, without rounding on the way."""
    return round(Fraction(seconds) * rate)


def frame_seconds(frame: int, rate: Fraction) -> float:
    """When a frame begins, in seconds.

    Raises:
        ValueError: no recording has that many frames.
    """
    try:
        return float(frame / rate)
    except (OverflowError, ZeroDivisionError):
        raise ValueError("no recording has that many frames") from None


def timecode(frame: int, rate: Fraction) -> str:
    """HH:MM:SS:FF of a frame, or HH:MM:SS;FF with drop-frame counting.

    Frames are counted one by one in a second of the nearest whole number of frames. Drop-frame
    leaves out the first numbers of every minute but each tenth, so that the hours are true.

    >>> timecode(1800, Fraction(30000, 1001))
    '00:01:00;02'
    """
    base = _base(rate)
    mark = ":"
    if rate in DROPPED:
        mark, dropped = ";", base // 15
        tens, rest = divmod(frame, 600 * base - 9 * dropped)
        minutes = max(rest - dropped, 0) // (60 * base - dropped)
        frame += dropped * (9 * tens + minutes)
    seconds, frame = divmod(frame, base)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{seconds:02d}{mark}{frame:02d}"


def frame_of(code: str, rate: Fraction, drop: bool = False) -> int:
    """The frame that a timecode names; a semicolon, or `drop`, says that numbers are left out.

    >>> frame_of("00:01:00;02", Fraction(30000, 1001))
    1800

    Raises:
        ValueError: it is no timecode, or none at this rate.
    """
    match = _CODE.fullmatch(code)
    if match is None:
        raise ValueError(f"{code[:20]!r} is no timecode")
    hours, minutes, seconds, frame = (int(match[n]) for n in (1, 2, 3, 5))
    base = _base(rate)
    if frame >= base:
        raise ValueError(f"{code} has frame {frame}, but a second has {base} at {_say(rate)}")
    minutes += 60 * hours
    number = (60 * minutes + seconds) * base + frame
    if not drop and match[4] not in ";,":
        return number
    if rate not in DROPPED:
        raise ValueError(
            f"{code} drops frames, which {_say(rate)} frames/s do not; correct the rate"
        )
    dropped = base // 15
    if minutes % 10 and seconds == 0 and frame < dropped:
        raise ValueError(f"{code} is left out where frames are dropped")
    return number - dropped * (minutes - minutes // 10)


def clock(milliseconds: int, mark: str) -> str:
    """HH:MM:SS and milliseconds behind `mark`."""
    seconds, milliseconds = divmod(milliseconds, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{seconds:02d}{mark}{milliseconds:03d}"


def milliseconds_of(text: str) -> int:
    """Milliseconds of [H:]MM:SS[.mmm], with a point or a comma.

    Raises:
        ValueError: it is no such clock.
    """
    match = _CLOCK.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text.strip()[:20]!r} is no time; write 00:01:15.500")
    hours, minutes, seconds = (int(match[n] or 0) for n in (1, 2, 3))
    fraction = round(Fraction(f"0.{match[4] or 0}") * 1000)
    return 1000 * (3600 * hours + 60 * minutes + seconds) + fraction


def _base(rate: Fraction) -> int:
    """Frame numbers in a second."""
    return max(math.floor(rate + Fraction(1, 2)), 1)


def _say(rate: Fraction) -> str:
    return f"{float(rate):.6g}"
