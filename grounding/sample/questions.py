"""The annotation lines: what is asked of each video, and every moment for which it is true."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from grounding.sample.dice import Dice
from grounding.sample.script import (
    COLOURS,
    FIGURES,
    PAIRS,
    SHAPES,
    SINGLES,
    SOUND_OF,
    SOUNDS,
    Event,
    Script,
)
from grounding.sample.sentences import Ask, reword, say, vocabulary

SPLITS = ("train", "val", "test", "test-synonyms")
ABSENT = 0.05  # share of lines that ask for what is not there
TRIES = 40  # draws of one more sentence before an event is left with fewer

Line = dict[str, Any]


def share_out(scripts: Sequence[Script], seed: int) -> dict[str, list[Script]]:
    """The videos of each split, in order: 66 / 10 / 20 of 96; the synonyms ask about the test's."""
    n = len(scripts)
    test, val = max(1, round(n * 20 / 96)), max(1, round(n * 10 / 96))
    order = Dice(seed, 2).shuffled(range(n))
    parts = {"test": order[:test], "val": order[test : test + val], "train": order[test + val :]}
    parts["test-synonyms"] = parts["test"]
    return {split: [scripts[i] for i in sorted(parts[split])] for split in SPLITS}


def write_lines(scripts: Sequence[Script], seed: int) -> dict[str, str]:
    """The text of each split's annotation file."""
    texts: dict[str, str] = {}
    trained: set[str] = set()
    qid = 0
    for number, (split, own) in enumerate(share_out(scripts, seed).items()):
        dice = Dice(seed, 3, number)
        asked: list[Line] = []
        for script in own:
            for event in script.events:
                asked += _ask_about(event, script, split, dice, asked, trained)
        for _ in range(round(len(asked) * ABSENT / (1 - ABSENT))):
            asked += _ask_in_vain(own, split, dice, asked, trained)
        asked.sort(key=lambda line: str(line["vid"]))
        if split == "train":
            trained = vocabulary([line["query"] for line in asked])
        texts[split] = ""
        for line in asked:
            texts[split] += json.dumps({"qid": qid} | line) + "\n"
            qid += 1
    return texts


def windows_of(ask: Ask, script: Script) -> list[tuple[float, float]]:
    """Every moment of the video for which the sentence is true, seconds, in order."""
    return [script.window(event) for event in script.events if ask.matches(event)]


def needs_of(ask: Ask, script: Script) -> str:
    """What is enough to find the moments: "both" only where either eye or ear alone suffices."""

    def looks_right(event: Event) -> bool:
        """Whether the deaf would take the event for what is asked: a sound by what makes it."""
        if ask.action is None:
            return event.action is not None and SOUND_OF[event.action] == ask.sound
        return replace(ask, sound=None).matches(event)

    matched = [event for event in script.events if ask.matches(event)]
    others = [event for event in script.events if not ask.matches(event)]
    by_sight = all(e.action for e in matched) and not any(looks_right(e) for e in others)
    sounds = {event.sound for event in matched}
    by_sound = None not in sounds and not sounds & {event.sound for event in others}
    if matched and by_sight and by_sound:
        return "both"
    return "sight" if ask.action else "sound"


def _ask_about(
    event: Event, script: Script, split: str, dice: Dice, asked: list[Line], trained: set[str]
) -> list[Line]:
    """Lines about one event, each with another sentence than the video already has."""
    wanted = {"train": 2 + dice.chance(0.6), "test-synonyms": 1}.get(split, 2)
    lines: list[Line] = []
    for _ in range(TRIES):
        if len(lines) == wanted:
            break
        ask = _aim(event, dice)
        if ask.action and ask.sound and needs_of(ask, script) != "both":
            continue  # naming both is fair only where either alone suffices
        line = _line(ask, script, split, dice, asked + lines, trained)
        if line is None:
            continue
        if split == "train":
            line["glance"] = _glance(script.window(event), dice)
        lines.append(line)
    return lines


def _ask_in_vain(
    scripts: Sequence[Script], split: str, dice: Dice, asked: list[Line], trained: set[str]
) -> list[Line]:
    """One line about what does not happen in one of the videos."""
    for _ in range(TRIES):
        script = dice.pick(scripts)
        ask = _aim(_imagine(dice, script), dice)
        if (ask.action and ask.sound) or windows_of(ask, script):
            continue
        line = _line(ask, script, split, dice, asked, trained)
        if line is not None:
            return [line]
    return []


def _line(
    ask: Ask, script: Script, split: str, dice: Dice, asked: list[Line], trained: set[str]
) -> Line | None:
    """The line without its qid; None where the sentence does not fit the split or repeats."""
    query = say(ask, split, dice)
    if split == "test-synonyms":
        plain, query = query, reword(query, dice)
        unseen = vocabulary([query]) - vocabulary([plain]) - {"an"}
        if not unseen or unseen & trained:
            return None
    elif split == "test" and not vocabulary([query]) <= trained:
        return None
    if any((line["vid"], line["query"]) == (script.vid, query) for line in asked):
        return None
    return {
        "vid": script.vid,
        "query": query,
        "duration": round(script.duration, 3),
        "relevant_windows": [list(window) for window in windows_of(ask, script)],
        "needs": needs_of(ask, script),
    }


def _aim(event: Event, dice: Dice) -> Ask:
    """What a sentence about the event names: sight, sound or both, in more or less detail."""
    if event.action is None:
        return Ask(sound=event.sound)
    if event.sound is not None:
        kind = dice.weighted({"sight": 50.0, "both": 25.0, "sound": 25.0})
        if kind == "sound":
            return Ask(sound=event.sound)
        sound = event.sound if kind == "both" else None
    else:
        sound = None
    action, side = event.action, event.side
    if action in FIGURES:
        return Ask(action, side=side if dice.chance(0.5) else None, sound=sound)
    detail = dice.unit()
    if action in PAIRS:
        exact = detail < 0.75
        colours, shapes = (event.colours, event.shapes) if exact else (None, None)
        return Ask(action, colours, shapes, None, sound)
    if detail < 0.70:
        return Ask(action, event.colours, event.shapes, side, sound)
    if detail < 0.88 or action == "enter":  # the figure enters too when it walks
        return Ask(action, event.colours, None, side, sound)
    return Ask(action, None, None, None, sound)


def _imagine(dice: Dice, script: Script) -> Event:
    """An event that could have been in the video; half of the time close to one that is."""
    real = dice.pick(script.events)
    near = dice.chance(0.5)
    family = dice.weighted({"single": 60.0, "figure": 22.0, "heard": 18.0})
    if family == "heard" and not script.silent:
        return Event(sound=dice.pick(SOUNDS))
    if family == "figure":
        action = dice.weighted(FIGURES)
        return Event(action, side=dice.pick(("left", "right")) if action == "walk" else None)
    action = real.action if near and real.action in SINGLES else dice.weighted(SINGLES)
    assert action is not None and action in SOUND_OF
    side = dice.pick(("left", "right")) if action == "enter" else None
    return Event(action, (dice.weighted(COLOURS),), (dice.weighted(SHAPES),), side)


def _glance(window: tuple[float, float], dice: Dice) -> float:
    """An instant inside the window, evenly drawn, to the hundredth of a second."""
    start, end = window
    glance = round(dice.between(start, end), 2)
    while not start <= glance < end:
        glance = round(dice.between(start, end), 2)
    return glance
