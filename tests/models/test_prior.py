import math

import pytest
import torch

from models.cells import Cells
from models.prior import Adjustment, axis, gaussian, like_glance, like_sentence, on_cells


def test_one_axis_for_clips_and_means():
    assert axis(4).tolist() == [-0.75, -0.25, 0.25, 0.75]
    g = gaussian(4, 0.5)
    assert torch.equal(g.diag(), torch.ones(4))  # the peak stands on its clip, for every clip
    assert float(g[1, 2]) == pytest.approx(math.exp(-0.5))
    assert float(g[0, 3]) == pytest.approx(math.exp(-4.5))
    assert torch.equal(g, g.T)


def test_a_cells_weight_is_the_mean_of_start_middle_and_end():
    cells = Cells(4, [3])
    w = torch.tensor([[0.1, 0.2, 0.4, 0.8]])
    weight = {
        (int(a), int(b)): float(v)
        for a, b, v in zip(cells.first, cells.last, on_cells(w, cells)[0], strict=True)
    }
    assert weight[1, 1] == pytest.approx(0.2)
    assert weight[0, 2] == pytest.approx((0.1 + 0.2 + 0.4) / 3)
    assert weight[0, 3] == pytest.approx((0.1 + (0.2 + 0.4) / 2 + 0.8) / 3)
    assert weight[2, 3] == pytest.approx((0.4 + 0.6 + 0.8) / 3)


def test_the_prior_is_the_same_forwards_and_backwards():
    cells = Cells(9, [8])
    w = gaussian(9, 0.3)
    there = on_cells(w[2:3], cells)[0]
    back = on_cells(w[6:7], cells)[0]
    index = {
        (int(a), int(b)): p for p, (a, b) in enumerate(zip(cells.first, cells.last, strict=True))
    }
    for (i, j), p in index.items():
        assert float(there[p]) == pytest.approx(float(back[index[8 - j, 8 - i]]))


def test_each_query_may_have_its_own_spread():
    both = gaussian(5, torch.tensor([0.3, 0.6]))
    assert torch.equal(both[0], gaussian(5, 0.3)) and torch.equal(both[1], gaussian(5, 0.6))


# clips 1 and 2 look like the glanced clip 2, clip 4 does too but is far away, 0 and 3 do not
CLIPS = torch.tensor([[[0.0, 1.0], [2.0, 0.0], [1.0, 0.0], [-1.0, 1.0], [3.0, 0.0]]])
ALIKE = torch.tensor([[0.0, 1.0, 1.0, 0.0, 1.0]])
OTHER = torch.tensor([[0.0, 0.0, 1.0, 0.0, 1.0]])
GLANCE = torch.tensor([2])


def test_likeness_with_the_glanced_clip_is_a_cosine_that_never_speaks_against():
    assert torch.allclose(like_glance(CLIPS, GLANCE), ALIKE)
    assert like_glance(torch.zeros(1, 5, 2), GLANCE).tolist() == [[0.0] * 5]


def test_fit_to_the_sentence_is_a_share_of_the_glanced_clips():
    fit = torch.tensor([[-1.0, 4.0, 2.0, 0.0, 1.0], [-1.0, 1.0, 0.0, 2.0, -3.0]])
    found = like_sentence(fit, torch.tensor([1, 2]))
    assert found[0].tolist() == pytest.approx([0, 1, 0.5, 0, 0.25])
    # the glanced clip fits badly: the mean of the two that fit, 1.5, stands for it
    assert found[1].tolist() == pytest.approx([0, 1 / 1.5, 0, 1, 0])
    assert like_sentence(torch.full((1, 3), -1.0), torch.tensor([1])).tolist() == [[0.0] * 3]


def test_a_second_event_that_looks_different_counts_for_the_text_alone():
    """Clips 0 and 4 fit the sentence alike and look unlike each other."""
    clips = torch.tensor([[[1.0, 0.0], [0.0, 1.0], [0.0, 1.0], [0.0, 1.0], [-1.0, 0.0]]])
    fit = torch.tensor([[3.0, -2.0, -2.0, -2.0, 3.0]])
    query, glance = torch.tensor([0]), torch.tensor([0])
    centres = {}
    for name, alike in (
        ("clips", like_glance(clips, glance)),
        ("text", like_sentence(fit, glance)),
    ):
        dga = adjustment()
        dga.visit(query, alike, glance, 1.0)
        centres[name] = dga.centres(query)[0].tolist()
    assert centres["clips"] == [True, False, False, False, False]
    assert centres["text"] == [True, False, False, False, True]


