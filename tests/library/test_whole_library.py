"""A whole library with files broken in ten ways is answered, whatever stops the batch meanwhile."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.library.library_of import PARTIAL, WAYS, make_library, without_root
from tests.library.making import contents, lines

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parent.parent.parent
COUNT, BROKEN, TRIALS = 40, 10, 3


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    folder = tmp_path_factory.mktemp("library") / "in"
    make_library(folder, COUNT, BROKEN)
    return folder


def start(library, sentences, run_folder, out, **options):
    command = [sys.executable, "-m", "apps", "batch", str(library), "--queries", str(sentences)]
    command += ["--model", str(run_folder), "--out", str(out), "--device", "cpu"]
    return subprocess.Popen(
        without_root(command),
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        **options,
    )


def finished(out):
    return len(list(out.glob("parts/[!.]*.jsonl")))


def test_all_good_ones_are_predicted_all_broken_ones_listed_and_kills_change_nothing(
    library, sentences, run_folder, tmp_path
):
    whole = tmp_path / "whole"
    began = time.monotonic()
    process = start(library, sentences, run_folder, whole)
    _, err = process.communicate(timeout=250)
    took = time.monotonic() - began
    assert process.returncode == 0, err

    failures = {line["recording"]: line for line in lines(whole / "failures.jsonl")}
    assert sorted(failures) == [f"b{n:03}-{way}" for n, way in enumerate(WAYS)]
    for name, failure in failures.items():
        way = name.partition("-")[2]
        assert failure["kind"] == ("partial" if way in PARTIAL else "unreadable"), failure
        assert failure["reason"] and "\n" not in failure["reason"]
    answered = [line["vid"] for line in lines(whole / "predictions.jsonl")]
    wanted = [f"g{n:03}" for n in range(COUNT - BROKEN)]
    wanted += [name for name in failures if name.partition("-")[2] in PARTIAL]
    assert sorted(answered) == sorted(wanted * 3)

    chance = random.Random(0)
    for trial in range(TRIALS):
        out = tmp_path / str(trial)
        process = start(library, sentences, run_folder, out)
        time.sleep(chance.uniform(0.3, 0.9) * took)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        kept = finished(out)
        process = start(library, sentences, run_folder, out)
        _, err = process.communicate(timeout=250)
        assert process.returncode == 0
        assert not kept or f"({kept - tried_again(out)} finished before)" in err
        assert contents(out)["predictions.jsonl"] == contents(whole)["predictions.jsonl"]
        assert contents(out)["predictions.parquet"] == contents(whole)["predictions.parquet"]


def tried_again(out):
    """Files that no one could read, which costs nothing to find out anew."""
    return sum(line["attempts"] > 1 for line in lines(out / "failures.jsonl"))
