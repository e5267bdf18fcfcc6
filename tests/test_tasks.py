"""The explorer's tasks, in real processes: JSON in, JSON out."""

import json

import pytest

from grounding import demonstration, isolated, tasks
from grounding.annotations.jsonl import prediction_to_row
from grounding.errors import BadInput, UnreadableMedia
from grounding.media.playable import obstacle
from grounding.media.probe import probe
from grounding.predict import Grounder
from tests.untrained import untrained_run

MEMORY = 1 << 30


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run folder with an untrained model."""
    return untrained_run(tmp_path_factory.mktemp("untrained"))


@pytest.fixture
def media(corpus):
    return corpus / "media" / "sample-0000.mp4"


def call(task, progress=None, **arguments):
    return isolated.call(task, arguments, seconds=60, memory=MEMORY, progress=progress)


def test_examine_tells_what_a_recording_is(media):
    found = call("examine", path=str(media))
    assert found["frames"] > 0 and found["duration"] > 0 and found["codec"] == "h264"
    assert found["obstacle"] == obstacle(media) and found["warnings"] == []


@pytest.mark.parametrize("task", ["examine", "proxy"])
def test_broken_recordings_are_one_line(media, tmp_path, task):
    data = media.read_bytes()
    files = {"cut.mp4": data[:3000], "noise.mkv": b"\x1a\x45\xdf\xa3" + bytes(range(256)) * 40}
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
        more = {"out": str(tmp_path / "out.mp4")} if task == "proxy" else {}
        with pytest.raises(UnreadableMedia, match=name) as found:
            call(task, path=str(tmp_path / name), **more)
        assert "\n" not in str(found.value) and not (tmp_path / "out.mp4").exists()


def test_a_proxy_is_made_once_and_tells_how_far_it_is(media, tmp_path):
    out, told = tmp_path / "store" / "out.mp4", []
    assert call("proxy", lambda *a: told.append(a), path=str(media), out=str(out)) == {
        "path": str(out)
    }
    assert obstacle(out) is None and told and told[-1][1] > 0
    before = out.stat().st_mtime_ns
    call("proxy", path=str(media), out=str(out))
    assert out.stat().st_mtime_ns == before


def test_ask_answers_like_the_command_and_decodes_once(run, media, tmp_path):
    sentences, told = ["a red circle", "zebra parade"], []
    words = {"media": str(media), "model": str(run), "store": str(tmp_path / "f"), "top": 2}
    found = call("ask", lambda *a: told.append(a), sentences=sentences, vid="mine", **words)
    grounder = Grounder.from_run(run)
    features = grounder.features(media)
    wanted = grounder.ground_features(features, "mine", sentences, top=2)
    assert found["predictions"] == [prediction_to_row(p) for p in wanted]
    assert found["duration"] == pytest.approx(features.duration)
    info = probe(media)
    assert (found["rate"], found["is_variable"]) == (info.rate, info.is_variable)
    assert ["never saw a;" in found["notes"][0], "only guess" in found["notes"][1]] == [True, True]
    assert told and told[-1][0] <= told[-1][1] == pytest.approx(features.duration)
    again = []
    call("ask", lambda *a: again.append(a), sentences=["red"], vid="mine", **words)
    assert again == []  # nothing was decoded


def test_damage_is_noted(run, media, tmp_path):
    data = media.read_bytes()
    assert data.find(b"moov") < data.find(b"mdat"), "the sample has its index in front"
    (tmp_path / "half.mp4").write_bytes(data[: len(data) * 2 // 3])
    found = tasks.ask(
        str(tmp_path / "half.mp4"), ["red"], model=str(run), store=str(tmp_path / "f")
    )(lambda *told: None)
    assert found["predictions"][0]["vid"] == "half"
    assert any("truncated" in note for note in found["notes"])


@pytest.mark.parametrize("chosen", [{}, {"model": "RUN", "encoder": "open_clip:ViT-B-32"}])
def test_one_of_model_and_encoder_is_wanted(media, tmp_path, chosen):
    with pytest.raises(BadInput, match="not both"):
        call("ask", media=str(media), sentences=["x"], store=str(tmp_path), **chosen)


def test_what_cannot_answer_is_one_line(run, media, tmp_path):
    words = {"media": str(media), "store": str(tmp_path)}
    with pytest.raises(BadInput, match="nowhere"):
        call("ask", sentences=["x"], model="nowhere", **words)
    with pytest.raises(BadInput, match="a sentence is empty"):
        call("ask", sentences=[" "], model=str(run), **words)
    with pytest.raises(BadInput, match="reads no sentences"):
        call("ask", sentences=["x"], encoder="pixel-grid", **words)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_demo_is_made_and_goes_on(tmp_path):
    told = []
    found = isolated.call(
        "demo", {"folder": str(tmp_path), "videos": 8}, seconds=500,
        progress=lambda *a: told.append(a),
    )  # fmt: skip
    assert found["run"] == str(demonstration.run_folder(tmp_path))
    assert {text for _, _, text in told} == {"rendering", "extracting features", "training"}
    assert json.loads((tmp_path / "run" / "report" / "test.json").read_text())["n"] > 0
