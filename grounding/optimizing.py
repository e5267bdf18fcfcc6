"""The optimizer and how its learning rate goes over the steps."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig

from grounding.settings import TrainingSettings
from models.encoders.thawing import TrainedSentences
from models.grounder import GroundingModel


def optimizer(
    model: GroundingModel, settings: TrainingSettings, steps: int
) -> OptimizerLRSchedulerConfig:
    """AdamW with its schedule, `steps` an epoch; a pretrained text encoder has its own rate."""
    built = torch.optim.AdamW(
        _groups(model, settings),
        settings.learning_rate,
        betas=settings.betas,
        weight_decay=settings.weight_decay,
        fused=True,  # one pass over the weights: a seventh of the time, no temporaries
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(built, rate(settings, steps))
    return {"optimizer": built, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def _groups(model: GroundingModel, settings: TrainingSettings) -> Any:
    if not isinstance(model.text, TrainedSentences):
        return model.parameters()
    slow = list(model.text.encoder.parameters())
    known = {id(parameter) for parameter in slow}
    rest = [parameter for parameter in model.parameters() if id(parameter) not in known]
    return [
        {"params": rest},
        {"params": slow, "lr": settings.text_rate * settings.learning_rate},
    ]


def rate(settings: TrainingSettings, steps: int) -> Callable[[int], float]:
    """Step from 0 -> the share of the learning rate, at `steps` an epoch.

    The rate rises linearly over the first `warm_up` of all steps. `cosine` then falls to zero;
    `steps` multiplies it by `factor` after each of the `milestones`, counted in finished epochs.
    """
    total = max(settings.epochs * steps, 1)
    warm = int(total * settings.warm_up + 1e-9)  # 0.05 * 60 must not be 2.99
    warm = max(warm, 1) if settings.warm_up > 0 else 0

    def share(step: int) -> float:
        if step < warm:
            return (step + 1) / warm
        if settings.schedule == "steps":
            return settings.factor ** sum(step >= m * steps for m in settings.milestones)
        return 0.5 * (1 + math.cos(math.pi * (step - warm) / max(total - warm, 1)))

    return share
