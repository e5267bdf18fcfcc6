"""How far a guess gets that reads the sentence and never looks at the recording.

What a data set gives away by its words alone: "opens the door" tends to come early. A model that
does not pass it has not been shown to look.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from grounding.errors import BadInput
from grounding.metrics.retrieval import Floats, iou, query_values
from grounding.metrics.sentences import words

_STEPS = 20  # spans are sought on twentieths of the duration, as for the best fixed span
_DOUBT = 20  # a word's spans count as if it had been seen this often more, at the usual places
_BLOCK = 10_000  # training moments at a time


@dataclass(frozen=True, eq=False)
class TextPrior:
    """Which spans the words of a sentence speak for.

    Attributes:
        spans: (C, 2) candidates in [0, 1].
        usual: (C,) mean IoU of each with all training moments.
        place: word -> row of `shift`.
        shift: (W, C) by how much a word raises that mean, drawn towards 0 where the word is rare.
    """

    spans: Floats
    usual: Floats
    place: dict[str, int]
    shift: Floats

    def predict(self, sentences: Sequence[str]) -> Floats:
        """(Q, 2) the candidate with the best sum of `usual` and the shifts of the words, in
        [0, 1]; the best fixed span where no word is known.
        """
        best = np.empty(len(sentences), np.int64)
        for query, sentence in enumerate(sentences):
            known = [self.place[w] for w in sorted(set(words(sentence))) if w in self.place]
            best[query] = (self.usual + self.shift[known].sum(0)).argmax()
        return self.spans[best]


def fit_text_prior(sentences: Sequence[str], relative: Floats) -> TextPrior:
    """Fit on training queries: (N) sentences and (N, 2) their moments in [0, 1].

    Words of a single sentence are left out. 12 400 queries take a second.

    Raises:
        BadInput: no queries, unequal lengths, or a moment that is no number.
    """
    moments = np.asarray(relative, np.float64)
    if not len(sentences) or moments.shape != (len(sentences), 2):
        raise BadInput(
            f"{len(sentences)} training sentences for moments of shape {moments.shape}; "
            "pass one (start, end) each"
        )
    if not np.isfinite(moments).all():
        row = int(np.argwhere(~np.isfinite(moments))[0, 0])
        raise BadInput(f"training query {row} has a moment that is no number; leave it out")
    first, last = np.triu_indices(_STEPS + 1, 1)
    spans = np.stack([first, last], -1) / _STEPS
    holders: dict[str, list[int]] = {}
    for row, sentence in enumerate(sentences):
        for word in set(words(sentence)):
            holders.setdefault(word, []).append(row)
    common = sorted(word for word, rows in holders.items() if len(rows) > 1)
    total = np.zeros(len(spans))
    sums = np.zeros((len(common), len(spans)))
    for start in range(0, len(moments), _BLOCK):
        overlap = iou(moments[start : start + _BLOCK], spans)  # (B, C)
        total += overlap.sum(0)
        for place, word in enumerate(common):
            rows = np.asarray(holders[word])
            own = rows[(rows >= start) & (rows < start + _BLOCK)] - start
            sums[place] += overlap[own].sum(0)
    usual = total / len(moments)
    seen = np.array([len(holders[word]) for word in common], np.float64)[:, None]
    shift = (sums - seen * usual) / (seen + _DOUBT)
    return TextPrior(spans, usual, {word: i for i, word in enumerate(common)}, shift)


def text_prior(
    prior: TextPrior, sentences: Sequence[str], truth: Floats, duration: Floats
) -> dict[str, Floats]:
    """Per-query values of the prior's answers, as `query_values` gives a model's.

    Args:
        truth: (Q, M, 2) seconds, NaN = no window; `duration`: (Q,) seconds.
    """
    answers = prior.predict(sentences) * np.asarray(duration, np.float64)[:, None]
    return query_values(answers[:, None], truth)
