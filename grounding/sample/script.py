"""What happens in each video of the sample, drawn from the seed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction

from grounding.sample.dice import Dice

# Uneven weights, so that the same thing happens in many videos.
COLOURS = {"red": 28.0, "blue": 22.0, "green": 20.0, "yellow": 16.0, "purple": 14.0}
SHAPES = {"circle": 46.0, "square": 27.0, "triangle": 16.0, "star": 11.0}
SINGLES = {"enter": 26.0, "bounce": 20.0, "spin": 18.0, "grow": 18.0}  # one shape
PAIRS = ("collide", "swap")  # two shapes, one of these couples
COUPLES: tuple[tuple[tuple[str, str], tuple[str, str]], ...] = (
    (("red", "blue"), ("circle", "square")),
    (("green", "yellow"), ("triangle", "circle")),
    (("blue", "purple"), ("circle", "star")),
    (("yellow", "red"), ("square", "triangle")),
    (("purple", "green"), ("square", "circle")),
)
FIGURES = {"walk": 26.0, "wave": 20.0, "jump": 20.0, "sit": 17.0, "kick": 17.0}
# The sound that goes with what is seen: a kind of sound for a kind of event.
SOUND_OF = {
    "enter": "falling", "bounce": "slow", "spin": "wobble", "grow": "rising",
    "collide": "noise", "swap": "high", "walk": "fast", "wave": "high",
    "jump": "rising", "sit": "low", "kick": "noise",
}  # fmt: skip
SOUNDS = ("high", "low", "rising", "falling", "noise", "fast", "slow", "wobble")
FAMILIES = {"single": 46.0, "pair": 13.0, "figure": 22.0, "heard": 19.0}
SIZES = ((320, 240), (352, 240), (304, 224), (360, 240), (240, 320), (320, 256))
RATES = (Fraction(24), Fraction(25), Fraction(30000, 1001), Fraction(30))
SOUNDED = 0.5  # share of the seen events that are heard too
PAIR_OVERLAP = 0.24  # of neighbours that may overlap; leaves about 15 % of all events overlapping
GAP = 0.6  # seconds between two events that do not overlap
SHORTEST, LONGEST = 3.0, 8.0  # seconds of an event

Box = tuple[float, float, float, float]  # left, top, right, bottom as parts of the frame
WHOLE: Box = (0.0, 0.0, 1.0, 1.0)


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happens in frames [first, last): seen (`action`), heard (`sound`) or both."""

    action: str | None = None
    colours: tuple[str, ...] = ()
    shapes: tuple[str, ...] = ()
    side: str | None = None  # where it comes from: "left" or "right"
    sound: str | None = None
    first: int = 0
    last: int = 0
    box: Box = WHOLE
    place: float = 0.5  # where in its box, 0 to 1

    @property
    def look(self) -> tuple[object, ...]:
        """What can be told apart by eye; () where there is nothing to see."""
        return (self.action, self.colours, self.shapes, self.side) if self.action else ()


@dataclass(frozen=True, slots=True)
class Script:
    """One video: its form and its events in order of their start."""

    vid: str
    width: int  # as shown, pixels
    height: int
    rate: Fraction  # frames per second
    frames: int
    light: bool  # a light background instead of a dark one
    silent: bool  # no sound track at all
    rotation: int  # degrees counter-clockwise that a player must turn the stored picture
    irregular: bool  # variable frame rate: some frames are left out
    sample_rate: int
    grain: int  # seed of texture, dropped frames and noise
    events: tuple[Event, ...]

    @property
    def duration(self) -> float:
        """Seconds."""
        return float(self.frames / self.rate)

    def window(self, event: Event) -> tuple[float, float]:
        """Start and end of an event in seconds, to the millisecond."""
        return (
            round(float(event.first / self.rate), 3),
            round(float(event.last / self.rate), 3),
        )


def draw_scripts(videos: int, seed: int) -> list[Script]:
    """The whole corpus: one silent video, one rotated, a tenth with a variable frame rate."""
    order = Dice(seed, 0).shuffled(range(videos))
    irregular = set(order[2 : 2 + max(1, round(videos / 10))])
    return [
        _draw_script(
            Dice(seed, 1, i), f"sample-{i:04d}", i == order[0], i == order[1], i in irregular
        )
        for i in range(videos)
    ]


def _draw_script(dice: Dice, vid: str, silent: bool, turned: bool, irregular: bool) -> Script:
    width, height = dice.pick(SIZES)
    rate = dice.pick(RATES)
    frames = int(dice.between(20.0, 60.0) * rate)
    script = Script(
        vid=vid,
        width=width,
        height=height,
        rate=rate,
        frames=frames,
        light=dice.chance(0.5),
        silent=silent,
        rotation=dice.pick((90, -90)) if turned else 0,
        irregular=irregular,
        sample_rate=dice.pick((16000, 16000, 44100)),
        grain=dice.below(2**31),
        events=(),
    )
    most = min(7, int(script.duration / 6.0))
    events = _draw_events(dice, 3 + dice.below(most - 2), silent)
    return replace(script, events=_place(dice, events, script))


