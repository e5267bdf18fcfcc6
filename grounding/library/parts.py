"""What a batch has finished: `DIR/parts`, one file per recording, named after all it depends on."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

from grounding.errors import BadInput
from grounding.files import write_text
from grounding.library.fetching import mark, marks
from grounding.library.queries import Asked, Task
from grounding.library.recordings import Recording

FORMAT = 1
JOB = "batch.json"
LOCK = ".lock"
# what may end otherwise next time, and what may, but costs much each time
PASSING, COSTLY = {"error", "unreachable", "killed"}, {"timeout", "memory", "crash"}
MOST_ATTEMPTS = 3  # of what costs much
RESULTS = ("predictions.jsonl", "predictions.parquet", "failures.jsonl")

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Job:
    """What is the same for all recordings of a batch; a folder holds the results of one job.

    Attributes:
        model: hash of the weights.
        recipe: key of the features' recipe.
        queries: hash of all queries.
        top: moments per query.
    """

    model: str
    recipe: str
    queries: str
    top: int

    def key(self, content: str, sentences: Sequence[str]) -> str:
        """Names the answers to these sentences about that content."""
        return _digest([FORMAT, content, self.recipe, self.model, self.top, *sentences])[:32]


@dataclass(frozen=True, slots=True)
class Part:
    """What came of one recording.

    Attributes:
        rows: a prediction line per sentence without `qid` and `vid`; none when it failed.
        kind: why it failed (see `Failure`), or "partial"; None when all went well.
        reason: one line.
        attempts: how often it was tried.
        content: hash of the recording; None when it could not be read at all.
        mark: path, size and time of change of the recording it was made from.
    """

    rows: tuple[Row, ...]
    kind: str | None = None
    reason: str = ""
    attempts: int = 1
    content: str | None = None
    mark: str | None = None

    @property
    def is_final(self) -> bool:
        """Trying again would change nothing: the content decides, not today's circumstances."""
        if self.content is None or self.kind in PASSING:
            return False
        return self.kind not in COSTLY or self.attempts >= MOST_ATTEMPTS


def queries_hash(asked: Sequence[Asked]) -> str:
    """Equal for query files that say the same."""
    return _digest([[each.text, each.qid, each.vid] for each in asked])


