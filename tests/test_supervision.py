"""Training knows what `training.supervision` chooses and provably nothing else."""

import json
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from grounding import config, model_file
from grounding.annotations import read_samples
from grounding.dataset import ClipTable, QueryData
from grounding.errors import BadInput
from grounding.supervision import Facts, check, facts_of, is_absent, resample
from grounding.types import Moment, Query, Sample
from models.encoders.text import WordTokenizer

SHARED = Path(__file__).parents[2] / "shared" / "data"
KINDS = ("glance", "full", "saliency", "none", "best")
SHOWS = {"glance": {"glance"}, "full": {"windows"}, "saliency": {"saliency"}, "none": set()}
CLIPS, WIDTH, LENGTH = 8, 4, 20.0
WORDS = ("red", "dog", "cat", "runs", "sits", "jumps")
METHOD = {
    "frames": [],
    "glance": ["--method.clips", "8", "--method.diagonals", "[7]", "--method.positives", "2"],
}


def sample(i, glance=None, windows=(), scores=None, extra=None):
    more = dict(extra or {})
    if scores is not None:
        more["relevant_clip_ids"] = list(range(len(scores)))
        scores = tuple([s, s, s] for s in scores)
    text = f"{WORDS[i % 6]} {WORDS[(i * i + 1) % 6]}"
    moments = tuple(Moment(*w) for w in windows)
    return Sample(Query(text, i, f"v{i // 2}"), LENGTH, moments, glance, None, scores, more)


times = st.floats(0, LENGTH, allow_nan=False)
spans = st.tuples(times, times).map(sorted).filter(lambda w: w[1] - w[0] > 0.1)
windows = st.lists(spans, min_size=1, max_size=3)
scores = st.lists(st.integers(0, 4), min_size=10, max_size=10).filter(any)


@st.composite
def annotated(draw, count=6):
    """Queries that have everything; the last is about what is not there."""
    whole = [sample(i, draw(times), draw(windows), draw(scores)) for i in range(count - 1)]
    return [*whole, sample(count - 1)]


def data_of(samples, kind):
    vids = dict.fromkeys(s.vid for s in samples)
    rows = {vid: i for i, vid in enumerate(vids)}
    g = torch.Generator().manual_seed(0)
    table = ClipTable(
        torch.randn(len(rows), CLIPS, WIDTH, generator=g), rows, dict.fromkeys(rows, LENGTH)
    )
    return QueryData(samples, table, WordTokenizer(WORDS), kind, absence=True)


@cache
def chosen(head, kind, *more):
    words = ["--head", head, "--features.clips", str(CLIPS), "--training.supervision", kind]
    words += ["--video.width", "8", "--text.out", "8", "--text.width", "8", *METHOD[head]]
    return config.load(None, [*words, "--method.absence", "1", *more])


def trained_on(data, head, kind):
    """Losses of three steps, bit by bit."""
    torch.manual_seed(0)
    model = model_file.build_model(chosen(head, kind), WIDTH, len(WORDS))
    model.head.prepare(len(data))
    optimizer = torch.optim.AdamW(model.parameters(), 1e-2)
    losses = []
    for epoch in (0, 5, 6):
        for batch in data.shuffled(16, 0, epoch):
            loss = model.loss(batch, epoch)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    return losses


@settings(max_examples=4)
@given(annotated(), annotated())
@pytest.mark.parametrize("head", sorted(METHOD))
@pytest.mark.parametrize("kind", sorted(SHOWS))
def test_what_is_not_chosen_changes_nothing(head, kind, samples, others):
    """Every other time is another one: the losses are the same to the last bit."""
    hidden = [
        replace(
            s,
            glance=s.glance if "glance" in SHOWS[kind] else o.glance,
            windows=s.windows if "windows" in SHOWS[kind] else o.windows,
            saliency=s.saliency if "saliency" in SHOWS[kind] else o.saliency,
        )
        for s, o in zip(samples, others, strict=True)
    ]
    one, two = data_of(samples, kind), data_of(hidden, kind)
    assert one.digest() == two.digest()
    losses = trained_on(one, head, kind)
    assert losses == trained_on(two, head, kind)
    assert np.isfinite(losses).all()


