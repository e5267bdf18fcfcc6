"""One LightningModule for every head; run folders; exact resume."""

from __future__ import annotations

import importlib.metadata
import json
import logging
import platform
import shutil
import signal
import warnings
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, cast

import lightning
import torch
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor

from grounding import config, model_file
from grounding.annotations import write_predictions
from grounding.calibrating import calibrate
from grounding.centre_history import CentreHistory
from grounding.dataset import ClipTable, DatasetFolder, QueryData
from grounding.decode import Calibration
from grounding.errors import BadInput, Interrupted
from grounding.features import Progress
from grounding.files import write_text
from grounding.optimizing import optimizer
from grounding.predict import answer
from grounding.processes import check_devices, together
from grounding.ranks import Ranks
from grounding.report import Report, evaluate
from grounding.run_writer import EpochDone, RunWriter
from grounding.settings import RunSettings, TrainingSettings
from grounding.sharding import Sharded
from grounding.sources import read_for_all
from grounding.splits import HELD_OUT, held_out, keep_held_out, read_splits
from grounding.supervision import check
from grounding.thawing import Thaw
from grounding.types import Sample
from models.encoders.pooled import PooledEncoder
from models.encoders.video import ClipEncoder
from models.grounder import GroundingModel
from models.heads import Head
from models.records import Batch


class Epoch:
    """The batches of one epoch; an iterable with a length, as the loop wants it."""

    def __init__(
        self, data: QueryData, settings: TrainingSettings, ranks: Ranks, epoch: int
    ) -> None:
        self._data, self._settings, self._ranks, self._epoch = data, settings, ranks, epoch

    def __len__(self) -> int:
        return self._data.steps(self._settings.batch, self._settings.batch_of)

    def __iter__(self) -> Iterator[Batch]:
        settings = self._settings
        batches = self._data.shuffled(settings.batch, settings.seed, self._epoch, settings.batch_of)
        return map(self._ranks.share, batches)


class GroundingModule(lightning.LightningModule):
    """Any head, trained: one loss a batch, AdamW with the schedule of the settings."""

    def __init__(
        self, model: GroundingModel, data: QueryData, settings: TrainingSettings, ranks: Ranks
    ) -> None:
        super().__init__()
        self.model, self.data, self.settings, self.ranks = model, data, settings, ranks
        self.total, self.steps = 0.0, 0
        self.own = torch.zeros(len(data), dtype=torch.bool)  # queries this process has had
        self.sharded: Sharded | None = None
        cast(Head, model.head).prepare(len(data))

    def configure_model(self) -> None:
        """Cut the weights into pieces where the strategy wants it; the trainer calls it."""
        if self.settings.strategy == "fsdp" and self.ranks.count > 1:
            assert self.device_mesh is not None  # the strategy has made it
            mesh = self.device_mesh["data_parallel"]
            self.sharded = Sharded(self.model, mesh, self.ranks.is_first)

    def whole(self) -> GroundingModel | None:
        """The model with all weights, in the first process; all must take part."""
        return self.sharded.whole() if self.sharded else self.model

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """What the head remembers about the training queries goes along."""
        checkpoint["head"] = cast(Head, self.model.head).training_state()
        checkpoint["data"] = self.data.digest()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """And comes back."""
        cast(Head, self.model.head).load_training_state(checkpoint["head"])

    def train_dataloader(self) -> Epoch:
        """A fresh order each epoch, from the seed and the epoch alone."""
        return Epoch(self.data, self.settings, self.ranks, self.current_epoch)

    def on_train_epoch_start(self) -> None:
        """Everything random in an epoch follows from its number, so a resumed run repeats it."""
        self.ranks.seed(self.settings.seed * 100_003 + self.current_epoch)
        self.total, self.steps = 0.0, 0
        self.own.zero_()

    def training_step(self, batch: Batch, index: int) -> Tensor:
        """The head's loss."""
        loss = self.ranks.loss(self.model, batch, self.current_epoch, self.settings.gathered)
        self.own[self.ranks.own(batch)] = True
        self.total += float(loss.detach())
        self.steps += 1
        return loss

    def agree(self) -> None:
        """At the end of an epoch: one loss and one memory of the queries from all processes."""
        self.total = self.ranks.mean(self.total)
        head = cast(Head, self.model.head)
        head.load_training_state(self.ranks.agree(head.training_state(), self.own))

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        """AdamW and its schedule."""
        return optimizer(self.model, self.settings, len(self.train_dataloader()))


