import math

import pytest
import torch

from models.contrastive import info_nce, info_nce_rows
from models.heads.cell_map import choose_positives

S = torch.tensor([[0.5, 0.2, -0.1, 0.4]])
W = torch.tensor([[1.0, 0.5, 0.0, 0.0]])
N = torch.tensor([[False, False, True, False]])  # the fourth is neither: left out


def share(*exponents):
    return -math.log(math.exp(exponents[0]) / sum(math.exp(e) for e in exponents))


def test_sa_gcl_by_hand():
    """Both positives in one softmax with the negatives, each with its own weight (d3g.md 4)."""
    a, b, n = 5.0, 2.0, -1.0
    expected = (1.0 * share(a, b, n) + 0.5 * share(b, a, n)) / 2
    found = info_nce(S, W, N, 0.1, compete=True, average=False)
    assert float(found) == pytest.approx(expected, rel=1e-5)


def test_positives_that_do_not_compete_by_hand():
    a, b, n = 5.0, 2.0, -1.0
    expected = (1.0 * share(a, n) + 0.5 * share(b, n)) / 1.5
    assert float(info_nce(S, W, N, 0.1)) == pytest.approx(expected, rel=1e-4)


def test_what_is_neither_positive_nor_negative_does_not_matter():
    changed = S.clone()
    changed[0, 3] = 0.99
    for compete in (True, False):
        one = info_nce(S, W, N, 0.1, compete=compete)
        assert torch.equal(one, info_nce(changed, W, N, 0.1, compete=compete))


def test_rows_are_what_the_mean_is_of():
    rows, used = info_nce_rows(S.repeat(2, 1), torch.cat([W, W * 0]), N.repeat(2, 1), 0.1)
    assert used.tolist() == [True, False] and float(rows[1]) == 0
    assert float(rows[0]) == pytest.approx(float(info_nce(S, W, N, 0.1)))


def test_hard_negatives_count_more_by_hand():
    """Similarity 0.4 at hardness 2 counts (1 + 0.8) times: 4 becomes 7.2; -0.1 stays -1."""
    hard = torch.tensor([[False, False, True, True]])
    one = torch.tensor([[1.0, 0.0, 0.0, 0.0]])
    rows, _ = info_nce_rows(S, one, hard, 0.1, hardness=2.0)
    assert float(rows) == pytest.approx(share(5.0, 7.2, -1.0), rel=1e-5)
    rows, _ = info_nce_rows(S, one, hard, 0.1)
    assert float(rows) == pytest.approx(share(5.0, 4.0, -1.0), rel=1e-5)


def test_positives_are_never_made_harder():
    rows = [
        info_nce_rows(S, W, N, 0.1, compete=True, hardness=hardness)[0] for hardness in (0.0, 2.0)
    ]
    assert torch.equal(*rows)  # the only negative has a similarity below 0


def test_rows_without_a_positive_are_left_out():
    two = info_nce(S.repeat(2, 1), torch.cat([W, W * 0]), N.repeat(2, 1), 0.1)
    assert float(two) == pytest.approx(float(info_nce(S, W, N, 0.1)))
    nothing = info_nce(S.requires_grad_(), W * 0, N, 0.1)
    nothing.backward()
    assert nothing.item() == 0


def test_large_logits_stay_finite_and_so_do_gradients():
    s = torch.tensor([[1.0, -1.0, 1.0]], requires_grad=True)
    loss = info_nce(s, torch.tensor([[1.0, 0, 0]]), torch.tensor([[False, True, True]]), 1e-4)
    loss.backward()
    assert torch.isfinite(loss) and torch.isfinite(s.grad).all()


def test_positives_cover_the_glance_whatever_the_cosines():
    """The published choice could leave the glance when cosines were negative (d3g.md 4)."""
    covers = torch.tensor([[True, True, False, False]])
    prior = torch.tensor([[0.9, 0.1, 0.0, 1.0]])
    for cosine in (-0.9, -0.1, 0.5):
        fit = (torch.full((1, 4), cosine) + 1) / 2
        chosen = choose_positives(fit, prior, covers, 1)
        assert chosen.tolist() == [[True, False, False, False]]
        assert choose_positives(fit, prior, covers, 4).tolist() == covers.tolist()
