"""What the explorer may read and write, and a look at what lies there.

No torch here, so that pages come up at once.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from grounding.catalog import AnswerSet, Catalog, Model, QuestionSet
from grounding.errors import BadInput
from grounding.naming import endings, slug, tell_apart
from grounding.scan import (
    ReadOnce,
    answers_in,
    config_in,
    is_retimed,
    kind_of,
    questions_in,
    scan,
)


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
            [*found.lines, *found.sheets, *(run / "config.yaml" for run in found.runs)]
            + [q.dataset / "media" for q in questions if q.dataset]
        )
        return Catalog(
            questions=tuple(sorted(questions, key=lambda q: q.id)),
            answers=tuple(sorted(answers, key=lambda a: a.id)),
            models=tuple(sorted(named, key=lambda m: m.id)),
            warnings=tuple(warnings),
            retimed=tuple(path for path in sorted(found.sheets) if self._is_retimed(path)),
            workspace=self,
            _files=found.recordings,
        )

    def _is_retimed(self, path: Path) -> bool:
        try:
            return self.read(path, is_retimed)
        except BadInput:  # some other sheet that cannot be read
            return False

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
