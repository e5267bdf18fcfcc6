"""What heads show of a query is what they train with and answer with."""

import math

import pytest
import torch

from models.cells import Cells
from models.explanation import Asked, Explains, KeepsCentres
from models.heads import HEADS, cell_map
from models.heads.frames import Frames, FramesSettings
from models.heads.glance import Glance, GlanceSettings
from models.posterior import posterior
from models.prior import gaussian, on_cells
from models.records import Batch, Padded

NAN = math.nan
CLIPS = 4


def head(**settings):
    torch.manual_seed(0)
    tiny = {"clips": CLIPS, "diagonals": [3], "width": 4, "layers": 0, "embedding": 4}
    tiny |= {"sigma": 0.5, "positives": 2, "map": 1.0, "evidence": 0.0, "adjust": True}
    return Glance(GlanceSettings(**(tiny | settings)), 3, 3).eval()


def asked(glance=0.3, query=0, epoch=0):
    torch.manual_seed(1)
    clips = Padded(torch.randn(1, CLIPS, 3), torch.ones(1, CLIPS, dtype=torch.bool))
    zero = torch.tensor([0])
    batch = Batch(
        clips,
        Padded(torch.zeros(1, 1), torch.ones(1, 1, dtype=torch.bool)),
        video=zero,
        sentence=zero,
        query=zero,
        glance=torch.tensor([glance]),
        spans=torch.full((1, 1, 2), NAN),
        saliency=torch.full((1, CLIPS), NAN),
        absent=torch.tensor([False]),
        second=torch.tensor([0.1]),
    )
    place = None if query is None else torch.tensor([query])
    return Asked(clips, torch.randn(1, 3), batch, place, epoch)


def by_cell(shown):
    return {tuple(c): float(v) for c, v in zip(shown.cells.tolist(), shown.values, strict=True)}


def remembering(glance_head):
    """DGA found a second centre, clip 2, beside the glanced clip 1."""
    glance_head.prepare(1)
    glance_head.load_training_state(
        {
            "counter": torch.tensor([[0, 3, 1, 0]]),
            "similarity": torch.tensor([[0.0, 1.0, 0.8, 0.0]]),
            "visited": torch.tensor([True]),
        }
    )
    return glance_head


def test_heads_explain_themselves_and_d3g_says_where_its_centres_are():
    for name in ("frames", "glance"):
        entry = HEADS[name]
        assert isinstance(entry.head(entry.settings(), 3, 3), Explains), name
    assert isinstance(head(), KeepsCentres) and head(adjust=False).centres() is None
    assert remembering(head()).centres().tolist() == [[False, True, True, False]]


def test_the_map_holds_the_scores_of_the_answer():
    for weights in ({"evidence": 0.0}, {"evidence": 1.0}, {"evidence": 1.0, "map": 0.0}):
        d3g, question = head(**weights), asked()
        out = d3g(question.clips, question.sentence, torch.tensor([0]))
        shown = by_cell(d3g.explain(question).maps[0])
        assert len(shown) == 10
        for (start, end), score in zip(out.spans[0].tolist(), out.scores[0], strict=True):
            cell = (round(start * CLIPS), round(end * CLIPS) - 1)
            assert shown[cell] == pytest.approx(score.item())


def test_the_prior_begins_with_one_bump_and_moves_with_its_centres():
    shown = remembering(head()).explain(asked())
    _, began, now = map(by_cell, shown.maps)
    one, two = math.exp(-0.5), math.exp(-2)  # a clip is 0.5 of the axis, sigma 0.5
    assert began[1, 1] == pytest.approx(1)
    assert began[0, 2] == pytest.approx((one + 1 + one) / 3)
    assert began[2, 3] == pytest.approx((one + (one + two) / 2 + two) / 3)
    curve = [(one + 0.8 * two) / 2, (1 + 0.8 * one) / 2, (one + 0.8) / 2, (two + 0.8 * one) / 2]
    assert shown.charts[0].curves[1].values.tolist() == pytest.approx(curve)
    assert now[1, 1] == pytest.approx(curve[1])
    assert now[0, 2] == pytest.approx(sum(curve[:3]) / 3)
    before, after = shown.charts[0].marks
    assert before.clips.tolist() == [False, True, False, False]
    assert after.clips.tolist() == [False, True, True, False]
    memory = shown.charts[1]
    assert memory.curves[0].values.tolist() == pytest.approx([0, 1, 0.8, 0])
    assert memory.level == ("threshold", 0.9)


