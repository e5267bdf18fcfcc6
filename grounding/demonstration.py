"""The main job on the embedded sample: render it, then train on it; both resume."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from grounding.errors import BadInput

if TYPE_CHECKING:
    from grounding.features import Progress
    from grounding.report import Report
    from grounding.settings import RunSettings

CONFIG = Path(__file__).resolve().parent.parent / "configs" / "sample-d3g.yaml"


def data_folder(root: Path) -> Path:
    """Where the sample is."""
    return root / "sample"


def run_folder(root: Path) -> Path:
    """Where the model trained on it is."""
    return root / "run"


def settings(root: Path, path: str | Path = CONFIG) -> RunSettings:
    """What is trained.

    Raises:
        BadInput: the config is missing or wrong.
    """
    from grounding import config

    return config.load(path, ["--dataset", str(data_folder(root))])


def render(root: Path, videos: int = 96, progress: Progress | None = None) -> None:
    """The sample, or what is missing of it.

    Raises:
        BadInput: too few videos, or the folder holds something else.
    """
    from grounding.sample import render_sample

    render_sample(data_folder(root), videos=videos, progress=progress)


def learn(
    root: Path,
    wanted: RunSettings,
    *,
    device: str = "cpu",
    extracting: Progress | None = None,
    epochs: Progress | None = None,
) -> dict[str, Report]:
    """Train, or go on training -> a report for every split.

    Raises:
        BadInput: the run was begun with another config.
        Interrupted: Ctrl-C; finished epochs are kept.
    """
    from grounding.training import read_run, start_run, train

    run = run_folder(root)
    if not (run / "config.yaml").exists():
        start_run(run, wanted)
    elif read_run(run) != wanted:
        raise BadInput(f"{run}: was trained with another config; choose another --dir")
    return train(
        run,
        resume=True,
        device=device,
        extracting=extracting,
        done=lambda epoch, total, row: epochs(epoch, total, "") if epochs else None,
    )
