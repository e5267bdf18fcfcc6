"""A model that was never trained, and recordings of two seconds, all different."""

import json
from fractions import Fraction

import av
import numpy as np
import torch

from grounding.decode import Calibration
from grounding.features import Recipe
from grounding.model_file import NAME, Trained, build_model, save
from grounding.settings import FeatureSettings, RunSettings, TextSettings, VideoSettings
from models.encoders.pixels import PixelGrid
from models.encoders.text import WordTokenizer
from models.heads import HEADS

SENTENCES = ("the red square moves", "nothing is there", "the circle stops")


def save_model(run, seed=0, version=PixelGrid.version):
    torch.manual_seed(seed)
    settings = RunSettings(
        features=FeatureSettings(clips=16),
        text=TextSettings(width=8, out=8),
        video=VideoSettings(width=16, layers=1, dropout=0.0),
        head="glance",
        method=HEADS["glance"].settings(clips=16),
    )
    words = WordTokenizer.fit(SENTENCES)
    model = build_model(settings, PixelGrid.width, len(words.vocabulary)).eval()
    recipe = Recipe(
        PixelGrid.name, PixelGrid.weights, settings.features.rate, PixelGrid.size, version
    )
    save(run / NAME, Trained(model, words, recipe, settings, Calibration(), 1))
    return run


def render(path, number, frames=50, scale=1):
    """160 x 120 (times `scale`), 25 pictures a second, a keyframe every 10: a square that moves,
    coloured by `number`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(number).integers(0, 60, (120, 160, 3), np.uint8)
    with av.open(path, "w", options={"movflags": "faststart"}, format="mp4") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 160 * scale, 120 * scale, "yuv420p"
        stream.options = {"preset": "ultrafast"}
        stream.codec_context.gop_size = 10
        for at in range(frames):
            image = noise.copy()
            left = 2 * at % 120
            image[40:80, left : left + 40] = (200, 37 * number % 256, 60)
            frame = av.VideoFrame.from_ndarray(image.repeat(scale, 0).repeat(scale, 1))
            frame.pts, frame.time_base = at, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def lines(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]


def contents(out):
    """What a batch wrote, byte by byte, but for what it remembers."""
    return {
        name: (out / name).read_bytes()
        for name in ("predictions.jsonl", "predictions.parquet", "failures.jsonl")
    }
