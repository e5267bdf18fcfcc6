"""CPU seconds to read and to judge every published annotation file, best of a few rounds.

python -m tests.benchmarks.bench_annotations [FOLDER] [--rounds 5]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

from apps.tables import text_table
from grounding.annotations import check, opened, read
from grounding.annotations.formats import FORMATS

SHARED = Path(__file__).parents[3] / "shared" / "data" / "annotations"
MOST = 1.0  # seconds that reading any of them may take


def least(rounds: int, work: Callable[[], object]) -> float:
    """CPU seconds of the quickest of several rounds."""
    seconds = []
    for _ in range(rounds):
        before = time.process_time()
        work()
        seconds.append(time.process_time() - before)
    return min(seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=SHARED)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    suffixes = {suffix for each in FORMATS.values() for suffix in each.suffixes}
    files = sorted(p for p in args.folder.rglob("*") if p.suffix in suffixes)
    if not files:
        print(f"{args.folder}: no annotations to read")
        return
    rows, slow = [], []
    for path in files:
        file = opened(path)
        unknown = {row.vid: 1e4 for row in file.rows if row.duration is None}
        reading = least(args.rounds, lambda p=path, d=unknown: read(p, durations=d, lenient=True))
        judging = least(args.rounds, lambda f=file: check(f.rows))
        rows.append(
            [path.name, file.format, str(len(file.rows)), f"{reading:.3f}", f"{judging:.3f}"]
        )
        slow += [path.name] if reading >= MOST else []
    print(text_table(["file", "format", "queries", "read s", "check s"], rows))
    print(f"none may take {MOST:.0f} s to read: {', '.join(slow) or 'none does'}")


if __name__ == "__main__":
    main()
