"""Every format says what the predictions say, to readers that know nothing of our writers."""

import csv
import html
import io
import json
import re
import unicodedata
from fractions import Fraction

import av
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from grounding import export
from grounding.decode import Calibration
from grounding.errors import BadInput
from grounding.export import FORMATS, frame_number, frame_rate, timecode
from grounding.feature_files import Features, Recipe, write_features
from grounding.model_file import Trained, build_model, save
from grounding.settings import FeatureSettings, RunSettings, TextSettings, VideoSettings
from grounding.types import Moment, Prediction, Query
from models.encoders.text import WordTokenizer
from models.heads import HEADS
from tests.media.recordings import read_number, render

NTSC = Fraction(30000, 1001)
RATES = [
    Fraction(24000, 1001), Fraction(24), Fraction(25), NTSC, Fraction(30), Fraction(50),
    Fraction(60000, 1001), Fraction(60), Fraction(25, 2), Fraction(15), Fraction(120),
    Fraction(1, 2),
]  # fmt: skip
HOSTILE = [
    'she says "no", then leaves', "two\nlines\r\n\r\nand\rmore", "1 --> 2 ---> 3",
    "a <b>bold</b> & dog", "狗 🐕‍🦺 \u2028 \x85 é", "=1+1", "  * COMMENT: x\n002  AX  V  C",
    "a\0b\x1b[31m", "&lt;", "NOTE x", "-->",
]  # fmt: skip
TEXTS = st.text(min_size=1).filter(str.strip) | st.sampled_from(HOSTILE)
TIMES = st.floats(0, 36000, allow_nan=False)
MOMENTS = st.lists(
    st.builds(lambda a, b, s: Moment(min(a, b), max(a, b), s), TIMES, TIMES, st.floats(-9, 9)),
    max_size=3,
)
PREDICTIONS = st.lists(
    st.builds(
        lambda text, qid, moments, absent: Prediction(
            Query(text, qid, "kitchen"),
            tuple(sorted(moments, key=lambda m: -m.score)),
            absent,
        ),
        TEXTS,
        st.integers(0, 99) | TEXTS,
        MOMENTS,
        st.none() | st.floats(0, 1),
    ),
    max_size=4,
)


def clock(text):
    hours, minutes, seconds = re.fullmatch(r"(\d\d+):(\d\d):(\d\d[.,]\d{3})", text).groups()
    return 3600 * int(hours) + 60 * int(minutes) + float(seconds.replace(",", "."))


def read_cues(blocks):
    """(name, start, end, text) of each block; a block is three lines."""
    cues = []
    for block in blocks:
        name, times, text = block.split("\n")
        start, end = times.split(" --> ")
        cues.append((name, clock(start), clock(end), text))
    return cues


def read_vtt(text):
    assert text.startswith("WEBVTT\n") and "\r" not in text
    cues = read_cues(text.strip("\n").split("\n\n")[1:])
    assert all("-->" not in name + said and "<" not in said for name, _, _, said in cues)
    return [(name, start, end, html.unescape(said)) for name, start, end, said in cues]


def read_srt(text):
    cues = read_cues(text.rstrip("\n").split("\n\n")) if text else []
    assert [int(name) for name, *_ in cues] == list(range(1, len(cues) + 1))
    return cues


def read_timecode(text, rate):
    """The frame number: what an editing program makes of a timecode."""
    hours, minutes, seconds, mark, frame = re.fullmatch(
        r"(\d\d):(\d\d):(\d\d)([:;])(\d\d+)", text
    ).groups()
    base = max(int(rate + Fraction(1, 2)), 1)
    minutes = 60 * int(hours) + int(minutes)
    number = (60 * minutes + int(seconds)) * base + int(frame)
    assert int(frame) < base and int(seconds) < 60
    if mark == ";":
        number -= base // 15 * (minutes - minutes // 10)
    return number