def start_run(run: Path, settings: RunSettings) -> None:
    """Make a run folder that describes itself.

    Raises:
        BadInput: the folder holds another run, or the config's dataset cannot be trained on.
    """
    if settings.dataset is None:
        raise BadInput("the config names no dataset; give --data DATASET")
    model_file.require_grid(settings)  # before features are read at length
    chosen = held_out(DatasetFolder(settings.dataset), settings.training)
    if (run / "config.yaml").exists():
        raise BadInput(f"{run}: holds a run already; go on with --resume or choose another --run")
    run.mkdir(parents=True, exist_ok=True)
    write_text(run / "config.yaml", config.dump(settings))
    write_text(run / "environment.txt", _environment())
    keep_held_out(run, chosen)


def drop_run(run: Path) -> None:
    """Take back what `start_run` made, unless an epoch was finished since."""
    if (run / "checkpoints").exists():
        return
    for name in ("config.yaml", "environment.txt", HELD_OUT):
        (run / name).unlink(missing_ok=True)
    shutil.rmtree(run / "tensorboard", ignore_errors=True)
    with suppress(FileNotFoundError):  # another process was faster
        if not any(run.iterdir()):
            run.rmdir()


def read_run(run: Path) -> RunSettings:
    """The settings of a run folder.

    Raises:
        BadInput: it is no run folder.
    """
    if not (run / "config.yaml").is_file():
        raise BadInput(f"{run}: no run folder (it has no config.yaml); start one with a config")
    return config.load(run / "config.yaml")


def train(
    run: Path,
    *,
    resume: bool = False,
    device: str = "cpu",
    devices: int = 1,
    ranks: Ranks | None = None,
    fast: bool = False,
    extracting: Progress | None = None,
    done: EpochDone | None = None,
) -> dict[str, Report]:
    """Train the run in folder `run` and report on every split it was not trained on.

    Args:
        resume: go on from the last checkpoint, if there is one.
        devices: so many processes train together, each on its own GPU where `device` is cuda; the
            calling script must be importable (`if __name__ == "__main__"`).
        ranks: this process's place among those that are there already (`grounding.launched`);
            `devices` does not count then, and only the first returns reports.
        fast: two steps of one epoch: does everything fit together?
        extracting: told about features as they are made.
        done: told about each epoch.

    Returns:
        The reports, by split.

    Raises:
        BadInput: the data cannot be used, or there are not so many devices.
        Interrupted: by Ctrl-C, once training has begun.
    """
    if ranks is None:
        check_devices(devices, device)
    if devices == 1:
        return _train(ranks or Ranks(), run, resume, device, fast, extracting=extracting, done=done)
    work = partial(_train, run=run, resume=resume, device=device, fast=fast)
    try:
        return together(devices, device, work, {"extracting": extracting, "done": done})
    except KeyboardInterrupt:
        raise Interrupted(
            "interrupted; finished epochs are kept; "
            f"go on with: grounding train --run {run} --resume --devices {devices}"
        ) from None


def _train(
    ranks: Ranks,
    run: Path,
    resume: bool,
    device: str,
    fast: bool,
    *,
    extracting: Progress | None,
    done: EpochDone | None,
) -> dict[str, Report]:
    """What each of the processes does; all but the first return no reports."""
    settings = read_run(run)
    if settings.dataset is None:
        raise BadInput(f"{run / 'config.yaml'}: names no dataset; start the run with --data")
    torch.set_num_threads(settings.training.threads)
    torch.use_deterministic_algorithms(True, warn_only=True)
    folder = DatasetFolder(settings.dataset)
    splits = read_splits(folder, run)
    training = settings.training
    check(folder.root / "annotations" / "train.jsonl", splits["train"], training.supervision)
    words = model_file.read_sentences(settings, [s.query.text for s in splits["train"]])
    asked = chain.from_iterable(splits.values())
    clips, recipe = read_for_all(
        ranks, folder, asked, settings.features, device=device, progress=extracting
    )
    torch.manual_seed(training.seed)
    model = model_file.build_model(settings, clips.width, words.size, words)
    trained = model_file.Trained(model, words, recipe, settings, Calibration(), 0)
    absence = getattr(settings.method, "absence", 0.0) > 0  # the head learns what is not there
    data = QueryData(splits["train"], clips, words, training.supervision, absence, settings.grid)
    assert isinstance(model.clips, ClipEncoder | PooledEncoder)
    model.clips.fit_scale(clips.x, torch.unique(data.video))
    module = GroundingModule(model, data, training, ranks)
    _fit(run, trained, module, QueryData(splits["val"], clips, words), device, resume, fast, done)
    if not ranks.is_first:
        return {}

    chosen = model_file.load(run, device)
    return _finish(run, chosen, splits, clips, device)


