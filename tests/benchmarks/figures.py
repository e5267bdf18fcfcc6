"""The README's table: every sample config, full length, three seeds.

python -m tests.benchmarks.figures [--dir figures] [--seeds 3]
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from pathlib import Path

from grounding import config
from grounding.sample import render_sample
from grounding.training import start_run, train

ROOT = Path(__file__).resolve().parent.parent.parent
COLUMNS = ("R1@0.3", "R1@0.5", "R1@0.7", "mIoU")
GROUP = "sight or both"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dir", type=Path, default=Path("figures"))
    parser.add_argument("--seeds", type=int, default=3)
    args = parser.parse_args()
    data = args.dir / "sample"
    render_sample(data)
    rows, report = [], {}
    for path in sorted((ROOT / "configs").glob("sample-*.yaml")):
        sections, seconds = [], []
        for seed in range(args.seeds):
            run = args.dir / f"{path.stem}-{seed}"
            if not (run / "report" / "test.json").exists():
                settings = ["--dataset", str(data), "--training.seed", str(seed)]
                start_run(run, config.load(path, settings))
                start = time.process_time()
                train(run)
                seconds.append(time.process_time() - start)
            report = json.loads((run / "report" / "test.json").read_text())
            sections.append(report["groups"][GROUP])
        cells = [spread([s["metrics"][c] for s in sections]) for c in COLUMNS]
        cost = f"{statistics.mean(seconds):.0f}" if seconds else "-"
        rows.append((f"`{path.stem}`", *cells, cost))
    group = report["groups"][GROUP]
    for name in ("random", "centre-prior", "best-fixed-span"):
        rows.append((name, *(f"{group['baselines'][name][c]:.1f}" for c in COLUMNS), ""))
    rows.append(("ceiling (64 clips)", *(f"{group['ceiling'][c]:.1f}" for c in COLUMNS), ""))
    head = (f"test, {GROUP}, {group['n']} queries", *COLUMNS, "training CPU s")
    for row in (head, ("---", *("---:" for _ in COLUMNS), "---:"), *rows):
        print("| " + " | ".join(row) + " |")


def spread(values: list[float]) -> str:
    if len(values) == 1:
        return f"{values[0]:.1f}"
    return f"{statistics.mean(values):.1f} ± {statistics.stdev(values):.1f}"


if __name__ == "__main__":
    main()
