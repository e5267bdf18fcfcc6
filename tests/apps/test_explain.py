"""`grounding explain` on a run that was really trained, and what it refuses."""

import json
import shutil

import pytest
import torch
from PIL import Image

from apps.cli import main
from grounding.explaining import explain
from grounding.history import KEY
from grounding.predict import Grounder
from tests.test_training import ROOT

CLIPS, EPOCHS = 16, 2


def train(data, folder, **more):
    """A small D3G with a map."""
    small = {"training.batch": 16, "video.width": 16, "method.width": 16, "method.map": 0.5}
    small |= {"method.adjust": "true", "method.sigma": 0.15}
    small |= {"features.clips": CLIPS, "method.clips": CLIPS, "method.diagonals": "[15]"}
    options = [str(word) for key, value in (small | more).items() for word in (f"--{key}", value)]
    config = str(ROOT / "configs" / "sample-d3g.yaml")
    words = ["train", config, "--data", str(data), "--run", str(folder), "--quiet", *options]
    assert main(words) == 0


@pytest.fixture(scope="session")
def run(corpus, tmp_path_factory):
    """D3G, trained for two epochs."""
    folder = tmp_path_factory.mktemp("explained") / "run"
    train(corpus, folder, **{"training.epochs": EPOCHS})
    return folder


