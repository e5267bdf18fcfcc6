"""A folder of recordings and a sheet of sentences and times -> a dataset folder, or nothing.

A row with a glance alone is a training line: its window is [glance, glance] and its key
"supervision" says "glance". A training query with windows alone gets a glance drawn inside one.
"""

from __future__ import annotations

import difflib
import itertools
import math
import os
import random
import re
import secrets
import shutil
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from grounding.annotations import write_samples
from grounding.annotations.sheet import NO, NOT_THERE, YES, parse_time, read_table
from grounding.errors import BadInput, UnreadableMedia
from grounding.files import write_text
from grounding.media import RECORDINGS
from grounding.types import NEEDS, Moment, Query, Sample

SPLITS = {"train": "train", "val": "val", "test": "test", "training": "train"}
SPLITS |= {"validation": "val", "valid": "val", "dev": "val", "testing": "test"}
FRAME = 0.05  # seconds after the end that still count as the end
TEMPLATE = "queries.csv"
_WHOLE = re.compile("0|[1-9][0-9]{0,14}")

Progress = Callable[[int, int, str], None]  # done, total, what
Problem = tuple[int, str]  # row number, what is wrong there
Samples = dict[str, list[Sample]]  # by split


class BadSheet(BadInput):
    """Rows of the sheet cannot be used; `problems` holds one line for each thing that is wrong."""

    def __init__(self, path: Path, problems: Sequence[str], remedy: str) -> None:
        self.problems = tuple(problems)
        super().__init__(f"{len(problems)} problem{'s' * (len(problems) > 1)} in {path}; {remedy}")


@dataclass(frozen=True, slots=True)
class Row:
    """A row as written but for spaces; `number` counts as a spreadsheet does, from 1."""

    number: int
    video: str = ""
    query: str = ""
    start: str = ""
    end: str = ""
    glance: str = ""
    absent: str = ""
    split: str = ""
    needs: str = ""
    qid: str = ""
    surplus: str = ""  # the first cell that stands under no heading


@dataclass(slots=True)
class Intake:
    """What was made and what to tell: recordings by how they came, samples by split."""

    linked: int = 0
    copied: int = 0
    samples: Samples = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Asked:
    """One query, gathered from its rows; all of them are of one kind."""

    row: Row  # the first
    vid: str
    kind: str  # "moment", "glance" or "absent"
    split: str = ""
    needs: str = ""
    windows: list[Moment] = field(default_factory=list)
    glance: float | None = None


def read_sheet(path: Path) -> tuple[list[Row], list[str]]:
    """The rows of a CSV file, columns in any order, and its headings without a use.

    Comma, semicolon or tab; UTF-8 or UTF-16; BadInput when it is no table with these columns.
    """
    table = read_table(path)
    rows = []
    for record in table.records:
        cells = [" ".join(cell.split()) for cell in record.cells]
        known = {c: cell for c, cell in zip(table.columns, cells, strict=False) if c}
        if table.mark != ",":  # then a comma is a decimal comma
            times = [name for name in ("start", "end", "glance") if name in known]
            known |= {name: known[name].replace(",", ".") for name in times}
        surplus = next(filter(None, cells[len(table.columns) :]), "")
        rows.append(Row(record.number, **known, surplus=surplus))
    unused = zip(table.headings, table.columns, strict=True)
    return rows, [heading for heading, column in unused if heading and column is None]


def find_recordings(folder: Path) -> dict[str, Path]:
    """vid -> recording, in the folder and its subfolders, but hidden ones.

    BadInput when there is none, two have the same name, or a name is no Unicode.
    """
    if not folder.is_dir():
        raise BadInput(f"{folder}: no such folder; name the folder of the recordings")
    found: dict[str, Path] = {}
    for path in sorted(folder.rglob("*")):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if hidden or path.suffix.lower() not in RECORDINGS or not path.is_file():
            continue
        if path.name.encode(errors="replace").decode() != path.name:
            raise BadInput(f"{str(path)!a}: its name is no Unicode; rename it")
        twin = found.setdefault(_key(path.stem), path)
        if twin != path:
            raise BadInput(f"{path}: {twin} has the same name; rename one of them")
    if not found:
        raise BadInput(f"{folder}: no recording in it; known are {', '.join(RECORDINGS)}")
    return {path.stem: path for path in found.values()}


def _key(name: str) -> str:
    """What two names share that people, a Mac or Windows take for one."""
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())


def _resolve(rows: Sequence[Row], found: Iterable[str]) -> tuple[dict[int, str], list[Problem]]:
    """Row number -> the recording its cell names, with or without folder and extension."""
    known = {_key(vid): vid for vid in found}
    vids, problems = dict[int, str](), list[Problem]()
    for row in rows:
        name = _key(re.split(r"[/\\]", row.video)[-1])
        if name not in known and name.endswith(RECORDINGS):
            name = name.rpartition(".")[0]
        if name in known:
            vids[row.number] = known[name]
        else:
            # the search is slow: a sheet for another folder must not take minutes
            near = difflib.get_close_matches(name, known, 1) if len(problems) < 100 else []
            hint = f"did you mean {known[near[0]]!r}?" if near else "correct it or add the file"
            said = f"there is no recording {row.video[:60]!r}" if name else "it names no recording"
            problems.append((row.number, f"{said}; {hint}"))
    return vids, problems


