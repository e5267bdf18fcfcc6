"""Targets: what a head should answer, from whatever is known of each query.

Every query of a batch has its own kind, by what the batch holds of it: absent, else moments, else
saliency, else a glance, else none of them (all that is known is that the sentence belongs to the
video).

Symbols: Q queries, L clips, M true moments, P cells.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from models.cells import Cells
from models.prior import on_cells
from models.records import Batch

_TOUCH = 1e-4  # share of a clip that two times may be apart by rounding


class Kinds(NamedTuple):
    """Which kind each query is; exactly one is True for each."""

    absent: Tensor  # (Q,)
    full: Tensor
    saliency: Tensor
    glance: Tensor
    none: Tensor


class ClipTargets(NamedTuple):
    """For heads that score single clips; both are False or 0 where padded."""

    weight: Tensor  # (Q, L) at least 0: how much a clip of the own video is a positive
    negative: Tensor  # (Q, L) True where it is a negative


class CellTargets(NamedTuple):
    """For heads that score a map of cells."""

    prior: Tensor  # (Q, P) in [0, 1]
    possible: Tensor  # (Q, P) True where the cell may be a positive
    negative: Tensor  # (Q, P) True where it is a negative; what is neither does not matter


def kinds(batch: Batch) -> Kinds:
    """What is known of each query."""
    left = ~batch.absent
    full = left & ~batch.spans.flatten(1).isnan().all(1)
    saliency = left & ~full & ~batch.saliency.isnan().all(1)
    glance = left & ~full & ~saliency & ~batch.glance.isnan()
    return Kinds(batch.absent, full, saliency, glance, left & ~full & ~saliency & ~glance)


def clip_targets(
    batch: Batch, mask: Tensor, fit: Tensor, *, sigma: float, apart: float, sharpen: bool
) -> ClipTargets:
    """Positives and negatives among the clips of each query's own video.

    Glance: a Gaussian at the glance; clips at least `apart` from it are negatives (d3g.md section
    15). Full: the share of the clip that lies in a moment; clips outside are negatives. Saliency:
    the score over the video's best; clips without one are negatives. None: the softmax of `fit`
    (multiple instances: some clip shows it); no negatives. Absent: all clips are negatives.

    Args:
        batch: Q queries.
        mask: (Q, L) True where the clip of the query's video is real.
        fit: (Q, L) how well each clip fits now, a logit; only weighs positives, carries no
            gradient.
        sigma: spread of the Gaussian, as a share of the video.
        apart: least distance of a negative from the glance, as a share of the video.
        sharpen: weigh a glance's positives by the softmax of `fit` too.
    """
    kind = kinds(batch)
    count = mask.sum(1, keepdim=True).clamp(min=1)
    index = torch.arange(mask.shape[1], device=mask.device)
    distance = ((index + 0.5) / count - batch.glance[:, None]).abs()  # NaN without a glance
    chosen = fit.detach().masked_fill(~mask, -torch.inf).softmax(1)
    near = torch.exp(-0.5 * (distance / sigma) ** 2).nan_to_num(0.0)
    scores = _unit(batch.saliency)
    within = _overlap(batch.spans, count, index)

    weight = kind.none[:, None] * chosen
    weight = torch.where(kind.glance[:, None], near * chosen if sharpen else near, weight)
    weight = torch.where(kind.saliency[:, None], scores, weight)
    weight = torch.where(kind.full[:, None], within, weight)
    far = kind.glance[:, None] & (distance >= apart)
    outside = (kind.saliency | kind.full)[:, None] & (weight == 0)
    return ClipTargets(weight * mask, (far | outside | kind.absent[:, None]) & mask)


def cell_targets(batch: Batch, cells: Cells, curve: Tensor, low: float, high: float) -> CellTargets:
    """Positives and negatives among the cells of each query's own video.

    Glance: cells that cover it are possible, the others negatives; the prior is `curve` on cells
    (d3g.md sections 3 and 4). Full: the IoU with the best true moment, 0 at `low` and 1 at `high`,
    linear between (2D-TAN, MMN); cells below `low` are negatives. Saliency: the same with an IoU
    that counts each clip by its score, over the best cell's. None: every cell is possible and
    none is a negative (multiple instances). Absent: all cells are negatives.

    The best cell of each moment always counts as 1: a grid may be too coarse for `low`.

    The IoU with scores is sum(inside) / (clips of the cell + sum(outside)), which is the IoU where
    scores are 0 and 1. The mean inside less the mean outside would be at 0.86 for a single clip of
    ten that are in the moment, of 64.

    Args:
        batch: Q queries.
        cells: P cells of a map of N clips.
        curve: (Q, N) the prior of each clip, for queries with a glance.
        low, high: IoU that counts as 0 and as 1.
    """
    kind = kinds(batch)
    clicked = (batch.glance.nan_to_num(0.0) * cells.clips).long().clamp(0, cells.clips - 1)
    covers = cells.covers(clicked)
    fit = _span_iou(batch.spans, cells.spans())  # (Q, M, P)
    scored = _score_iou(_unit(batch.saliency), cells)[:, None]
    scored = scored / scored.amax(2, keepdim=True).clamp(min=1e-6)
    fit = torch.where(kind.full[:, None, None], fit, scored * kind.saliency[:, None, None])
    best = (fit == fit.amax(2, keepdim=True)) & (fit > 0)
    scale = ((fit - low) / (high - low)).clamp(0, 1).masked_fill(best, 1.0).amax(1)  # (Q, P)

    from_glance = kind.glance[:, None]
    measured = (kind.full | kind.saliency)[:, None]
    prior = torch.where(from_glance, on_cells(curve, cells), kind.none[:, None].to(scale.dtype))
    prior = torch.where(measured, scale, prior)
    possible = (from_glance & covers) | (measured & (scale > 0)) | kind.none[:, None]
    negative = (from_glance & ~covers) | (measured & (fit.amax(1) < low)) | kind.absent[:, None]
    return CellTargets(prior, possible, negative & ~possible)


def absence_loss(fit: Tensor, mask: Tensor, absent: Tensor) -> Tensor:
    """What is not there must fit its video worse than what is there fits its own; a scalar.

    The fit of a video is its softmax mean. Every pair of a query that is there and one that is
    not has a logistic term, so no level needs to be known; 0 without such a pair. What is there
    only sets the level: drawn up itself, it would be drawn where it fits best now, right or wrong.
    Each query that is not there counts as one of the batch's Q: they are few, and would drown what
    teaches where moments are.

    Args:
        fit: (Q, K) logits of the clips or cells of each query's own video.
        mask: (Q, K) True where real.
        absent: (Q,) True where nothing in the video fits.
    """
    if not absent.any() or absent.all():
        return fit.sum() * 0.0
    share = fit.masked_fill(~mask, -torch.inf).softmax(1)
    best = (share * fit).sum(1)
    pairs = F.softplus(best[absent][:, None] - best[~absent].detach()[None, :])
    return pairs.mean(1).sum() / len(absent)


def _unit(saliency: Tensor) -> Tensor:
    """(Q, L) -> over each row's largest; 0 where there is none."""
    known = saliency.nan_to_num(0.0)
    return known / known.amax(1, keepdim=True).clamp(min=1e-6)


