"""What sentences are contrasted with, by hand: two or three queries, clips and sentences as unit
vectors of the plane.
"""

import math

import pytest
import torch

from models.heads.contrast import Contrast, ContrastSettings
from models.records import Batch, Padded

T = 0.5


def contrast(queries=3, **options):
    made = Contrast(ContrastSettings(**options), T)
    made.prepare(queries, 2)
    return made


def batch(video, sentence, absent=(), query=None):
    count, nothing = len(video), torch.zeros(len(video))
    return Batch(
        Padded(torch.zeros(max(video) + 1, 2, 1), torch.ones(max(video) + 1, 2).bool()),
        Padded(torch.zeros(count, 1), torch.ones(count, 1).bool()),
        video=torch.tensor(video),
        sentence=torch.tensor(sentence),
        query=torch.arange(count) if query is None else torch.tensor(query),
        glance=nothing,
        spans=torch.full((count, 1, 2), math.nan),
        saliency=torch.full((count, 2), math.nan),
        absent=torch.tensor([q in absent for q in range(count)]),
        second=nothing,
    )


def lines(*degrees):
    """Unit vectors of the plane."""
    angle = torch.deg2rad(torch.tensor(degrees))
    return torch.stack([angle.cos(), angle.sin()], -1)


def of(made, asked, cosine, text, weight=None, negative=None, moments=None):
    """The loss; without `weight` the first clip of the own video is the positive, without
    `negative` the own video has none.
    """
    count = len(cosine)
    first = torch.tensor([[1.0, 0.0]]).repeat(count, 1) if weight is None else weight
    none = torch.zeros(count, 2, dtype=torch.bool) if negative is None else negative
    mask = torch.ones(cosine.shape[1:], dtype=torch.bool)
    moments = text if moments is None else moments
    return made(cosine, first, none, mask, asked, text, moments)


def share(own, *others):
    """-log of the own one's share, from cosines."""
    return -math.log(math.exp(own / T) / sum(math.exp(c / T) for c in (own, *others)))


# (Q, V, K): sentence 0 on videos 0 and 1, then sentence 1
COSINE = torch.tensor([[[0.9, 0.1], [0.3, -0.2]], [[0.4, 0.0], [0.8, 0.5]]])
TWO = lines(0.0, 30.0)


def test_other_videos_and_own_negatives_repel():
    negative = torch.tensor([[False, True], [False, False]])
    found = of(contrast(), batch([0, 1], [0, 1]), COSINE, TWO, negative=negative)
    by_hand = (share(0.9, 0.1, 0.3, -0.2) + share(0.8, 0.4, 0.0)) / 2
    assert float(found) == pytest.approx(by_hand, rel=1e-5)


def test_equal_sentences_and_near_duplicates_repel_neither_of_their_videos():
    different = float(of(contrast(), batch([0, 1], [0, 1]), COSINE, TWO))
    assert different == pytest.approx((share(0.9, 0.3, -0.2) + share(0.8, 0.4, 0.0)) / 2, rel=1e-5)
    assert float(of(contrast(), batch([0, 1], [7, 7]), COSINE, TWO)) == pytest.approx(0, abs=1e-6)
    # the cosine of 30 degrees is 0.87
    near, far = contrast(duplicates=0.86), contrast(duplicates=0.88)
    assert float(of(near, batch([0, 1], [0, 1]), COSINE, TWO)) == pytest.approx(0, abs=1e-6)
    assert float(of(far, batch([0, 1], [0, 1]), COSINE, TWO)) == pytest.approx(different)


def test_a_sentence_that_is_absent_there_keeps_repelling_that_video():
    """Query 1 asks video 1 for what query 0 finds in video 0: it is not there."""
    asked = batch([0, 1], [7, 7], absent={1})
    found = of(contrast(), asked, COSINE, TWO, weight=torch.tensor([[1.0, 0.0], [0.0, 0.0]]))
    assert float(found) == pytest.approx(share(0.9, 0.3, -0.2), rel=1e-5)


def test_the_queue_adds_moments_of_earlier_batches_and_never_of_the_same_sentence():
    made, moments = contrast(queue=3), lines(10.0, 50.0)
    before = of(contrast(), batch([0, 1], [0, 1]), COSINE, TWO)
    first = of(made, batch([0, 1], [0, 1]), COSINE, TWO, moments=moments)
    assert torch.equal(first, before)  # an empty queue holds no negatives
    assert made.state["sentences"].tolist() == [0, 1, -1]
    assert torch.equal(made.state["moments"][:2], moments)
    # sentence 0 again, with the moment of sentence 1 alone; sentence 5 with both
    again = of(made, batch([0, 1], [0, 5]), COSINE, TWO, moments=moments)
    at = [math.cos(math.radians(d)) for d in (50, 20, 20)]  # 50 - 0, 30 - 10, 50 - 30
    by_hand = (share(0.9, 0.3, -0.2, at[0]) + share(0.8, 0.4, 0.0, at[1], at[2])) / 2
    assert float(again) == pytest.approx(by_hand, rel=1e-5)
    assert made.state["sentences"].tolist() == [0, 5, 0]  # newest first, so many and no more


