"""The sound track: one synthesis per kind of sound, mixed at the events' times."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from grounding.sample.script import Script

Floats = NDArray[np.float64]
BEAT_PERIOD = {"fast": 0.2, "slow": 0.7}  # seconds
SWEEP = 1.2  # seconds of one chirp


def soundtrack(script: Script) -> NDArray[np.float32]:
    """The whole track, (samples,) in [-1, 1]; a faint hiss where nothing is heard."""
    random = np.random.default_rng(script.grain)
    rate = script.sample_rate
    track = 0.001 * random.standard_normal(int(script.duration * rate))
    for event in script.events:
        if event.sound is None:
            continue
        first = round(event.first / script.rate * rate)
        last = min(round(event.last / script.rate * rate), len(track))
        t = np.arange(last - first) / rate
        fade = np.clip(np.minimum(t, t[-1] - t) / 0.015, 0, 1)
        track[first:last] += 0.3 * fade * VOICES[event.sound](t, random)
    return np.clip(track, -1, 1).astype(np.float32)


def _tone(t: Floats, hertz: float) -> Floats:
    turn = 2 * np.pi * hertz * t
    return np.asarray(0.7 * np.sin(turn) + 0.2 * np.sin(2 * turn) + 0.1 * np.sin(3 * turn))


def _glide(hertz: Floats, t: Floats) -> Floats:
    """A sine whose frequency changes: hertz (samples,)."""
    step = t[1] - t[0]
    return np.asarray(np.sin(2 * np.pi * np.cumsum(hertz) * step))


def _chirp(t: Floats, low: float, high: float) -> Floats:
    u = (t / SWEEP) % 1.0
    gate = np.clip(np.minimum(u, 1 - u) * 30, 0, 1)
    return np.asarray(gate * _glide(low * (high / low) ** u, t))


def _beats(t: Floats, period: float, random: np.random.Generator) -> Floats:
    since = t % period
    thump = np.sin(2 * np.pi * 110 * since) * np.exp(-since / 0.06)
    click = random.standard_normal(len(t)) * np.exp(-since / 0.012)
    return np.asarray(1.6 * thump + 0.5 * click)


VOICES: dict[str, Callable[[Floats, np.random.Generator], Floats]] = {
    "high": lambda t, random: _tone(t, 1760.0),
    "low": lambda t, random: _tone(t, 196.0),
    "rising": lambda t, random: _chirp(t, 300.0, 3600.0),
    "falling": lambda t, random: _chirp(t, 3600.0, 300.0),
    "noise": lambda t, random: 0.5 * random.standard_normal(len(t)),
    "fast": lambda t, random: _beats(t, BEAT_PERIOD["fast"], random),
    "slow": lambda t, random: _beats(t, BEAT_PERIOD["slow"], random),
    "wobble": lambda t, random: _glide(700.0 + 220.0 * np.sin(2 * np.pi * 5.0 * t), t),
}