def _check(row: Row, limit: float, in_splits: bool) -> tuple[dict[str, float], str, list[str]]:
    """The row's times (seconds), its kind, and what is wrong; `limit` is the recording's end."""
    times: dict[str, float] = {}
    wrong = []
    cells = {"start": row.start, "end": row.end, "glance": row.glance}
    given = [name for name, cell in cells.items() if cell.casefold() not in (*NOT_THERE, "")]
    for name in given:
        try:
            seconds = parse_time(cells[name])
            times[name] = min(seconds, limit)
            if seconds > limit + FRAME:
                said = f"is after the recording's end ({limit:.7g} s)"
                raise ValueError(f"{seconds:.7g} s {said}; correct it")
        except ValueError as error:
            wrong.append(f"{name} {error}")
    absent = row.absent.casefold() in YES or row.start.casefold() in NOT_THERE
    kind = "absent" if absent else "glance" if given == ["glance"] else "moment"
    start, end, glance = (times.get(name, math.nan) for name in cells)  # nan: no order holds
    if absent and given:
        wrong.append(f"it is marked absent but has a time ({given[0]}); empty one of the two")
    elif not absent and not given:
        wrong.append("it has no time; write start and end, a glance, or yes in a column 'absent'")
    elif ("start" in given) != ("end" in given):
        wrong.append(f"it has no {'end' if 'start' in given else 'start'}; write it")
    elif start >= end and not wrong:
        wrong.append(f"start {start:.7g} s is not before end {end:.7g} s; correct one")
    elif glance < start or glance > end:
        wrong.append(f"glance {glance:.7g} s is outside {start:.7g} to {end:.7g} s; correct one")
    if kind == "glance" and SPLITS.get(row.split.casefold()) in ("val", "test"):
        wrong.append(f"a glance alone cannot be scored in {row.split}; write start and end")
    if not row.query:
        wrong.append("it has no sentence; write one or delete the row")
    if row.surplus:
        wrong.append(f"{row.surplus[:40]!r} stands under no heading; quote cells with separators")
    for name, words in (("absent", (*YES, *NO)), ("split", tuple(SPLITS)), ("needs", NEEDS)):
        cell = str(getattr(row, name))
        if cell.casefold() not in words and (cell or (name == "split" and in_splits)):
            wrong.append(f"{name} {cell[:40]!r} is unknown; write one of {', '.join(words)}")
    return times, kind, wrong


def _gather(
    rows: Sequence[Row], vids: Mapping[int, str], limits: Mapping[str, float]
) -> tuple[list[_Asked], list[Problem]]:
    """Queries of good rows, problems of the others; `limits` is vid -> seconds, if readable."""
    asked: dict[tuple[str, ...], _Asked] = {}
    owners, problems = dict[str, _Asked](), list[Problem]()
    in_splits = any(row.split for row in rows)
    for row in rows:
        vid = vids.get(row.number, "")
        times, kind, wrong = _check(row, limits.get(vid, math.inf), in_splits)
        split, needs = SPLITS.get(row.split.casefold(), ""), row.needs.casefold()
        key = (vid, row.query, split, row.qid)
        query = asked.get(key) or _Asked(row, vid, kind, split)
        if not wrong and vid in limits:
            owner = owners.setdefault(row.qid, query) if row.qid else query
            first = f"row {owner.row.number}"
            if owner is not query:
                wrong.append(f"qid {row.qid!r} is another query's in {first}; change one of them")
            elif query.kind != kind or (needs and query.needs not in (needs, "")):
                said = f"{first} has the same sentence, but as {query.kind} {query.needs}".strip()
                wrong.append(f"{said}, not {kind} {needs}".strip() + "; make them alike")
        problems += [(row.number, each) for each in wrong]
        if not wrong and vid in limits:
            asked[key] = query
            query.needs = query.needs or needs
            query.glance = times.get("glance") if query.glance is None else query.glance
            if kind != "absent":
                at = times.get("glance", 0.0)
                window = Moment(times.get("start", at), times.get("end", at))
                query.windows += [window] if window not in query.windows else []
    return list(asked.values()), problems


