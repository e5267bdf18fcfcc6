"""Every option of D3G changes what is learned, trains, and is remembered by a resumed training."""

import copy

import pytest
import torch

from models.heads.frames import Frames, FramesSettings
from models.heads.glance import Glance, GlanceSettings
from models.records import Batch, Padded

N, WIDTH, VIDEOS = 8, 6, 6
CLICKS = torch.tensor([0, 1, 1, 2, 3, 4, 5, 5])
OPTIONS = {
    "duplicates": 0.3,
    "hardness": 1.0,
    "reverse": 0.5,
    "queue": 5,
    "doubt": 2.0,
    "map": 0.5,
    "adjust": False,
    "follow": "text",
    "window": 0.0,
    "seconds": True,
    "average": True,
    "sigma": 0.1,
    "threshold": 0.1,
    "look": "clips",
    "focus": 1.0,
    "outside": 0.6,
}
FRAMES_TOO = ["duplicates", "hardness", "reverse", "queue", "doubt"]
# what only the cells of the map are chosen and drawn by
OF_THE_MAP = {"compete": False, "positives": 2, "evidence": 0.0}


def build(name="glance", **options):
    torch.manual_seed(0)
    if name == "frames":
        head = Frames(FramesSettings(width=4, sharpen=1, **options), WIDTH, 5)
    else:
        small = {"clips": N, "diagonals": [7], "width": 6, "layers": 1, "embedding": 4}
        small |= {"sharpen": 1, "positives": 3, "low": 0.5, "smoothing": 1, "adjust": True}
        head = Glance(GlanceSettings(**(small | options)), WIDTH, 5)
    head.prepare(20)
    return head


def batch(seed, equal=True):
    """Eight queries of six videos; sentences 3 and 4 are the same where `equal`."""
    g = torch.Generator().manual_seed(seed)
    clips = Padded(torch.randn(VIDEOS, N, WIDTH, generator=g), torch.ones(VIDEOS, N).bool())
    sentence = torch.randn(8, 5, generator=g)
    made = Batch(
        clips,
        Padded(torch.zeros(8, 1), torch.ones(8, 1).bool()),
        video=CLICKS,
        sentence=torch.tensor([0, 1, 2, 3, 3, 5, 6, 7]) if equal else torch.arange(8),
        query=torch.randperm(20, generator=g)[:8],
        glance=torch.rand(8, generator=g),
        spans=torch.full((8, 1, 2), float("nan")),
        saliency=torch.full((8, N), float("nan")),
        absent=torch.zeros(8, dtype=torch.bool),
        second=0.05 + 0.1 * torch.rand(8, generator=g),
    )
    return clips, sentence, made


def train(head, seeds, epoch=2, optimizer=None):
    """One step a seed -> the losses."""
    optimizer = optimizer or torch.optim.AdamW(head.parameters(), 0.01)
    losses = []
    for seed in seeds:
        loss = head.loss(*batch(seed), epoch)
        optimizer.zero_grad()
        loss.backward()
        # a head in which nothing asks for the prior's gradient still has one for every weight
        for name, weight in head.named_parameters():
            assert weight.grad is not None and torch.isfinite(weight.grad).all(), name
        assert any(weight.grad.abs().max() > 1e-6 for weight in head.parameters())
        optimizer.step()
        losses.append(float(loss.detach()))
    return losses


def changed(name, plain, options):
    one, two = (train(build(name, **chosen), range(6)) for chosen in (plain, plain | options))
    assert max(abs(a - b) for a, b in zip(one, two, strict=True)) > 1e-4, options


@pytest.mark.parametrize("option", sorted(OPTIONS))
def test_each_option_changes_the_loss_and_trains(option):
    # what looks like the glanced clip must look so for its window to matter
    alike = {"threshold": 0.3} if option in ("window", "average", "follow", "seconds") else {}
    changed("glance", alike, {option: OPTIONS[option]})


@pytest.mark.parametrize("option", FRAMES_TOO)
def test_options_of_the_contrast_are_the_frames_heads_too(option):
    changed("frames", {}, {option: OPTIONS[option]})


