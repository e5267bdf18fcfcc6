"""Decode + encode + store against the decoder alone, pixel-grid, in one run.

python -m tests.benchmarks.bench_features [--seconds 120] [--rounds 3]
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import av
import numpy as np

from grounding.features import FeatureStore, frame_encoder
from grounding.media.video import open_video

RATE, LEAST = 4.0, 0.8


def render(path: Path, seconds: int) -> None:
    """Moving noise at 640 x 360, 30 frames per second."""
    rng = np.random.default_rng(0)
    field = rng.integers(0, 255, (720, 1280, 3), dtype=np.uint8)
    with av.open(str(path), "w") as file:
        stream = file.add_stream("libx264", 30, options={"preset": "veryfast", "crf": "28"})
        stream.width, stream.height, stream.pix_fmt = 640, 360, "yuv420p"
        smooth = field[::8, ::8].repeat(8, 0).repeat(8, 1)
        for i in range(seconds * 30):
            at = i % 300
            picture = np.ascontiguousarray(smooth[at : at + 360, at : at + 640])
            file.mux(stream.encode(av.VideoFrame.from_ndarray(picture)))
        file.mux(stream.encode(None))


def decode(path: Path, short_side: int) -> float:
    start = time.process_time()
    with open_video(path, short_side=short_side) as reader:
        for _ in reader.iter_frames(rate=RATE):
            pass
    return time.process_time() - start


def extract(path: Path, folder: Path) -> float:
    start = time.process_time()
    FeatureStore(folder, frame_encoder("pixel-grid"), RATE).get(path)
    return time.process_time() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=120)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "v.mp4"
        render(path, args.seconds)
        alone, stored = [], []
        for i in range(args.rounds):
            alone.append(decode(path, 64))
            stored.append(extract(path, Path(name) / f"store-{i}"))
        a, b = statistics.median(alone), statistics.median(stored)
        verdict = "ok" if a / b >= LEAST else "MISSED"
        print(f"decoder alone {a:.2f} CPU s, decode + encode + store {b:.2f} CPU s")
        print(f"throughput {a / b:.2f}x of the decoder alone (at least {LEAST}): {verdict}")


if __name__ == "__main__":
    main()
