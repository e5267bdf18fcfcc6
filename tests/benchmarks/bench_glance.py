"""D3G at paper width: our map of valid cells beside dense ones, its growth, and top-5 suppression.

python -m tests.benchmarks.bench_glance [--rounds 3] [--plot growth.svg]

A step is forward, backward and optimizer of the whole model on made-up features, text encoded
before. Every network is a process of its own with one thread; they take turns, step by step, so
that a busy machine is busy for all, and the ratio is that of the medians of process CPU seconds.
`padded` is the published network (d3g.md section 2.1), `masked` ours in dense convolutions,
`fast` configs/d3g-fast.yaml.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn

from grounding.decode import decode
from grounding.types import Moment, Query
from models.cells import Cells, Neighbours
from models.encoders.text import SentenceProjection
from models.encoders.video import ClipEncoder
from models.grounder import GroundingModel
from models.heads.glance import Glance, GlanceSettings
from models.records import Batch, GroundingOutput, Padded
from tests.benchmarks.growth import draw
from tests.models.dense_stacks import MaskedDense, PaddedDense

WIDTH, KERNEL, LAYERS, FEATURES, TEXT, COMMON = 512, 5, 8, 4096, 768, 256
EPOCH = 9  # late enough for all parts to be at work


class Grid(NamedTuple):
    """A published map and the batch that goes with it."""

    clips: int
    diagonals: list[int]
    videos: int
    queries: int


FAST = Grid(64, [15, 8, 8], 12, 28)
CHARADES, TACOS = Grid(16, [15], 12, 28), Grid(128, [15, 8, 8, 8], 2, 260)
GROWING = {
    f"growth-{clips}": Grid(clips, [15, 8, 8, 8][: math.ceil(math.log2(clips)) - 3], 2, 8)
    for clips in (16, 32, 64, 128)
}
JOBS = {
    "charades-padded": CHARADES,
    "charades-masked": CHARADES,
    "charades-ours": CHARADES,
    "charades-fast": FAST,
    "tacos-masked": TACOS,
    "tacos-ours": TACOS,
} | GROWING
# (dearer, cheaper, how many times at least)
RATIOS = [
    ("charades-padded", "charades-ours", 5.0),
    ("charades-masked", "charades-ours", 1.4),
    ("charades-ours", "charades-fast", 15.0),
    ("tacos-masked", "tacos-ours", 3.0),
]
MOST_MEMORY, MOST_NMS, MOST_EXPONENT, MOST_DIFFERENCE = 0.6, 0.25, 1.05, 1e-4


def build(grid: Grid, network: str) -> GroundingModel:
    """The whole model at paper width with one of the proposal networks."""
    torch.manual_seed(0)
    if network == "fast":  # configs/d3g-fast.yaml
        fast = Glance(GlanceSettings(clips=grid.clips, diagonals=grid.diagonals), WIDTH, COMMON)
        fast.prepare(grid.queries)
        clips = ClipEncoder(FEATURES, WIDTH, "linear", noise=0.3)
        return GroundingModel(clips, SentenceProjection(TEXT, COMMON), fast)
    settings = GlanceSettings(
        clips=grid.clips,
        diagonals=grid.diagonals,
        width=WIDTH,
        kernel=KERNEL,
        layers=0 if network == "padded" else LAYERS,
        stack="published",
        embedding=COMMON,
        map=1,
        evidence=0,
    )
    head = Glance(settings, WIDTH, COMMON)
    if network == "masked":
        head.map.proposals = MaskedDense(head.map.proposals)
    elif network == "padded":
        head.map.proposals = PaddedDense(WIDTH, KERNEL, LAYERS, head.cells)
    head.prepare(grid.queries)
    return GroundingModel(
        ClipEncoder(FEATURES, WIDTH, "linear"), SentenceProjection(TEXT, COMMON), head
    )


def batch_of(grid: Grid) -> Batch:
    """Made-up features, sentence vectors and glances."""
    g = torch.Generator().manual_seed(1)
    x = torch.randn(grid.videos, grid.clips, FEATURES, generator=g)
    words = torch.randn(grid.queries, 1, TEXT, generator=g)
    return Batch(
        Padded(x, torch.ones(x.shape[:2], dtype=torch.bool)),
        Padded(words, torch.ones(words.shape[:2], dtype=torch.bool)),
        torch.arange(grid.queries) * grid.videos // grid.queries,
        torch.arange(grid.queries),
        torch.arange(grid.queries),
        torch.rand(grid.queries, generator=g),
        torch.full((grid.queries, 1, 2), float("nan")),
        torch.full((grid.queries, grid.clips), float("nan")),
        torch.zeros(grid.queries, dtype=torch.bool),
        torch.full((grid.queries,), 1 / 30),
    )


def optimizer_of(module: nn.Module) -> torch.optim.Optimizer:
    """As the trainer's."""
    return torch.optim.AdamW(module.parameters(), 1e-4, fused=True)