def adjustment(**change):
    settings = {"threshold": 0.9, "momentum": 0.7, "most": 3}
    return Adjustment(**{"queries": 2, "clips": 5, **settings, **change})


def test_centres_are_what_looks_like_the_glance_near_it():
    dga = adjustment()
    dga.visit(torch.tensor([1]), ALIKE, GLANCE, 0.2)
    assert dga.centres(torch.tensor([1])).tolist() == [[False, True, True, False, False]]
    assert dga.counter[0].tolist() == [0] * 5  # the other query is untouched
    curve = dga.curve(torch.tensor([1]), 0.5)[0]
    g = gaussian(5, 0.5)
    assert curve.tolist() == pytest.approx(((g[1] + g[2]) / 2).tolist())


def test_each_query_may_have_its_own_window_and_spread():
    dga, both = adjustment(), torch.tensor([0, 1])
    dga.visit(both, ALIKE.repeat(2, 1), torch.tensor([2, 2]), torch.tensor([0.0, 0.4]))
    assert dga.centres(both).int().tolist() == [[0, 0, 1, 0, 0], [0, 1, 1, 0, 1]]
    curves = dga.curve(both, torch.tensor([0.3, 0.6]))
    assert curves[0].tolist() == pytest.approx(gaussian(5, 0.3)[2].tolist())
    assert curves[1].tolist() == pytest.approx(gaussian(5, 0.6)[[1, 2, 4]].mean(0).tolist())


def test_a_centre_that_no_longer_looks_alike_goes_and_the_glance_stays():
    dga = adjustment(momentum=1.0)
    query = torch.tensor([0])
    for _ in range(10):
        dga.visit(query, ALIKE, GLANCE, 0.4)
    assert dga.counter[0].tolist() == [0, 3, 3, 0, 3]
    for left in (2, 1, 0, 0):
        dga.visit(query, OTHER, GLANCE, 0.4)
        assert int(dga.counter[0, 1]) == left
    assert int(dga.counter[0, 2]) == 3


def test_a_moving_average_of_being_alike_makes_a_centre_from_one_half_on():
    dga, query = adjustment(momentum=0.7, average=True), torch.tensor([0])
    for share, centre in ((0.3, False), (0.51, True), (0.657, True)):
        dga.visit(query, ALIKE, GLANCE, 0.2)
        assert float(dga.counter[0, 1]) == pytest.approx(share)
        assert bool(dga.centres(query)[0, 1]) == centre
        assert float(dga.counter[0, 2]) == 1 and float(dga.counter[0, 4]) == 0  # out of the window
    dga.visit(query, OTHER, GLANCE, 0.2)
    assert float(dga.counter[0, 1]) == pytest.approx(0.7 * 0.657)
    assert not dga.centres(query)[0, 1]


def test_similarity_is_remembered_from_the_second_visit_on():
    dga = adjustment()
    query = torch.tensor([0])
    dga.visit(query, ALIKE, GLANCE, 0.4)
    assert dga.similarity[0].tolist() == [0, 1, 1, 0, 1]
    dga.visit(query, OTHER, GLANCE, 0.4)
    assert float(dga.similarity[0, 1]) == pytest.approx(0.3)


def test_a_clip_without_any_feature_leaves_the_curve_finite():
    dga = adjustment()
    dga.visit(torch.tensor([0]), like_glance(torch.zeros(1, 5, 2), GLANCE), GLANCE, 0.4)
    curve = dga.curve(torch.tensor([0]), 0.3)
    assert torch.isfinite(curve).all() and float(curve[0, 2]) == 1


@pytest.mark.parametrize("average", [False, True])
def test_state_goes_there_and_back_and_not_elsewhere(average):
    dga = adjustment(average=average)
    dga.visit(torch.tensor([1]), ALIKE, GLANCE, 0.4)
    again = adjustment(average=average)
    again.load_state_dict(dga.state_dict())
    assert all(torch.equal(again.state_dict()[k], v) for k, v in dga.state_dict().items())
    with pytest.raises(ValueError, match="not"):
        adjustment(queries=3).load_state_dict(dga.state_dict())
