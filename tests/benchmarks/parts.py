"""What each part of D3G brings on data with planted truth: one line a part, mean and spread.

python -m tests.benchmarks.parts --data first=FOLDER hard=FOLDER [--seeds 3] [--only NAME ...]

Folders are dataset folders with features/vgg_rgb_features.hdf5 (docs/training.md). A line is
configs/d3g-fast.yaml with one part changed; the epoch is chosen on `val`. Finished runs stay.
"""

from __future__ import annotations

import argparse
import json
import logging
import time
from pathlib import Path

from grounding import config
from grounding.training import start_run, train
from tests.benchmarks.figures import ROOT, spread

MAP = ["--method.map", "1", "--method.width", "64"]
ALONE = [
    *("--method.adjust", "true"),
    *("--features.clips", "16", "--method.clips", "16", "--method.diagonals", "[15]"),
    *("--method.map", "1", "--method.evidence", "0", "--method.width", "64"),
    *("--method.layers", "4", "--method.embedding", "256", "--training.learning_rate", "1e-3"),
    *("--training.batch", "28", "--training.epochs", "15"),
]
PARTS: dict[str, list[str]] = {
    "default": [],
    "frames head": ["--head", "frames"],
    "map alone, published stack": [*ALONE, "--method.stack", "published"],
    "map alone, positives do not compete": [
        *(*ALONE, "--method.stack", "published"),
        *("--method.compete", "false"),
    ],
    "with a map, no layer": [*MAP, "--method.layers", "0"],
    "without a prior": ["--method.sigma", "100"],
    "DGA": ["--method.adjust", "true"],
    "DGA by the text": [
        *("--method.adjust", "true", "--method.follow", "text", "--method.threshold", "0.5")
    ],
    "DGA by moving averages": ["--method.adjust", "true", "--method.average", "true"],
    "sigma and window in seconds": [
        *("--method.adjust", "true", "--method.seconds", "true"),
        *("--method.sigma", "4", "--method.window", "10"),
    ],
    "looked for among clips": ["--method.look", "clips"],
    "all clips of a moment alike": ["--method.focus", "0"],
    "near-duplicate sentences masked": ["--method.duplicates", "0.9"],
    "moments against sentences too": ["--method.reverse", "0.5"],
    "queue of 256 moments": ["--method.queue", "256"],
    "boundary refiner": ["--method.refine", "true"],
    "hardness-aware temperature": ["--method.hardness", "0.5"],
    "doubt by loss history": ["--method.doubt", "2"],
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", nargs="+", required=True, metavar="NAME=FOLDER")
    parser.add_argument("--dir", type=Path, default=Path("figures/parts"))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    args = parser.parse_args()
    logging.disable(logging.WARNING)
    folders = dict(each.split("=", 1) for each in args.data)
    print("| part |", " | ".join(f"{name}: R1@0.5 | mIoU | CPU s" for name in folders), "|")
    print("| --- |" + " ---: | ---: | ---: |" * len(folders))
    for part in args.only:
        cells = []
        for name, folder in folders.items():
            found = [one(args.dir, name, folder, part, seed) for seed in range(args.seeds)]
            cells += [spread([each[key] for each in found]) for key in ("R1@0.5", "mIoU")]
            cells.append(f"{sum(each['cpu'] for each in found) / len(found):.0f}")
        print(f"| {part} |", " | ".join(cells), "|", flush=True)


def one(root: Path, name: str, folder: str, part: str, seed: int) -> dict[str, float]:
    """Metrics of `test` and CPU seconds of one training, reports included."""
    run = root / f"{name}-{'-'.join(part.replace(',', '').split())}-{seed}"
    kept = run / "parts.json"
    if not kept.exists():
        path, options = ROOT / "configs" / "d3g-fast.yaml", PARTS[part]
        given = ["--dataset", folder, "--training.seed", str(seed), *options]
        if "--head" in options:  # its settings are not D3G's
            path = ROOT / "configs" / "plain-fast.yaml"
        start_run(run, config.load(path, given))
        start = time.process_time()
        report = train(run)["test"]
        cpu = time.process_time() - start
        kept.write_text(json.dumps({**report["metrics"], "cpu": cpu}))
    loaded: dict[str, float] = json.loads(kept.read_text())
    return loaded


if __name__ == "__main__":
    main()
