"""Learning rates over the steps, and who has which."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from grounding.optimizing import optimizer, rate
from grounding.settings import TrainingSettings
from models.encoders.thawing import TrainedSentences
from models.grounder import GroundingModel


def test_steps_fall_after_the_milestones_as_multi_step_does():
    settings = TrainingSettings(
        epochs=18, schedule="steps", milestones=(8, 13), factor=0.1, warm_up=0, learning_rate=1.0
    )
    weight = nn.Parameter(torch.zeros(1))
    published = torch.optim.SGD([weight], 1.0)
    schedule = torch.optim.lr_scheduler.MultiStepLR(published, [8, 13], 0.1)
    share = rate(settings, 7)
    for epoch in range(18):
        for step in range(7):
            assert share(epoch * 7 + step) == pytest.approx(published.param_groups[0]["lr"])
        published.step()
        schedule.step()


@given(steps=st.integers(1, 90), epochs=st.integers(1, 50))
def test_the_cosine_warms_up_a_twentieth_and_ends_near_zero(steps, epochs):
    share = rate(TrainingSettings(epochs=epochs), steps)
    total = epochs * steps
    warm = max(total // 20, 1)
    assert share(warm - 1) == 1
    assert share(0) == pytest.approx(1 / warm)
    values = [share(step) for step in range(warm, total)]
    assert values == sorted(values, reverse=True)
    assert share(total) == pytest.approx(0) or total == warm


def test_without_warm_up_the_first_step_is_whole():
    assert rate(TrainingSettings(warm_up=0), 10)(0) == 1


def test_a_trained_text_encoder_has_its_own_rate_and_everything_its_betas():
    text = TrainedSentences(nn.Linear(3, 3), 3, 2, 0.0, True)
    model = GroundingModel(nn.Linear(4, 2), text, nn.Linear(2, 2))
    settings = TrainingSettings(learning_rate=1e-3, text_rate=0.1, betas=(0.9, 0.99), warm_up=0)
    built = optimizer(model, settings, 10)["optimizer"]
    rest, slow = built.param_groups
    assert math.isclose(slow["lr"], 1e-4) and math.isclose(rest["lr"], 1e-3)
    assert {id(p) for p in slow["params"]} == {id(p) for p in text.encoder.parameters()}
    everyone = [id(p) for group in built.param_groups for p in group["params"]]
    assert sorted(everyone) == sorted(id(p) for p in model.parameters())
    assert slow["betas"] == rest["betas"] == (0.9, 0.99)


@pytest.mark.parametrize(
    "wrong,says",
    [
        ({"betas": (0.9, 1.0)}, "betas"),
        ({"milestones": (5, 5)}, "milestones"),
        ({"milestones": (0,)}, "milestones"),
        ({"hold_out": -1}, "hold_out"),
        ({"warm_up": 1.0}, "warm_up"),
    ],
)
def test_wrong_settings_are_refused(wrong, says):
    with pytest.raises(ValueError, match=says):
        TrainingSettings(**wrong)