def read_edl(text, rate):
    """(source in, source out, record in, record out) in frames and the remarks of each event."""
    title, mode, *lines = text.split("\n")
    assert title.startswith("TITLE: ") and mode in ("FCM: DROP FRAME", "FCM: NON-DROP FRAME")
    events = []
    for line in filter(None, lines):
        if line.startswith("* "):
            key, _, value = line[2:].partition(": ")
            events[-1][1][key] = value
            continue
        number, times = re.fullmatch(r"(\d{3})  AX       V     C        (.+)", line).groups()
        assert int(number) == len(events) + 1
        assert (";" in times) == (mode == "FCM: DROP FRAME")
        events.append(([read_timecode(t, rate) for t in times.split(" ")], {}))
    return events


def plain(text):
    """On one line, without control characters."""
    return "".join(c for c in " ".join(text.split()) if unicodedata.category(c) != "Cc")


def by_time(predictions):
    """(start, end, text) of all moments as a viewer meets them, milliseconds."""
    rows = [
        (round(1000 * m.start), round(1000 * m.end), plain(p.query.text))
        for p in predictions
        for m in p.moments
    ]
    return [(a, max(b, a + 1), text) for a, b, text in sorted(rows, key=lambda r: r[0])]


@given(PREDICTIONS)
def test_subtitles_come_back_as_written(predictions):
    wanted = by_time(predictions)
    for cues in (read_vtt(export.vtt(predictions)), read_srt(export.srt(predictions))):
        starts = [round(1000 * start) for _, start, _, _ in cues]
        assert starts == [start for start, _, _ in wanted]
        assert all(end > start for _, start, end, _ in cues)
    said = sorted(re.sub(r" \(-?\d+\.\d{3}(, probably not there)?\)$", "", c[3]) for c in cues)
    assert said == sorted(text.replace("-->", "→") for _, _, text in wanted)
    said = [c[3].rpartition(" (")[0] for c in read_vtt(export.vtt(predictions))]
    assert sorted(said) == sorted(text for _, _, text in wanted)


@given(PREDICTIONS)
def test_tables_and_lines_keep_sentences_to_the_letter(predictions):
    text = export.csv(predictions)
    rows = list(csv.DictReader(io.StringIO(text, newline=""), strict=True))
    assert text.startswith("vid,query,qid,rank,start,end,score,absent\r\n")
    wanted = [(p, r, m) for p in predictions for r, m in enumerate(p.moments, 1)]
    assert len(rows) == len(wanted)
    for row, (prediction, rank, moment) in zip(rows, wanted, strict=True):
        query = prediction.query
        asked = (row["vid"], row["query"], row["qid"], row["rank"])
        assert asked == (query.vid, query.text, str(query.qid), str(rank))
        told = [float(row[key]) for key in ("start", "end", "score")]
        assert told == pytest.approx([moment.start, moment.end, moment.score], abs=6e-4)
        assert row["absent"] == (
            "" if prediction.absent is None else str(round(prediction.absent, 6))
        )
    lines = [json.loads(line) for line in export.jsonl(predictions).split("\n")[:-1]]
    assert [line["query"] for line in lines] == [p.query.text for p in predictions]
    assert [len(line["pred_relevant_windows"]) for line in lines] == [
        len(p.moments) for p in predictions
    ]


@given(PREDICTIONS, st.sampled_from(RATES))
def test_an_edit_list_holds_every_moment_one_after_the_other(predictions, rate):
    events = read_edl(export.edl(predictions, rate), rate)
    moments = [(p, m) for p in predictions for m in p.moments]
    assert len(events) == len(moments)
    recorded = 0
    for ((first, last, begin, end), remarks), (prediction, moment) in zip(
        events, moments, strict=True
    ):
        assert first == frame_number(moment.start, rate)
        assert last == max(frame_number(moment.end, rate), first + 1)
        assert (begin, end) == (recorded, recorded + last - first)
        recorded = end
        assert remarks["FROM CLIP NAME"] == plain(prediction.query.text)
        assert remarks["COMMENT"].startswith(plain(prediction.query.text))
        assert remarks["SOURCE FILE"] == "kitchen"


