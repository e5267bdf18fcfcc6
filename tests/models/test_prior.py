import math

import pytest
import torch

from models.cells import Cells
from models.prior import Adjustment, axis, gaussian, on_cells


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


def adjustment(**change):
    settings = {"window": 0.4, "threshold": 0.9, "momentum": 0.7, "most": 3}
    return Adjustment(**{"queries": 2, "clips": 5, **settings, **change})


# clips 1 and 2 look like the glanced clip 2, clip 4 does too but lies outside the window, 0 and 3
# do not
ALIKE = torch.tensor([[[0.0, 1.0], [1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 0.0]]])


def test_centres_are_what_looks_like_the_glance_near_it():
    dga = adjustment(window=0.2)
    dga.visit(torch.tensor([1]), ALIKE, torch.tensor([2]))
    assert (dga.counter[1] >= 1).tolist() == [False, True, True, False, False]
    assert dga.counter[0].tolist() == [0] * 5  # the other query is untouched
    curve = dga.curve(torch.tensor([1]), 0.5)[0]
    g = gaussian(5, 0.5)
    assert curve.tolist() == pytest.approx(((g[1] + g[2]) / 2).tolist())


def test_a_centre_that_no_longer_looks_alike_goes_and_the_glance_stays():
    dga = adjustment(momentum=1.0)
    query, glance = torch.tensor([0]), torch.tensor([2])
    for _ in range(10):
        dga.visit(query, ALIKE, glance)
    assert dga.counter[0].tolist() == [0, 3, 3, 0, 3]
    other = ALIKE.clone()
    other[0, 1] = torch.tensor([0.0, 1.0])
    for left in (2, 1, 0, 0):
        dga.visit(query, other, glance)
        assert int(dga.counter[0, 1]) == left
    assert int(dga.counter[0, 2]) == 3


def test_similarity_is_remembered_from_the_second_visit_on():
    dga = adjustment()
    query, glance = torch.tensor([0]), torch.tensor([2])
    dga.visit(query, ALIKE, glance)
    assert dga.similarity[0].tolist() == [0, 1, 1, 0, 1]
    other = ALIKE.clone()
    other[0, 1] = torch.tensor([0.0, 1.0])
    dga.visit(query, other, glance)
    assert float(dga.similarity[0, 1]) == pytest.approx(0.3)


def test_a_clip_without_any_feature_leaves_the_curve_finite():
    dga = adjustment()
    dga.visit(torch.tensor([0]), torch.zeros(1, 5, 2), torch.tensor([2]))
    curve = dga.curve(torch.tensor([0]), 0.3)
    assert torch.isfinite(curve).all() and float(curve[0, 2]) == 1


def test_state_goes_there_and_back_and_not_elsewhere():
    dga = adjustment()
    dga.visit(torch.tensor([1]), ALIKE, torch.tensor([2]))
    again = adjustment()
    again.load_state_dict(dga.state_dict())
    assert all(torch.equal(again.state_dict()[k], v) for k, v in dga.state_dict().items())
    with pytest.raises(ValueError, match="not"):
        adjustment(queries=3).load_state_dict(dga.state_dict())
