"""Where the shapes of an event are at an instant: geometry alone, nothing drawn.

Positions and radii are pixels of the frame as shown.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from grounding.sample.script import Event, Script
from grounding.sample.sound import BEAT_PERIOD

ROUND_TRIP = 3.0  # seconds, about, of one collision or one swap
SPIN = 200.0  # degrees per second


@dataclass(frozen=True, slots=True)
class Stamp:
    """One shape to draw."""

    shape: str
    colour: str
    x: float
    y: float
    radius: float
    turn: float = 0.0  # degrees
    marked: bool = False  # with a bar that shows how it is turned


@dataclass(frozen=True, slots=True)
class Stage:
    """An event's box in pixels, and how far the event has come."""

    event: Event
    left: float
    top: float
    wide: float
    high: float
    radius: float  # of an ordinary shape
    t: float  # seconds since the event began
    length: float  # seconds of the event

    @property
    def part(self) -> float:
        """What has passed of the event, 0 to 1."""
        return self.t / self.length

    @property
    def middle(self) -> tuple[float, float]:
        """The middle of the box."""
        return self.left + self.wide / 2, self.top + self.high / 2

    def across(self, radius: float) -> float:
        """The event's own place from left to right for a shape that shall be whole."""
        return self.left + radius + self.event.place * (self.wide - 2 * radius)

    def down(self, radius: float) -> float:
        """The event's own place from top to bottom for a shape that shall be whole."""
        return self.top + radius + self.event.place * (self.high - 2 * radius)

    def stamp(self, which: int, x: float, y: float, radius: float) -> Stamp:
        """The event's first or second shape."""
        return Stamp(self.event.shapes[which], self.event.colours[which], x, y, radius)


def stamps(event: Event, script: Script, i: int) -> list[Stamp]:
    """What is to be drawn of an event of shapes in frame i, in this order."""
    left, top, right, bottom = event.box
    wide, high = (right - left) * script.width, (bottom - top) * script.height
    stage = Stage(
        event=event,
        left=left * script.width,
        top=top * script.height,
        wide=wide,
        high=high,
        radius=min(0.21 * script.height, 0.42 * wide, 0.4 * high),
        t=(i - event.first) / float(script.rate),
        length=(event.last - event.first) / float(script.rate),
    )
    assert event.action is not None
    return ACTS[event.action](stage)


def _enter(stage: Stage) -> list[Stamp]:
    way = stage.part if stage.event.side == "left" else 1 - stage.part
    edge = 0.4 * stage.radius  # half in the picture at once, so that it is seen from the start
    x = stage.left + edge + way * (stage.wide - 2 * edge)
    return [stage.stamp(0, x, stage.down(stage.radius), stage.radius)]


def _bounce(stage: Stage) -> list[Stamp]:
    u = (stage.t / BEAT_PERIOD["slow"]) % 1.0  # it meets the floor with the beats
    height = 4 * u * (1 - u) * (stage.high - 2 * stage.radius)
    y = stage.top + stage.high - stage.radius - height
    return [stage.stamp(0, stage.across(stage.radius), y, stage.radius)]


def _spin(stage: Stage) -> list[Stamp]:
    radius = min(1.24 * stage.radius, 0.46 * stage.wide)
    shape, colour = stage.event.shapes[0], stage.event.colours[0]
    x, y = stage.across(radius), stage.middle[1]
    return [Stamp(shape, colour, x, y, radius, turn=SPIN * stage.t, marked=True)]


def _grow(stage: Stage) -> list[Stamp]:
    radius = min(stage.high, stage.wide) * (0.10 + 0.37 * stage.part)
    return [stage.stamp(0, *stage.middle, radius)]


def _collide(stage: Stage) -> list[Stamp]:
    radius = min(stage.radius, 0.19 * stage.wide)  # room to be apart also in a narrow frame
    x, y = stage.middle[0], stage.down(1.3 * radius)
    apart = max(radius, (stage.wide / 2 - 0.5 * radius) * abs(1 - 2 * _round(stage)[1]))
    both = [stage.stamp(0, x - apart, y, radius), stage.stamp(1, x + apart, y, radius)]
    if apart < 1.15 * radius:
        both.append(Stamp("burst", "white", x, y, 1.1 * radius))
    return both


def _swap(stage: Stage) -> list[Stamp]:
    radius = min(stage.radius, 0.19 * stage.wide)
    count, u = _round(stage)
    ease = min(1.0, 1.25 * u)
    angle = math.pi * (count % 2 + (3 - 2 * ease) * ease**2)  # half a circle, then a rest
    x, y = stage.middle
    right = math.cos(angle) * (stage.wide / 2 - radius)
    down = math.sin(angle) * (stage.high / 2 - radius)
    return [
        stage.stamp(0, x - right, y - down, radius),
        stage.stamp(1, x + right, y + down, radius),
    ]


def _round(stage: Stage) -> tuple[int, float]:
    """Which collision or swap it is, and what has passed of it, 0 to 1."""
    u = stage.part * max(1, round(stage.length / ROUND_TRIP))
    return int(u), u % 1.0


ACTS = {
    "enter": _enter,
    "bounce": _bounce,
    "spin": _spin,
    "grow": _grow,
    "collide": _collide,
    "swap": _swap,
}