@pytest.mark.parametrize("name", FORMATS)
def test_nothing_is_valid_in_every_format(name):
    none = Prediction(Query("a dog", 1, "kitchen"))
    for predictions in ([], [none]):
        text = FORMATS[name](predictions, Fraction(25))
        assert text == "" or text.endswith("\n")
    readers = {"vtt": read_vtt, "srt": read_srt, "edl": lambda text: read_edl(text, Fraction(25))}
    if name in readers:
        assert readers[name](text) == []


@given(TIMES, st.sampled_from(RATES))
@example(3600.0, NTSC)
@example(35999.999, NTSC)
def test_timecode_names_the_frame_nearest_to_the_time(seconds, rate):
    number = read_timecode(timecode(frame_number(seconds, rate), rate), rate)
    assert number == round(Fraction(seconds) * rate)


# drop-frame itself runs 1 ms off in 17 minutes: ten hours are what the tolerance is for
@given(st.integers(0, 36000 * 30), st.sampled_from([NTSC, 2 * NTSC]))
def test_drop_frame_follows_the_clock_and_never_uses_a_dropped_number(frame, rate):
    text = timecode(frame, rate)
    shown, part = text.split(";")
    base = round(rate)
    assert clock(f"{shown}.000") + int(part) / base == pytest.approx(float(frame / rate), abs=0.11)
    if shown.endswith(":00") and shown[4] != "0":
        assert int(part) >= base // 15
    assert read_timecode(timecode(frame + 1, rate), rate) == frame + 1


@pytest.mark.parametrize(
    "frame,rate,text",
    [
        (1799, NTSC, "00:00:59;29"),
        (1800, NTSC, "00:01:00;02"),
        (17981, NTSC, "00:09:59;29"),
        (17982, NTSC, "00:10:00;00"),
        (107892, NTSC, "01:00:00;00"),
        (3600, 2 * NTSC, "00:01:00;04"),
        (86400, Fraction(24000, 1001), "01:00:00:00"),
        (90000, Fraction(25), "01:00:00:00"),
        (119, Fraction(120), "00:00:00:119"),
    ],
)
def test_known_timecodes(frame, rate, text):
    assert timecode(frame, rate) == text


@pytest.mark.parametrize(
    "measured,variable,exact",
    [
        (29.97002997002997, False, NTSC), (29.97, False, NTSC), (59.94, False, 2 * NTSC),
        (23.976, False, Fraction(24000, 1001)), (25.0, False, 25), (12.5, False, Fraction(25, 2)),
        (17.43, True, 17), (29.97, True, 30), (0.0, False, 1),
    ],
)  # fmt: skip
def test_measured_rates_become_exact(measured, variable, exact):
    assert frame_rate(measured, variable) == exact


@given(PREDICTIONS)
def test_fiftyone_keeps_every_moment(predictions):
    labels = json.loads(FORMATS["fiftyone"](predictions, None))["labels"]
    assert set(labels) <= {"kitchen"}
    found = [
        (d["label"], *d["timestamps"], d["confidence"], d["attributes"]["qid"])
        for d in labels.get("kitchen", [])
    ]
    assert found == [
        (p.query.text, round(m.start, 3), round(m.end, 3), round(m.score, 6), p.query.qid)
        for p in predictions
        for m in p.moments
    ]
    for detection in labels.get("kitchen", []):  # as FiftyOne's importer takes them
        assert set(detection) == {"label", "timestamps", "confidence", "attributes"}
        assert set(detection["attributes"]) <= {"qid", "rank", "absent"}


@given(PREDICTIONS, st.sampled_from([*RATES, None]))
def test_label_studio_keeps_every_moment(predictions, rate):
    tasks = json.loads(FORMATS["label-studio"](predictions, rate))
    assert len(tasks) == bool(predictions)
    moments = [(p, m) for p in predictions for m in p.moments]
    result = tasks[0]["predictions"][0]["result"] if tasks else []
    assert len({region["id"] for region in result}) == len(result) == len(moments)
    for region, (prediction, moment) in zip(result, moments, strict=True):
        value, kind = region["value"], region["type"]
        assert region["score"] == moment.score and value[kind] == [prediction.query.text]
        assert {"value": prediction.query.text} in tasks[0]["data"]["labels"]
        assert tasks[0]["data"][region["to_name"]] == "kitchen"
        if rate is None:
            assert kind == "labels" and (value["start"], value["end"]) == (moment.start, moment.end)
            continue
        (span,) = value["ranges"]
        assert kind == "timelinelabels" and 1 <= span["start"] <= span["end"]
        assert abs((span["start"] - 1) / rate - Fraction(moment.start)) <= 1 / rate / 2
        is_long = moment.length * rate >= 1  # shorter ones get a whole frame
        assert abs(span["end"] / rate - Fraction(moment.end)) <= (1 if is_long else 3) / rate / 2


