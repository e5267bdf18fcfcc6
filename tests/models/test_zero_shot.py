import numpy as np
import pytest
import torch

from grounding.errors import BadInput
from grounding.feature_files import Features
from models.heads.zero_shot import ZeroShotSettings, zero_shot
from models.records import Padded


def planted(rows=200, start=60, end=90, again=None, seed=0):
    rng = np.random.default_rng(seed)
    text = rng.standard_normal(32)
    x = rng.standard_normal((rows, 32)) + 3.0  # a constant that every cosine shares
    x[start:end] += text
    if again:
        x[again[0] : again[1]] += text
    return torch.from_numpy(x).float(), torch.from_numpy(text).float()


def ask(x, text, **settings):
    clips = Padded(x[None], torch.ones(1, len(x), dtype=torch.bool))
    return zero_shot(
        clips, text[None], torch.zeros(1, dtype=torch.long), ZeroShotSettings(**settings)
    )


def test_the_planted_stretch_is_found():
    span = ask(*planted()).spans[0, 0] * 200
    assert span.tolist() == pytest.approx([60, 90], abs=3)


def test_several_moments_come_by_repetition():
    out = ask(*planted(again=(150, 170)))
    found = sorted((out.spans[0, :2] * 200).tolist())
    assert found[0] == pytest.approx([60, 90], abs=3)
    assert found[1] == pytest.approx([150, 170], abs=3)


def test_other_widths_are_no_space():
    with pytest.raises(ValueError, match="not one space"):
        ask(torch.zeros(5, 3), torch.zeros(4))


def test_stored_vectors_answer_in_seconds(tmp_path):
    from grounding.zero_shot import ground_stored

    x, text = planted()
    features = Features(x.numpy(), duration=100.0)
    np.save(tmp_path / "t.npy", np.stack([text.numpy(), -text.numpy()]))
    first, _ = ground_stored(features, "v", ["it", "not it"], tmp_path / "t.npy")
    best = first.moments[0]
    assert (best.start, best.end) == pytest.approx((30, 45), abs=1.5)
    assert first.absent is None
    with pytest.raises(BadInput, match="2 rows for 1 sentences"):
        ground_stored(features, "v", ["it"], tmp_path / "t.npy")
    np.save(tmp_path / "u.npy", np.zeros((1, 7), np.float32))
    with pytest.raises(BadInput, match="32 numbers, the sentences 7"):
        ground_stored(features, "v", ["it"], tmp_path / "u.npy")
    with pytest.raises(BadInput, match="--duration"):
        ground_stored(Features(x.numpy()), "v", ["it"], tmp_path / "u.npy")


def test_an_hour_is_searched_in_bounded_memory():
    import resource

    from grounding.zero_shot import answer

    rows = np.random.default_rng(0).standard_normal((36_000, 8)).astype(np.float32)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    answer(Features(rows, duration=3600.0), "v", ["x"], torch.ones(1, 8))
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 300_000  # kB
