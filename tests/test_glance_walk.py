"""docs/glance.md: every command of it, in its order, on a small sample in place of recordings."""

import csv
import re
import shlex
import shutil
from dataclasses import fields
from pathlib import Path

import pytest

from grounding.annotations import read_samples
from grounding.answers import read_answers
from grounding.report import evaluate
from grounding.sample import render_sample
from grounding.settings import FeatureSettings, TextSettings, TrainingSettings, VideoSettings
from models.heads import HEADS
from tests.apps.explorer.driving import Server
from tests.benchmarks.figures import GROUP
from tests.benchmarks.glances import write_sheet
from tests.test_encoders import made, save, tiny

__all__ = ["tiny"]  # a fixture: open_clip knows a small model

ROOT = Path(__file__).parent.parent
DOCUMENTS = {name: (ROOT / "docs" / f"{name}.md").read_text() for name in ("glance", "training")}
CHARADES = ROOT.parent / "shared" / "data" / "annotations" / "charades-sta"
PARTS = {"features": FeatureSettings, "text": TextSettings, "video": VideoSettings}
PARTS |= {"training": TrainingSettings}
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)
VIDEOS, GLANCES, JUDGED = 20, 100, 20
EPOCHS = {"runs/first": "12"}  # the other trainings are looked at for their files alone


def blocks(name, kind=""):
    return [text for marked, text in FENCE.findall(DOCUMENTS[name]) if marked == kind]


def commands(name):
    """Of all blocks without a language; a line that ends in a backslash goes on."""
    lines = "".join(blocks(name)).replace("\\\n", " ").splitlines()
    return [shlex.split(line) for line in lines]


@pytest.fixture
def person(tmp_path, monkeypatch):
    """Somebody's folder: recordings, their sheet, and the configs of the checkout."""
    render_sample(tmp_path / "sample", videos=VIDEOS)
    write_sheet(tmp_path / "glances.csv", tmp_path / "sample", GLANCES, JUDGED, seed=0)
    (tmp_path / "recordings").symlink_to(tmp_path / "sample" / "media")
    (tmp_path / "configs").symlink_to(ROOT / "configs")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def small(words, weights):
    """The command as the test can afford it; what the document says stays the same."""
    words = [f"open_clip:tiny/{weights}" if w == "open_clip:ViT-B-32" else w for w in words]
    words = ["recordings/sample-0000.mp4" if w.startswith("recordings/") else w for w in words]
    if "--training.epochs" in words:
        run = words[words.index("--run") + 1]
        words[words.index("--training.epochs") + 1] = EPOCHS.get(run, "1")
    return words


@pytest.mark.slow
def test_the_walk_can_be_walked(person, command, tiny):
    weights = save(made("tiny"), person / "tiny.safetensors")
    for words in commands("glance"):
        assert words[0] == "grounding"
        words, _, target = (list(part) for part in _cut(small(words[1:], weights), ">"))
        if words[0] == "app":
            server = Server(person, *(person / word for word in words[1:]))
            server.wait()
            server.stop()
            continue
        code, out, err = command(*words, "--device", "cpu")
        assert code == 0, f"{words}: {err}"
        assert "warning" not in err, f"{words}: {err}"
        for path in target:
            Path(path).write_text(out, encoding="utf-8")
        if words[:2] == ["annotations", "check"]:
            assert "nothing is wrong" in out
    for run in ("first", "second", "own"):
        assert (person / "runs" / run / "report" / "test.json").exists()
    assert (person / "first.png").stat().st_size > 10_000
    taught = read_samples(person / "dataset" / "annotations" / "train.jsonl")
    assert len(taught) == GLANCES
    assert all(w.start == w.end == s.glance for s in taught for w in s.windows)  # no boundary
    found = answered(person)
    guessed = [found["baselines"][name]["mIoU"] for name in ("centre-prior", "best-fixed-span")]
    assert found["metrics"]["mIoU"] > 1.25 * max(guessed)


def answered(person):
    """The first run's test, with guesses by place that know the sample's true moments."""
    answers = read_answers(person / "runs" / "first" / "predictions" / "test.jsonl")
    truth = read_samples(person / "dataset" / "annotations" / "test.jsonl")
    boundaries = read_samples(person / "sample" / "annotations" / "train.jsonl")
    return evaluate(answers, truth, train=boundaries)["groups"][GROUP]


def _cut(words, mark):
    at = words.index(mark) if mark in words else len(words)
    return words[:at], words[at : at + 1], words[at + 1 :]


def test_the_sheet_in_the_document_is_one(corpus, command, tmp_path):
    (sheet,) = blocks("glance", "csv")
    (tmp_path / "glances.csv").write_text(sheet)
    rows = list(csv.DictReader(sheet.splitlines()))
    long = [path for path in sorted((corpus / "media").iterdir()) if _lasts(corpus, path.stem) > 32]
    (tmp_path / "recordings").mkdir()
    for name, path in zip(sorted({row["video"] for row in rows}), long, strict=False):
        shutil.copy(path, tmp_path / "recordings" / name)
    data = tmp_path / "dataset"
    code, _, err = command(
        "init", tmp_path / "recordings", "--queries", tmp_path / "glances.csv", "--out", data
    )
    assert code == 0, err
    for split in ("train", "val"):
        written = read_samples(data / "annotations" / f"{split}.jsonl")
        assert len(written) == sum(row["split"] == split for row in rows) > 0


def _lasts(corpus, vid):
    samples = (s for p in (corpus / "annotations").iterdir() for s in read_samples(p))
    return next((s.duration for s in samples if s.vid == vid), 0.0)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_keys_that_the_document_names_are_keys(name):
    known = {kind: {f.name for f in fields(part)} for kind, part in PARTS.items()}
    known["method"] = {f.name for head in HEADS.values() for f in fields(head.settings)}
    named = set(
        re.findall(r"\b(features|text|video|method|training)\.([a-z_]+)\b", DOCUMENTS[name])
    )
    assert len(named) > 5
    files = {("training", "md")}
    assert {f"{kind}.{key}" for kind, key in named - files if key not in known[kind]} == set()


def test_the_published_annotations_become_a_dataset(command, tmp_path, monkeypatch):
    if not CHARADES.exists():
        pytest.skip("the shared Charades-STA files are not beside this checkout")
    monkeypatch.chdir(tmp_path)
    for words in (words for words in commands("training") if "convert" in words):
        words = [str(CHARADES / w) if w.endswith(".json") else w for w in words]
        code, _, err = command(*words[1:])
        assert code == 0, err
        assert read_samples(tmp_path / words[4])
