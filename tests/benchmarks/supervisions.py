"""One line of comparison: every supervision and the soft-label baseline on the sample corpus.

python -m tests.benchmarks.supervisions [--dir supervisions] [--seeds 3]

The sample has no saliency: `saliency` runs on a copy whose training lines say of each clip of two
seconds how much of it lies in a true moment, 0 to 4 as three people would give it.
"""

from __future__ import annotations

import argparse
import json
import math
import shutil
import statistics
import time
from itertools import pairwise
from pathlib import Path

from grounding import config
from grounding.annotations import read_samples
from grounding.metrics.highlights import CLIP
from grounding.sample import render_sample
from grounding.timeline import Timeline
from grounding.training import start_run, train
from grounding.types import Sample
from tests.benchmarks.figures import GROUP, spread

ROOT = Path(__file__).resolve().parent.parent.parent
COLUMNS = ("R1@0.5", "mIoU")
CONFIGS = {"frames": "sample-frames", "glance": "sample-d3g", "soft-label": "sample-soft-label"}
LINES = [
    *((head, kind) for head in ("frames", "glance") for kind in ("full", "saliency", "glance")),
    ("soft-label", "glance"),
    ("frames", "none"),
    ("glance", "none"),
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dir", type=Path, default=Path("supervisions"))
    parser.add_argument("--seeds", type=int, default=3)
    args = parser.parse_args()
    data, judged = args.dir / "sample", args.dir / "judged"
    if not data.exists():
        render_sample(data)
    if not judged.exists():
        judge(data, judged)
    head = ("head", "supervision", *COLUMNS, "absent-F1", "training CPU s")
    print("| " + " | ".join(head) + " |")
    print("| --- | --- |" + " ---: |" * (len(head) - 2), flush=True)
    for name, kind in LINES:
        reports, seconds = [], []
        for seed in range(args.seeds):
            run = args.dir / f"{name}-{kind}-{seed}"
            settings = ["--dataset", str(judged if kind == "saliency" else data)]
            settings += ["--training.seed", str(seed), "--training.supervision", kind]
            shutil.rmtree(run, ignore_errors=True)
            start_run(run, config.load(ROOT / "configs" / f"{CONFIGS[name]}.yaml", settings))
            start = time.process_time()
            train(run)
            seconds.append(time.process_time() - start)
            reports.append(json.loads((run / "report" / "test.json").read_text()))
        found = [spread([r["groups"][GROUP]["metrics"][c] for r in reports]) for c in COLUMNS]
        found.append(spread([r["metrics"]["absent-F1"] for r in reports]))
        cost = f"{statistics.mean(seconds):.0f}"
        print("| " + " | ".join((name, kind, *found, cost)) + " |", flush=True)


def judge(data: Path, out: Path) -> None:
    """A copy of the dataset whose training lines have saliency instead of times."""
    out.mkdir(parents=True)
    for name in ("media", "features", "motion"):
        if (data / name).exists():
            (out / name).symlink_to((data / name).resolve(), target_is_directory=True)
    shutil.copytree(data / "annotations", out / "annotations")
    path = out / "annotations" / "train.jsonl"
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    for row, sample in zip(rows, read_samples(path), strict=True):
        if sample.windows:
            row["relevant_clip_ids"], row["saliency_scores"] = saliency_of(sample)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def saliency_of(sample: Sample) -> tuple[list[int], list[list[int]]]:
    """The clips that share time with a true moment, and three scores of each."""
    edges = Timeline.every(sample.duration, CLIP).edges.tolist()
    ids, scores = [], []
    for clip, (start, end) in enumerate(pairwise(edges)):
        inside = sum(max(min(w.end, end) - max(w.start, start), 0) for w in sample.windows)
        share = 4 * min(inside / (end - start), 1.0)
        if share > 0:
            ids.append(clip)
            scores.append([math.floor(share), round(share), math.ceil(share)])
    return ids, scores


if __name__ == "__main__":
    main()
