"""All that one picture shows, as plain data: times in seconds, arrays on the CPU."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import torch

from grounding import model_file
from grounding.dataset import DatasetFolder, QueryData
from grounding.decode import decode
from grounding.errors import BadInput
from grounding.explaining.finding import Found, find_query
from grounding.explaining.frames import Strip, strip_of
from grounding.explaining.memory import Memory, recall
from grounding.predict import Grounder
from grounding.sources import read_clips
from grounding.splits import read_splits
from grounding.supervision import facts_of
from grounding.timeline import Floats, Ints, Timeline
from grounding.types import Moment, Prediction, Sample
from models.explanation import Asked, Chart, Curve, Explains, Explanation
from models.heads import Head

TRAINING = "train"  # the split that training sees


@dataclass(frozen=True)
class Seen:
    """What the model saw for one query.

    Attributes:
        run: name of the run folder.
        head: name of the method.
        epoch: of the weights, from 1.
        split, sample: the query.
        line: the recording's clips in seconds.
        prediction: the answer, as every other command gives it.
        explained: the head's maps and charts.
        truth_cells: (W,) for each true moment, which cell of the maps overlaps it most.
        answer_cells: (M,) the same for each moment of the answer.
        epochs: finished epochs of the memory; None where there is no memory of the query.
        history: (E, N) centres of the prior after each epoch, where they were kept.
        strip: pictures of the recording, where it has any.
        notes: sentences on what the picture cannot show, and why.
    """

    run: str
    head: str
    epoch: int
    split: str
    sample: Sample
    line: Timeline
    prediction: Prediction
    explained: Explanation
    truth_cells: Ints
    answer_cells: Ints
    epochs: int | None = None
    history: npt.NDArray[np.bool_] | None = None
    strip: Strip | None = None
    notes: tuple[str, ...] = ()

    def iou(self, moment: Moment) -> float | None:
        """With the true moment it overlaps most; None where nothing is there to be found."""
        return max((moment.iou(window) for window in self.sample.windows), default=None)


def explain(
    run: str | Path,
    qid: str,
    *,
    split: str | None = None,
    dataset: str | Path | None = None,
    device: str = "cpu",
) -> Seen:
    """Ask a run about one query of its dataset and keep all that led to the answer.

    Args:
        split: where several splits have the qid.
        dataset: another folder than the one the run was trained on.

    Raises:
        BadInput: there is no such run, dataset, query, or checkpoint.
        UnreadableMedia: the recording cannot be decoded.
    """
    grounder = Grounder.from_run(run, device)
    trained = grounder.trained
    folder = _dataset(trained.settings.dataset, dataset, Path(run))
    found = find_query(folder, qid, split)
    clips = trained.settings.grid
    table, recipe = read_clips(folder, [found.sample], trained.settings.features, device=device)
    recipe.require(trained.recipe, str(run))
    duration = table.duration[found.sample.vid]
    line = Timeline(duration, clips)

    place, memory = _memory(Path(run), folder, found, trained)
    supervision = trained.settings.training.supervision
    data = QueryData([found.sample], table, trained.words, supervision, grid=clips)
    prediction, explained = _asked(trained, data, place, device)
    maps = explained.maps
    cells = line.cells_to_seconds(maps[0].cells.numpy()) if maps else np.zeros((0, 2))
    strip = strip_of(folder, found.sample.vid, duration)
    notes = [note for note in (memory, strip) if isinstance(note, str)]
    if isinstance(memory, Memory) and memory.history is None:
        notes.append("The centres of each epoch are not shown: the run did not keep them.")
    return Seen(
        run=Path(run).resolve().name,
        head=trained.settings.head,
        epoch=trained.epoch,
        split=found.split,
        sample=found.sample,
        line=line,
        prediction=prediction,
        explained=explained,
        truth_cells=nearest_cells(cells, found.sample.windows),
        answer_cells=nearest_cells(cells, prediction.moments),
        epochs=memory.epochs if isinstance(memory, Memory) else None,
        history=memory.history if isinstance(memory, Memory) else None,
        strip=strip if isinstance(strip, Strip) else None,
        notes=tuple(notes),
    )


def nearest_cells(cells: Floats, moments: tuple[Moment, ...]) -> Ints:
    """(P, 2) cells in seconds, M moments -> (M,) the cell with the largest IoU; none without cells.

    >>> nearest_cells(np.array([[0.0, 2.0], [2.0, 4.0], [0.0, 4.0]]), (Moment(0.5, 4.0),))
    array([2])
    """
    if not len(cells):
        return np.zeros(0, np.int64)
    spans = [Moment(float(start), float(end)) for start, end in cells]
    best = [max(range(len(spans)), key=lambda p: m.iou(spans[p])) for m in moments]
    return np.array(best, np.int64)


def _dataset(trained_on: str | None, given: str | Path | None, run: Path) -> DatasetFolder:
    if given is not None:
        return DatasetFolder(given)
    if trained_on is None:
        raise BadInput(f"{run}: names no dataset; give --data DATASET")
    if not (Path(trained_on) / "annotations").is_dir():
        raise BadInput(f"{trained_on}: the run's dataset is not there; give --data DATASET")
    return DatasetFolder(trained_on)


def _memory(
    run: Path, folder: DatasetFolder, found: Found, trained: model_file.Trained
) -> tuple[int | None, Memory | str | None]:
    """Load what the head remembers; None where it never remembers anything. Before it the place of
    the query among those of training, where its memory is.
    """
    head = trained.model.head
    supervision = trained.settings.training.supervision
    run = run if run.is_dir() else run.parent
    samples = read_splits(folder, run)[TRAINING] if TRAINING in folder.splits else []
    cast(Head, head).prepare(len(samples))
    if not cast(Head, head).training_state():
        return None, None
    if found.sample.glance is None:
        return None, "No prior is shown: the query has no glance for one to begin at."
    facts = facts_of(found.sample, supervision)
    if facts is None or facts.glance is None:
        return (
            None,
            f"No prior is shown: {supervision} supervision takes no glance of the query.",
        )
    never = f"The prior did not move: training never met this query of {found.split}"
    if found.split != TRAINING:
        return None, f"{never}."
    met = (i for i, sample in enumerate(samples) if sample.qid == found.sample.qid)
    if (place := next(met, None)) is None:
        return None, f"{never}, whose recording was held out."
    memory = recall(run, samples, place, supervision)
    if not isinstance(memory, Memory):
        return None, memory
    try:
        cast(Head, head).load_training_state(memory.state)
    except (KeyError, ValueError) as error:
        return (
            None,
            f"How the prior moved is not shown: its memory is of another version ({error}).",
        )
    return place, memory


@torch.no_grad()
def _asked(
    trained: model_file.Trained, data: QueryData, place: int | None, device: str
) -> tuple[Prediction, Explanation]:
    """The answer to the one query of `data`, and what the head shows of it."""
    model = trained.model
    batch = data.batch(torch.tensor([0])).to(device)
    output = model(batch.clips, batch.words, batch.video)
    sample = data.samples[0]
    (prediction,) = decode(
        output, [sample.query], [data.clips.duration[sample.vid]], trained.calibration
    )
    if not isinstance(model.head, Explains):
        curve = Curve("curve", output.curve[0].cpu(), "seen")
        return prediction, Explanation(charts=(Chart("fit of each clip", (curve,)),))
    asked = Asked(
        model.clips(batch.clips),
        model.text(batch.words),
        batch,
        None if place is None else torch.tensor([place], device=device),
        max(trained.epoch - 1, 0),
    )
    return prediction, on_cpu(model.head.explain(asked))


def on_cpu(shown: Explanation) -> Explanation:
    """The same with all tensors on the CPU."""
    moved: Any = _moved(shown)
    return cast(Explanation, moved)


def _moved(part: Any) -> Any:
    if isinstance(part, torch.Tensor):
        return part.detach().cpu()
    if isinstance(part, tuple):
        parts = [_moved(p) for p in part]
        return type(part)(*parts) if hasattr(part, "_fields") else tuple(parts)
    return part
