"""The soft-label baseline: its loss by hand, its answer around the attention's peak."""

import math

import pytest
import torch

from models.heads.soft_label import SoftLabel, SoftLabelSettings, gauss, soft_label_entropy
from models.records import Padded


def test_soft_labels_by_hand():
    """Own label w, the rest shared by the two others: cross entropy over three sentences."""
    logits = torch.tensor([[[2.0, 1.0, 0.0]]] * 3)  # (3 queries, 1 window, 3 sentences)
    own = torch.tensor([[1.0], [0.4], [0.0]])
    found = soft_label_entropy(logits, own, torch.tensor([0, 1, 2])).flatten()
    total = math.log(math.exp(2) + math.exp(1) + 1)
    first = total - 2
    second = 0.4 * (total - 1) + 0.3 * (total - 2) + 0.3 * total
    third = 0.5 * (total - 2) + 0.5 * (total - 1)
    assert found.tolist() == pytest.approx([first, second, third])


def test_the_same_sentence_takes_no_part():
    """Of three sentences the first two are equal: each is told from the third alone."""
    logits = torch.tensor([[[2.0, 1.0, 0.0]]] * 3, requires_grad=True)
    found = soft_label_entropy(logits, torch.full((3, 1), 0.7), torch.tensor([5, 5, 6]))
    total = math.log(math.exp(2) + 1)
    assert found[0].item() == pytest.approx(0.7 * (total - 2) + 0.3 * total)
    found.sum().backward()
    assert logits.grad[0, 0, 1] == 0 and torch.isfinite(logits.grad).all()


def test_a_sentence_alone_has_nothing_to_be_told_from():
    alone = soft_label_entropy(torch.ones(1, 2, 1), torch.tensor([[1.0, 0.2]]), torch.tensor([0]))
    assert alone.tolist() == [[0.0, 0.0]]


def test_one_sigma_away():
    assert gauss(torch.tensor([0.0, 0.2]), 0.2).tolist() == pytest.approx([1, math.exp(-0.5)])


def test_answers_hold_the_attentions_peak_and_differ():
    torch.manual_seed(0)
    head = SoftLabel(SoftLabelSettings(answers=[0.2, 0.4]), 4, 4)
    clips = Padded(torch.randn(3, 10, 4), torch.ones(3, 10, dtype=torch.bool))
    out = head(clips, torch.randn(3, 4), torch.arange(3))
    assert torch.allclose(out.curve.sum(1), torch.ones(3))
    peak = (out.curve.argmax(1) + 0.5) / 10
    for spans, scores, at in zip(out.spans, out.scores, peak, strict=True):
        given = spans[scores > -torch.inf]
        assert len(given) >= 2 and len(given.unique(dim=0)) == len(given)
        assert (given[:, 0] < at).all() and (at < given[:, 1]).all()
        assert set((10 * (given[:, 1] - given[:, 0])).round().tolist()) == {2, 4}


def test_padding_never_leaks():
    torch.manual_seed(0)
    head = SoftLabel(SoftLabelSettings(), 4, 4)
    x, words, video = torch.randn(2, 12, 4), torch.randn(2, 4), torch.arange(2)
    alone = head(Padded(x, torch.ones(2, 12, dtype=torch.bool)), words, video)
    longer = torch.cat([x, 1e3 * torch.ones(2, 5, 4)], 1)
    mask = torch.arange(17)[None].expand(2, -1) < 12
    padded = head(Padded(longer, mask), words, video)
    assert torch.equal(alone.spans, padded.spans)
    assert torch.allclose(alone.curve, padded.curve[:, :12]) and not padded.curve[:, 12:].any()


@pytest.mark.parametrize(
    "wrong", [{"answers": []}, {"answers": [0.0]}, {"windows": [0.5, 1.5]}, {"step": 1.5}]
)
def test_sizes_that_leave_clips_out_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        SoftLabelSettings(**wrong)
