"""The centres of every epoch come back, also after a resume."""

from types import SimpleNamespace

import torch
from hypothesis import given
from hypothesis import strategies as st

from grounding.centre_history import CentreHistory
from grounding.history import KEY, history_of, packed, unpacked


@given(st.integers(1, 5), st.integers(1, 20), st.integers(1, 4), st.data())
def test_every_bit_comes_back(queries, clips, epochs, data):
    seed = data.draw(st.integers(0, 1000))
    flips = torch.rand(epochs, queries, clips, generator=torch.Generator().manual_seed(seed)) < 0.5
    kept = [packed(epoch) for epoch in flips]
    assert all(k.shape == (queries, -(-clips // 8)) for k in kept)
    query = data.draw(st.integers(0, queries - 1))
    assert unpacked(kept, query, clips).tolist() == flips[:, query].tolist()


class Moving:
    """A head with one centre, which goes on by a clip."""

    def __init__(self):
        self.at = 0

    def centres(self):
        self.at += 1
        return torch.arange(10)[None] == self.at - 1


def epochs(callback, head, count):
    for _ in range(count):
        callback.on_train_epoch_end(None, SimpleNamespace(model=SimpleNamespace(head=head)))


def test_a_resumed_run_goes_on_with_its_history():
    head, first, second = Moving(), CentreHistory(), CentreHistory()
    epochs(first, head, 2)
    second.load_state_dict(first.state_dict())
    epochs(second, head, 1)
    assert len(first.epochs) == 2  # the saved one did not grow
    history = history_of({"callbacks": {KEY: second.state_dict()}}, 0)
    assert history.nonzero()[1].tolist() == [0, 1, 2] and history.shape == (3, 10)
    assert second.state_key == KEY


def test_a_head_without_centres_keeps_nothing():
    callback = CentreHistory()
    epochs(callback, object(), 2)
    epochs(callback, SimpleNamespace(centres=lambda: None), 2)
    assert callback.state_dict() == {} and history_of({"callbacks": {}}, 0) is None