def test_an_edit_list_needs_a_frame_rate():
    with pytest.raises(BadInput, match="frame rate"):
        FORMATS["edl"]([], None)


RECIPE = Recipe("pixel-grid", None, 4.0, "8x8", "1")


def tiny_run(folder, absent):
    """A run folder with an untrained model that always gives this logit of absence."""
    settings = RunSettings(
        head="frames",
        features=FeatureSettings(clips=8),
        text=TextSettings(width=8, out=8),
        video=VideoSettings(kind="linear", width=8, layers=1),
        method=HEADS["frames"].settings(width=8),
    )
    words = WordTokenizer(["a", "dog", "barks", "door", "opens"])
    model = build_model(settings, 256, len(words.vocabulary))
    save(
        folder / "model.safetensors",
        Trained(model, words, RECIPE, settings, Calibration(slope=0.0, offset=absent), 1),
    )
    return folder


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return tiny_run(tmp_path_factory.mktemp("present"), -5.0)


@pytest.fixture(scope="module")
def media(tmp_path_factory):
    path = tmp_path_factory.mktemp("media") / "kitchen.mp4"
    return render(path, frames=180, rate=NTSC, options={"preset": "veryfast"}, sound=True).path


@pytest.fixture
def stored(tmp_path):
    """Features of another encoder, of none that is told, and the right ones without duration."""
    x = np.random.default_rng(0).random((24, 256), np.float32)
    other = Recipe("clip-b32", "abcdef0123456789", 2.0, "224", "3")
    write_features(tmp_path / "other.safetensors", Features(x, None, 6.0, other))
    write_features(tmp_path / "own.safetensors", Features(x, None, 6.0, RECIPE))
    np.save(tmp_path / "bare.npy", x)
    return tmp_path


@pytest.mark.parametrize("name", ["table", *FORMATS])
def test_the_command_writes_every_format_clean(command, run, media, name):
    asked = ["a dog barks", 'the "door", <opens>', "and & --> x"]
    code, out, err = command("ground", media, "--model", run, "--format", name, *asked)
    assert code == 0 and "the model never saw" in err and "never saw" not in out
    readers = {
        "table": lambda text: text.splitlines()[2:],
        "jsonl": lambda text: [
            w for line in text.splitlines() for w in json.loads(line)["pred_relevant_windows"]
        ],
        "csv": lambda text: list(csv.DictReader(io.StringIO(text, newline=""))),
        "vtt": read_vtt,
        "srt": read_srt,
        "edl": lambda text: read_edl(text, NTSC),
        "fiftyone": lambda text: json.loads(text)["labels"]["kitchen"],
        "label-studio": lambda text: json.loads(text)[0]["predictions"][0]["result"],
    }
    assert 3 <= len(readers[name](out)) <= 9
    assert ("FCM: DROP FRAME" in out) == (name == "edl")
    assert ("timelinelabels" in out) == (name == "label-studio")


def test_features_replace_the_recording(command, run, stored):
    ask = ["--model", run, "--format", "jsonl", "--top-k", 1]
    own = stored / "own.safetensors"
    code, out, _ = command("ground", "--features", own, "a dog barks", "door", *ask)
    assert code == 0 and [json.loads(line)["vid"] for line in out.splitlines()] == ["own", "own"]
    code, one, _ = command("ground", "--features", own, *ask, "a dog barks")
    assert code == 0 and one == out.splitlines(keepends=True)[0]
    bare = stored / "bare.npy"
    code, out, _ = command("ground", "--features", bare, "--duration", "12", *ask, "a dog")
    (start, end, _), *_ = json.loads(out)["pred_relevant_windows"]
    assert code == 0 and 0 <= start < end <= 12


