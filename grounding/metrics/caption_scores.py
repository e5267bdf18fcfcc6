"""METEOR and CIDEr by pycocoevalcap, the field's own programs (extra `captions`).

The one place under `metrics` that starts another program: METEOR and the tokenizer run in Java,
whose archives the package brings along; nothing is downloaded. CIDEr needs no Java.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from importlib import import_module
from typing import Any

import numpy as np

from grounding.errors import BadInput
from grounding.metrics.retrieval import Floats


def tokenize(sentences: Sequence[str]) -> list[str]:
    """Sentences in lower case without punctuation, as Stanford's PTB tokenizer parts them.

    What published figures were computed on. Characters outside ASCII become blanks, as in the
    ActivityNet Captions evaluator.

    Raises:
        BadInput: the extra or Java is missing.
    """
    if not sentences:
        return []
    tokenizer = _library("tokenizer.ptbtokenizer", "PTBTokenizer", java="the PTB tokenizer")
    plain = ["".join(c if ord(c) < 128 else " " for c in sentence) for sentence in sentences]
    found = tokenizer.tokenize({i: [{"caption": text}] for i, text in enumerate(plain)})
    return [found[i][0] for i in range(len(plain))]


def cider(told: Sequence[str], true: Sequence[str]) -> float:
    """CIDEr-D of tokenized sentences, one reference each; 1 in papers' tables is 0.01 here.

    How rare a phrase is, is counted in `true`.

    Raises:
        BadInput: the extra is missing.
    """
    score, _ = _library("cider.cider", "Cider").compute_score(_numbered(true), _numbered(told))
    return float(score)


class Meteor:
    """METEOR 1.5 in one Java process; reuse it, starting takes a second.

    Raises:
        BadInput: the extra or Java is missing.
    """

    def __init__(self) -> None:
        self._program = _library("meteor.meteor", "Meteor", java="METEOR")

    def pairs(self, told: Sequence[str], true: Sequence[str]) -> Floats:
        """(N) and (N) tokenized sentences -> (N,) scores in [0, 1]."""
        if not told:
            return np.zeros(0)
        _, scores = self._program.compute_score(_numbered(true), _numbered(told))
        return np.asarray(scores, np.float64)

    def corpus(self, told: Sequence[str], true: Sequence[str]) -> float:
        """One score for all the pairs together, which is not the mean of theirs."""
        score, _ = self._program.compute_score(_numbered(true), _numbered(told))
        return float(score)


def _numbered(sentences: Sequence[str]) -> dict[int, list[str]]:
    # METEOR reads one sentence a line
    return {i: [" ".join(sentence.split())] for i, sentence in enumerate(sentences)}


def _library(module: str, name: str, java: str | None = None) -> Any:
    try:
        made = getattr(import_module(f"pycocoevalcap.{module}"), name)
    except ModuleNotFoundError as error:
        raise BadInput(
            f"caption scores need {error.name}; install the extra: pip install -e '.[captions]'"
        ) from None
    if java and shutil.which("java") is None:
        raise BadInput(f"{java} needs Java; install a Java runtime (8 or later), or leave it out")
    return made()
