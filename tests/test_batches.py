"""How queries are cut into batches: by queries or by videos, anew each epoch."""

import pytest
import torch

from grounding.dataset import ClipTable, QueryData
from grounding.types import Moment, Query, Sample
from models.encoders.text import WordTokenizer


def data(counts, blind=()):
    """`counts[v]` queries of video v; those in `blind` have no glance."""
    samples = []
    for video, count in enumerate(counts):
        for _ in range(count):
            qid = len(samples)
            glance = None if qid in blind else 4.0
            query = Query("red", qid, f"v{video}")
            samples.append(Sample(query, 20.0, (Moment(2, 6),), glance))
    samples = samples[::2] + samples[1::2]  # queries of a video need not stand together
    names = [f"v{v}" for v in range(len(counts))]
    clips = ClipTable(
        torch.zeros(len(counts), 4, 2),
        {name: i for i, name in enumerate(names)},
        dict.fromkeys(names, 20.0),
    )
    return QueryData(samples, clips, WordTokenizer(["red"]))


def videos_of(some, batch):
    return {some.samples[i].vid for i in batch.query.tolist()}


def test_a_batch_of_videos_has_all_their_queries():
    some = data([3, 1, 4, 2, 5, 1, 2])
    batches = list(some.shuffled(3, 0, 0, "videos"))
    assert [len(videos_of(some, b)) for b in batches] == [3, 3]  # the seventh would be alone
    for batch in batches:
        wanted = [i for i, s in enumerate(some.samples) if s.vid in videos_of(some, batch)]
        assert sorted(batch.query.tolist()) == wanted
    assert not videos_of(some, batches[0]) & videos_of(some, batches[1])


@pytest.mark.parametrize("of", ["queries", "videos"])
@pytest.mark.parametrize("size", [1, 2, 3, 5, 100])
def test_an_epoch_has_as_many_batches_as_it_says(of, size):
    some = data([3, 1, 4, 2], blind={1, 5})
    for epoch in range(5):
        assert len(list(some.shuffled(size, 0, epoch, of))) == some.steps(size, of)
    alone = data([1])
    assert len(list(alone.shuffled(size, 0, 0, of))) == alone.steps(size, of) == 1


@pytest.mark.parametrize("of", ["queries", "videos"])
def test_the_order_is_new_each_epoch_and_follows_from_the_seed(of):
    some = data([2] * 12)

    def order(seed, epoch):
        return [sorted(b.query.tolist()) for b in some.shuffled(3, seed, epoch, of)]

    assert order(0, 1) == order(0, 1)
    assert order(0, 1) != order(0, 2) and order(0, 1) != order(1, 1)


def test_queries_without_a_glance_take_no_part():
    some = data([3, 3, 3], blind={0, 4})
    for of in ("queries", "videos"):
        seen = {i for b in some.shuffled(2, 0, 0, of) for i in b.query.tolist()}
        assert not any(some.samples[i].glance is None for i in seen)