def _draw_events(dice: Dice, n: int, silent: bool) -> list[Event]:
    """n events without times; many resemble another in one respect, a few repeat one."""
    events: list[Event] = []
    while len(events) < n:
        family = dice.weighted(FAMILIES)
        if family == "heard":
            few = sum(event.action is None for event in events) < 1 + n // 4
            if few and not silent:
                events.append(Event(sound=_fresh_sound(dice, events)))
            continue
        if family == "figure" and sum(e.action in FIGURES for e in events) >= 1 + n // 3:
            continue
        events.append(_with_sound(dice, _draw_seen(dice, family, events), events, silent))
    return dice.shuffled(events)


def _fresh_sound(dice: Dice, events: list[Event]) -> str:
    """A kind of sound; mostly one that the video does not have yet."""
    sound = dice.pick(SOUNDS)
    while sound in {event.sound for event in events} and not dice.chance(0.15):
        sound = dice.pick(SOUNDS)
    return sound


def _with_sound(dice: Dice, event: Event, events: list[Event], silent: bool) -> Event:
    """The event with the sound of its action, or without; a repeated event sounds as before."""
    for other in events:
        if other.look == event.look:
            return replace(event, sound=other.sound)
    assert event.action is not None
    sound = SOUND_OF[event.action]
    taken = sound in {other.sound for other in events}
    heard = not silent and dice.chance(0.12 if taken else SOUNDED)
    return replace(event, sound=sound if heard else None)


def _draw_seen(dice: Dice, family: str, events: list[Event]) -> Event:
    if family == "figure":
        action = dice.weighted(FIGURES)
        return Event(action, side=dice.pick(("left", "right")) if action == "walk" else None)
    if family == "pair":
        colours, shapes = dice.pick(COUPLES)
        return Event(dice.pick(PAIRS), colours, shapes)
    single = _single(dice, dice.weighted(SINGLES), dice.weighted(COLOURS))
    rivals = [event for event in events if event.action in SINGLES]
    if rivals:
        rival = dice.pick(rivals)
        assert rival.action is not None
        habit = dice.unit()
        if habit < 0.10:
            return rival
        if habit < 0.42:  # the same action in another colour
            others = {c: w for c, w in COLOURS.items() if c not in rival.colours}
            single = _single(dice, rival.action, dice.weighted(others))
        elif habit < 0.68:  # the same colour doing something else
            others = {a: w for a, w in SINGLES.items() if a != rival.action}
            single = _single(dice, dice.weighted(others), rival.colours[0])
    for event in rivals:
        # Nothing but the outline would tell these apart, too little at 320x240.
        if (event.action, event.colours) == (single.action, single.colours):
            return event
    return single


def _single(dice: Dice, action: str, colour: str) -> Event:
    side = dice.pick(("left", "right")) if action == "enter" else None
    return Event(action, (colour,), (dice.weighted(SHAPES),), side)


def _place(dice: Dice, events: list[Event], script: Script) -> tuple[Event, ...]:
    """Times and boxes: gaps drawn evenly, so that no part of the recording is likelier."""
    total = script.duration
    room = total - GAP * (len(events) + 1)
    high = max(SHORTEST + 0.2, min(LONGEST, 1.5 * room / len(events) - SHORTEST))
    lengths = [dice.between(SHORTEST, high) for _ in events]
    while sum(lengths) > room:
        lengths = [dice.between(SHORTEST, high) for _ in events]
    overlaps = [0.0] * len(events)  # seconds shared with the event before
    for i in range(1, len(events)):
        apart = overlaps[i - 1] == 0.0 and _may_overlap(events[i - 1], events[i])
        if apart and dice.chance(PAIR_OVERLAP):
            overlaps[i] = dice.between(0.35, 0.7) * min(lengths[i - 1], lengths[i])
    joints = sum(overlap > 0 for overlap in overlaps)
    slack = room - sum(lengths) + sum(overlaps) + GAP * joints
    marks = sorted(dice.unit() * slack for _ in range(len(events) + 1 - joints))
    placed: list[Event] = []
    clock, spent = 0.0, 0.0
    for event, length, overlap in zip(events, lengths, overlaps, strict=True):
        if overlap:
            clock -= overlap
            before, event = _halves(dice, placed.pop(), event)
            placed.append(before)
        else:
            mark = marks.pop(0)
            clock += GAP + mark - spent
            spent = mark
        first = round(clock * script.rate)
        clock += length
        last = min(round(clock * script.rate), script.frames)
        placed.append(replace(event, first=first, last=last, place=dice.unit()))
    return tuple(placed)


def _may_overlap(one: Event, two: Event) -> bool:
    """Whether both can be told apart when they happen at once."""
    if one.sound is not None and one.sound == two.sound:
        return False
    if one.action is None or two.action is None:
        return True
    crossing = ("enter", *PAIRS)
    same = one.action == two.action or bool(set(one.colours) & set(two.colours))
    figures = (one.action in FIGURES) + (two.action in FIGURES)
    wide = (one.action in crossing) + (two.action in crossing)
    return not same and figures < 2 and wide != 1 and "walk" not in (one.action, two.action)


def _halves(dice: Dice, one: Event, two: Event) -> tuple[Event, Event]:
    """The two events each in a half of the frame of its own, if both are seen."""
    if one.action is None or two.action is None:
        return one, two
    halves: list[Box] = [(0.0, 0.0, 0.5, 1.0), (0.5, 0.0, 1.0, 1.0)]
    if one.action in ("enter", *PAIRS):
        halves = [(0.0, 0.0, 1.0, 0.5), (0.0, 0.5, 1.0, 1.0)]
    here, there = dice.shuffled(halves)
    return replace(one, box=here), replace(two, box=there)