@pytest.mark.parametrize("option", [*FRAMES_TOO, *sorted(OF_THE_MAP)])
def test_each_option_changes_what_the_map_learns(option):
    changed("glance", {"map": 1.0}, {option: (OPTIONS | OF_THE_MAP)[option]})
    if option in FRAMES_TOO:
        changed("glance", {"map": 1.0, "evidence": 0.0}, {option: OPTIONS[option]})


def test_the_map_alone_is_as_published():
    """No clip evidence: neither clips nor a prior in seconds take part in its weights."""
    head = build(map=1.0, evidence=0.0)
    assert head.frames is None and build().map is None
    clips, sentence, made = batch(0)
    out = head.eval()(clips, sentence, made.video)
    cosine = head.map(clips, sentence, made.video)
    assert torch.allclose(out.scores, cosine.sort(1, descending=True).values / 0.1)


def test_refined_boundaries_lie_between_clips_and_scores_stay():
    clips, sentence, made = batch(0)
    plain, finer = build().eval(), build(refine=True).eval()
    one, two = (head(clips, sentence, made.video) for head in (plain, finer))
    assert torch.equal(one.scores, two.scores)
    moved = (one.spans - two.spans).abs()
    assert 0.01 / N < moved.max() < 0.5 / N
    assert plain.candidates() is not None and finer.candidates() is None


EVERYTHING = {"map": 0.5, "follow": "text", "average": True, "seconds": True, "sigma": 1.0}
EVERYTHING |= {"window": 4.0, "queue": 9, "doubt": 1.0, "reverse": 0.5, "hardness": 1.0}


@pytest.mark.parametrize("name", ["frames", "glance"])
def test_a_resumed_training_goes_on_to_the_bit_with_all_options(name):
    options = {key: EVERYTHING[key] for key in EVERYTHING if name == "glance" or key in FRAMES_TOO}

    def fresh():
        head = build(name, **options)
        return head, torch.optim.AdamW(head.parameters(), 0.01)

    whole, its = fresh()
    uninterrupted = train(whole, range(6), optimizer=its)
    first, optimizer = fresh()
    losses = train(first, range(3), optimizer=optimizer)
    saved = copy.deepcopy(
        (first.state_dict(), optimizer.state_dict(), dict(first.training_state()))
    )
    train(first, range(3, 6), optimizer=optimizer)  # what was saved stays as it was
    second, optimizer = fresh()
    second.load_state_dict(saved[0])
    optimizer.load_state_dict(saved[1])
    second.load_training_state(saved[2])
    losses += train(second, range(3, 6), optimizer=optimizer)
    assert losses == uninterrupted
    one, two = whole.training_state(), second.training_state()
    parts = {"clips.", "cells."} if name == "glance" else {""}
    kept = {f"{part}{key}" for part in parts for key in ("moments", "vectors", "losses")}
    assert kept <= set(one) and one.keys() == two.keys()
    for key in one:
        assert torch.equal(one[key].nan_to_num(-1.0), two[key].nan_to_num(-1.0)), key
        assert one[key].nan_to_num(0.0).any(), key


def test_a_training_that_forgets_is_another():
    """The test above could not pass without the memory."""
    losses = []
    for forget in (False, True):
        head = build(queue=9)
        optimizer = torch.optim.AdamW(head.parameters(), 0.01)
        train(head, range(2), optimizer=optimizer)
        if forget:
            head.prepare(20)
        losses.append(train(head, [2], optimizer=optimizer))
    assert abs(losses[0][0] - losses[1][0]) > 1e-4


@pytest.mark.parametrize(
    "wrong,says",
    [
        ({"map": 0.0, "evidence": 0.0}, "map and evidence are both 0"),
        ({"map": 1.0, "evidence": 0.0, "follow": "text"}, "follow needs the clips' evidence"),
        ({"map": 1.0, "evidence": 0.0, "refine": True}, "refine needs the clips' evidence"),
        ({"queue": -1}, "queue is -1; it must be at least 0"),
        ({"doubt": float("nan")}, "doubt is nan"),
        ({"duplicates": 0.0}, "duplicates is 0.0; it must be greater than 0"),
        ({"hardness": -0.5}, "hardness is -0.5"),
    ],
)
def test_settings_that_make_no_sense_are_refused(wrong, says):
    with pytest.raises(ValueError, match=says) as error:
        GlanceSettings(**wrong)
    assert "\n" not in str(error.value)