def peak() -> float:
    """Largest resident memory of this process so far, MB (getrusage would count its parent's)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))


def work(name: str) -> None:
    """One step for every line that comes in; CPU seconds and memory go out."""
    torch.set_num_threads(1)
    optimizer_of(nn.Linear(2, 2))  # what it imports belongs to no network
    alone = peak()
    model, batch = build(JOBS[name], name.split("-")[1]), batch_of(JOBS[name])
    optimizer = optimizer_of(model)
    weights = 4 * sum(p.nbytes for p in model.parameters()) / 2**20
    print("ready", flush=True)
    for _ in sys.stdin:
        start = time.process_time()
        loss = model.loss(batch, EPOCH)
        forward = time.process_time() - start
        optimizer.zero_grad()  # here, as Lightning does it: the last gradients outlive the forward
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimizer.step()
        cpu = time.process_time() - start
        memory = {"peak": peak(), "alone": alone, "weights": weights}
        print(json.dumps({"cpu": cpu, "forward": forward} | memory), flush=True)


@contextmanager
def worker(name: str) -> Iterator[subprocess.Popen[str]]:
    """A process that steps when told to."""
    command = [sys.executable, "-m", "tests.benchmarks.bench_glance", "--one", name]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    pipe = subprocess.PIPE
    process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=environment)
    try:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
        yield process
    finally:
        process.terminate()
        process.wait()


def step(process: subprocess.Popen[str]) -> dict[str, float]:
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write("step\n")
    process.stdin.flush()
    record: dict[str, float] = json.loads(process.stdout.readline())
    return record


def take_turns(names: list[str], rounds: int) -> dict[str, dict[str, float]]:
    """Medians of `rounds` steps after one to warm up, and the peaks at the end."""
    with ExitStack() as stack:
        processes = {name: stack.enter_context(worker(name)) for name in names}
        steps: dict[str, list[dict[str, float]]] = {name: [] for name in names}
        for turn in range(rounds + 1):
            for name in names if turn % 2 == 0 else names[::-1]:
                steps[name].append(step(processes[name]))
    return {
        name: {
            "cpu": statistics.median(s["cpu"] for s in taken[1:]),
            "forward": statistics.median(s["forward"] for s in taken[1:]),
        }
        | {key: taken[-1][key] for key in ("peak", "alone", "weights")}
        for name, taken in steps.items()
    }


def difference() -> float:
    """Largest difference of ours and the masked dense network at paper width."""
    torch.set_num_threads(1)
    ours = build(CHARADES, "ours").head.map.proposals
    assert isinstance(ours, nn.Module)
    x = torch.randn(2, sum(range(17)), WIDTH, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        return float((ours(x) - MaskedDense(ours)(x)).abs().max())


def suppression(queries: int = 1000, sample: int = 40) -> tuple[float, float, float]:
    """CPU seconds for `queries` on the TACoS map: the head's sort, `decode`, and a plain loop
    (measured on a part).
    """
    cells = Cells(TACOS.clips, TACOS.diagonals)
    g = torch.Generator().manual_seed(0)
    true = torch.randint(len(cells), (queries,), generator=g)
    near = cells.iou(cells.first[true], cells.last[true])
    scores = near + 0.3 * torch.randn(near.shape, generator=g)
    start = time.process_time()
    scores, order = scores.sort(dim=1, descending=True, stable=True)
    spans = cells.spans()[order]
    sort = time.process_time() - start
    output = GroundingOutput(spans, scores, near[:, : TACOS.clips], near[:, 0])
    asked = [Query("a dog runs", i) for i in range(queries)]
    start = time.process_time()
    predictions = decode(output, asked, [300.0] * queries, None, overlap=0.4)
    ours = time.process_time() - start
    start = time.process_time()
    for q in range(sample):
        kept: list[Moment] = []
        seconds = spans[q].double().numpy() * 300.0
        for i in np.argsort(-scores[q].double().numpy(), kind="stable"):
            moment = Moment(float(seconds[i, 0]), float(seconds[i, 1]), float(scores[q, i]))
            if all(moment.iou(other) <= 0.4 for other in kept):
                kept.append(moment)
        assert tuple(kept[:5]) == predictions[q].moments
    return sort, ours, (time.process_time() - start) * queries / sample


def verdict(good: bool) -> str:
    return "ok" if good else "MISSED"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--plot", type=Path, help="draw the growth as SVG")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        work(options.one)
        return
    found = difference()
    good = verdict(found <= MOST_DIFFERENCE)
    print(f"ours - masked at width {WIDTH}, {LAYERS} layers: at most {found:.1e} {good}")
    steps: dict[str, Any] = {}
    for prefix in ("charades", "tacos", "growth"):
        names = [name for name in JOBS if name.startswith(prefix)]
        for name, s in take_turns(names, options.rounds).items():
            steps[name] = s
            print(
                f"{name:16} {s['cpu']:7.2f} CPU s a step (forward {s['forward']:.2f})  "
                f"peak {s['peak']:.0f} MB: imports {s['alone']:.0f}, weights, gradients and "
                f"moments {s['weights']:.0f}, rest {s['peak'] - s['alone'] - s['weights']:.0f}",
                flush=True,
            )
    for dear, cheap, least in RATIOS:
        ratio = steps[dear]["cpu"] / steps[cheap]["cpu"]
        print(
            f"{cheap} {ratio:.2f}x cheaper than {dear} (at least {least}) {verdict(ratio >= least)}"
        )
    ours, padded = steps["charades-ours"], steps["charades-padded"]
    share = ours["peak"] / padded["peak"]
    net = (ours["peak"] - ours["alone"]) / (padded["peak"] - padded["alone"])
    print(
        f"peak memory {share:.2f} of the padded (at most {MOST_MEMORY}) "
        f"{verdict(share <= MOST_MEMORY)}; without the imports {net:.2f}"
    )
    points = []
    for name, grid in GROWING.items():
        cells = Cells(grid.clips, grid.diagonals)
        pairs = sum(Neighbours(cells, KERNEL).sizes)
        points.append((len(cells), steps[name]["cpu"]))
        print(
            f"{grid.clips:4} clips {len(cells):5} cells {pairs:6} pairs  "
            f"{1e3 * steps[name]['cpu'] / len(cells):.2f} CPU ms a cell"
        )
    x, y = np.log(np.array(points)).T
    exponent = float(np.polyfit(x, y, 1)[0])
    good = verdict(exponent <= MOST_EXPONENT)
    print(f"a step costs cells to the power of {exponent:.2f} (at most {MOST_EXPONENT}) {good}")
    if options.plot:
        options.plot.write_text(draw(points))
    sort, nms, loop = suppression()
    print(
        f"top 5 of {len(Cells(TACOS.clips, TACOS.diagonals))} cells for 1000 queries: {nms:.3f} "
        f"CPU s (below {MOST_NMS}) {verdict(nms < MOST_NMS)}; plain loop {loop:.1f}; "
        f"the head's own sort {sort:.3f}"
    )


if __name__ == "__main__":
    main()