class Parts:
    """The finished recordings of a job in the folder `out`; `fresh` forgets those there were.

    Raises:
        BadInput: the folder belongs to another job, or its files are not a batch's.
    """

    def __init__(self, out: Path, job: Job, *, fresh: bool = False) -> None:
        self.out, self.job = out, job
        self._folder = out / "parts"
        self.fetched = out / "fetched"  # recordings from elsewhere, while they are asked
        self._lock = _lock(out)
        try:
            self._claim(fresh)
        except BaseException:
            self._lock.close()
            if not (out / JOB).exists():
                (out / LOCK).unlink()  # the folder is somebody else's
            raise
        self._contents: dict[str, str] = {}  # by mark
        self._marks: dict[str, str | None] = {}  # by vid
        self._attempts: dict[str, int] = {}  # by key, before this run
        for path in self._folder.glob("[!.]*.jsonl"):
            if part := _read(path, header_only=True):
                self._attempts[path.stem] = part.attempts
                if part.mark and part.content:
                    self._contents[part.mark] = part.content

    def close(self) -> None:
        """Let another batch have the folder."""
        self._lock.close()

    def look(self, recordings: Sequence[Recording]) -> None:
        """Mark recordings as they are now, before any is read: one that changes meanwhile must not
        pass for what it has become.
        """
        found = marks(recordings)
        self._marks |= {each.vid: its for each, its in zip(recordings, found, strict=True)}

    def remembered(self, recording: Recording) -> str | None:
        """The recording's hash where that takes no reading; it has been looked at."""
        return self._contents.get(self._marks[recording.vid] or "")

    def key(self, task: Task, content: str | None) -> str:
        """Name of a task's part; None stands for a content nobody could read."""
        where = f"unread {task.recording.vid!a} {task.recording.shown!a}"
        return self.job.key(content or where, task.sentences)

    def read(self, key: str, task: Task) -> Part | None:
        """The part of that name; None when there is none, or a damaged one."""
        part = _read(self._folder / f"{key}.jsonl")
        if part is None:
            return None
        wanted = task.sentences if part.kind in (None, "partial") else []
        return part if [row.get("query") for row in part.rows] == wanted else None

    def write(
        self,
        task: Task,
        content: str | None,
        rows: Sequence[Row],
        problem: tuple[str, str] | None = None,
        tries: int = 1,
    ) -> str:
        """Keep what came of a task -> its key; `problem` is kind and reason.

        Raises:
            OSError: it cannot be written.
        """
        recording = task.recording
        kind, reason = problem or (None, "")
        before, now = self._marks[recording.vid], mark(recording)
        if not recording.is_remote and now != before:
            now = None  # changed meanwhile: nothing says what it holds
            if kind not in (None, "partial"):
                content = None  # nor whether that is why it failed
        key = self.key(task, content)
        header = {
            "kind": kind,
            "reason": reason,
            "attempts": self._attempts.get(key, 0) + tries,
            "content": content,
            # a server that did not answer before may do so now
            "mark": (before or now) if recording.is_remote else now,
        }
        lines = (json.dumps(line, ensure_ascii=False) for line in (header, *rows))
        write_text(self._folder / f"{key}.jsonl", "".join(line + "\n" for line in lines))
        return key

    def _claim(self, fresh: bool) -> None:
        out, label = self.out, self.out / JOB
        mine = {"format": FORMAT, **asdict(self.job)}
        if label.exists():
            other = _differences(label, mine)
            if other and not fresh:
                raise BadInput(
                    f"{out}: holds the results of another job ({other}); start over with --fresh "
                    "or name another --out"
                )
            if fresh:
                if self._folder.exists():
                    shutil.rmtree(self._folder)
                for name in RESULTS:
                    (out / name).unlink(missing_ok=True)
            if self.fetched.exists():
                shutil.rmtree(self.fetched)  # of a run that was killed
        else:
            for name in ("parts", *RESULTS):
                if (out / name).exists():
                    raise BadInput(
                        f"{out / name}: is there already, but not made by `grounding batch`; "
                        "name another --out"
                    )
        write_text(label, json.dumps(mine, indent=1) + "\n")


def _lock(out: Path) -> IO[bytes]:
    """Keep other batches off the folder until the file is closed, if only by dying.

    Raises:
        BadInput: another one is at work there.
    """
    if out.exists() and not out.is_dir():
        raise BadInput(f"{out}: is a file; name a folder with --out")
    out.mkdir(parents=True, exist_ok=True)
    file = (out / LOCK).open("wb")
    with contextlib.suppress(ImportError):  # Windows has no such lock
        import fcntl

        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            file.close()
            if error.errno in (errno.EACCES, errno.EAGAIN):
                raise BadInput(
                    f"{out}: another batch is at work there; wait for it, or name another --out"
                ) from None
            raise
    return file


def _differences(label: Path, mine: Row) -> str:
    """What another job did otherwise, in words; empty when it is the same."""
    try:
        found = json.loads(label.read_text(encoding="utf-8"))
        return ", ".join(f"other {name}" for name in mine if found.get(name) != mine[name])
    except (ValueError, AttributeError):
        return f"{JOB} is damaged"


def _read(path: Path, header_only: bool = False) -> Part | None:
    try:
        with path.open(encoding="utf-8", newline="\n") as file:
            header = json.loads(file.readline())
            rows = () if header_only else tuple(map(json.loads, file))
            return Part(rows, **header)
    except (FileNotFoundError, ValueError, TypeError):
        return None  # what a power cut left behind is made again


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()
