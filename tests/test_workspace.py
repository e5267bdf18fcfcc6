import json
import os
import threading

import pytest

from grounding import scan as scanning
from grounding.annotations import write_predictions, write_samples
from grounding.comparison import compare
from grounding.errors import BadInput
from grounding.types import Moment, Prediction, Query, Sample
from grounding.workspace import Workspace


def make_dataset(folder, splits=("test", "train"), vids=("a", "b"), first=0):
    for number, split in enumerate(splits):
        rows = [
            Sample(
                Query(f"{split} sentence {i}", first + 100 * number + i, vid), 30.0, (Moment(1, 5),)
            )
            for i, vid in enumerate(vids)
        ]
        write_samples(folder / "annotations" / f"{split}.jsonl", rows)
    (folder / "media").mkdir(parents=True)
    for vid in vids:
        (folder / "media" / f"{vid}.mp4").touch()
    return folder


def make_run(folder, dataset, splits=("test",), vids=("a", "b"), first=0, model=True):
    for number, split in enumerate(splits):
        queries = [
            Query(f"{split} sentence {i}", first + 100 * number + i, v) for i, v in enumerate(vids)
        ]
        rows = [Prediction(q, (Moment(2, 7 + i, 0.5),)) for i, q in enumerate(queries)]
        write_predictions(folder / "predictions" / f"{split}.jsonl", rows)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.yaml").write_text(f"dataset: {dataset}\nhead: glance\n")
    if model:
        (folder / "model.safetensors").touch()
    return folder


def look(*roots, store="/nowhere/store"):
    return Workspace(roots, store).catalog()


def links(catalog):
    return {answer.id: answer.question for answer in catalog.answers}


@pytest.fixture
def place(tmp_path):
    """A dataset and two runs of it, side by side."""
    dataset = make_dataset(tmp_path / "work" / "sample")
    make_run(tmp_path / "work" / "run", dataset)
    make_run(tmp_path / "work" / "frames", dataset, model=False)
    return tmp_path / "work"


def test_runs_answer_the_split_of_their_dataset(place):
    catalog = look(place)
    assert [q.id for q in catalog.questions] == ["sample/test", "sample/train"]
    assert links(catalog) == {"frames:test": "sample/test", "run:test": "sample/test"}
    test = catalog.question("sample/test")
    assert [a.name for a in catalog.answers_to(test)] == ["frames", "run"]
    assert [(m.id, m.path) for m in catalog.models] == [("run", place / "run")]
    assert [s.query.text for s in catalog.samples(test)] == ["test sentence 0", "test sentence 1"]
    assert len(catalog.predictions(catalog.answer("run:test"))) == 2
    assert [s.qid for s in catalog.train_samples(test)] == [100, 101]
    assert catalog.recording(test, "a") == place / "sample" / "media" / "a.mp4"
    assert set(catalog.recordings()) == {"a", "b"}
    assert catalog.warnings == ()


def test_ids_that_are_not_there_are_one_line(place):
    catalog = look(place)
    for find in (catalog.question, catalog.answer, catalog.model):
        with pytest.raises(BadInput, match="'x' is no"):
            find("x")
    with pytest.raises(BadInput, match="no recording is called 'zz'; add zz.mp4"):
        catalog.recording(catalog.questions[0], "zz")
    with pytest.raises(BadInput, match="no such file"):
        Workspace([place / "none"], place)


@pytest.mark.parametrize(
    "given", ["..", "../other/x.mp4", "work/../other/x.mp4", "/etc/passwd", ""]
)
def test_paths_that_lead_out_are_refused(place, monkeypatch, given):
    monkeypatch.chdir(place.parent)
    workspace = Workspace([place / "sample"], place.parent / "store")
    with pytest.raises(BadInput, match="lies outside.*grounding app"):
        workspace.inside(given)
    with pytest.raises(BadInput, match="lies outside"):
        workspace.inside(place / "sample" / "media" / ".." / ".." / "run" / "config.yaml")
    with pytest.raises(BadInput, match="lies outside"):
        workspace.inside(f"{place}/sample-other/a.mp4")  # shares the beginning of a name
    with pytest.raises(BadInput, match="no usable path"):
        workspace.inside("a\0b")


