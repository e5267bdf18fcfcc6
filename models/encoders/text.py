"""How models read sentences: learned word vectors, or the vectors of a pretrained encoder."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Protocol

import torch
from torch import Tensor, nn

from models.records import Padded, pad

WORD = re.compile(r"[a-z0-9']+")
UNKNOWN = 0  # row of every word that training never saw


def words_of(sentence: str) -> list[str]:
    """The lower-case words of a sentence."""
    return WORD.findall(sentence.lower())


class Sentences(Protocol):
    """Sentences -> what the model's text part reads."""

    def __call__(self, sentences: Sequence[str]) -> Padded:
        """Q sentences -> (Q, W) ids or (Q, 1, D) vectors."""
        ...

    def unknown(self, sentence: str) -> list[str]:
        """Words that mean nothing to it."""
        ...

    @property
    def size(self) -> int:
        """How many ids there are, or D."""
        ...


class WordTokenizer:
    """Lower-case words -> ids by a fixed vocabulary; id 0 is any other word."""

    def __init__(self, vocabulary: Sequence[str]) -> None:
        self.vocabulary = tuple(vocabulary)
        self._ids = {word: i + 1 for i, word in enumerate(self.vocabulary)}

    @classmethod
    def fit(cls, sentences: Iterable[str], least: int = 1) -> WordTokenizer:
        """The words that occur at least `least` times, most frequent first."""
        counts = Counter(word for s in sentences for word in words_of(s))
        kept = sorted((w for w, n in counts.items() if n >= least), key=lambda w: (-counts[w], w))
        return cls(kept)

    @property
    def size(self) -> int:
        """Words in the vocabulary."""
        return len(self.vocabulary)

    def unknown(self, sentence: str) -> list[str]:
        """The sentence's words that are not in the vocabulary."""
        return [w for w in words_of(sentence) if w not in self._ids]

    def __call__(self, sentences: Sequence[str]) -> Padded:
        """Q sentences -> (Q, W) ids; a sentence without any word becomes one unknown word."""
        rows = [
            torch.tensor([self._ids.get(w, UNKNOWN) for w in words_of(s)] or [UNKNOWN])
            for s in sentences
        ]
        return pad(rows)


class WordVectors(nn.Module):
    """Mean of learned word vectors, then one linear layer (d3g.md section 15)."""

    def __init__(self, vocabulary: int, width: int, out: int, dropout: float = 0.0) -> None:
        """`vocabulary` known words; vectors of `width`; sentences of `out` numbers."""
        super().__init__()
        self.table = nn.Embedding(vocabulary + 1, width)
        nn.init.normal_(self.table.weight, std=width**-0.5)
        # an unknown word says nothing: it must not move the sentence
        with torch.no_grad():
            self.table.weight[UNKNOWN] = 0
        self.project = nn.Linear(width, out)
        self.dropout = dropout

    def forward(self, words: Padded) -> Tensor:
        """(Q, W) ids -> (Q, out)."""
        ids, mask = words
        keep = mask & (ids != UNKNOWN)
        if self.training and self.dropout > 0:
            dropped = keep & (torch.rand(ids.shape, device=ids.device) >= self.dropout)
            keep = torch.where(dropped.any(1, keepdim=True), dropped, keep)
        weight = keep.to(self.table.weight.dtype).unsqueeze(-1)  # (Q, W, 1)
        mean = (self.table(ids) * weight).sum(1) / weight.sum(1).clamp(min=1)
        projected: Tensor = self.project(mean)
        return projected


class SentenceEncoder(Protocol):
    """A frozen, pretrained encoder of whole sentences."""

    name: str
    weights: str
    width: int

    def encode(self, sentences: Sequence[str]) -> Tensor:
        """(Q, width)."""
        ...


class StoredSentences:
    """Vectors of a frozen encoder; each sentence is encoded once."""

    def __init__(self, encoder: SentenceEncoder) -> None:
        self.encoder = encoder
        self._known: dict[str, Tensor] = {}

    @property
    def size(self) -> int:
        """Width of a sentence vector."""
        return self.encoder.width

    def unknown(self, sentence: str) -> list[str]:
        """None: a pretrained tokenizer splits what it does not know."""
        return []

    def __call__(self, sentences: Sequence[str]) -> Padded:
        """Q sentences -> (Q, 1, D)."""
        new = [s for s in dict.fromkeys(sentences) if s not in self._known]
        if new:
            self._known.update(zip(new, self.encoder.encode(new).float().cpu(), strict=True))
        return pad([self._known[s][None] for s in sentences])


class SentenceProjection(nn.Module):
    """One linear layer on stored sentence vectors, behind a layer norm if wanted."""

    def __init__(
        self, width: int, out: int, dropout: float = 0.0, layer_norm: bool = False
    ) -> None:
        super().__init__()
        # vectors have length 1, so the usual epsilon would be a visible share of their variance
        self.norm = nn.LayerNorm(width, eps=1e-12) if layer_norm else nn.Identity()
        self.dropout = nn.Dropout(dropout)
        self.project = nn.Linear(width, out)

    def forward(self, words: Padded) -> Tensor:
        """(Q, 1, D) -> (Q, out)."""
        projected: Tensor = self.project(self.dropout(self.norm(words.x[:, 0])))
        return projected
