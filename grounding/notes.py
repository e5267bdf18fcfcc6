"""What somebody who asks should know beside the answer, one line each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from grounding.feature_files import Features
from models.encoders.text import Sentences, words_of


class Note(NamedTuple):
    """One line; `is_grave` where the answer is worth nothing without it."""

    text: str
    is_grave: bool = False


def of_recording(features: Features) -> list[Note]:
    """Damage of the recording."""
    return [Note(problem) for problem in features.problems]


def of_sentences(words: Sentences, sentences: Sequence[str]) -> list[Note]:
    """Words that the model never saw."""
    notes = []
    for sentence in sentences:
        strange = words.unknown(sentence)
        if not strange:
            continue
        if len(strange) == len(words_of(sentence)):
            line = f"{sentence!r}: the model never saw any of its words; it can only guess"
            notes.append(Note(line, is_grave=True))
        else:
            known = f"the model never saw {', '.join(strange)}; it goes by the other words"
            notes.append(Note(f"{sentence!r}: {known}"))
    return notes
