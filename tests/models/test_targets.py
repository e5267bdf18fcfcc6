"""What is a positive and what a negative, by hand, for each thing that can be known of a query."""

import math

import pytest
import torch

from models.cells import Cells
from models.records import Batch, Padded
from models.targets import absence_loss, cell_targets, clip_targets, kinds

NAN = float("nan")
EVERYTHING = torch.ones(1, 4, dtype=torch.bool)
# of a map of 4 clips, in this order
CELLS = Cells(4, [3])
PLACES = [(0, 0), (1, 1), (2, 2), (3, 3), (0, 1), (1, 2), (2, 3), (0, 2), (1, 3), (0, 3)]


def known(glance=NAN, spans=((NAN, NAN),), saliency=(NAN,) * 4, absent=False):
    """One query of one video of 4 clips."""
    return Batch(
        Padded(torch.zeros(1, 4, 1), EVERYTHING),
        Padded(torch.zeros(1, 1), torch.ones(1, 1, dtype=torch.bool)),
        torch.tensor([0]),
        torch.tensor([0]),
        torch.tensor([0]),
        torch.tensor([glance]),
        torch.tensor([spans]),
        torch.tensor([saliency]),
        torch.tensor([absent]),
        torch.tensor([0.1]),
    )


def clips(batch, fit=(0.0, 0.0, 0.0, 0.0), mask=EVERYTHING, sharpen=False):
    found = clip_targets(batch, mask, torch.tensor([fit]), sigma=0.25, apart=0.375, sharpen=sharpen)
    return found.weight[0].tolist(), found.negative[0].tolist()


def cells(batch, curve=(0.0,) * 4):
    found = cell_targets(batch, CELLS, torch.tensor([curve]), 0.5, 1.0)
    where = [dict(zip(PLACES, row[0].tolist(), strict=True)) for row in found]
    prior, possible, negative = where
    assert not any(possible[p] and negative[p] for p in PLACES)
    return prior, {p for p in PLACES if possible[p]}, {p for p in PLACES if negative[p]}


def test_the_strongest_of_what_is_known_counts():
    scores, span = (0.0, 1.0, 0.0, 0.0), ((0.25, 0.5),)
    for batch, kind in (
        (known(0.3, span, scores, absent=True), "absent"),
        (known(0.3, span, scores), "full"),
        (known(0.3, saliency=scores), "saliency"),
        (known(0.3), "glance"),
        (known(), "none"),
    ):
        assert {n for n, v in kinds(batch)._asdict().items() if v.item()} == {kind}


def test_clips_of_a_glance():
    """Centres at 1/8, 3/8, 5/8, 7/8; the glance at 3/8: one sigma to either neighbour."""
    weight, negative = clips(known(0.375))
    assert weight == pytest.approx([math.exp(-0.5), 1.0, math.exp(-0.5), math.exp(-2)])
    assert negative == [False, False, False, True]  # only the last is 0.375 away


def test_a_glances_positives_follow_what_fits_once_they_are_sharpened():
    fit = (0.0, 0.0, math.log(2), math.log(5))  # softmax 1/9, 1/9, 2/9, 5/9
    weight, _ = clips(known(0.375), fit, sharpen=True)
    e = math.exp(-0.5)
    assert weight == pytest.approx([e / 9, 1 / 9, 2 * e / 9, 5 * math.exp(-2) / 9])


def test_clips_of_true_moments():
    """[0.125, 0.5) covers half of the first clip and the second, [0.75, 0.8125) a quarter of the
    last.
    """
    weight, negative = clips(known(spans=((0.125, 0.5), (0.75, 0.8125))))
    assert weight == pytest.approx([0.5, 1.0, 0.0, 0.25])
    assert negative == [False, False, True, False]


def test_a_moment_that_ends_between_clips_by_rounding_touches_one():
    third = torch.tensor(1.0) / 3
    batch = known(spans=((0.0, float(third * 3 / 4)),))  # 0.25 and a bit, in single precision
    weight, negative = clips(batch)
    assert weight == pytest.approx([1, 0, 0, 0]) and negative == [False, True, True, True]


def test_clips_of_saliency():
    weight, negative = clips(known(saliency=(0.0, 0.25, 0.5, 0.0)))
    assert weight == pytest.approx([0.0, 0.5, 1.0, 0.0])
    assert negative == [True, False, False, True]