def _fit(
    run: Path,
    trained: model_file.Trained,
    module: GroundingModule,
    val: QueryData,
    device: str,
    resume: bool,
    fast: bool,
    done: EpochDone | None,
) -> None:
    training = trained.settings.training
    checkpoint = run / "checkpoints" / "last.ckpt"
    go_on = resume and checkpoint.exists()
    ranks = module.ranks
    if go_on:
        _check(checkpoint, module)
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="lightning")
        trainer = lightning.Trainer(
            accelerator="gpu" if device == "cuda" else "cpu",
            devices=ranks.here,
            num_nodes=ranks.machines,
            strategy=ranks.strategy(training.strategy),
            max_epochs=1 if fast else training.epochs,
            limit_train_batches=2 if fast else 1.0,
            gradient_clip_val=training.clip,
            logger=_tensorboard(run) if ranks.is_first else False,
            callbacks=[
                Thaw(trained.words, trained.settings.text.frozen, (module.data, val)),
                CentreHistory(),
                RunWriter(run, trained, val, done),
            ],
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            reload_dataloaders_every_n_epochs=1,
            num_sanity_val_steps=0,
        )
        on_interrupt = signal.getsignal(signal.SIGINT)
        try:
            trainer.fit(module, ckpt_path=str(checkpoint) if go_on else None, weights_only=True)
        except SystemExit:
            # the trainer turns Ctrl-C into an exit and keeps ignoring the signal
            signal.signal(signal.SIGINT, on_interrupt)
            command = "grounding train" if ranks.count == 1 else "torchrun ... -m apps -- train"
            raise Interrupted(
                f"interrupted in epoch {trainer.current_epoch + 1}; finished epochs are kept; "
                f"go on with: {command} --run {run} --resume"
            ) from None


def _check(checkpoint: Path, module: GroundingModule) -> None:
    """Refuse a damaged checkpoint, one of other training queries (its memory is of them), and one
    whose weights are of another shape.
    """
    try:
        loaded = torch.load(checkpoint, map_location="cpu", weights_only=True)
        saved = loaded["data"]
        shapes = {name: tuple(weight.shape) for name, weight in loaded["state_dict"].items()}
    except Exception as error:  # zip, pickle and key errors alike: it is not what we wrote
        raise BadInput(
            f"{checkpoint}: damaged ({type(error).__name__}); delete it to start the run over"
        ) from None
    if shapes != {name: tuple(w.shape) for name, w in module.state_dict().items()}:
        raise BadInput(
            f"{checkpoint}: was written by another version, its weights do not fit; start a new run"
        )
    if saved != module.data.digest():
        raise BadInput(
            f"{checkpoint}: the training queries have changed since; start a new run, or delete it"
        )


def _tensorboard(run: Path) -> Any:
    from lightning.pytorch.loggers import TensorBoardLogger

    return TensorBoardLogger(run, name="", version="tensorboard")


def _finish(
    run: Path,
    chosen: model_file.Trained,
    splits: dict[str, list[Sample]],
    clips: ClipTable,
    device: str,
) -> dict[str, Report]:
    """Calibrate on `val`, then predict and report on every split but `train`."""
    val = QueryData(splits["val"], clips, chosen.words)
    raw = answer(chosen.model, val, Calibration(), device=device)
    calibration = calibrate(raw, splits["val"])
    chosen = model_file.Trained(
        chosen.model, chosen.words, chosen.recipe, chosen.settings, calibration, chosen.epoch
    )
    model_file.save(run / model_file.NAME, chosen)
    spans = cast(Head, chosen.model.head).candidates()
    candidates = None if spans is None else spans.cpu().double().numpy()
    reports = {}
    for name, samples in splits.items():
        if name == "train":
            continue
        predictions = answer(
            chosen.model, QueryData(samples, clips, chosen.words), calibration, device=device
        )
        write_predictions(run / "predictions" / f"{name}.jsonl", predictions)
        reports[name] = evaluate(
            predictions,
            samples,
            train=splits["train"],
            clips=chosen.settings.grid,
            candidates=candidates,
        )
        write_text(run / "report" / f"{name}.json", json.dumps(reports[name], indent=1))
    return reports


def _environment() -> str:
    packages = sorted(
        {f"{d.metadata['Name']}=={d.version}" for d in importlib.metadata.distributions()}
    )
    return (
        f"python {platform.python_version()} on {platform.machine()}\n" + "\n".join(packages) + "\n"
    )
