"""Evaluation: QVHighlights val, and 100 000 queries with ten moments each.

python -m tests.benchmarks.bench_evaluate [--queries 100000]

CPU seconds of a process of its own, from the start of its interpreter's work: imports, reading and
all metrics; intervals apart.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
JUDGED = 50
WHOLE, LARGEST, MEMORY = 1.5, 20.0, 1024.0  # CPU s, CPU s, MB

# run by another interpreter, so that nothing is imported before the clock starts
ALONE = """
import json, resource, sys, time
start = time.process_time()
from grounding.annotations import read
from grounding.answers import read_answers
from grounding import report
if sys.argv[3] == "no":
    report.bootstrap = lambda *_, **__: {}
    report.error_interval = lambda *_, **__: (0.0, 0.0)
answers = read_answers(sys.argv[1])
samples = read(sys.argv[2], lenient=True)
found = report.evaluate(answers, samples)
json.dumps(found)
assert "torch" not in sys.modules
print(time.process_time() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


def main() -> None:
    """Print every figure beside its target."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--queries", type=int, default=100_000)
    queries = parser.parse_args().queries
    predictions = SHARED / "qvhighlights-preds" / "qd_detr_onlyclip_val_preds.jsonl"
    truth = SHARED / "annotations" / "qvhighlights" / "highlight_val_release.jsonl"
    if truth.exists():
        for intervals, target in (("no", WHOLE), ("yes", None)):
            seconds, memory = measure(predictions, truth, intervals)
            say(f"QVHighlights val, intervals: {intervals}", seconds, target, memory, None)
    else:
        print("QVHighlights is not beside this checkout: left out")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        half = write(folder / "half", queries // 2, 5)
        whole = write(folder / "whole", queries, 5)
        first, _ = measure(*half, "no")
        seconds, memory = measure(*whole, "no")
        say(f"{queries} queries x 10, intervals: no", seconds, LARGEST, memory, MEMORY)
        print(f"  against half as many queries: x {seconds / first:.2f}")
        seconds, memory = measure(*whole, "yes")
        say(f"{queries} queries x 10, intervals: yes", seconds, LARGEST, memory, MEMORY)
        first, _ = measure(*write(folder / "half apart", queries // 2, 1), "yes")
        seconds, memory = measure(*write(folder / "apart", queries, 1), "yes")
        say("  each of a recording of its own", seconds, LARGEST, memory, MEMORY)
        print(f"  against half as many queries: x {seconds / first:.2f}")


def write(folder: Path, queries: int, together: int) -> tuple[Path, Path]:
    """Predictions and annotations: one or two windows, `together` queries a recording, highlights
    for every 50th.
    """
    folder.mkdir()
    rng = np.random.default_rng(0)
    truth = np.sort(rng.random((queries, 2, 2)), -1) * 150
    moments = np.sort(rng.random((queries, 10, 2)), -1) * 150
    scores = -np.sort(-rng.random((queries, 10)), -1)
    with (folder / "truth.jsonl").open("w") as file:
        for q in range(queries):
            windows = truth[q, : 1 + q % 2].round(2).tolist()
            vid, text = f"v{q // together}", f"person {q % 97} opens the door {q}"
            row = {"qid": q, "vid": vid, "query": text, "duration": 150.0}
            if q % JUDGED == 0:
                row["relevant_clip_ids"] = list(range(10, 20))
                row["saliency_scores"] = rng.integers(0, 5, (10, 3)).tolist()
            file.write(json.dumps({**row, "relevant_windows": windows}) + "\n")
    with (folder / "answers.jsonl").open("w") as file:
        for q in range(queries):
            windows = np.column_stack([moments[q].round(2), scores[q].round(4)]).tolist()
            row = {"qid": q, "vid": f"v{q // together}", "query": f"person {q}"}
            if q % JUDGED == 0:
                row["pred_saliency_scores"] = rng.random(75).round(4).tolist()
            file.write(json.dumps({**row, "pred_relevant_windows": windows}) + "\n")
    return folder / "answers.jsonl", folder / "truth.jsonl"


def measure(predictions: Path, truth: Path, intervals: str) -> tuple[float, float]:
    """CPU seconds and MB of one evaluation."""
    command = [sys.executable, "-c", ALONE, str(predictions), str(truth), intervals]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    seconds, memory = map(float, done.stdout.split())
    return seconds, memory


def say(what: str, seconds: float, target: float | None, memory: float, most: float | None) -> None:
    """One line."""

    def judged(value: float, limit: float | None) -> str:
        return "" if limit is None else f" (below {limit:g}: {'ok' if value < limit else 'MISSED'})"

    print(f"{what:<44} {seconds:6.2f} CPU s{judged(seconds, target)}, ", end="")
    print(f"{memory:5.0f} MB{judged(memory, most)}")


if __name__ == "__main__":
    main()
