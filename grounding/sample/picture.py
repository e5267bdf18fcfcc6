"""The pictures: a still background and, on it, the shapes and the figure of the moment."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from grounding.sample.figure import GROUND, HEIGHT, PARENTS, SHARE, act, joints, seat
from grounding.sample.script import FIGURES, Event, Script
from grounding.sample.shapes import Stamp, stamps

RGB: dict[str, tuple[int, int, int]] = {
    "red": (225, 30, 35),
    "blue": (30, 75, 230),
    "green": (25, 170, 60),
    "yellow": (250, 215, 20),
    "purple": (150, 45, 190),
    "white": (255, 255, 255),
}
# Corners and, for the jagged ones, how far every second corner is from the middle.
CORNERS = {"square": (4, 1.0), "triangle": (3, 1.0), "star": (10, 0.48), "burst": (16, 0.5)}
FINE = 3  # sprites are drawn so much larger, then reduced: smooth edges


class Painter:
    """Draws the frames of one video, as shown (before any rotation by metadata)."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.background = _background(script)
        self.ink = (25, 25, 30) if script.light else (245, 245, 240)

    def frame(self, i: int) -> Image.Image | None:
        """Frame i; None where nothing but the background is to be seen."""
        now = [e for e in self.script.events if e.action is not None and e.first <= i < e.last]
        if not now:
            return None
        image = self.background.copy()
        for event in now:
            if event.action in FIGURES:
                self._figure(image, event, (i - event.first) / float(self.script.rate))
            else:
                for stamp in stamps(event, self.script, i):
                    _draw(image, stamp)
        return image

    def _figure(self, image: Image.Image, event: Event, t: float) -> None:
        width, height = self.script.width, self.script.height
        place = joints(act(event, self.script, np.array([t])))[0]  # (22, 3)
        scale = SHARE * height / HEIGHT  # pixels per metre
        x, y = width / 2 + scale * place[:, 0], GROUND * height - scale * place[:, 1]
        if event.action == "sit":
            across, up = seat(event, self.script)
            middle, top = width / 2 + scale * across, GROUND * height - scale * (up - 0.1)
            stool = (middle - 0.2 * scale, top, middle + 0.2 * scale, GROUND * height)
            ImageDraw.Draw(image).rectangle(stool, fill=(125, 115, 105))
        reach = 0.07 * height
        box_left, box_top = max(0, int(x.min() - reach)), max(0, int(y.min() - reach))
        box_right = min(width, int(x.max() + reach) + 1)
        box_bottom = min(height, int(y.max() + reach) + 1)
        mask = Image.new("L", (2 * (box_right - box_left), 2 * (box_bottom - box_top)), 0)
        draw = ImageDraw.Draw(mask)
        points = [(2 * (a - box_left), 2 * (b - box_top)) for a, b in zip(x, y, strict=True)]
        limb = 0.042 * height * 2
        for joint, parent in enumerate(PARENTS):
            if parent >= 0:
                thick = limb * (1.5 if joint in (3, 6, 9, 12) else 1.0)
                draw.line([points[parent], points[joint]], fill=255, width=round(thick))
                _dot(draw, points[joint], thick / 2)
        _dot(draw, points[15], limb * 1.25)  # the head
        image.paste(self.ink, (box_left, box_top), mask.reduce(2))


def _dot(draw: ImageDraw.ImageDraw, at: tuple[float, float], radius: float) -> None:
    draw.ellipse((at[0] - radius, at[1] - radius, at[0] + radius, at[1] + radius), fill=255)


def _background(script: Script) -> Image.Image:
    """A grey slope with a faint still texture."""
    random = np.random.default_rng(script.grain)
    base, depth = (205.0, 30.0) if script.light else (48.0, 24.0)
    tint = random.uniform(-6, 6, 3)
    slope = np.linspace(-0.5, 0.5, script.height)[:, None] * random.choice((-1, 1))
    coarse = random.standard_normal((script.height // 16 + 1, script.width // 16 + 1))
    texture = Image.fromarray((coarse * 40 + 128).clip(0, 255).astype(np.uint8))
    smooth = np.asarray(texture.resize((script.width, script.height), Image.Resampling.BICUBIC))
    grey = base + depth * slope + (smooth.astype(np.float64) - 128) * 0.06
    pixels: NDArray[np.float64] = grey[:, :, None] + tint
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def _draw(image: Image.Image, stamp: Stamp) -> None:
    turn = round(stamp.turn / 5) * 5 % 360
    picture, mask = _sprite(stamp.shape, stamp.colour, round(stamp.radius), turn, stamp.marked)
    corner = (round(stamp.x) - mask.width // 2, round(stamp.y) - mask.height // 2)
    image.paste(picture, corner, mask)


@lru_cache(maxsize=512)
def _sprite(
    shape: str, colour: str, radius: int, turn: int, marked: bool
) -> tuple[Image.Image, Image.Image]:
    """A shape with a darker rim, and its mask; a marked one has a bar that shows its turning."""
    side = (2 * radius + 4) * FINE
    middle, far = side / 2, float(radius * FINE)
    canvas, mask = Image.new("RGB", (side, side), RGB[colour]), Image.new("L", (side, side), 0)
    draw, cut = ImageDraw.Draw(canvas), ImageDraw.Draw(mask)
    red, green, blue = RGB[colour]
    rim = red * 11 // 20, green * 11 // 20, blue * 11 // 20
    thick = max(FINE, round(far * 0.09))
    if shape == "circle":
        around = (middle - far, middle - far, middle + far, middle + far)
        draw.ellipse(around, outline=rim, width=thick)
        cut.ellipse(around, fill=255)
    else:
        corners = _corners(shape, middle, far, turn)
        draw.line([*corners, corners[0], corners[1]], fill=rim, width=2 * thick)
        cut.polygon(corners, fill=255)
    if marked:
        angle = math.radians(turn)
        end = middle + far * math.cos(angle), middle + far * math.sin(angle)
        ink = (20, 20, 20) if colour == "yellow" else (255, 255, 255)
        draw.line([(middle, middle), end], fill=ink, width=round(far * 0.5))
    return canvas.reduce(FINE), mask.reduce(FINE)


def _corners(shape: str, middle: float, far: float, turn: int) -> list[tuple[float, float]]:
    """Corners of a shape around the middle; unturned, a square lies flat, others point up."""
    count, inner = CORNERS[shape]
    first = math.radians(turn - (45 if shape == "square" else 90))
    corners = []
    for k in range(count):
        out = far * inner if k % 2 else far
        angle = first + 2 * math.pi * k / count
        corners.append((middle + out * math.cos(angle), middle + out * math.sin(angle)))
    return corners
