import json
from pathlib import Path

import numpy as np
import pytest

from grounding.errors import BadInput
from grounding.metrics.baselines import fit_span, fixed, means
from grounding.metrics.text_prior import fit_text_prior, text_prior

SHARED = Path(__file__).parents[3] / "shared" / "data"


def test_words_that_come_early_or_late_say_so():
    sentences = ["a person opens the door"] * 40 + ["a person leaves the room"] * 40
    moments = np.array([[0.0, 0.2]] * 40 + [[0.8, 1.0]] * 40)
    prior = fit_text_prior(sentences, moments)
    assert prior.predict(["someone opens it", "he leaves"]).tolist() == [[0, 0.2], [0.8, 1]]
    unknown = prior.predict(["xyz"])[0]
    assert unknown.tolist() == pytest.approx(fit_span(moments))


def test_a_rare_word_says_little():
    usual = ["a person sits"] * 100
    moments = np.array([[0.4, 0.6]] * 100 + [[0.0, 0.1]] * 2)
    prior = fit_text_prior([*usual, "a person yodels", "a person yodels"], moments)
    assert prior.predict(["a person yodels"])[0].tolist() == [0.4, 0.6]
    assert "yodels" in prior.place
    assert "once" not in fit_text_prior([*usual, "once", "twice"], moments).place


def test_words_that_say_nothing_reach_no_more_than_the_best_fixed_span():
    rng = np.random.default_rng(0)
    moments = np.sort(rng.random((3000, 2)), -1)
    words = rng.choice(["run", "jump", "sit", "eat"], 3000)
    prior = fit_text_prior([f"people {w}" for w in words[:2000]], moments[:2000])
    truth, duration = moments[2000:, None] * 30, np.full(1000, 30.0)
    blind = means(text_prior(prior, [f"people {w}" for w in words[2000:]], truth, duration))
    span = fixed(fit_span(moments[:2000]), truth, duration)
    assert blind["mIoU"] == pytest.approx(span["mIoU"], abs=1.5)


def test_blocks_do_not_change_the_prior(monkeypatch):
    rng = np.random.default_rng(1)
    sentences = [f"{a} {b}" for a, b in rng.choice(["run", "jump", "sit"], (90, 2))]
    moments = np.sort(rng.random((90, 2)), -1)
    whole = fit_text_prior(sentences, moments)
    monkeypatch.setattr("grounding.metrics.text_prior._BLOCK", 7)
    assert fit_text_prior(sentences, moments).shift == pytest.approx(whole.shift)


def test_wrong_input_is_named():
    with pytest.raises(BadInput, match="0 training sentences"):
        fit_text_prior([], np.zeros((0, 2)))
    with pytest.raises(BadInput, match="training query 1 has a moment that is no number"):
        fit_text_prior(["a", "b"], np.array([[0, 1], [np.nan, 1]]))


def test_charades_gives_away_more_by_its_words_than_by_place_alone():
    """Blind R1@0.5 of 35 on Charades-STA test, where the best fixed span has 28."""
    folder = SHARED / "annotations" / "charades-sta"
    files = [folder / "glance_charades_train.json", folder / "charades_test.json"]
    if not all(file.exists() for file in files):
        pytest.skip("the shared Charades files are not beside this checkout")
    sentences, relative, seconds = [], [], []
    for file in files:
        videos = json.loads(file.read_text()).values()
        rows = [
            (text, np.clip(np.divide(window, v["duration"]), 0, 1), v["duration"])
            for v in videos
            for text, window in zip(v["sentences"], v["timestamps"], strict=True)
        ]
        texts, windows, lengths = zip(*rows, strict=True)
        sentences.append(texts)
        relative.append(np.array(windows))
        seconds.append(np.array(lengths))
    prior = fit_text_prior(sentences[0], relative[0])
    truth = relative[1][:, None] * seconds[1][:, None, None]
    blind = means(text_prior(prior, sentences[1], truth, seconds[1]))
    span = fixed(fit_span(relative[0]), truth, seconds[1])
    assert span["R1@0.5"] == pytest.approx(27.7, abs=0.5)
    assert blind["R1@0.5"] == pytest.approx(35.2, abs=0.5)
    assert blind["mIoU"] > span["mIoU"] + 5
