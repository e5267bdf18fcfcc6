"""docs/glance.md's table: its walk with 60, 200 and all glances of the sample, at full length.

python -m tests.benchmarks.glances [--dir glances] [--seeds 1]

The sample stands for somebody's recordings. A sheet goes through `grounding init`: one instant for
each training sentence, start and end for 40 sentences of other recordings that choose the epoch.
Of both only sentences about what can be seen. The test is the sample's; baselines of position know
the sample's true training moments, which the model does not.
"""

from __future__ import annotations

import argparse
import csv
import random
import shutil
import statistics
import time
from pathlib import Path

from grounding import config
from grounding.annotations import read_samples
from grounding.answers import read_answers
from grounding.dataset import DatasetFolder
from grounding.intake import intake
from grounding.report import evaluate
from grounding.sample import render_sample
from grounding.sources import read_clips
from grounding.training import start_run, train
from tests.benchmarks.figures import GROUP, spread

CONFIG = Path(__file__).resolve().parent.parent.parent / "configs" / "sample-d3g.yaml"
COLUMNS = ("R1@0.5", "mIoU")
GUESSES = ("random", "centre-prior", "best-fixed-span")
TRAIN, TEST = (Path("annotations", f"{name}.jsonl") for name in ("train", "test"))
SPLITS = ("train", "val", "test")
EPOCHS = {60: 60, 200: 20, None: 12}  # by glances; None = all
BATCH, JUDGED = 16, 40


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dir", type=Path, default=Path("glances"))
    parser.add_argument("--seeds", type=int, default=1)
    args = parser.parse_args()
    sample = args.dir / "sample"
    render_sample(sample)
    looked = time.process_time()
    folder = DatasetFolder(sample)
    asked = [each for split in folder.splits for each in folder.samples(split)]
    read_clips(folder, asked, config.load(CONFIG).features)
    looked = time.process_time() - looked
    rows, report = [], {}
    for count, epochs in EPOCHS.items():
        sections, seconds, used = [], [], 0
        for seed in range(args.seeds):
            data, run = (args.dir / f"{room}-{count}-{seed}" for room in ("data", "run"))
            for old in (data, run):
                shutil.rmtree(old, ignore_errors=True)
            used = dataset(sample, data, count, seed)
            settings = ["--dataset", str(data), "--training.seed", str(seed)]
            settings += ["--training.batch", str(BATCH), "--training.epochs", str(epochs)]
            start_run(run, config.load(CONFIG, settings))
            start = time.process_time()
            train(run)
            seconds.append(time.process_time() - start)
            answers = read_answers(run / "predictions" / "test.jsonl")
            truth, taught = (read_samples(path) for path in (data / TEST, sample / TRAIN))
            report = evaluate(answers, truth, train=taught)["groups"][GROUP]
            sections.append(report["metrics"])
        cells = [spread([s[c] for s in sections]) for c in COLUMNS]
        rows.append((f"{used} glances", *cells, f"{statistics.mean(seconds):.0f}"))
    for name in GUESSES:
        rows.append((name, *(f"{report['baselines'][name][c]:.1f}" for c in COLUMNS), ""))
    head = (f"test, {GROUP}, {report['n']} queries", *COLUMNS, "training CPU s")
    for row in (head, ("---", *("---:" for _ in COLUMNS), "---:"), *rows):
        print("| " + " | ".join(row) + " |")
    print(f"\nlooking at the recordings, once: {looked:.0f} CPU s")


def dataset(sample: Path, out: Path, count: int | None, seed: int) -> int:
    """The dataset that a person with `count` glances makes of the sample -> how many they are."""
    sheet = out.with_name(f"{out.name}.csv")
    used = write_sheet(sheet, sample, count, JUDGED, seed)
    intake(sample / "media", sheet, out)
    (out / "features").symlink_to((sample / "features").resolve(), target_is_directory=True)
    return used


def write_sheet(path: Path, sample: Path, count: int | None, judged: int, seed: int) -> int:
    """What a person would write about the sample's recordings -> how many glances.

    `count` of the training sentences with one instant each, `judged` of val with start and end, and
    all of test; of train and val only what can be seen.
    """
    known = {name: read_samples(sample / f"annotations/{name}.jsonl") for name in SPLITS}
    dice = random.Random(seed)
    seen = {name: [s for s in known[name] if s.windows and s.needs != "sound"] for name in SPLITS}
    clicked = dice.sample(seen["train"], len(seen["train"]) if count is None else count)
    chosen = {"val": dice.sample(seen["val"], min(judged, len(seen["val"]))), "test": known["test"]}
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        sheet = csv.writer(file)
        sheet.writerow(["video", "query", "glance", "start", "end", "absent", "split", "needs"])
        for each in clicked:
            sheet.writerow(
                [each.vid, each.query.text, each.glance, "", "", "", "train", each.needs]
            )
        for split, some in chosen.items():
            for each in some:
                ask, rest = [each.vid, each.query.text, ""], [split, each.needs]
                for window in each.windows:
                    sheet.writerow([*ask, window.start, window.end, "", *rest])
                if not each.windows:
                    sheet.writerow([*ask, "", "", "yes", *rest])
    return len(clicked)


if __name__ == "__main__":
    main()