@pytest.mark.parametrize("head", sorted(METHOD))
@pytest.mark.parametrize("kind", ["glance", "full", "saliency"])
def test_what_is_chosen_changes_the_loss_and_the_digest(head, kind):
    one = [sample(i, 5.0, [(4, 9)], [0, 0, 3, 4] + [0] * 6) for i in range(4)]
    two = [sample(i, 15.0, [(12, 19)], [0] * 6 + [3, 4, 0, 0]) for i in range(4)]
    first, second = data_of(one, kind), data_of(two, kind)
    assert first.digest() != second.digest()
    assert trained_on(first, head, kind) != trained_on(second, head, kind)


@given(annotated(), st.sampled_from(KINDS))
def test_a_batch_holds_one_kind_of_fact(samples, kind):
    data = data_of(samples, kind)
    batch = data.batch(torch.arange(len(samples)))
    known = {
        "windows": ~batch.spans.isnan().flatten(1).all(1),
        "saliency": ~batch.saliency.isnan().all(1),
        "glance": ~batch.glance.isnan(),
    }
    shown = {"windows"} if kind == "best" else SHOWS[kind]
    for name, there in known.items():
        assert there.tolist() == [name in shown] * (len(samples) - 1) + [False]
    assert batch.absent.tolist() == [False] * (len(samples) - 1) + [True]
    assert batch.saliency.shape == (len(samples), CLIPS)


def test_each_query_has_its_strongest_fact():
    mixed = [
        sample(0, 1.0, [(0, 4)], [4] * 10), sample(1, 1.0, (), [4] * 10), sample(2, 1.0),
        sample(3, extra={"relevant_windows": None}), sample(4),
        sample(5, 3.0, [(3, 3)]),  # an intake's glance: no boundaries
    ]  # fmt: skip
    found = [facts_of(s, "best") for s in mixed]
    assert found == [
        Facts(spans=((0, 4),)), Facts(saliency=(1.0,) * 10), Facts(glance=1.0), Facts(),
        Facts(absent=True), Facts(glance=3.0),
    ]  # fmt: skip
    for kind, used in (("full", [0]), ("saliency", [0, 1]), ("glance", [0, 1, 2, 5])):
        facts = [facts_of(s, kind) for s in mixed]
        assert [i for i, f in enumerate(facts) if f and not f.absent] == used
    assert all(facts_of(s, "none") in (Facts(), Facts(absent=True)) for s in mixed)
    for head in METHOD:
        assert np.isfinite(trained_on(data_of(mixed, "best"), head, "best")).all()


def test_only_glances_have_centres_that_move():
    mixed = [sample(0, 1.0), sample(1, 1.0, [(0, 4)]), sample(2, 3.0), sample(3)]
    data = data_of(mixed, "best")
    settings = chosen("glance", "best", "--method.adjust", "true")
    model = model_file.build_model(settings, WIDTH, len(WORDS))
    model.head.prepare(len(data))
    model.loss(data.batch(torch.arange(4)), 0)
    assert model.head.adjustment.visited.tolist() == [True, False, True, False]


def test_absence_is_said_and_never_guessed():
    assert is_absent(sample(0))
    for there in (
        sample(0, 1.0), sample(0, None, [(1, 2)]), sample(0, None, (), [1]),
        sample(0, extra={"relevant_windows": None}),
    ):  # fmt: skip
        assert not is_absent(there)


def test_queries_without_the_fact_are_no_step_and_absent_ones_only_where_they_are_used():
    samples = [sample(i, 5.0 if i < 5 else None, [(4, 6)]) for i in range(9)] + [sample(9)]
    data = data_of(samples, "glance")
    assert data.steps(4) == 2  # 5 glances and an absence
    used = torch.cat([b.query for b in data.shuffled(4, 0, 0)])
    assert sorted(used.tolist()) == [0, 1, 2, 3, 4, 9]
    alone = QueryData(samples, data.clips, WordTokenizer(WORDS))
    assert sorted(torch.cat([b.query for b in alone.shuffled(8, 0, 0)]).tolist()) == [0, 1, 2, 3, 4]


def test_scores_of_two_seconds_become_the_models_clips():
    """10 s: clips of 2 s with 0, 1, 0.5, 0, 0 as 4 clips of 2.5 s."""
    found = resample([0.0, 1.0, 0.5, 0.0, 0.0], 10.0, 4)
    assert found == pytest.approx([0.5 / 2.5, (1.5 + 0.5) / 2.5, 0.5 / 2.5, 0])
    assert resample([0.0, 1.0], 10.0, 5) == pytest.approx([0, 1, 0, 0, 0])
    assert resample([0.25] * 9, 15.3, 7) == pytest.approx([0.25] * 7)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30), st.floats(0.5, 1.0), st.integers(1, 80))
