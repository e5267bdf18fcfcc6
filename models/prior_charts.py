"""The prior of one query as charts: one bump at the glance, and what DGA made of it."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from models.explanation import Chart, Curve, Marks
from models.prior import Adjustment, gaussian

BEGAN, NOW = "when training began", "now"


def prior_charts(
    adjustment: Adjustment | None,
    query: Tensor | None,
    clicked: Tensor,
    clips: int,
    sigma: float | Tensor,
) -> list[Chart]:
    """The prior over clips; behind it, where there is a memory, what its centres follow.

    Args:
        adjustment, query: DGA's memory and the (1,) place of the query in it, where there is one.
        clicked: (1,) the glanced clip.
        clips: N.
        sigma: spread of a Gaussian, one or (1,).
    """
    bells = gaussian(clips, sigma, clicked.device)
    bump = bells.reshape(-1, clips, clips)[0, clicked[0]]
    curves = [Curve(BEGAN, bump, "before")]
    marks = [Marks(BEGAN, F.one_hot(clicked[0], clips).bool(), "before")]
    if adjustment is None or query is None or not adjustment.visited[query.cpu()]:
        return [Chart("prior", tuple(curves), tuple(marks))]
    curves.append(Curve(NOW, adjustment.curve(query, sigma)[0], "now"))
    marks.append(Marks(NOW, adjustment.centres(query)[0], "now"))
    alike = Curve("remembered likeness", adjustment.similarity[query.cpu()][0], "now")
    return [
        Chart("prior", tuple(curves), tuple(marks)),
        Chart("like the glanced clip", (alike,), level=("threshold", adjustment.threshold)),
    ]