def test_near_duplicates_in_the_queue_are_no_negatives_either():
    made = contrast(queue=4, duplicates=0.86)
    of(made, batch([0], [0]), COSINE[:1], TWO[:1])
    found = of(made, batch([0, 1], [3, 4]), COSINE, TWO)  # 0 and 30 degrees from what was seen
    assert float(found) == pytest.approx(0, abs=1e-6)


def test_the_queue_keeps_no_moment_of_a_query_without_one():
    made, weight = contrast(queue=3), torch.tensor([[1.0, 0.0], [0.0, 0.0]])
    of(made, batch([0, 1], [4, 5]), COSINE, TWO, weight=weight)
    assert made.state["sentences"].tolist() == [4, -1, -1]


def test_each_moment_against_all_sentences_by_hand():
    """Clip 0 of video 0 is drawn to by sentence 0 at 0.9, by sentence 1 at 0.4."""
    plain = of(contrast(), batch([0, 1], [0, 1]), COSINE, TWO)
    both = of(contrast(reverse=0.5), batch([0, 1], [0, 1]), COSINE, TWO)
    by_hand = (share(0.9, 0.4) + share(0.8, 0.3)) / 2
    assert float(both - plain) == pytest.approx(0.5 * by_hand, rel=1e-4)


def test_moments_repel_no_sentence_that_is_asked_of_their_video():
    """Sentence 1 is asked of videos 0 and 1: the moment of sentence 0 in video 0 repels neither
    copy of it, that of sentence 1 in video 1 repels sentence 0.
    """
    cosine = torch.tensor(
        [[[0.9, 0.1], [0.3, -0.2]], [[0.4, 0.0], [0.8, 0.5]], [[0.4, 0.0], [0.8, 0.5]]]
    )
    asked, text = batch([0, 0, 1], [0, 1, 1]), lines(0.0, 30.0, 30.0)
    plain, both = (of(contrast(reverse=r), asked, cosine, text) for r in (0.0, 1.0))
    # query 1 is drawn to clip 0 of video 0 as query 0 is, and stands against no other
    assert float(both - plain) == pytest.approx((0 + 0 + share(0.8, 0.3)) / 3, abs=1e-5)


def test_a_large_loss_that_lasts_counts_less():
    """Three queries with one clip each; the third fits another video better than its own."""
    cosine = torch.zeros(3, 3, 2)
    cosine[0, :, 0] = torch.tensor([0.9, 0.0, 0.0])
    cosine[1, :, 0] = torch.tensor([0.1, 0.8, 0.0])
    cosine[2, :, 0] = torch.tensor([0.9, 0.9, -0.9])
    asked, text = batch([0, 1, 2], [0, 1, 2], query=[2, 0, 1]), lines(0.0, 60.0, 120.0)
    # two of the six clips are the own ones: one positive, one that is neither
    losses = [share(0.9, 0, 0, 0, 0), share(0.8, 0.1, 0, 0, 0), share(-0.9, 0.9, 0, 0.9, 0)]
    made = contrast(doubt=1.0)
    found = of(made, asked, cosine, text)
    middle = sorted(losses)[1]
    spread = sorted(abs(loss - middle) for loss in losses)[1]
    trust = [1 / (1 + math.exp((loss - middle) / spread - 2)) for loss in losses]
    assert trust[2] == min(trust) and trust[2] < 0.01
    by_hand = sum(t * loss for t, loss in zip(trust, losses, strict=True)) / sum(trust)
    assert float(found) == pytest.approx(by_hand, rel=1e-4)
    memory = made.state["losses"].tolist()
    assert [memory[place] for place in (2, 0, 1)] == pytest.approx(losses, rel=1e-5)


def test_losses_are_remembered_by_query_and_change_slowly():
    made, text = contrast(doubt=1.0), TWO
    of(made, batch([0, 1], [0, 1], query=[0, 2]), COSINE, text)
    first = made.state["losses"].clone()
    assert first.isnan().tolist() == [False, True, False]
    better = COSINE.clone()
    better[0, 1] = -1.0
    of(made, batch([0, 1], [0, 1], query=[0, 2]), better, text)
    now = share(0.9, -1.0, -1.0)
    assert float(made.state["losses"][0]) == pytest.approx(0.7 * float(first[0]) + 0.3 * now)
    assert torch.equal(made.state["losses"][2], first[2])


def test_a_batch_without_any_positive_has_no_loss_and_finite_gradients():
    for options in ({}, {"reverse": 1.0, "queue": 2, "doubt": 1.0, "hardness": 1.0}):
        cosine = COSINE.clone().requires_grad_()
        asked = batch([0, 1], [0, 1], absent={0, 1})
        loss = of(contrast(**options), asked, cosine, TWO, weight=torch.zeros(2, 2))
        loss.backward()
        assert loss.item() == 0 and torch.isfinite(cosine.grad).all()
