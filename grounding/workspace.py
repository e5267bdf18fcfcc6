"""What the explorer may read and write, and what lies there: questions, answers and models.

No torch here, so that pages come up at once.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TypeVar

from grounding.errors import BadInput
from grounding.naming import called, endings, recording_names, slug, tell_apart
from grounding.scan import (
    ReadOnce,
    answers_in,
    asked_in,
    config_in,
    kind_of,
    media_in,
    questions_in,
    scan,
)
from grounding.types import Prediction, Sample


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
    """

    questions: tuple[QuestionSet, ...]
    answers: tuple[AnswerSet, ...]
    models: tuple[Model, ...]
    warnings: tuple[str, ...]
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

    def train_samples(self, question: QuestionSet) -> list[Sample] | None:
        """The train split of its dataset, for position baselines; None where there is none."""
        for other in self.questions:
            if question.dataset and other.dataset == question.dataset and other.split == "train":
                return self.samples(other)
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


class Workspace:
    """The folders the explorer may read (`roots`) and the one it may write (`store`).

    A root is a folder, or a single JSONL file; then its folder may be read, but is not searched.

    Raises:
        BadInput: a root does not exist.
    """

    def __init__(self, roots: Sequence[str | Path], store: str | Path) -> None:
        for root in roots:
            if not Path(root).exists():
                raise BadInput(f"{root}: no such file or folder; check the path")
        self.roots = tuple(dict.fromkeys(Path(root).resolve() for root in roots))
        self.store = Path(store).resolve()
        self.demo = self.store / "demo"  # where the explorer makes the sample; looked into as well
        self.read = ReadOnce()

    def inside(self, path: str | Path) -> Path:
        """The path with all links followed, if it lies below a root or the store.

        Raises:
            BadInput: it lies elsewhere.
        """
        try:
            real = Path(path).resolve()
        except (OSError, RuntimeError, ValueError) as error:  # links in a circle, a NUL
            raise BadInput(f"{str(path)!r}: is no usable path ({error}); check it") from None
        if not self._may_read(real):
            raise BadInput(
                f"{path}: lies outside the folders given to the explorer; add its folder to the "
                f"command: grounding app ... {real.parent}"
            )
        return real

    def shown(self, text: str) -> str:
        """A message for visitors: paths begin at the folder that was given, not above it."""
        for folder in (self.store, *self.roots):
            text = text.replace(f"{folder.parent}{os.sep}", "")
        return text

    def _may_read(self, real: Path) -> bool:
        folders = (root.parent if root.is_file() else root for root in self.roots)
        return any(real.is_relative_to(folder) for folder in (*folders, self.store))

    def catalog(self) -> Catalog:
        """A fresh look at the disk; files that have not changed are not read again. Thread safe."""
        # while the sample is being made, half of it would only confuse: its report comes last
        demo = [self.demo] if (self.demo / "run" / "report" / "test.json").is_file() else []
        found = scan([*self.roots, *demo], self.store, self._may_read)
        warnings = list(found.warnings)
        questions, answers = [], []
        for path in sorted(found.lines):
            kind = self._kind(path, warnings)
            if kind == "questions":
                folder = path.parent.parent if path.parent.name == "annotations" else None
                dataset = folder if folder and self._may_read(folder) else None
                questions.append(QuestionSet("", path, dataset, path.stem))
            elif kind == "answers":
                above = path.parent.parent
                run = above if path.parent.name == "predictions" and above in found.runs else None
                answers.append(AnswerSet("", "", path, run, path.stem, ""))
        questions, answers = self._linked(questions, answers, warnings)
        models = [
            Model("", "", run)
            for run in sorted(found.runs)
            if self._reads(run / "model.safetensors", warnings)
        ]
        names = tell_apart([endings(model.path) for model in models])
        ids = tell_apart([[slug(name)] for name in names])
        rows = zip(ids, names, models, strict=True)
        named = [Model(id, name, model.path) for id, name, model in rows]
        self.read.forget(
            [*found.lines, *(run / "config.yaml" for run in found.runs)]
            + [q.dataset / "media" for q in questions if q.dataset]
        )
        return Catalog(
            questions=tuple(sorted(questions, key=lambda q: q.id)),
            answers=tuple(sorted(answers, key=lambda a: a.id)),
            models=tuple(sorted(named, key=lambda m: m.id)),
            warnings=tuple(warnings),
            workspace=self,
            _files=found.recordings,
        )

    def _kind(self, path: Path, warnings: list[str]) -> str | None:
        """What a file holds; None, with a warning where a person would expect something in it."""
        try:
            kind = self.read(path, kind_of)
            if kind is None:
                home = path.parent.name
                if home not in ("annotations", "predictions") and path not in self.roots:
                    return None
                kind = "answers" if home == "predictions" else "questions"
            if kind == "answers":
                empty = not self.read(path, answers_in).items
            else:
                empty = not self.read(path, questions_in).items
        except BadInput as error:
            warnings.append(str(error))
            return None
        if empty:
            warnings.append(f"{path}: holds no line and was skipped")
            return None
        return kind

    def _reads(self, path: Path, warnings: list[str]) -> bool:
        """Whether a file is there, inside the workspace."""
        try:
            return self.inside(path).is_file()
        except BadInput as error:
            warnings.append(str(error))
            return False

    def _linked(
        self, questions: list[QuestionSet], answers: list[AnswerSet], warnings: list[str]
    ) -> tuple[list[QuestionSet], list[AnswerSet]]:
        """Answers with the questions they belong to, and both with ids and names."""
        home: dict[Path, QuestionSet] = {}  # answers' file -> what it answers
        alone: list[tuple[AnswerSet, Path | None]] = []
        datasets = {run: self._dataset(run) for run in {a.run for a in answers if a.run}}
        for answer in answers:
            dataset, problem = datasets[answer.run] if answer.run else (None, "")
            named = (q for q in questions if dataset and q.dataset == dataset)
            found = next((q for q in named if q.split == answer.split), None)
            if found is not None and self._share(answer, found) < 0.5:
                warnings.append(
                    f"{answer.path}: answers less than half of its own to {found.path}; "
                    "was the dataset made anew since?"
                )
            if found := found or self._nearest(answer, questions):
                home[answer.path] = found
            else:
                alone.append((answer, dataset))
                warnings += [problem] if problem and problem not in warnings else []
        unknown: list[QuestionSet] = []
        alone.sort(key=lambda pair: -len(self.read(pair[0].path, answers_in).items))
        for answer, dataset in alone:  # what asks most first: the others may answer the same
            found = self._nearest(answer, unknown)
            if found is None:
                found = QuestionSet("", answer.path, dataset, answer.split, has_truth=False)
                unknown.append(found)
            home[answer.path] = found
        everything = questions + unknown
        ids = tell_apart([[slug(n) for n in _question_names(q)] for q in everything])
        id_of = {q.path: id for q, id in zip(everything, ids, strict=True)}
        owners = list(dict.fromkeys(_owner(a.path) for a in answers))
        names = dict(zip(owners, tell_apart([endings(o) for o in owners]), strict=True))
        labels = [names[_owner(a.path)] for a in answers]
        taken = Counter((home[a.path], label) for a, label in zip(answers, labels, strict=True))
        full = [
            f"{label}:{a.split}" if a.path.parent.name == "predictions" else label
            for a, label in zip(answers, labels, strict=True)
        ]
        ids = tell_apart([[slug(name)] for name in full])
        linked = []
        for answer, id, label, long in zip(answers, ids, labels, full, strict=True):
            name = long if taken[home[answer.path], label] > 1 else label
            asked = id_of[home[answer.path].path]
            linked.append(replace(answer, id=id, name=name, question=asked))
        return [replace(q, id=id_of[q.path]) for q in everything], linked

    def _dataset(self, run: Path) -> tuple[Path | None, str]:
        """The dataset folder that a run's config names, or what keeps us from it."""
        try:
            given = self.read(self.inside(run / "config.yaml"), config_in).get("dataset")
        except BadInput as error:
            return None, str(error)
        if not isinstance(given, str) or not given:
            return None, ""
        places = [Path(given).absolute(), run.parent / given]
        there = [place.resolve() for place in places if (place / "annotations").is_dir()]
        for place in there:
            if self._may_read(place):
                return place, ""
        why = "lies outside the folders given" if there else "is not there any more"
        return None, f"{run}: its dataset {given} {why}; add the dataset's folder to the command"

    def _share(self, answer: AnswerSet, question: QuestionSet) -> float:
        """The share of the answers that are to one of these questions."""
        own = self.read(answer.path, answers_in).keys
        if question.has_truth:
            asked = self.read(question.path, questions_in).keys
        else:
            asked = self.read(question.path, answers_in).keys
        same = len(own & asked)
        if same < len(own) / 2:  # lines without a sentence got their qid for one
            bare = {(qid, vid) for qid, vid, text in own if text == qid}
            same += len(bare & {(qid, vid) for qid, vid, _ in asked}) if bare else 0
        return same / len(own)

    def _nearest(self, answer: AnswerSet, questions: Sequence[QuestionSet]) -> QuestionSet | None:
        """The questions that most answers are to, half of them at least."""
        shares = [(self._share(answer, question), -i) for i, question in enumerate(questions)]
        share, place = max(shares, default=(0.0, 0))
        return questions[-place] if share >= 0.5 else None


def _owner(path: Path) -> Path:
    """Who made a predictions file: the run's or batch's folder, else the file's own name."""
    if path.parent.name == "predictions":
        return path.parent.parent
    return path.parent if path.stem == "predictions" else path.with_suffix("")


def _question_names(question: QuestionSet) -> list[str]:
    if question.has_truth and question.path.parent.name == "annotations":
        return [f"{ending}/{question.split}" for ending in endings(question.path.parent.parent)]
    owner = _owner(question.path)
    last = f"/{question.split}" if question.path.parent.name == "predictions" else ""
    return [ending + last for ending in endings(owner)]


def _by_id(items: Sequence[T], id: str, what: str) -> T:
    for item in items:
        if item.id == id:
            return item
    raise BadInput(f"{id!r} is no {what} here; it may have been renamed or removed")
