import shutil
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from grounding.errors import BadInput
from grounding.metrics import caption_scores
from grounding.metrics.captions import Told, dense_scores, soda_c, time_ordered_matching

VALUES = st.floats(0, 1).map(lambda x: round(x, 3))


def said(*rows):
    return Told(np.array([r[:2] for r in rows], float).reshape(-1, 2), [r[2] for r in rows])


def words(told, true):
    """Share of words in common: easy to do by hand."""
    pairs = [(set(a.split()), set(b.split())) for a, b in zip(told, true, strict=True)]
    return np.array([len(a & b) / len(a | b) for a, b in pairs])


@given(arrays(float, st.tuples(st.integers(1, 4), st.integers(1, 4)), elements=VALUES))
def test_the_matching_is_the_best_of_all_that_do_not_cross(values):
    rows, columns = values.shape
    best = max(
        sum(values[i, j] for i, j in zip(left, right, strict=True))
        for size in range(min(rows, columns) + 1)
        for left in combinations(range(rows), size)
        for right in combinations(range(columns), size)
    )
    total, pairs = time_ordered_matching(values)
    assert total == pytest.approx(best)
    assert sum(values[i, j] for i, j in pairs) == pytest.approx(total)
    assert pairs == sorted(pairs) and len({i for i, _ in pairs}) == len({j for _, j in pairs})


def test_an_empty_matching_is_nothing():
    assert time_ordered_matching(np.zeros((0, 3))) == (0.0, [])


def test_soda_by_hand():
    true = said((0, 10, "a man walks"), (10, 20, "a dog runs"))
    told = said((10, 20, "a dog runs"), (0, 5, "a man walks"), (30, 40, "a cat"))  # out of order
    found = soda_c([told], [[true]], words)
    total = 0.5 * 1 + 1 * 1
    assert found["precision"][0] == pytest.approx(total / 3)
    assert found["recall"][0] == pytest.approx(total / 2)
    assert found["F"][0] == pytest.approx(2 * total / (3 + 2))


def test_soda_wants_the_order_of_the_story():
    true = said((0, 10, "one"), (1, 11, "two"))
    straight = said((0, 10, "one"), (1, 11, "two"))
    crossed = said((0, 10, "two"), (1, 11, "one"))
    assert soda_c([straight], [[true]], words)["F"][0] == pytest.approx(1)
    assert soda_c([crossed], [[true]], words)["F"][0] == pytest.approx(9 / 11 / 2)


def test_the_best_of_several_reference_sets_counts_and_silence_scores_nothing():
    poor, good = said((0, 10, "rain")), said((0, 10, "a man walks"))
    told = said((0, 10, "a man walks"))
    found = soda_c([told, said()], [[poor, good], [good]], words)
    assert found["F"].tolist() == [1, 0]


def test_a_video_about_which_nothing_was_told_may_have_empty_lists():
    nothing, true = Told(np.zeros(0), []), said((0, 10, "a man"))
    assert soda_c([nothing], [[true]], words)["F"].tolist() == [0]
    scores = dense_scores([nothing], [[true]], {"any": lambda told, true: 1.0})
    assert scores["any"]["mean"].tolist() == [0]


def test_bad_captions_are_named():
    with pytest.raises(BadInput, match="video 0 has no true captions"):
        soda_c([said()], [[said()]], words)
    with pytest.raises(BadInput, match="video 0: 2 windows for 1 sentences"):
        soda_c([Told(np.zeros((2, 2)), ["a"])], [[said((0, 1, "a"))]], words)
    with pytest.raises(BadInput, match="1 videos told, 0 with references"):
        dense_scores([said()], [], {})


def test_dense_scores_pair_sentences_by_tiou():
    """IoU 0.4 with the first reference, none with the second: a pair, then only garbage."""
    first, second = said((0, 10, "a man walks")), said((50, 60, "a dog"), (0, 4, "a man"))
    told = said((6, 10, "a man walks"), (20, 30, "a cat"))
    seen = []

    def exact(told, true):
        seen.append(list(zip(told, true, strict=True)))
        return float(np.mean([a == b for a, b in seen[-1]]))

    found = dense_scores([told, said()], [[first, second], [first]], {"exact": exact})["exact"]
    garbage = ("a cat", "abc123!@#")
    assert seen[0] == [("a man walks", "a man walks"), garbage, garbage]
    assert seen[1][:2] == [("a man walks", "abc123!@#")] * 2
    assert list(found) == ["tIoU 0.3", "tIoU 0.5", "tIoU 0.7", "tIoU 0.9", "mean"]
    assert found["tIoU 0.3"].tolist() == [pytest.approx(1 / 3), 0]
    assert found["mean"].tolist() == [pytest.approx(1 / 12), 0]


def test_cider_of_the_same_sentences_is_ten():
    """Ten by definition where every n-gram up to four is there and no two documents share one."""
    pytest.importorskip("pycocoevalcap", reason="the extra `captions` is not installed")
    lines = ["a man walks home", "the dog runs very fast", "one cat sits here now"]
    assert caption_scores.cider(lines, lines) == pytest.approx(10)
    assert caption_scores.cider(lines[::-1], lines) < 5
    assert caption_scores.cider(["x y z w"] * 3, lines) == 0


def test_meteor_and_the_tokenizer_agree_with_what_is_known_of_them():
    pytest.importorskip("pycocoevalcap", reason="the extra `captions` is not installed")
    if shutil.which("java") is None:
        pytest.skip("METEOR needs Java, which is not installed")
    told, true = caption_scores.tokenize(["A man, walks!", "The cat sat on the mat."])
    assert (told, true) == ("a man walks", "the cat sat on the mat")
    meteor = caption_scores.Meteor()
    same, paraphrase, other = meteor.pairs(
        [true, "the cat sits on the mat", "we eat bread"], [true, true, true]
    )
    assert same == pytest.approx(1) and 0.5 < paraphrase < 1 and other < 0.1
    assert meteor.corpus([true], [true]) == pytest.approx(1)
    told_true = said((0, 10, true))
    assert soda_c([told_true], [[told_true]], meteor.pairs)["F"][0] == pytest.approx(1)


def test_what_is_missing_is_said_in_one_line(monkeypatch):
    monkeypatch.setattr(caption_scores.shutil, "which", lambda name: None)
    pytest.importorskip("pycocoevalcap", reason="the extra `captions` is not installed")
    with pytest.raises(BadInput, match="METEOR needs Java; install a Java runtime"):
        caption_scores.Meteor()

    def missing(name):
        raise ModuleNotFoundError(f"No module named {name!r}", name="pycocoevalcap")

    monkeypatch.setattr(caption_scores, "import_module", missing)
    with pytest.raises(BadInput, match=r"need pycocoevalcap; install the extra: pip install"):
        caption_scores.cider(["a"], ["a"])