def _samples(asked: list[_Asked], lengths: Mapping[str, float], seed: int) -> tuple[Samples, int]:
    """Split -> samples, and how many training glances were drawn.

    Splits are drawn by recording, about 70/15/15; one with a glance alone is for training.
    """
    vids = {query.vid for query in asked}
    scored = vids - {query.vid for query in asked if query.kind == "glance"}
    order = sorted(scored, key=lambda vid: (random.Random(f"{seed} {vid}").random(), vid))
    share = max(1, round(0.15 * len(vids)))
    names = ["val"] * share * (len(vids) > 1) + ["test"] * share * (len(vids) > 2)
    splits = dict(zip(order, names, strict=False))
    taken = {query.row.qid for query in asked}
    free = (str(n) for n in itertools.count(1) if str(n) not in taken)
    samples, drawn = Samples(train=[], val=[], test=[]), 0
    for query in asked:
        split = query.split or splits.get(query.vid, "train")
        if split == "train" and query.windows and query.glance is None:
            dice = random.Random(f"{seed} {query.vid} {query.row.query}")
            window = dice.choice(query.windows)
            glance = dice.uniform(window.start, window.end)
            near = round(glance, 2)
            query.glance = near if window.start <= near < window.end else glance
            drawn += 1
        qid = query.row.qid or next(free)
        asks = Query(query.row.query, int(qid) if _WHOLE.fullmatch(qid) else qid, query.vid)
        windows = tuple(sorted(query.windows, key=lambda w: (w.start, w.end)))
        sample = Sample(asks, lengths[query.vid], windows, query.glance, query.needs or None)
        alone = query.kind == "glance"
        samples[split].append(replace(sample, extra={"supervision": "glance"}) if alone else sample)
    return {split: some for split, some in samples.items() if some}, drawn


def _read(
    sheet: Path, recordings: Mapping[str, Path], skip_bad: bool, seed: int, told: Progress
) -> Intake:
    """Check everything and build the samples; nothing is written yet."""
    from grounding.media.video import probe

    rows, unused = read_sheet(sheet)
    vids, problems = _resolve(rows, recordings)
    lengths: dict[str, float] = {}
    first = {vid: number for number, vid in reversed(vids.items())}
    for done, vid in enumerate(first, 1):
        try:
            lengths[vid] = probe(recordings[vid]).duration
        except UnreadableMedia as error:
            problems.append((first[vid], f"{error}; replace the file or delete its rows"))
        told(done, len(first), vid)
    asked, wrong = _gather(rows, vids, lengths)
    lines = [f"{sheet}:{row}: {what}" for row, what in sorted(problems + wrong)]
    if lines and not (skip_bad and asked):
        why = "no row is left" if skip_bad else "correct them or pass --skip-bad"
        raise BadSheet(sheet, lines, why)
    samples, drawn = _samples(asked, lengths, seed)
    homes = Counter(vid for vid, _ in {(s.vid, name) for name in samples for s in samples[name]})
    shared = sorted(vid for vid, count in homes.items() if count > 1)
    idle = sorted(recordings.keys() - homes)
    lacking = " and ".join(split for split in ("train", "val") if split not in samples)
    notes = (
        (unused, f"columns without a use: {', '.join(unused)}"),
        (idle, f"recordings without a query, left out: {len(idle)} (as {', '.join(idle[:3])})"),
        (drawn, f"glances drawn inside their windows for training: {drawn}"),
        (shared, f"warning: in more than one split, so scores flatter: {', '.join(shared[:9])}"),
        (lacking, f"warning: training needs {lacking} too; add recordings with start and end"),
    )
    return Intake(samples=samples, problems=lines, notes=[note for due, note in notes if due])


def intake(
    folder: Path,
    queries: Path | None,
    out: Path,
    *,
    skip_bad: bool = False,
    seed: int = 0,
    progress: Progress | None = None,
) -> Intake:
    """Make the dataset folder `out`: recordings hard-linked, or copied where they cannot be.

    Without `queries` it gets all recordings and a sheet to fill in. `skip_bad` leaves out bad rows.
    BadInput when something cannot be used (rows: `BadSheet`); then nothing is written.
    """
    target = out.resolve()
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise BadInput(f"{out}: it is there already and not empty; name a new folder")
    recordings = find_recordings(folder)
    told = progress or (lambda done, total, what: None)
    made = Intake() if queries is None else _read(queries, recordings, skip_bad, seed, told)
    used = {sample.vid for some in made.samples.values() for sample in some}
    chosen = [path for vid, path in recordings.items() if queries is None or vid in used]
    target.parent.mkdir(parents=True, exist_ok=True)
    new = target.with_name(f".{target.name}-{secrets.token_hex(4)}")
    try:
        for room in ("annotations", "media"):
            (new / room).mkdir(parents=True)
        for split, some in made.samples.items():
            write_samples(new / "annotations" / f"{split}.jsonl", some)
        if queries is None:
            names = (path.name.replace('"', '""') for path in chosen)
            lines = "".join(f'"{name}",,,,\n' for name in names)
            write_text(new / TEMPLATE, f"\ufeffvideo,query,start,end,glance\n{lines}")
        for done, path in enumerate(chosen, 1):
            try:
                os.link(path.resolve(), new / "media" / path.name)
                made.linked += 1
            except OSError:  # another disk, or one without hard links
                shutil.copy2(path, new / "media" / path.name)
                made.copied += 1
            told(done, len(chosen), path.name)
        if target.exists():
            target.rmdir()
        new.rename(target)
    finally:
        shutil.rmtree(new, ignore_errors=True)
    return made
