"""Contrastive objectives over masked similarities; the methods are settings of one function."""

from __future__ import annotations

import torch
from torch import Tensor


def info_nce(
    similarity: Tensor,
    weight: Tensor,
    negative: Tensor,
    temperature: float,
    *,
    compete: bool = False,
    average: bool = True,
) -> Tensor:
    """Weighted InfoNCE with explicit negatives.

    Args:
        similarity: (Q, K) similarities of each query with K candidates.
        weight: (Q, K) at least 0; 0 = not a positive. Rows without a positive are left out.
        negative: (Q, K) True where the candidate is a negative of the query.
        temperature: similarities are divided by it.
        compete: a positive stands against the row's other positives too (as D3G's published loss
            has it); otherwise only against the negatives.
        average: weights of a row are brought to sum 1; otherwise each positive counts with its own
            weight and a row with its number of positives (D3G: the loss falls with the prior).

    Returns:
        A scalar: the mean over rows. Zero (with a gradient) without any positive.
    """
    logits = similarity / temperature
    floor = torch.finfo(logits.dtype).min
    positive = weight > 0
    rest = negative | positive if compete else negative
    others = torch.logsumexp(logits.masked_fill(~rest, floor), dim=1, keepdim=True)
    # the positive itself is in `others` already when all of them compete
    share = others if compete else torch.logaddexp(logits, others)
    terms = torch.where(
        positive, weight * (share - logits), 0.0
    )  # (Q, K): -log of the positive's share
    total = weight.sum(1) if average else positive.sum(1).to(weight.dtype)
    rows = terms.sum(1) / total.clamp(min=1e-12)
    used = positive.any(1)
    return (rows * used).sum() / used.sum().clamp(min=1)
