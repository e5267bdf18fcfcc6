"""The stick figure: 22 joints in SMPL's order, moved by a few angles over time.

Symbols: T instants. Metres, +Y up, the figure faces +Z (the viewer) where its yaw is 0.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from grounding.sample.script import FIGURES, Event, Script

JOINTS = (
    "pelvis", "left_hip", "right_hip", "spine1", "left_knee", "right_knee", "spine2",
    "left_ankle", "right_ankle", "spine3", "left_foot", "right_foot", "neck", "left_collar",
    "right_collar", "head", "left_shoulder", "right_shoulder", "left_elbow", "right_elbow",
    "left_wrist", "right_wrist",
)  # fmt: skip
PARENTS = (-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19)
MOTION_RATE = 20  # frames per second of a motion file
HEIGHT = 1.75  # metres from the ground to the top of the head
SHARE = 0.66  # of the frame's height that the standing figure takes
GROUND = 0.94  # height of the ground in the frame, from the top

Floats = NDArray[np.float64]
# A pose is this row of numbers: metres, then degrees. Positive pitch swings a limb forward.
POSE = (
    "x", "lift", "yaw", "lean", "hip_l", "hip_r", "knee_l", "knee_r",
    "arm_l", "arm_r", "side_l", "side_r", "fore_l", "fore_r", "bend_l", "bend_r",
)  # fmt: skip
STANDING = dict.fromkeys(POSE, 0.0) | {"side_l": 12.0, "side_r": 12.0, "fore_l": 8.0, "fore_r": 8.0}


def joints(pose: Floats) -> Floats:
    """Positions (T, 22, 3) of poses (T, 16); the lowest joint is `lift` above the ground."""
    value = {name: pose[:, i] for i, name in enumerate(POSE)}
    angle = {name: np.radians(v) for name, v in value.items() if name not in ("x", "lift")}
    at: dict[str, Floats] = {"pelvis": np.zeros((len(pose), 3))}
    lean = _sagittal(np.pi - angle["lean"])  # straight up, tilted forward

    def across(metres: float) -> Floats:
        return np.stack([np.full(len(pose), metres), *np.zeros((2, len(pose)))], axis=1)

    at["spine1"] = at["pelvis"] + 0.11 * lean
    at["spine2"] = at["spine1"] + 0.13 * lean
    at["spine3"] = at["spine2"] + 0.06 * lean
    at["neck"] = at["spine3"] + 0.22 * lean
    at["head"] = at["neck"] + 0.13 * lean
    for side, sign in (("left", 1.0), ("right", -1.0)):
        s = side[0]
        thigh, shin = angle[f"hip_{s}"], angle[f"hip_{s}"] - angle[f"knee_{s}"]
        at[f"{side}_hip"] = at["pelvis"] + across(0.09 * sign) - 0.06 * lean
        at[f"{side}_knee"] = at[f"{side}_hip"] + 0.40 * _sagittal(thigh)
        at[f"{side}_ankle"] = at[f"{side}_knee"] + 0.41 * _sagittal(shin)
        at[f"{side}_foot"] = at[f"{side}_ankle"] + 0.14 * _sagittal(shin + np.radians(68))
        at[f"{side}_collar"] = at["spine3"] + across(0.06 * sign) + 0.13 * lean
        at[f"{side}_shoulder"] = at[f"{side}_collar"] + across(0.12 * sign) + 0.02 * lean
        pitch, spread = angle[f"arm_{s}"] + angle["lean"], angle[f"side_{s}"]
        at[f"{side}_elbow"] = at[f"{side}_shoulder"] + 0.27 * _arm(pitch, spread, sign)
        pitch, spread = pitch + angle[f"bend_{s}"], angle[f"fore_{s}"]
        at[f"{side}_wrist"] = at[f"{side}_elbow"] + 0.26 * _arm(pitch, spread, sign)
    body = np.stack([at[name] for name in JOINTS], axis=1)  # (T, 22, 3)
    cos, sin = np.cos(angle["yaw"])[:, None], np.sin(angle["yaw"])[:, None]
    x, z = body[..., 0], body[..., 2]
    turned = np.stack([cos * x + sin * z, body[..., 1], cos * z - sin * x], axis=2)
    turned[..., 0] += value["x"][:, None]
    turned[..., 1] += (value["lift"] - turned[..., 1].min(axis=1))[:, None]
    return turned


def _sagittal(angle: Floats) -> Floats:
    """Unit vectors (T, 3) that hang down at angle 0 and swing forward."""
    return np.stack([np.zeros_like(angle), -np.cos(angle), np.sin(angle)], axis=1)


def _arm(pitch: Floats, spread: Floats, sign: float) -> Floats:
    """Unit vectors (T, 3) that hang down at 0, swing forward by pitch and sideways by spread."""
    cos = np.cos(spread)
    return np.stack([sign * np.sin(spread), -cos * np.cos(pitch), cos * np.sin(pitch)], axis=1)


def metres_wide(script: Script) -> float:
    """Width of the frame in the figure's metres."""
    return script.width * HEIGHT / (SHARE * script.height)


def act(event: Event, script: Script, t: Floats) -> Floats:
    """Poses (T, 16) of the figure t seconds after its event began."""
    length = (event.last - event.first) / float(script.rate)
    wide = metres_wide(script)
    middle = (event.box[0] + event.box[2]) / 2 - 0.5
    room = (event.box[2] - event.box[0]) - 0.5
    pose = {name: np.full(len(t), v) for name, v in STANDING.items()}
    # Off the middle where the box leaves room, so that the place says nothing about the action.
    pose["x"] += wide * (middle + max(0.0, room) * 0.8 * (event.place - 0.5))
    assert event.action is not None
    MOVES[event.action](pose, t, length, event, wide)
    return np.stack([pose[name] for name in POSE], axis=1)