def _overlap(spans: Tensor, count: Tensor, index: Tensor) -> Tensor:
    """(Q, M, 2) moments, (Q, 1) clips -> (Q, L) share of each clip inside them, in [0, 1]."""
    start, end = (spans.nan_to_num(0.0) * count[:, None]).unbind(2)  # (Q, M) in clips
    inside = torch.minimum(end[..., None], index + 1) - torch.maximum(start[..., None], index)
    inside = torch.where(inside > _TOUCH, inside, 0.0)
    return inside.sum(1).clamp(max=1)


def _span_iou(spans: Tensor, cells: Tensor) -> Tensor:
    """(Q, M, 2), (P, 2) -> (Q, M, P); 0 for padding."""
    start, end = spans.nan_to_num(0.0)[..., None].unbind(2)  # (Q, M, 1)
    inter = (torch.minimum(end, cells[:, 1]) - torch.maximum(start, cells[:, 0])).clamp(min=0)
    union = (end - start) + (cells[:, 1] - cells[:, 0]) - inter
    return inter / union.clamp(min=1e-6)


def _score_iou(scores: Tensor, cells: Cells) -> Tensor:
    """(Q, N) in [0, 1] -> (Q, P) sum(inside) / (clips of the cell + sum(outside))."""
    total = F.pad(scores.cumsum(1), (1, 0))
    inside = total[:, cells.last + 1] - total[:, cells.first]
    outside = (total[:, -1:] - inside).clamp(min=0)
    return inside / (cells.last - cells.first + 1 + outside)