def rows(corpus, split):
    lines = (corpus / "annotations" / f"{split}.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def test_a_training_query_shows_how_its_prior_moved(run, corpus):
    row = next(r for r in rows(corpus, "train") if "glance" in r)
    seen = explain(run, str(row["qid"]))
    assert (seen.split, seen.head, seen.epochs) == ("train", "glance", EPOCHS)
    assert seen.history.shape == (EPOCHS, CLIPS)
    glanced = seen.line.clip_of(row["glance"])
    assert seen.history[:, glanced].all()  # what was clicked always counts
    prior = seen.explained.charts[0]
    assert prior.marks[1].clips.tolist() == seen.history[-1].tolist()
    assert len(seen.explained.maps) == 3 and seen.notes == ()
    assert len(seen.strip.pictures) > 3


def test_the_answer_is_the_one_that_every_other_command_gives(run, corpus):
    row = rows(corpus, "test")[0]
    seen = explain(run, str(row["qid"]))
    media = corpus / "media" / f"{row['vid']}.mp4"
    (same,) = Grounder.from_run(run).ground(media, [row["query"]])
    assert [m.start for m in seen.prediction.moments[:3]] == [m.start for m in same.moments[:3]]
    assert [m.end for m in seen.prediction.moments[:3]] == [m.end for m in same.moments[:3]]
    assert seen.prediction.absent == pytest.approx(same.absent, abs=1e-5)
    best = seen.explained.maps[0]
    cell = int(best.values.argmax())
    assert cell == seen.answer_cells[0]  # the darkest cell is the first answer


def test_a_query_of_another_split_says_that_its_prior_never_moved(run, corpus, tmp_path, command):
    row = rows(corpus, "test")[0]
    code, out, err = command("explain", run, "--qid", row["qid"], "--out", tmp_path / "p.svg")
    assert (code, out) == (0, "")
    assert "no glance" in err and err.endswith("p.svg\n")
    assert "no glance" in (tmp_path / "p.svg").read_text()
    glanced = tmp_path / "data"
    shutil.copytree(corpus / "annotations", glanced / "annotations")
    for name in ("media", "features"):
        (glanced / name).symlink_to(corpus / name)
    line = row | {"qid": "here", "glance": row["duration"] / 2}
    (glanced / "annotations" / "more.jsonl").write_text(json.dumps(line))
    seen = explain(run, "here", dataset=glanced)
    assert [m.title for m in seen.explained.maps] == ["score", "prior when training began"]
    assert seen.notes == ("The prior did not move: training never met this query of more.",)


def test_where_recordings_are_held_out_each_query_keeps_its_own_memory(corpus, tmp_path):
    data, run = tmp_path / "data", tmp_path / "run"
    ignored = shutil.ignore_patterns("val.jsonl", "test*")
    shutil.copytree(corpus / "annotations", data / "annotations", ignore=ignored)
    for name in ("media", "features"):
        (data / name).symlink_to(corpus / name)
    train(data, run, **{"training.epochs": 1, "training.hold_out": 1})
    held = {json.loads(line)["vid"] for line in (run / "val.jsonl").read_text().splitlines()}
    asked = [row for row in rows(data, "train") if "glance" in row]
    inside = [row for row in asked if row["vid"] not in held]
    seen = explain(run, str(inside[-1]["qid"]))
    assert seen.history[:, seen.line.clip_of(inside[-1]["glance"])].all()
    assert len(seen.explained.maps) == 3 and seen.notes == ()
    outside = next(row for row in asked if row["vid"] in held)
    seen = explain(run, str(outside["qid"]))
    assert seen.history is None and "held out" in seen.notes[0]


def test_a_training_that_took_no_glances_shows_no_prior(corpus, tmp_path):
    run = tmp_path / "run"
    train(corpus, run, **{"training.epochs": 1, "training.supervision": "full"})
    row = next(r for r in rows(corpus, "train") if "glance" in r)
    seen = explain(run, str(row["qid"]))
    assert [m.title for m in seen.explained.maps] == ["score"] and seen.history is None
    assert seen.notes == ("No prior is shown: full supervision takes no glance of the query.",)


def test_a_quiet_command_only_draws(run, corpus, tmp_path, command):
    qid, out = rows(corpus, "train")[0]["qid"], tmp_path / "new" / "P.PNG"
    assert command("explain", run, "--qid", qid, "--out", out, "--quiet") == (0, "", "")
    with Image.open(out) as picture:
        assert picture.format == "PNG" and picture.width == 1600


@pytest.fixture
def copied(run, tmp_path):
    shutil.copytree(run, tmp_path / "run")
    return tmp_path / "run"


def test_without_its_checkpoint_a_run_says_what_it_has_forgotten(copied, corpus):
    (copied / "checkpoints" / "last.ckpt").unlink()
    seen = explain(copied, str(rows(corpus, "train")[0]["qid"]))
    assert seen.history is None and len(seen.explained.maps) == 2
    assert "no checkpoints/last.ckpt" in seen.notes[0]


def test_a_run_from_before_the_history_was_kept_shows_the_rest(copied, corpus):
    path = copied / "checkpoints" / "last.ckpt"
    checkpoint = torch.load(path, weights_only=True)
    del checkpoint["callbacks"][KEY]
    torch.save(checkpoint, path)
    seen = explain(copied, str(rows(corpus, "train")[0]["qid"]))
    assert len(seen.explained.maps) == 3 and seen.history is None
    assert "did not keep them" in seen.notes[0]


def test_the_memory_of_other_queries_is_not_taken_for_this_ones(run, corpus, tmp_path):
    lines = (corpus / "annotations" / "train.jsonl").read_text().splitlines(keepends=True)
    data = tmp_path / "data"
    (data / "annotations").mkdir(parents=True)
    (data / "annotations" / "train.jsonl").write_text("".join(lines[:5]))
    for name in ("media", "features"):
        (data / name).symlink_to(corpus / name)
    seen = explain(run, str(json.loads(lines[0])["qid"]), dataset=data)
    assert seen.history is None and "have changed since" in seen.notes[0]


@pytest.mark.parametrize(
    "words,says",
    [
        (["RUN", "--out", "p.png"], "--qid"),
        (["RUN", "--qid", "nobody", "--out", "p.png"], "has no such query; near ones: "),
        (["RUN", "--qid", "0", "--out", "p.jpg"], "p.jpg: must end in .png or .svg"),
        (["RUN", "--qid", "0", "--out", "p"], "p: must end in .png or .svg"),
        (["RUN", "--qid", "0", "--split", "tets", "--out", "p.png"], "--split tets: "),
        (["RUN", "--qid", "0", "--data", "nowhere", "--out", "p.png"], "nowhere: no dataset"),
        (["nowhere", "--qid", "0", "--out", "p.png"], "nowhere: no such model"),
        (["BROKEN", "--qid", "QID", "--out", "p.png"], "last.ckpt: damaged"),
        (["RUN", "--qid", "QID", "--out", "FILE/p.png"], "FILE"),
    ],
)
def test_bad_input_is_one_line(run, copied, corpus, command, tmp_path, monkeypatch, words, says):
    empty = tmp_path / "here"
    empty.mkdir()
    monkeypatch.chdir(empty)
    (copied / "checkpoints" / "last.ckpt").write_bytes(b"PK no zip")
    (tmp_path / "FILE").write_text("")
    qid = str(rows(corpus, "train")[0]["qid"])
    places = {"RUN": run, "BROKEN": copied, "QID": qid, "FILE/p.png": tmp_path / "FILE" / "p.png"}
    code, out, err = command("explain", *[places.get(w, w) for w in words])
    assert (code, out) == (2, "")
    assert err.count("\n") == 1 and says in err and err.startswith("grounding: ")
    assert list(empty.iterdir()) == []