def test_root_and_store_are_inside(place):
    workspace = Workspace([place / "sample"], place / "store")
    assert workspace.inside(place / "sample" / "media" / ".." / "x") == place / "sample" / "x"
    assert workspace.inside(place / "store" / "new.mp4") == place / "store" / "new.mp4"
    assert workspace.inside(place / "sample") == place / "sample"


def test_links_out_of_the_root_are_not_followed(place):
    secret = place.parent / "secret"
    make_dataset(secret / "data")
    (secret / "x.mp4").touch()
    (place / "sample" / "media" / "a.mp4").unlink()
    (place / "sample" / "media" / "a.mp4").symlink_to(secret / "x.mp4")
    (place / "linked").symlink_to(secret / "data")
    workspace = Workspace([place], place / ".store")
    catalog = workspace.catalog()
    assert [q.id for q in catalog.questions] == ["sample/test", "sample/train"]
    assert set(catalog.recordings()) == {"b"}
    assert any("linked: leads outside" in line and "1 more" in line for line in catalog.warnings)
    with pytest.raises(BadInput, match="lies outside.*secret"):
        catalog.recording(catalog.questions[0], "a")
    with pytest.raises(BadInput, match="lies outside"):
        workspace.inside(place / "linked" / "annotations" / "test.jsonl")
    both = Workspace([place, secret], place / ".store").catalog()
    assert both.recording(both.question("sample/test"), "a") == secret / "x.mp4"


def test_a_run_whose_config_or_model_leads_out_is_not_read(place):
    outside = place.parent / "outside.yaml"
    outside.write_text(f"dataset: {place / 'sample'}\n")
    for name in ("config.yaml", "model.safetensors"):
        (place / "run" / name).unlink()
        (place / "run" / name).symlink_to(outside)
    catalog = look(place)
    assert catalog.models == ()
    assert any("outside.yaml" in w or "lies outside" in w for w in catalog.warnings)
    assert links(catalog)["run:test"] == "sample/test"  # by what it answers


def test_links_in_a_circle_end(place):
    (place / "sample" / "again").symlink_to(place)
    (place / "self").symlink_to(place / "self")
    (place / "gone").symlink_to(place / "nowhere")
    assert len(look(place).questions) == 2
    with pytest.raises(BadInput):
        Workspace([place / "sample"], place / ".store").inside(place / "self" / "x")


def test_roots_that_overlap_are_looked_at_once(place):
    catalog = look(place, place / "sample", place / "run", place / "run" / ".." / "run")
    assert len(catalog.questions) == 2 and len(catalog.answers) == 2 and len(catalog.models) == 1


def test_hidden_folders_the_store_and_what_lies_too_deep_are_skipped(place):
    make_dataset(place / ".hidden" / "d")
    make_dataset(place / "store" / "d")
    make_dataset(place / "1" / "2" / "3" / "4" / "5" / "6" / "7")
    make_dataset(place / "1" / "2" / "3" / "4" / "near")
    catalog = look(place, store=place / "store")
    assert {q.id.split("/")[0] for q in catalog.questions} == {"sample", "near"}
    assert len(look(place / "store", store=place / "store").questions) == 2  # asked for by name


def test_too_many_files_stop_the_look_with_a_warning(place, monkeypatch):
    found = scanning.scan([place], place / "store", lambda path: True, entries=5)
    assert len(found.lines) < 4 and "stopped looking after 5" in found.warnings[-1]


def test_broken_files_are_named_and_the_others_shown(place):
    (place / "sample" / "annotations" / "val.jsonl").write_text('{"qid": 1, "relevant_windows": 3}')
    (place / "sample" / "annotations" / "odd.jsonl").write_text("no JSON")
    (place / "sample" / "annotations" / "none.jsonl").write_text("")
    (place / "run" / "predictions" / "val.jsonl").write_bytes(b'{"pred_relevant_windows": \xff}')
    (place / "frames" / "config.yaml").write_text("dataset: [")
    (place / "queries.jsonl").write_text('{"query": "not ours"}\n')
    catalog = look(place)
    assert len(catalog.questions) == 2 and len(catalog.answers) == 2
    said = "\n".join(catalog.warnings)
    for name in ("val.jsonl:1: ", "odd.jsonl:1: not JSON", "none.jsonl: holds no line", "UTF-8"):
        assert name in said
    assert "queries.jsonl" not in said
    assert links(catalog)["frames:test"] == "sample/test"  # found without its config