def test_where_all_cells_fit_alike_the_prior_alone_chooses_the_positives():
    d3g = remembering(head())
    torch.nn.init.zeros_(d3g.map.project_cells.weight)
    chosen = d3g.explain(asked()).maps[0]
    assert chosen.cells[chosen.chosen].tolist() == [[1, 1], [1, 2]]


@pytest.mark.parametrize("epoch", [0, 7])
def test_the_positives_are_those_that_training_takes(monkeypatch, epoch):
    d3g, question, taken = head(evidence=1.0), asked(epoch=epoch), []

    def spy(*words):
        taken.append(choose(*words))
        return taken[-1]

    choose = cell_map.choose_positives
    monkeypatch.setattr(cell_map, "choose_positives", spy)
    d3g.prepare(1)
    d3g.loss(question.clips, question.sentence, question.batch, epoch)
    shown = d3g.explain(question).maps[0]
    assert torch.equal(shown.chosen, taken[0][0]) and int(shown.chosen.sum()) == 2
    assert Cells(CLIPS, [3]).covers(torch.tensor([1]))[0][shown.chosen].all()


def test_without_a_map_the_likeliest_cells_are_shown():
    """Training then weighs all cells that cover the glance by prior and evidence at once."""
    d3g, question = head(map=0.0, evidence=1.0, adjust=False), asked()
    zero = torch.tensor([0])
    _, evidence = d3g._evidence(question.clips, question.sentence, zero)
    prior = on_cells(gaussian(CLIPS, 0.5)[1:2], d3g.cells)
    likely = posterior(evidence, prior, d3g.cells.covers(torch.tensor([1])))[0]
    shown = d3g.explain(question).maps[0]
    assert set(shown.chosen.nonzero().flatten().tolist()) == set(likely.topk(2).indices.tolist())


def test_a_query_that_training_never_met_has_a_prior_that_never_moved():
    shown = remembering(head()).explain(asked(query=None))
    assert [m.title for m in shown.maps] == ["score", "prior when training began"]
    assert len(shown.charts) == 1 and len(shown.charts[0].curves) == 1


def test_without_a_glance_there_are_no_prior_and_no_positives():
    shown = remembering(head(evidence=1.0)).explain(asked(glance=math.nan))
    assert [m.title for m in shown.maps] == ["score"] and not shown.maps[0].chosen.any()
    assert [c.title for c in shown.charts] == ["fit of each clip"]


def test_the_frames_head_shows_its_curve_its_level_and_what_training_wants():
    torch.manual_seed(0)
    settings = FramesSettings(width=4, sigma=0.25, sharpen=5, smoothing=1, low=0.0, high=1.0)
    frames = Frames(settings, 3, 3).eval()
    question = asked(glance=0.375, epoch=6)  # the middle of clip 1
    fits, wanted = frames.explain(question).charts
    curve = frames.curve(question.clips, question.sentence, torch.tensor([0]))[0].detach()
    assert torch.allclose(fits.curves[0].values, curve)
    assert fits.level[1] == pytest.approx(float(curve.max() + curve.min()) / 2)
    bump = torch.tensor([math.exp(-0.5), 1, math.exp(-0.5), math.exp(-2)])  # sigma is one clip
    sharp = bump * (curve / settings.temperature).softmax(0)
    assert torch.allclose(wanted.curves[0].values, bump / bump.sum(), atol=1e-5)
    assert torch.allclose(wanted.curves[1].values, sharp / sharp.sum(), atol=1e-5)
    assert len(frames.explain(asked(glance=math.nan)).charts) == 1


def test_a_smoothed_curve_stands_beside_the_one_it_comes_from():
    frames = Frames(FramesSettings(width=4, smoothing=3), 3, 3).eval()
    smoothed, raw = frames.explain(asked()).charts[0].curves
    assert raw.role == "detail"
    assert float(smoothed.values[1]) == pytest.approx(float(raw.values[:3].mean()), abs=1e-6)
