"""What lies in a workspace: questions, answers, models, recordings, and what belongs to what.

No torch here, so that pages come up at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from grounding.errors import BadInput
from grounding.naming import called, recording_names, tell_apart
from grounding.people import NobodyAgrees, People, people_of
from grounding.scan import answers_in, asked_in, media_in, questions_in
from grounding.types import Prediction, Sample

if TYPE_CHECKING:
    from grounding.workspace import Workspace


@dataclass(frozen=True, slots=True)
class QuestionSet:
    """One annotation file; or, with `has_truth` False, what a predictions file was asked.

    Attributes:
        id: short, unique, fit for a URL: "sample/test".
        path: the file the questions come from.
        dataset: the dataset folder it belongs to, if any.
        split: its file name without suffix.
        has_truth: whether the true moments are known.
    """

    id: str
    path: Path
    dataset: Path | None
    split: str
    has_truth: bool = True


@dataclass(frozen=True, slots=True)
class AnswerSet:
    """One predictions file.

    Attributes:
        id: short, unique, fit for a URL: "run:test".
        name: for people; unique among the answers to one question set.
        path: the file.
        run: the run folder it belongs to, if any.
        split: its file name without suffix.
        question: id of the question set it answers.
    """

    id: str
    name: str
    path: Path
    run: Path | None
    split: str
    question: str


@dataclass(frozen=True, slots=True)
class Model:
    """A run folder with a trained model, for asking."""

    id: str
    name: str
    path: Path


T = TypeVar("T", QuestionSet, AnswerSet, Model)


@dataclass(frozen=True)
class Catalog:
    """What lay in the workspace when it was looked at, sorted by id.

    Attributes:
        warnings: what was skipped or is doubtful and why, a line each.
        retimed: files of queries that several people timed.
    """

    questions: tuple[QuestionSet, ...]
    answers: tuple[AnswerSet, ...]
    models: tuple[Model, ...]
    warnings: tuple[str, ...]
    retimed: tuple[Path, ...]
    workspace: Workspace = field(repr=False, compare=False)
    _files: Mapping[Path, Path] = field(repr=False, compare=False)  # recording -> its root

    @cached_property
    def _recordings(self) -> dict[str, Path]:
        names = tell_apart([recording_names(path, root) for path, root in self._files.items()])
        return dict(sorted(zip(names, self._files, strict=True)))

    def question(self, id: str) -> QuestionSet:
        """The question set of that id.

        Raises:
            BadInput: there is none; so do `answer` and `model`.
        """
        return _by_id(self.questions, id, "query set")

    def answer(self, id: str) -> AnswerSet:
        """The answer set of that id."""
        return _by_id(self.answers, id, "set of predictions")

    def model(self, id: str) -> Model:
        """The model of that id."""
        return _by_id(self.models, id, "model")

    def answers_to(self, question: QuestionSet) -> tuple[AnswerSet, ...]:
        """All answers to one question set."""
        return tuple(a for a in self.answers if a.question == question.id)

    def samples(self, question: QuestionSet) -> list[Sample]:
        """Its queries. Without truth they have no windows, and the longest predicted end of a
        recording stands for its duration.

        Raises:
            BadInput: the file is wrong by now; so does `predictions`.
        """
        read = questions_in if question.has_truth else asked_in
        return list(self.workspace.read(question.path, read).items)

    def predictions(self, answer: AnswerSet) -> list[Prediction]:
        """Its predictions in the order of the file."""
        return list(self.workspace.read(answer.path, answers_in).items)

    def unsorted(self, answer: AnswerSet) -> int:
        """How many of its lists of moments were not sorted by score."""
        return self.workspace.read(answer.path, answers_in).unsorted

    def train_samples(self, question: QuestionSet) -> list[Sample] | None:
        """The train split of its dataset, for position baselines; None where there is none."""
        for other in self.questions:
            if question.dataset and other.dataset == question.dataset and other.split == "train":
                return self.samples(other)
        return None

    def people(self, question: QuestionSet) -> People | None:
        """What several people said of its queries; None where nobody timed them.

        Raises:
            BadInput: a file of theirs is wrong.
        """
        if not self.retimed or not question.has_truth:
            return None
        try:
            return people_of(self.retimed, self.samples(question))
        except NobodyAgrees:
            return None

    def recordings(self) -> dict[str, Path]:
        """Every recording below the roots by a name of its own, as `grounding batch` names them."""
        return dict(self._recordings)

    def recording(self, question: QuestionSet, vid: str) -> Path:
        """The recording a question is asked of: of the dataset, else any below the roots that is
        called so.

        Raises:
            BadInput: there is none, there are several, or it lies outside the workspace.
        """
        if question.dataset is not None:
            folder = question.dataset / "media"
            media = self.workspace.read(folder, media_in) if folder.is_dir() else {}
            found = media.get(vid, ())
            where, remedy = str(folder), f"add {vid}.mp4"
        else:
            direct = self._recordings.get(vid)
            found = (direct,) if direct else called(vid, self._recordings.values())
            where, remedy = "the workspace", "add the folder of the recordings to the command"
        if not found:
            raise BadInput(f"{where}: no recording is called {vid!r}; {remedy}")
        if len(found) > 1:
            raise BadInput(f"{found[1]}: {found[0]} has the same vid {vid!r}; keep one of them")
        return self.workspace.inside(found[0])


def _by_id(items: Sequence[T], id: str, what: str) -> T:
    for item in items:
        if item.id == id:
            return item
    raise BadInput(f"{id!r} is no {what} here; it may have been renamed or removed")