def test_clips_of_what_has_no_times_are_chosen_by_what_fits():
    fit = (0.0, 0.0, math.log(2), math.log(5))
    for sharpen in (False, True):
        weight, negative = clips(known(), fit, sharpen=sharpen)
        assert weight == pytest.approx([1 / 9, 1 / 9, 2 / 9, 5 / 9])
        assert not any(negative)


def test_clips_of_what_is_not_there():
    assert clips(known(absent=True)) == ([0.0] * 4, [True] * 4)


def test_padded_clips_are_neither():
    mask = torch.tensor([[True, True, False, False]])
    for batch in (
        known(0.25), known(spans=((0.0, 1.0),)), known(saliency=(1.0, 0.0, 1.0, 1.0)), known(),
        known(absent=True),
    ):  # fmt: skip
        weight, negative = clips(batch, mask=mask)
        assert weight[2:] == [0, 0] and negative[2:] == [False, False]
        assert sum(weight[:2]) > 0 or all(negative[:2])


def test_cells_of_a_glance():
    prior, possible, negative = cells(known(0.375), (0.5, 1.0, 0.5, 0.25))
    covering = {(1, 1), (0, 1), (1, 2), (0, 2), (1, 3), (0, 3)}
    assert (possible, negative) == (covering, set(PLACES) - covering)
    assert prior[(1, 1)] == pytest.approx(1.0)
    assert prior[(0, 1)] == pytest.approx((0.5 + 0.75 + 1) / 3)


def test_cells_of_a_true_moment():
    """[0.25, 0.75): IoU 1 with (1, 2); 2/3 with (0, 2) and (1, 3); 1/2 with (1, 1), (2, 2), (0, 3);
    1/3 with (0, 1) and (2, 3). From 0.5 to 1, two thirds become one third.
    """
    prior, possible, negative = cells(known(spans=((0.25, 0.75),)))
    assert prior[(1, 2)] == 1 and prior[(0, 2)] == pytest.approx(1 / 3, abs=1e-6)
    assert possible == {(1, 2), (0, 2), (1, 3)}
    assert negative == {(0, 0), (3, 3), (0, 1), (2, 3)}
    assert prior[(1, 1)] == prior[(0, 3)] == 0


def test_each_of_two_moments_has_its_best_cell_however_coarse_the_grid():
    """[0.3, 0.35) has an IoU of 1/5 at most, with the clip around it."""
    prior, possible, negative = cells(known(spans=((0.3, 0.35), (0.5, 1.0))))
    assert prior[(1, 1)] == prior[(2, 3)] == 1
    assert {(1, 1), (2, 3)} <= possible and not {(1, 1), (2, 3)} & negative
    assert (0, 0) in negative


def test_cells_of_saliency():
    """Scores 0, 1, 1/2, 0 over the best: (1, 2) has 1.5 / 2 = 0.75, (1, 1) 1 / 1.5 = 2/3, that is
    8/9 of the best, 7/9 of the way from 0.5 to 1.
    """
    prior, possible, negative = cells(known(saliency=(0.0, 0.5, 0.25, 0.0)))
    assert prior[(1, 2)] == 1 and prior[(1, 1)] == pytest.approx(7 / 9)
    assert {(1, 2), (1, 1)} <= possible
    assert {(0, 0), (3, 3), (2, 2)} <= negative  # (2, 2): 0.5 / 2 = 1/4, a third of the best


def test_saliency_of_0_and_1_is_a_moment():
    assert cells(known(saliency=(0.0, 1.0, 1.0, 0.0))) == cells(known(spans=((0.25, 0.75),)))


def test_cells_of_what_has_no_times_and_of_what_is_not_there():
    prior, possible, negative = cells(known())
    assert (set(prior.values()), possible, negative) == ({1.0}, set(PLACES), set())
    prior, possible, negative = cells(known(absent=True), (1.0,) * 4)
    assert (set(prior.values()), possible, negative) == ({0.0}, set(), set(PLACES))


def test_what_is_there_must_fit_better_than_what_is_not():
    """Softmax means 2 and 1: ln(1 + e^(1 - 2)), of one query in two."""
    fit = torch.tensor([[2.0, 2.0], [1.0, 9.0]], requires_grad=True)
    mask = torch.tensor([[True, True], [True, False]])
    loss = absence_loss(fit, mask, torch.tensor([False, True]))
    assert loss.item() == pytest.approx(math.log(1 + math.exp(-1)) / 2)
    loss.backward()
    assert not fit.grad[0].any() and fit.grad[1, 0] > 0 and fit.grad[1, 1] == 0
    for alike in ([False, False], [True, True]):
        assert absence_loss(fit, mask, torch.tensor(alike)).item() == 0