def test_a_file_that_cannot_be_read_is_a_warning(place):
    path = place / "sample" / "annotations" / "train.jsonl"
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("this user reads every file")
    assert any("train.jsonl" in w for w in look(place).warnings)


def test_names_that_meet_are_told_apart(place):
    other = make_dataset(place / "b" / "sample", first=1000)
    make_run(place / "b" / "run", other, first=1000)
    make_run(place / "c" / "run", other, first=1000)
    catalog = look(place)
    assert {q.id for q in catalog.questions} == {
        "work/sample/test", "work/sample/train", "b/sample/test", "b/sample/train"
    }  # fmt: skip
    assert links(catalog) == {
        "frames:test": "work/sample/test",
        "work/run:test": "work/sample/test",
        "b/run:test": "b/sample/test",
        "c/run:test": "b/sample/test",
    }
    assert {m.id for m in catalog.models} == {"work/run", "b/run", "c/run"}


def test_ids_fit_an_address(tmp_path):
    make_dataset(tmp_path / "my data?&#", splits=("te st",))
    make_dataset(tmp_path / "my data---", splits=("te st",), first=50)
    ids = {q.id for q in look(tmp_path).questions}
    assert len(ids) == 2
    assert not any(character in id for id in ids for character in " ?&#")


def test_a_dataset_that_moved_is_found_by_its_questions(place):
    (place / "sample").rename(place / "moved")
    catalog = look(place)
    assert links(catalog) == {"frames:test": "moved/test", "run:test": "moved/test"}
    assert catalog.warnings == ()


def test_a_dataset_outside_is_named_and_its_answers_shown_without_truth(place):
    catalog = look(place / "run", place / "frames")
    (question,) = catalog.questions  # both runs answered the same
    assert not question.has_truth and len(catalog.answers_to(question)) == 2
    assert any("sample lies outside" in w for w in catalog.warnings)
    samples = catalog.samples(question)
    assert [(s.vid, s.duration, s.windows) for s in samples] == [("a", 7.0, ()), ("b", 8.0, ())]
    assert catalog.train_samples(question) is None
    with pytest.raises(BadInput, match="add the folder of the recordings"):
        catalog.recording(question, "a")
    (place / "sample").rename(place / "away")
    assert any("not there any more" in w for w in look(place / "run").warnings)


def test_a_dataset_made_anew_is_a_warning(place):
    make_run(place / "run", place / "sample", first=5000)
    catalog = look(place)
    assert links(catalog)["run:test"] == "sample/test"
    assert any("less than half" in w for w in catalog.warnings)


def test_a_predictions_file_alone(place):
    catalog = look(place / "run" / "predictions" / "test.jsonl", place / "sample")
    assert links(catalog) == {"run:test": "sample/test"}
    alone = Workspace([place / "run" / "predictions" / "test.jsonl"], place / ".store")
    assert [q.has_truth for q in alone.catalog().questions] == [False]
    alone.inside(place / "run" / "predictions" / "beside.mp4")
    with pytest.raises(BadInput):
        alone.inside(place / "run" / "config.yaml")


def test_a_file_that_is_neither_is_a_warning(place):
    path = place / "notes.jsonl"
    path.write_text('{"a": 1}\n')
    assert any("notes.jsonl:1" in w for w in look(path).warnings)


def test_answers_to_less_than_half_of_their_own_are_not_linked(place):
    samples = [Query("test sentence 0", 0, "a"), Query("x", 1, "b"), Query("y", 2, "b")]
    write_predictions(place / "loose.jsonl", [Prediction(q) for q in samples])
    write_predictions(place / "half.jsonl", [Prediction(q) for q in samples[:2]])
    catalog = look(place / "sample", place / "loose.jsonl")
    assert not catalog.question(links(catalog)["loose"]).has_truth
    catalog = look(place / "sample", place / "half.jsonl")
    assert links(catalog)["half"] == "sample/test"


def test_lines_without_a_sentence_are_matched_by_qid_and_recording(place):
    rows = [{"qid": i, "vid": v, "pred_relevant_windows": [[0, 1, 1]]} for i, v in enumerate("ab")]
    (place / "bare.jsonl").write_text("\n".join(map(json.dumps, rows)))
    assert links(look(place))["bare"] == "sample/test"


