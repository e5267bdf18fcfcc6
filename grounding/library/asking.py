"""One recording at a time: decoded, answered and cut in a worker process that may be lost."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grounding.errors import BadInput, UnreadableMedia, WorkerLost
from grounding.isolated import Worker
from grounding.isolated.child import wants_memory
from grounding.library.recordings import printable

Progress = Callable[[float, float, str], None]  # done, total, what
Row = dict[str, Any]
Problem = tuple[str, str]  # kind and reason

REASON = 300  # characters of a failure's reason
PROBLEMS = 3  # of a partial recording that are told
TRIES = 2  # of a recording whose worker crashed or was killed: the second one may live
STARTS = 3  # of a worker, before the machine is to blame
GET_READY = 600.0  # seconds, for models to load


@dataclass(frozen=True, slots=True)
class Limits:
    """What one recording may cost.

    Attributes:
        seconds: by the clock.
        silent: seconds in which no further frame was decoded: then it hangs.
        memory: bytes on top of libraries and models; None = no limit. Not on GPUs, whose drivers
            claim address space without end.
    """

    seconds: float = 3600.0
    silent: float = 300.0
    memory: int | None = 4 << 30


@dataclass(frozen=True, slots=True)
class Reply:
    """What came of asking one recording.

    Attributes:
        rows: of a prediction file, one a sentence, without qid and vid; none where it failed.
        problem: kind and reason; None when all went well.
        tries: how many workers it took.
    """

    rows: tuple[Row, ...] = ()
    problem: Problem | None = None
    tries: int = 1


class Desk:
    """What a worker does (`grounding.tasks.batch`): the model is loaded once, then asked often."""

    def __init__(self, model: str, device: str = "cpu", top: int = 5) -> None:
        """Raises BadInput where no recording could be asked."""
        from grounding.media.video import load_decoders
        from grounding.predict import Grounder

        self._grounder, self._top = Grounder.from_run(model, device), top
        # now, so that no recording's time and memory are charged for it
        _ = self._grounder.encoder
        load_decoders()

    def __call__(
        self,
        progress: Progress,
        media: str,
        vid: str,
        sentences: Sequence[str],
        cut: str | None = None,
        rows: Sequence[Row] | None = None,
    ) -> dict[str, Any]:
        """-> rows and problem, both as JSON holds them; an error of any kind is a problem.

        Raises:
            BadInput: a moment cannot be written to `cut`.
        """
        problem: Problem | None = None
        is_new = rows is None  # then clips that are there are of another content or model
        if rows is None:
            rows = []
            try:
                rows, problem = self._answer(progress, Path(media), vid, sentences)
            except UnreadableMedia as error:
                problem = "unreadable", one_line(error.reason)
            except Exception as error:
                if wants_memory(error):
                    raise  # told as what it is
                problem = "error", told(error)
        if cut is not None:
            try:
                cut_moments(Path(media), vid, rows, Path(cut), progress, again=is_new)
            except UnreadableMedia as error:
                problem = "partial", one_line(f"not cut: {error.reason}")
            except BadInput:
                raise
            except Exception as error:
                if wants_memory(error):
                    raise
                problem = "partial", one_line(f"not cut: {told(error)}")
        return {"rows": rows, "problem": problem}

    def _answer(
        self, progress: Progress, media: Path, vid: str, sentences: Sequence[str]
    ) -> tuple[list[Row], Problem | None]:
        from grounding.annotations.jsonl import prediction_to_row

        features = self._grounder.features(media, progress)
        found = self._grounder.ground_features(features, vid, sentences, top=self._top)
        rows = [prediction_to_row(prediction) for prediction in found]
        bare = [{k: v for k, v in row.items() if k not in ("qid", "vid")} for row in rows]
        return bare, ("partial", one_line(_first(features.problems))) if features.problems else None


class Asker:
    """Asks recordings one after the other, with a worker process that is replaced where a recording
    costs it. Not to be shared by threads.
    """

    def __init__(
        self,
        model: str,
        device: str,
        top: int,
        limits: Limits,
        stop: threading.Event | None = None,
    ) -> None:
        """`stop` gives up what is under way when it is set."""
        self._arguments = {"model": model, "device": device, "top": top}
        self._limits, self._stop = limits, stop
        self._on_cpu = device == "cpu"
        self._worker: Worker | None = None

    def __call__(
        self,
        media: Path,
        vid: str,
        sentences: Sequence[str],
        *,
        cut: Path | None = None,
        rows: Sequence[Row] | None = None,
    ) -> Reply:
        """Ask one recording; arguments as those of `Desk`.

        Raises:
            BadInput: no recording can be asked, or `cut` cannot be written to.
            Interrupted: `stop` was set.
        """
        call: dict[str, Any] = {"media": str(media), "vid": vid, "sentences": list(sentences)}
        call |= {} if cut is None else {"cut": str(cut)}
        call |= {} if rows is None else {"rows": list(rows)}
        tries = 0
        while True:
            tries += 1
            worker = self._ready()
            try:
                found = worker.ask(call, seconds=self._limits.seconds, silent=self._limits.silent)
                problem = found["problem"]
                return Reply(tuple(found["rows"]), problem and tuple(problem), tries)
            except WorkerLost as error:
                self.close()
                if error.kind in ("crash", "killed") and tries < TRIES:
                    continue
                return Reply((), (error.kind, one_line(str(error).partition(": ")[2])), tries)
            except RuntimeError as error:
                self.close()
                return Reply((), ("error", one_line(str(error))), tries)
            except BaseException:
                self.close()
                raise

    def close(self) -> None:
        """End the worker."""
        if self._worker is not None:
            self._worker.close()
            self._worker = None

    def _ready(self) -> Worker:
        """The worker; a new one where there is none.

        Raises:
            BadInput: it cannot get ready, with what it says or because it is lost again and again.
        """
        starts = 0
        while self._worker is None:
            starts += 1
            memory = self._limits.memory if self._on_cpu else None
            worker = Worker("batch", self._arguments, memory=memory, stop=self._stop)
            try:
                worker.get_ready(GET_READY)
                self._worker = worker
            except WorkerLost as error:
                worker.close()
                if starts == STARTS:
                    raise BadInput(
                        f"no worker process gets ready ({error}); take fewer --workers, or find "
                        "out what ends them"
                    ) from None
            except BaseException:
                worker.close()
                raise
        return self._worker


class Here:
    """As `Asker`, but in this process and without any limit: one thread at a time."""

    def __init__(self, model: str, device: str, top: int) -> None:
        self._desk = Desk(model, device, top)

    def __call__(
        self,
        media: Path,
        vid: str,
        sentences: Sequence[str],
        *,
        cut: Path | None = None,
        rows: Sequence[Row] | None = None,
    ) -> Reply:
        """Ask one recording; arguments as those of `Desk`."""
        where = None if cut is None else str(cut)
        try:
            found = self._desk(lambda *_: None, str(media), vid, sentences, where, rows)
        except Exception as error:
            if not wants_memory(error):
                raise
            return Reply((), ("memory", told(error)))
        return Reply(tuple(found["rows"]), found["problem"])

    def close(self) -> None:
        """Nothing runs on."""


def clips_of_rows(vid: str, rows: Sequence[Mapping[str, Any]]) -> list[tuple[str, Any]]:
    """File name and moment of everything that `--cut` writes for these rows, as `ground` names
    them; nothing for what is probably not there.
    """
    from grounding.annotations.jsonl import prediction_from_row
    from grounding.export import is_absent
    from grounding.media.cut import clip_names

    found = (prediction_from_row({"qid": i, "vid": vid, **row}) for i, row in enumerate(rows))
    return clip_names(prediction for prediction in found if not is_absent(prediction))


def cut_moments(
    media: Path,
    vid: str,
    rows: Sequence[Row],
    folder: Path,
    progress: Progress,
    again: bool = False,
) -> None:
    """Write the moments that are not there yet as playable files; all of them `again`.

    Raises:
        UnreadableMedia: no frame of a moment decodes.
        BadInput: a file cannot be written.
    """
    from grounding.media.cut import cut

    for name, moment in clips_of_rows(vid, rows):
        if again or not (folder / name).exists():
            cut(media, moment, folder / name, progress=progress)


def told(error: BaseException) -> str:
    """An unexpected error in one line."""
    return one_line(f"{type(error).__name__}: {error}")


def one_line(text: str) -> str:
    """What failures.jsonl can hold of a reason."""
    return printable(" ".join(text.split()))[:REASON]


def _first(problems: Sequence[str]) -> str:
    more = len(problems) - PROBLEMS
    return "; ".join(problems[:PROBLEMS]) + (f"; and {more} more" if more > 0 else "")
