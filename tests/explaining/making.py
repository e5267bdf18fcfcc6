"""What a model saw for a query, made by hand: four clips of a recording of 8 s."""

import numpy as np
import torch

from grounding.explaining import Seen
from grounding.explaining.frames import Strip
from grounding.timeline import Timeline
from grounding.types import Moment, Prediction, Query, Sample
from models.cells import sparse_cells
from models.explanation import Chart, Curve, Explanation, Map, Marks

CELLS = torch.tensor(sparse_cells(4, [3]))


def curve(*values, role="seen", name="curve"):
    return Curve(name, torch.tensor(values), role)


def maps():
    """A score and a prior, the value of cell p is p and 1 / (p + 1)."""
    chosen = torch.zeros(len(CELLS), dtype=torch.bool)
    chosen[5] = True
    rank = torch.arange(len(CELLS)).float()
    return (
        Map("score", CELLS, rank, chosen, "seen"),
        Map("prior when training began", CELLS, 1 / (rank + 1), chosen, "before"),
        Map("prior now", CELLS, 0.5 / (rank + 1), chosen, "now"),
    )


def charts():
    now = Marks("now", torch.tensor([False, True, True, False]), "now")
    began = Marks("began", torch.tensor([False, True, False, False]), "before")
    bumps = curve(0.5, 1.0, 0.5, 0.1, role="before"), curve(0.5, 0.9, 0.8, 0.2, role="now")
    return (
        Chart("prior", bumps, (began, now)),
        Chart("fit of each clip", (curve(-0.5, 0.7, 0.6, -0.2),), level=("usual level", 0.1)),
    )


def seen(text="a red dog barks", **change):
    sample = Sample(Query(text, 7, "dog"), 8.0, (Moment(2, 6),), 3.0, "sight")
    answer = Prediction(sample.query, (Moment(2, 4, 0.8), Moment(4, 8, 0.25)), 0.125)
    made = {
        "run": "d3g",
        "head": "glance",
        "epoch": 3,
        "split": "train",
        "sample": sample,
        "line": Timeline(8.0, 4),
        "prediction": answer,
        "explained": Explanation(maps(), charts()),
        "truth_cells": np.array([5]),
        "answer_cells": np.array([1, 6]),
        "epochs": 2,
        "history": np.array([[False, True, False, False], [False, True, True, False]]),
        "strip": Strip(np.full((2, 6, 8, 3), 90, np.uint8), np.array([0.0, 4.0, 8.0])),
    }
    return Seen(**(made | change))
