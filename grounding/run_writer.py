"""What a training leaves behind after each epoch."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning

from grounding import model_file
from grounding.answers import answers_of
from grounding.dataset import QueryData
from grounding.decode import Calibration
from grounding.files import atomic, write_text
from grounding.predict import answer
from grounding.report import metrics_of
from grounding.scoring import score, truth_of

EpochDone = Callable[[int, int, dict[str, float]], None]  # epoch from 1, epochs, values


class RunWriter(lightning.Callback):
    """After each epoch: judge on `val` as a user would, keep the best model, then the checkpoint.

    The checkpoint comes last and appears whole, so a kill at any moment costs at most the epoch
    under way.
    """

    def __init__(
        self, run: Path, trained: model_file.Trained, val: QueryData, done: EpochDone | None
    ):
        self.run, self.trained, self.val, self.done = run, trained, val, done
        self.rows: list[dict[str, float]] = []
        self.best = -math.inf
        self.truth = truth_of(val.samples)

    def state_dict(self) -> dict[str, Any]:
        """What a resumed run must know: all rows so far and the best value."""
        return {"rows": self.rows, "best": self.best}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up where the checkpoint was written."""
        self.rows, self.best = state_dict["rows"], state_dict["best"]

    def on_train_epoch_end(self, trainer: lightning.Trainer, module: Any) -> None:
        """Agree on the epoch; the first process judges, keeps, logs and saves."""
        module.agree()
        model = module.whole()
        if not module.ranks.is_first:
            trainer.save_checkpoint(self.run)  # nothing is written, but all must take part
            return
        epoch, settings = trainer.current_epoch, self.trained.settings.training
        device = str(module.device)
        predictions = answer(model.to(device), self.val, Calibration(), device=device)
        metrics = metrics_of(self.truth, score(answers_of(predictions), self.truth))
        metrics.pop("ECE", None)  # scores are made probabilities in the end
        value = metrics.get(settings.choose, 0.0)  # no query of `val` has a moment
        row = {"epoch": epoch + 1, "loss": module.total / max(module.steps, 1), **metrics}
        self.rows = [r for r in self.rows if r["epoch"] <= epoch] + [row]
        if value > self.best:
            self.best = value
            trained = self.trained
            model_file.save(
                self.run / model_file.NAME,
                model_file.Trained(
                    model,
                    trained.words,
                    trained.recipe,
                    trained.settings,
                    trained.calibration,
                    epoch + 1,
                ),
            )
        names = list(self.rows[0])
        lines = [",".join(names), *(",".join(f"{r[n]:.6g}" for n in names) for r in self.rows)]
        write_text(self.run / "metrics.csv", "\n".join(lines) + "\n")
        for name, number in row.items():
            if trainer.logger and name != "epoch":
                trainer.logger.log_metrics({name: number}, step=epoch + 1)
        with atomic(self.run / "checkpoints" / "last.ckpt") as temporary:
            trainer.save_checkpoint(temporary)
        if self.done:
            self.done(epoch + 1, settings.epochs, row)
