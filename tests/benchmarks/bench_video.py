"""What our reader costs beside the bare loop of the same library, and its peak memory.

python -m tests.benchmarks.bench_video [--minutes 60] [--repeats 3]

A 360p video is sampled at 2 frames per second, scaled to 224 pixels. Every run is a process of its
own, bare and ours take turns, and the ratio is that of the least process CPU seconds: decord's
threads spin while they wait, so a busy machine only ever adds.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from fractions import Fraction
from pathlib import Path

import numpy as np

RATE, SAMPLE_RATE, SHORT_SIDE, BATCH = 30, 2, 224, 32
WIDTH, HEIGHT = 640, 360
MOST_RATIO, MOST_MEGABYTES = 1.15, 500


def render(path: Path, minutes: float) -> None:
    """Encode up to a minute of moving texture with a keyframe every 250 frames, then repeat it."""
    import av

    unit = min(60.0, minutes * 60)
    rng = np.random.default_rng(0)
    texture = rng.integers(60, 180, (HEIGHT // 8, WIDTH // 8, 3), np.uint8)
    wall = np.kron(texture, np.ones((8, 8, 1), np.uint8))
    encoded: list[tuple[bytes, int, int, bool]] = []
    with av.open(path, "w") as container:
        stream = container.add_stream("libx264", RATE)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.options = {"preset": "veryfast", "g": "250", "x264-params": "scenecut=0"}
        for n in range(int(unit * RATE)):
            frame = av.VideoFrame.from_ndarray(np.roll(wall, (n % HEIGHT, 3 * n), (0, 1)))
            frame.pts, frame.time_base = n, Fraction(1, RATE)
            encoded += [_packed(p) for p in stream.encode(frame)]
        encoded += [_packed(p) for p in stream.encode()]
        for turn in range(round(minutes * 60 / unit)):
            shift = turn * int(unit * RATE)
            for data, pts, dts, key in encoded:
                packet = av.Packet(data)
                packet.pts, packet.dts, packet.is_keyframe = pts + shift, dts + shift, key
                packet.time_base, packet.stream = Fraction(1, RATE), stream
                container.mux(packet)


def _packed(packet) -> tuple[bytes, int, int, bool]:
    tick = Fraction(1, RATE) / packet.time_base
    return bytes(packet), int(packet.pts / tick), int(packet.dts / tick), packet.is_keyframe


def bare_decord(path: str) -> int:
    import decord

    size = {"width": round(WIDTH * SHORT_SIDE / HEIGHT), "height": SHORT_SIDE}
    reader = decord.VideoReader(path, num_threads=1, **size)
    wanted = np.arange(0, len(reader), RATE // SAMPLE_RATE)
    count = 0
    for first in range(0, len(wanted), BATCH):
        count += len(reader.get_batch(wanted[first : first + BATCH]).asnumpy())
    return count


def bare_pyav(path: str) -> int:
    import av
    from av.video.reformatter import VideoReformatter

    width = round(WIDTH * SHORT_SIDE / HEIGHT)
    scaler, count = VideoReformatter(), 0
    batch = np.empty((BATCH, SHORT_SIDE, width, 3), np.uint8)
    with av.open(path) as container:
        stream = container.streams.video[0]
        stream.thread_count = 1
        for n, frame in enumerate(container.decode(stream)):
            if n % (RATE // SAMPLE_RATE) == 0:
                scaled = scaler.reformat(frame, width, SHORT_SIDE, "rgb24", threads=1)
                batch[count % BATCH] = scaled.to_ndarray()
                count += 1
    return count


def ours(path: str, backend: str) -> int:
    from grounding.media.video import open_video

    with open_video(path, backend=backend, short_side=SHORT_SIDE) as reader:
        return sum(len(b.times) for b in reader.iter_frames(rate=SAMPLE_RATE, batch=BATCH))


def run_one(name: str, path: str) -> None:
    """Decode once and print frames, CPU seconds and peak memory as JSON."""
    began = time.process_time()
    kind, backend = name.split("-")
    bare = {"decord": bare_decord, "pyav": bare_pyav}
    count = bare[backend](path) if kind == "bare" else ours(path, backend)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    record = {"frames": count, "cpu": time.process_time() - began, "mb": peak}
    print(json.dumps(record | {"torch": "torch" in sys.modules}))


def measure(name: str, path: Path) -> dict[str, float]:
    command = [sys.executable, "-m", "tests.benchmarks.bench_video", "--one", name, str(path)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    return json.loads(done.stdout)


def verdict(good: bool) -> str:
    return "ok" if good else "MISSED"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--one", nargs=2, metavar=("NAME", "PATH"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        run_one(*options.one)
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "long.mp4"
        render(path, options.minutes)
        size = path.stat().st_size / 1e6
        print(f"{options.minutes:g} minutes of {WIDTH}x{HEIGHT}, {size:.0f} MB, {SAMPLE_RATE} fps")
        for backend in ("decord", "pyav"):
            names = [f"bare-{backend}", f"ours-{backend}"]
            runs = {name: [] for name in names}
            for turn in range(options.repeats):
                for name in names if turn % 2 == 0 else names[::-1]:
                    runs[name].append(measure(name, path))
            bare, mine = (min(r["cpu"] for r in runs[name]) for name in names)
            frames = {int(r["frames"]) for name in names for r in runs[name]}
            peak = max(r["mb"] for r in runs[names[1]])
            torch = any(r["torch"] for r in runs[names[1]])
            print(
                f"{backend:7} frames {sorted(frames)}  CPU s: bare {bare:.2f}, ours {mine:.2f}  "
                f"ratio {mine / bare:.3f} {verdict(mine / bare <= MOST_RATIO)}  "
                f"peak {peak:.0f} MB {verdict(peak < MOST_MEGABYTES)}  "
                f"torch imported: {torch} {verdict(not torch)}"
            )


if __name__ == "__main__":
    main()