def test_resampling_keeps_the_area(scores, part, clips):
    duration = 2.0 * (len(scores) - 1 + part)  # the last clip may be short
    seconds = np.array([2.0] * (len(scores) - 1) + [2.0 * part])
    area = resample(scores, duration, clips).sum() * duration / clips
    assert area == pytest.approx(float(seconds @ scores), abs=1e-6)


def test_a_published_line_teaches_where_its_highlights_are():
    """QVHighlights, query 2579: clips 41 to 74 of 75 have scores; three people, mean of 4."""
    path = SHARED / "annotations" / "qvhighlights" / "highlight_val_release.jsonl"
    if not path.exists():
        pytest.skip(f"{path.parent} is not there: the published annotations do not come along")
    line = path.read_text(encoding="utf-8").splitlines()[0]
    row = json.loads(line)
    query = read_samples(path)[0]
    facts = facts_of(query, "saliency")
    assert facts is not None and not facts.spans and len(facts.saliency) == 75
    assert row["relevant_clip_ids"][0] == 41 and not any(facts.saliency[:41])
    assert facts.saliency[41] == pytest.approx((1 + 1 + 2) / 12)

    rows = {query.vid: 0, "other": 1}
    g = torch.Generator().manual_seed(0)
    x = torch.randn(2, 75, WIDTH, generator=g)
    x[0, 41:] += torch.tensor([2.0, 0, 0, 0])
    table = ClipTable(x, rows, {query.vid: query.duration, "other": 150.0})
    second = Sample(Query("something else", 1, "other"), 150.0, saliency=([4, 4, 4],),
                    extra={"relevant_clip_ids": [3]})  # fmt: skip
    data = QueryData([query, second], table, WordTokenizer.fit([query.query.text]), "saliency")
    batch = data.batch(torch.arange(2))
    assert batch.saliency[0].tolist() == pytest.approx(facts.saliency)  # 75 clips of 2 s: as it is
    settings = config.load(None, ["--features.clips", "75", "--video.kind", "linear"])
    torch.manual_seed(0)
    model = model_file.build_model(settings, WIDTH, data.tokens.x.max().item())
    optimizer = torch.optim.AdamW(model.parameters(), 3e-3)
    for _ in range(60):
        loss = model.loss(batch, 0)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    found = model.eval()(batch.clips, batch.words, batch.video).spans[0, 0] * 150
    assert Moment(*found.tolist()).iou(query.windows[0]) > 0.8


@pytest.mark.parametrize(
    "kind,says",
    [
        ("glance", "no line has a glance"),
        ("full", "no line has relevant_windows"),
        ("saliency", "no line has saliency_scores"),
        ("none", "every line is about what is not there"),
        ("best", "every line is about what is not there"),
    ],
)
def test_nothing_to_learn_from_is_one_line(kind, says):
    with pytest.raises(BadInput, match=says) as error:
        check("train.jsonl", [sample(0), sample(1)], kind)
    assert str(error.value).startswith("train.jsonl: ") and "\n" not in str(error.value)


@pytest.mark.parametrize(
    "ids,rows", [([1], [[1, 2], [2, 3]]), ([1, 2], [[1], [1, 2]]), ([0], [[-1]])]
)
def test_saliency_that_fits_no_clips_is_refused(ids, rows):
    broken = replace(sample(7), saliency=tuple(rows), extra={"relevant_clip_ids": ids})
    with pytest.raises(BadInput, match="^train.jsonl: query 7: saliency_scores must"):
        check("train.jsonl", [sample(1, 5.0), broken], "saliency")
    assert facts_of(broken, "glance") is None


def test_a_head_that_learns_from_glances_alone_refuses_the_rest():
    path = Path(__file__).parents[1] / "configs" / "sample-soft-label.yaml"
    for kind in KINDS:
        read = config.load(path, ["--training.supervision", kind])
        if kind == "glance":
            model_file.build_model(read, 256, 5)
            continue
        with pytest.raises(BadInput, match="soft-label does not learn") as error:
            model_file.build_model(read, 256, 5)
        assert "\n" not in str(error.value) and "take glance" in str(error.value)