def _walk(pose: dict[str, Floats], t: Floats, length: float, event: Event, wide: float) -> None:
    way = 1.0 if event.side == "left" else -1.0
    path = wide - 0.3  # from one edge to the other, always partly in the picture
    pose["x"] = way * path * (t / length - 0.5)
    pose["yaw"] += 75 * way
    swing = np.sin(2 * np.pi * t * np.clip(path / length / 1.2, 0.7, 1.6))
    ahead = np.cos(2 * np.pi * t * np.clip(path / length / 1.2, 0.7, 1.6))
    pose["hip_l"] += 30 * swing
    pose["hip_r"] -= 30 * swing
    pose["knee_l"] += 8 + 40 * np.maximum(ahead, 0)
    pose["knee_r"] += 8 + 40 * np.maximum(-ahead, 0)
    pose["arm_l"] -= 32 * swing
    pose["arm_r"] += 32 * swing
    pose["bend_l"] += 20
    pose["bend_r"] += 20


def _wave(pose: dict[str, Floats], t: Floats, length: float, event: Event, wide: float) -> None:
    pose["side_r"] += 98
    pose["fore_r"] += 150 + 38 * np.sin(2 * np.pi * 1.4 * t)


def _jump(pose: dict[str, Floats], t: Floats, length: float, event: Event, wide: float) -> None:
    period = length / max(1, round(length / 0.95))
    u = (t / period) % 1.0
    flight = np.clip((u - 0.3) / 0.55, 0, 1)
    air = 4 * flight * (1 - flight)
    crouch = np.sin(np.pi * np.clip(u / 0.32, 0, 1))
    pose["lift"] += 0.38 * air
    for s in "lr":
        pose[f"hip_{s}"] += 50 * crouch
        pose[f"knee_{s}"] += 85 * crouch
        pose[f"side_{s}"] += 115 * air
        pose[f"fore_{s}"] += 135 * air
        pose[f"arm_{s}"] -= 40 * crouch
    pose["lean"] += 28 * crouch


def _sit(pose: dict[str, Floats], t: Floats, length: float, event: Event, wide: float) -> None:
    way = 1.0 if event.place < 0.5 else -1.0
    down = np.clip((t - 0.3) / min(1.6, 0.4 * length), 0, 1)
    down = down * down * (3 - 2 * down)
    pose["yaw"] += 70 * way
    pose["x"] -= 0.36 * way * down  # the feet stay, the seat goes back
    pose["lean"] += 26 * np.sin(np.pi * down) + 3 * np.sin(2 * np.pi * 0.3 * t)
    for s in "lr":
        pose[f"hip_{s}"] += 88 * down
        pose[f"knee_{s}"] += 92 * down
        pose[f"arm_{s}"] += 38 * down
        pose[f"bend_{s}"] += 30 * down


def seat(event: Event, script: Script) -> tuple[float, float]:
    """Where the figure sits at the end: metres from the frame's middle, and above the ground."""
    end = np.array([(event.last - event.first) / float(script.rate)])
    pelvis = joints(act(event, script, end))[0, 0]
    return float(pelvis[0]), float(pelvis[1])


def _kick(pose: dict[str, Floats], t: Floats, length: float, event: Event, wide: float) -> None:
    way = 1.0 if event.place < 0.5 else -1.0
    period = length / max(1, round(length / 1.5))
    u = (t / period) % 1.0
    back = np.sin(np.pi * np.clip(u / 0.45, 0, 1))
    out = np.sin(np.pi * np.clip((u - 0.25) / 0.65, 0, 1))
    pose["yaw"] += 70 * way
    pose["hip_r"] += -35 * back + 95 * out
    pose["knee_r"] += 65 * back
    pose["lean"] += 6 * back - 16 * out
    pose["arm_l"] += 45 * out
    pose["arm_r"] -= 45 * out


MOVES = {"walk": _walk, "wave": _wave, "jump": _jump, "sit": _sit, "kick": _kick}


def motion(script: Script) -> NDArray[np.float32] | None:
    """The figure over the whole recording, (frames, 22, 3) at 20 fps; None where there is none.

    Between its events it goes over from the pose it left to the pose it takes next.
    """
    events = [event for event in script.events if event.action in FIGURES]
    if not events:
        return None
    rate = float(script.rate)
    t = np.arange(round(script.duration * MOTION_RATE)) / MOTION_RATE
    starts = [event.first / rate for event in events]
    ends = [event.last / rate for event in events]
    firsts = [act(e, script, np.zeros(1))[0] for e in events]
    spans = zip(events, starts, ends, strict=True)
    lasts = [act(e, script, np.array([end - start]))[0] for e, start, end in spans]
    knots = [time for pair in zip(starts, ends, strict=True) for time in pair]
    rows = np.array([row for pair in zip(firsts, lasts, strict=True) for row in pair])
    pose = np.stack([np.interp(t, knots, rows[:, i]) for i in range(len(POSE))], axis=1)
    for event, start, end in zip(events, starts, ends, strict=True):
        during = (t >= start) & (t < end)
        pose[during] = act(event, script, t[during] - start)
    return joints(pose).astype(np.float32)
