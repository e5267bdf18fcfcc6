"""What processes do together, for the tests of `models.gather`, `grounding.ranks` and
`grounding.processes` alone: processes that are started import it by name.
"""

import logging
import os
import signal
import time

import torch
import torch.distributed

from grounding.errors import BadInput
from models.encoders.text import WordVectors
from models.encoders.video import ClipEncoder
from models.gather import gather, split
from models.grounder import GroundingModel
from models.heads import HEADS
from models.records import Batch, Padded

CLIPS, WIDTH = 8, 6
SMALL = {"clips": CLIPS, "diagonals": [7], "layers": 2}
OPTIONS = {"map": 0.5, "follow": "text", "average": True, "queue": 6, "doubt": 1.0, "reverse": 0.5}
HEAD_SETTINGS = {
    "frames": ("frames", {}),
    "glance": ("glance", SMALL),
    "glance with a map": ("glance", SMALL | {"map": 1.0}),
    "glance with options": ("glance", SMALL | OPTIONS),
}


def build(name):
    """A small model with random weights, always the same."""
    torch.manual_seed(0)
    method, settings = HEAD_SETTINGS[name]
    head = HEADS[method].head(HEADS[method].settings(**settings), 16, 16)
    model = GroundingModel(
        ClipEncoder(WIDTH, 16, dropout=0.0), WordVectors(9, 16, 16, dropout=0.0), head
    )
    model.head.prepare(40)
    return model


def batch_of(video):
    """Random clips and sentences; `video` says which video each query belongs to."""
    g = torch.Generator().manual_seed(1)
    videos, queries = max(video) + 1, len(video)
    mask = torch.ones(videos, CLIPS, dtype=torch.bool)
    start = torch.rand(queries, generator=g) * 0.6
    return Batch(
        Padded(torch.randn(videos, CLIPS, WIDTH, generator=g), mask),
        Padded(torch.randint(1, 10, (queries, 3), generator=g), torch.ones(queries, 3).bool()),
        torch.tensor(video),
        torch.arange(queries) % 7,
        torch.arange(queries) * 3,
        start + 0.1,
        torch.full((queries, 1, 2), float("nan")),
        torch.full((queries, CLIPS), float("nan")),
        torch.zeros(queries, dtype=torch.bool),
        torch.full((queries,), 0.1),
    )


def step(model, batch, rank=0, count=1):
    """Loss and gradients of one batch, averaged over processes as the trainer does it."""
    model.zero_grad()
    loss = model.loss(batch if count == 1 else split(batch, rank, count), 6)
    loss.backward()
    gradients = {}
    for name, weight in model.named_parameters():
        assert weight.grad is not None, name
        if count > 1:
            torch.distributed.all_reduce(weight.grad)
        gradients[name] = (weight.grad / count).numpy()
    state = {name: tensor.numpy() for name, tensor in model.head.training_state().items()}
    return float(loss.detach()), gradients, state


def steps(ranks, batches):
    """`step` of a fresh model of each head on each list of queries' videos."""
    return {
        (name, i): step(build(name), batch_of(video), ranks.rank, ranks.count)
        for name in HEAD_SETTINGS
        for i, video in enumerate(batches)
    }


def rows(ranks, places):
    """Each process gives the numbers of its places; what all get, and the gradient of the sum of
    squares for the first one's.
    """
    split_places = [torch.tensor(p, dtype=torch.long) for p in places]
    own = split_places[ranks.rank].double()[:, None].requires_grad_()
    everything = gather(own, split_places, ranks.rank)
    everything.square().sum().backward()
    return everything.detach().squeeze(1).tolist(), own.grad.squeeze(1).tolist()


def merged(ranks):
    """Three queries: process 1 has had the second, process 0 the third, nobody the first."""
    own = torch.tensor([[False, False, True], [False, True, False]])[ranks.rank]
    state = {
        "counter": torch.tensor([[5], [10 + ranks.rank], [20 + ranks.rank]]),
        "visited": torch.tensor([False, ranks.rank == 1, ranks.rank == 0]),
        "similarity": torch.tensor([0.5, 0.1 * ranks.rank, 0.2]),
        "queue": torch.tensor([float(ranks.rank)] * 2),
    }
    agreed = ranks.agree(state, own)
    return {name: tensor.tolist() for name, tensor in agreed.items()}, ranks.mean(ranks.rank * 3.0)


def all_of_it(ranks, batches, places):
    """All of the above in one start."""
    return steps(ranks, batches), rows(ranks, places), merged(ranks)


def wrong(ranks):
    """All find the same mistake; it is one mistake."""
    raise BadInput(f"clip.mp4: is no video (process {ranks.rank})")


def wrong_in_the_first(ranks):
    """The others wait for it."""
    with ranks.first_alone():
        if ranks.is_first:
            raise BadInput("clip.mp4: is no video")


def killed(ranks):
    """One is killed while the first waits for it."""
    if ranks.rank == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    torch.distributed.barrier()


def broken(ranks):
    """A bug in one of them."""
    if ranks.rank == 1:
        raise KeyError("a bug")
    torch.distributed.barrier()


def spoken(ranks, heard, unheard):
    """All warn and report; the first alone is heard."""
    assert unheard is None
    logging.getLogger("grounding.rank_tasks").warning("damaged: %s", ranks.rank)
    if heard:
        heard(ranks.rank, "told")
    return ranks.rank, heard is not None


def waiting(ranks, heard):
    """Work that never ends."""
    if heard:
        heard(os.getpid())
    time.sleep(600)


def trainings(ranks, runs, done=None):
    """Train each run as the command does, on from its checkpoint where it has one; their losses."""
    from grounding import training  # heavy, and the other tasks do without

    found = []
    plain = training.GroundingModule.training_step

    def recorded(self, batch, index):
        loss = plain(self, batch, index)
        found[-1].append(ranks.mean(float(loss.detach())))
        return loss

    training.GroundingModule.training_step = recorded
    try:
        for run in runs:
            found.append([])
            training._train(ranks, run, True, "cpu", False, extracting=None, done=done)
    finally:
        training.GroundingModule.training_step = plain
    return found
