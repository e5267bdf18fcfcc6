"""Promises of every head: padding never leaks, what is learned from a glance is found."""

import pytest
import torch

from models.encoders.text import WordTokenizer, WordVectors
from models.encoders.video import ClipEncoder
from models.grounder import GroundingModel
from models.heads import HEADS
from models.records import Batch, Padded

CLIPS, WIDTH = 16, 12
CELLS = {"clips": CLIPS, "diagonals": [15]}
MAP = CELLS | {"map": 1.0, "width": 32, "embedding": 32}
SMALL = {
    "frames": ("frames", {}),
    "glance": ("glance", CELLS),
    "glance, the map alone": ("glance", MAP | {"evidence": 0.0}),
    "glance, both, refined": ("glance", MAP | {"refine": True, "follow": "text"}),
    "soft-label": ("soft-label", {"answers": [3 / CLIPS, 5 / CLIPS, 8 / CLIPS]}),
}
NAMES = sorted(SMALL)
KINDS = ["linear", "convolution", "transformer"]


def build(name, kind="convolution"):
    torch.manual_seed(0)
    method, settings = SMALL[name]
    head = HEADS[method].head(HEADS[method].settings(**settings), 32, 16)
    return GroundingModel(ClipEncoder(WIDTH, 32, kind), WordVectors(6, 16, 16), head)


def planted(seed=0, videos=24):
    """Videos in which clips of a moment carry the direction of their word."""
    g = torch.Generator().manual_seed(seed)
    words = torch.randint(1, 7, (videos,), generator=g)
    start = torch.randint(0, CLIPS - 5, (videos,), generator=g)
    x = 0.3 * torch.randn(videos, CLIPS, WIDTH, generator=g)
    for v in range(videos):
        x[v, start[v] : start[v] + 5, words[v]] += 2
        other = (words[v]) % 6 + 1
        x[v, : max(int(start[v]) - 2, 0), other] += 2
    spans = torch.stack([start / CLIPS, (start + 5) / CLIPS], 1)
    glance = (start + 0.5 + 4 * torch.rand(videos, generator=g)) / CLIPS
    everything = torch.ones(videos, CLIPS, dtype=torch.bool)
    return Batch(
        Padded(x, everything),
        Padded(words[:, None], torch.ones(videos, 1, dtype=torch.bool)),
        torch.arange(videos),
        words,
        torch.arange(videos),
        glance,
        spans[:, None],
        torch.full((videos, CLIPS), float("nan")),
        torch.zeros(videos, dtype=torch.bool),
        torch.full((videos,), 0.1),
    )


@pytest.mark.parametrize(
    "name,kind",
    # a method's further settings with one kind of encoder
    [(name, kind) for name in NAMES for kind in KINDS if kind == "convolution" or "," not in name],
)
def test_glances_teach_where_moments_are(name, kind):
    model, train, test = build(name, kind), planted(0), planted(1)
    model.head.prepare(24)
    optimizer = torch.optim.AdamW(model.parameters(), 5e-3)
    for epoch in range(60):
        loss = model.loss(train, epoch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.eval()
    found = model(test.clips, test.words, test.video).spans[:, 0]
    true = test.spans[:, 0]
    inter = (torch.minimum(found[:, 1], true[:, 1]) - torch.maximum(found[:, 0], true[:, 0])).clamp(
        min=0
    )
    union = (found[:, 1] - found[:, 0]) + (true[:, 1] - true[:, 0]) - inter
    assert float((inter / union).mean()) > 0.5  # guessing the middle reaches 0.2


@pytest.mark.parametrize("name", NAMES)
def test_output_has_the_shapes_of_the_contract(name):
    batch = planted(videos=3)
    out = build(name).eval()(batch.clips, batch.words, batch.video)
    queries, candidates = out.scores.shape
    assert queries == 3 and out.spans.shape == (3, candidates, 2)
    assert out.curve.shape == (3, CLIPS) and out.absent.shape == (3,)
    assert ((out.spans >= 0) & (out.spans <= 1)).all()
    assert (out.spans[..., 0] < out.spans[..., 1]).all()
    assert (out.scores[:, :-1] >= out.scores[:, 1:]).all()


def test_padding_never_leaks():
    batch, model = planted(videos=2), build("frames").eval()
    alone = model(batch.clips, batch.words, batch.video)
    x = torch.cat([batch.clips.x, 1e3 * torch.ones(2, 4, WIDTH)], 1)
    mask = torch.cat([batch.clips.mask, torch.zeros(2, 4, dtype=torch.bool)], 1)
    padded = model(Padded(x, mask), batch.words, batch.video)
    assert torch.allclose(alone.spans, padded.spans)
    assert torch.allclose(alone.curve, padded.curve[:, :CLIPS], atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_a_constant_background_says_nothing(name):
    batch, model = planted(videos=2), build(name).eval()
    one = model(batch.clips, batch.words, batch.video)
    moved = Padded(batch.clips.x + 3.0, batch.clips.mask)
    two = model(moved, batch.words, batch.video)
    assert torch.allclose(one.curve, two.curve, atol=1e-4)


def test_the_same_sentence_in_another_video_is_no_negative():
    batch, model = planted(videos=4), build("frames").eval()
    same = batch._replace(sentence=torch.zeros(4, dtype=torch.long))
    apart = batch._replace(sentence=torch.arange(4))
    assert model.loss(same, 0).item() < model.loss(apart, 0).item()


def test_words():
    words = WordTokenizer.fit(["A red dog!", "the red cat"], least=1)
    assert words.vocabulary[0] == "red"
    assert words.unknown("a blue Dog") == ["blue"]
    padded = words(["red", "red dog sits", "!?"])
    assert padded.mask.sum(1).tolist() == [1, 3, 1]
    encoder = WordVectors(len(words.vocabulary), 8, 8).eval()
    one, two = encoder(words(["red dog"])), encoder(words(["red zebra dog"]))
    assert torch.allclose(one, two)  # an unknown word does not move the sentence


def test_places_see_the_same_thing_anywhere():
    from models.encoders.video import Places

    torch.manual_seed(0)
    places = Places(8 * 8 * 4, 8, 16)
    x = torch.zeros(1, 2, 8, 8, 4)
    x[0, 0, 2, 2, 0] = x[0, 1, 5, 4, 0] = 1.0
    seen = places(x.flatten(2))
    assert torch.allclose(seen[0, 0], seen[0, 1], atol=1e-6)
    with pytest.raises(ValueError):
        Places(10, 8, 16)