def test_features_of_another_encoder_are_refused_naming_both(command, run, stored):
    code, out, err = command(
        "ground", "--features", stored / "other.safetensors", "a dog", "--model", run
    )
    assert code == 2 and out == "" and err.count("\n") == 1
    assert "clip-b32 (224, 2 frames/s, version 3, weights abcdef012345)" in err
    assert "pixel-grid (8x8, 4 frames/s, version 1)" in err


def test_cut_writes_the_moments_it_prints(command, run, media, tmp_path):
    folder = tmp_path / "new" / "clips"
    ask = ["--model", run, "--format", "jsonl", "--top-k", 2, "--cut", folder]
    code, out, err = command("ground", media, "a dog barks", "door opens", *ask)
    assert code == 0 and f"{folder}: " in err
    wanted = {}
    for line in map(json.loads, out.splitlines()):
        for rank, window in enumerate(line["pred_relevant_windows"], 1):
            wanted[f"kitchen-{line['query'].replace(' ', '-')}-{rank}.mp4"] = window
    assert sorted(wanted) == sorted(path.name for path in folder.iterdir())
    for name, (start, end, _) in wanted.items():
        with av.open(folder / name) as container:
            assert [s.type for s in container.streams] == ["video", "audio"]
            assert container.duration / 1e6 == pytest.approx(end - start, abs=2e-3)
            first = next(container.decode(video=0)).to_ndarray(format="rgb24")
        assert abs(read_number(first) - int(start * NTSC + 0.05)) == 0


def test_what_is_probably_not_there_is_not_cut(command, media, tmp_path):
    run = tiny_run(tmp_path / "run", 5.0)
    code, out, err = command(
        "ground", media, "a dog barks", "--model", run, "--cut", tmp_path / "clips"
    )
    assert code == 0 and "probably not there" in out
    assert "'a dog barks': probably not there; nothing is cut" in err
    assert not list((tmp_path / "clips").iterdir())


@pytest.mark.parametrize(
    "arguments,says",
    [
        (["--features", "FEATURES", "a dog", "--cut", "clips"], "--cut needs the recording"),
        (["--features", "FEATURES", "a dog", "--format", "edl"], "--format edl counts frames"),
        (["--features", "FEATURES", "a dog", "--format", "label-studio"], "counts frames"),
        (["--features", "FEATURES"], "give a sentence"),
        (["--features", "BARE", "a dog"], "give --duration"),
        (["--features", "nowhere.safetensors", "a dog"], "nowhere.safetensors: no such file"),
        (["--features", "BARE", "a dog", "--duration", "0"], "--duration"),
        (["--features", "BARE", "a dog", "--duration", "nan"], "--duration"),
        (["MEDIA", "a dog", "--duration", "3"], "--duration goes with --features"),
        (["MEDIA"], "give a sentence"),
        ([], "give MEDIA"),
        (["MEDIA", "a \udcff dog"], "not UTF-8"),
        (["MEDIA", " "], "a sentence is empty"),
        (["MEDIA", "a dog", "--cut", "MEDIA/clips"], "give a folder that can be written to"),
        (["MEDIA", "a dog", "--cut", "MEDIA"], "give a folder that can be written to"),
        (["MEDIA", "a dog", "--cut", "/proc/clips"], "give a folder that can be written to"),
        (["MEDIA", "a dog", "--format", "xml"], "--format"),
    ],
)
def test_bad_input_is_one_line(command, run, media, stored, monkeypatch, arguments, says):
    monkeypatch.chdir(stored)
    names = {"MEDIA": media, "FEATURES": stored / "own.safetensors", "BARE": stored / "bare.npy"}
    filled = [
        re.sub("MEDIA|FEATURES|BARE", lambda match: str(names[match[0]]), word)
        for word in arguments
    ]
    code, out, err = command("ground", *filled, "--model", run)
    assert code == 2 and out == ""
    assert err.count("\n") == 1 and says in err, err
