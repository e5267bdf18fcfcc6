"""The batch on a library with files broken in ten ways: shares of time, throughput, memory, kills.

python -m tests.benchmarks.bench_batch [--recordings 200] [--trials 20]

`throughput` compares one batch of two workers with two batches of one worker that run beside each
other, each on half of the good recordings. `memory` is that of the batch with all its workers.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from grounding.library.parts import Job, Parts
from grounding.library.queries import assign, read_queries
from grounding.library.recordings import find_recordings
from grounding.library.results import write_results
from grounding.media.video import open_video
from grounding.predict import Grounder
from grounding.types import Prediction
from tests.library.library_of import make_library, without_root
from tests.library.making import SENTENCES, contents, lines, save_model

LEAST_THROUGHPUT, MOST_GROWTH = 0.85, 1.05
SAMPLE = 0.25  # seconds between two looks at the memory


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--recordings", type=int, default=200)
    parser.add_argument("--trials", type=int, default=20)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        make_library(root / "in", args.recordings, args.recordings // 10)
        save_model(root / "run")
        (root / "q.txt").write_text("\n".join(SENTENCES) + "\n")
        shares(root)
        took = whole(root)
        throughput(root)
        kills(root, took, args.trials)


def shares(root: Path, count: int = 20) -> None:
    """Wall time of each step for the first good recordings, one after the other in this process."""
    grounder = Grounder.from_run(root / "run")
    asked = read_queries(root / "q.txt")
    tasks, _ = assign(find_recordings(sorted((root / "in").glob("g*.mp4"))[:count]), asked)
    parts = Parts(root / "shares", Job("", "", "", 5))
    parts.look([task.recording for task in tasks])
    encoder, rate = grounder.encoder, grounder.trained.recipe.rate
    taken = dict.fromkeys(("decode", "decode and encode", "head", "write"), 0.0)
    for task in tasks:
        path = task.recording.place
        at = [time.perf_counter()]
        with open_video(path, short_side=encoder.short_side) as reader:
            for _ in reader.iter_frames(rate=rate):
                pass
        at.append(time.perf_counter())
        features = grounder.features(path)
        at.append(time.perf_counter())
        rows = grounder.ground_features(features, "v", task.sentences)
        at.append(time.perf_counter())
        bare = [{"query": p.query.text, "pred_relevant_windows": moments_of(p)} for p in rows]
        parts.write(task, "c", bare)
        at.append(time.perf_counter())
        for name, (before, after) in zip(taken, pairwise(at), strict=True):
            taken[name] += after - before
    began = time.perf_counter()
    read = ((task, parts.read(parts.key(task, "c"), task)) for task in tasks)
    write_results(root / "shares", ((t, p) for t, p in read if p), "", "")
    taken["write"] += time.perf_counter() - began
    total = taken["decode and encode"] + taken["head"] + taken["write"]
    print(f"one recording of 10 s, bare decoder {1000 * taken['decode'] / count:.0f} ms; shares of")
    each = {
        "decode": taken["decode"],
        "encode": taken["decode and encode"] - taken["decode"],
        "head": taken["head"],
        "write": taken["write"],
    }
    told = ", ".join(f"{name} {100 * value / total:.0f} %" for name, value in each.items())
    print(f"  {1000 * total / count:.0f} ms: {told}")


def moments_of(prediction: Prediction) -> list[list[float]]:
    return [[m.start, m.end, m.score] for m in prediction.moments]


def whole(root: Path) -> float:
    """All recordings with two workers -> seconds; memory over time and what failed."""
    process, began = start(root, root / "whole", root / "in"), time.perf_counter()
    memory = list(watch(process))
    took = time.perf_counter() - began
    # workers load their models in the first seconds
    steady = memory[len(memory) // 4 :]
    half = len(steady) // 2
    early, late = statistics.median(steady[:half]), statistics.median(steady[half:])
    growth = late / early
    print(
        f"all: {took:.1f} s; memory {early:.0f} MB, then {late:.0f} MB",
        verdict(growth <= MOST_GROWTH),
    )
    kinds = [line["kind"] for line in lines(root / "whole" / "failures.jsonl")]
    answered = {line["vid"] for line in lines(root / "whole" / "predictions.jsonl")}
    good = {path.stem for path in (root / "in").glob("g*.mp4")}
    print(
        f"good recordings answered: {len(good & answered)} of {len(good)}; failures: "
        f"{kinds.count('unreadable')} unreadable, {kinds.count('partial')} partial"
    )
    return took


def throughput(root: Path) -> None:
    """Two workers against two batches of one worker each."""
    good = sorted((root / "in").glob("g*.mp4"))
    for k in range(2):
        (root / f"half{k}").mkdir()
        for path in good[k::2]:
            os.link(path, root / f"half{k}" / path.name)
    ratios = []
    for turn in range(3):
        began = time.perf_counter()
        alone = [
            start(root, root / f"alone{turn}{k}", root / f"half{k}", workers=1) for k in range(2)
        ]
        for process in alone:
            process.wait()
        apart = time.perf_counter() - began
        began = time.perf_counter()
        start(root, root / f"both{turn}", root / "half0", root / "half1").wait()
        ratios.append(apart / (time.perf_counter() - began))
    ratio = statistics.median(ratios)
    print(
        f"throughput of 2 workers: {ratio:.2f} of two runs apart",
        verdict(ratio >= LEAST_THROUGHPUT),
    )


def kills(root: Path, took: float, trials: int) -> None:
    """Kill the batch at a random moment and go on: the same bytes, nothing done twice."""
    chance, same, repeated = random.Random(0), 0, 0
    wanted = contents(root / "whole")
    for trial in range(trials):
        out = root / f"kill{trial}"
        process = start(root, out, root / "in")
        time.sleep(chance.uniform(0.05, 0.95) * took)
        process.send_signal(signal.SIGKILL)
        process.wait()
        before = {path.name: path.stat().st_mtime_ns for path in parts_of(out)}
        start(root, out, root / "in").wait()
        after = {path.name: path.stat().st_mtime_ns for path in parts_of(out)}
        again = {
            line["recording"] for line in lines(out / "failures.jsonl") if line["attempts"] > 1
        }
        repeated += max(sum(after[name] != at for name, at in before.items()) - len(again), 0)
        found = contents(out)
        same += all(found[name] == wanted[name] for name in RESULTS)
        shutil.rmtree(out)
    print(
        f"killed {trials} times: {same} with the same predictions after going on, finished "
        f"recordings done again: {repeated}",
        verdict(same == trials and repeated == 0),
    )


RESULTS = ("predictions.jsonl", "predictions.parquet")


def parts_of(out: Path) -> Iterator[Path]:
    return out.glob("parts/[!.]*.jsonl")


def start(root: Path, out: Path, *sources: Path, workers: int = 2) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "apps", "batch", *map(str, sources), "--quiet"]
    command += ["--queries", str(root / "q.txt"), "--model", str(root / "run"), "--device", "cpu"]
    command += ["--out", str(out), "--workers", str(workers)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.Popen(without_root(command), stderr=subprocess.DEVNULL, env=environment)


def watch(process: subprocess.Popen[bytes]) -> Iterator[float]:
    """Resident memory in MB of a process and its children, until it ends."""
    while process.poll() is None:
        total = 0
        for status in Path("/proc").glob("[0-9]*/stat"):
            try:
                pid, parent = (
                    int(status.parent.name),
                    int(status.read_text().rpartition(")")[2].split()[1]),
                )
                if process.pid in (pid, parent):
                    total += int((status.parent / "statm").read_text().split()[1])
            except OSError:
                continue
        yield total * os.sysconf("SC_PAGE_SIZE") / 2**20
        time.sleep(SAMPLE)


def verdict(good: bool) -> str:
    return "(met)" if good else "(MISSED)"


if __name__ == "__main__":
    main()