def test_a_batch_that_asks_every_recording_the_same(place, tmp_path):
    out = tmp_path / "out"
    rows = [Prediction(Query("a door", 1, v), (Moment(0, 3, 1.0),)) for v in ("a", "b", "c")]
    write_predictions(out / "predictions.jsonl", rows)
    catalog = look(out, place / "sample")
    (answer,) = catalog.answers
    question = catalog.question(answer.question)
    assert answer.name == "out" and len(catalog.samples(question)) == 3
    assert catalog.recording(question, "b") == place / "sample" / "media" / "b.mp4"
    c = compare(catalog.samples(question), {"out": catalog.predictions(answer)}, has_truth=False)
    assert all(p is not None for p in c.answers[0])


def test_recordings_below_the_roots_are_found_as_a_batch_names_them(tmp_path):
    for name in ("x/a.mp4", "x/s/a.mp4", "x/s/b.mp4", "y/b.MKV"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    names = ("a", "s/a", "x/s/b.mp4", "b", str(tmp_path / "y" / "b.MKV"), "../x/a", "")
    write_predictions(
        tmp_path / "p.jsonl", [Prediction(Query("q", i, v)) for i, v in enumerate(names)]
    )
    catalog = look(tmp_path)
    (question,) = catalog.questions
    find = {v: catalog.recording(question, v) for v in names[1:3] + names[4:5]}
    assert find == {
        "s/a": tmp_path / "x" / "s" / "a.mp4",
        "x/s/b.mp4": tmp_path / "x" / "s" / "b.mp4",
        names[4]: tmp_path / "y" / "b.MKV",
    }
    for vid in ("a", "b"):
        with pytest.raises(BadInput, match="same vid"):
            catalog.recording(question, vid)
    for vid in ("../x/a", "", "zz"):
        with pytest.raises(BadInput, match="no recording is called"):
            catalog.recording(question, vid)


def test_two_recordings_of_one_vid_in_a_dataset(place):
    (place / "sample" / "media" / "a.mkv").touch()
    catalog = look(place)
    with pytest.raises(BadInput, match="same vid 'a'"):
        catalog.recording(catalog.question("sample/test"), "a")
    assert catalog.recording(catalog.question("sample/test"), "b").name == "b.mp4"


def test_no_file_is_read_twice_until_it_changes(place, monkeypatch):
    reads = []
    for name in ("read_samples", "read_predictions"):
        real = getattr(scanning, name)
        monkeypatch.setattr(
            scanning, name, lambda path, real=real: (reads.append(path.name), real(path))[1]
        )
    (place / "sample" / "annotations" / "bad.jsonl").write_text("no JSON")
    workspace = Workspace([place], place / ".store")

    def visit():
        catalog = workspace.catalog()
        for question in catalog.questions:
            catalog.samples(question).clear()  # a visitor's list is the visitor's own
            for answer in catalog.answers_to(question):
                catalog.predictions(answer).clear()

    threads = [threading.Thread(target=visit) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    visit()
    assert sorted(reads) == ["bad.jsonl", "test.jsonl", "test.jsonl", "test.jsonl", "train.jsonl"]
    reads.clear()
    make_run(place / "run", place / "sample", vids=("a", "b", "c"))
    catalog = workspace.catalog()
    assert reads == ["test.jsonl"] and len(catalog.predictions(catalog.answer("run:test"))) == 3
    (place / "sample" / "annotations" / "train.jsonl").unlink()
    assert [q.id for q in workspace.catalog().questions] == ["sample/test"]


def test_a_file_that_went_since_is_one_line(place):
    catalog = look(place)
    (place / "sample" / "annotations" / "test.jsonl").unlink()
    with pytest.raises(BadInput, match="No such file"):
        catalog.samples(catalog.question("sample/test"))


def test_the_sample_shows_once_it_is_whole(tmp_path):
    (tmp_path / "empty").mkdir()
    place = Workspace([tmp_path / "empty"], tmp_path / "store")
    write_samples(
        place.demo / "sample" / "annotations" / "test.jsonl", [Sample(Query("x", 1, "v"), 9.0)]
    )
    assert place.catalog().questions == ()
    (place.demo / "run" / "report").mkdir(parents=True)
    (place.demo / "run" / "report" / "test.json").write_text("{}")
    assert [q.id for q in place.catalog().questions] == ["sample/test"]
