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
    """The mean of `info_nce_rows` over rows with a positive; 0 (with a gradient) without any."""
    rows, used = info_nce_rows(
        similarity, weight, negative, temperature, compete=compete, average=average
    )
    return (rows * used).sum() / used.sum().clamp(min=1)


def info_nce_rows(
    similarity: Tensor,
    weight: Tensor,
    negative: Tensor,
    temperature: float,
    *,
    compete: bool = False,
    average: bool = True,
    hardness: float = 0.0,
) -> tuple[Tensor, Tensor]:
    """Weighted InfoNCE with explicit negatives.

    Args:
        similarity: (Q, K) similarities of each query with K candidates.
        weight: (Q, K) at least 0; 0 = not a positive.
        negative: (Q, K) True where the candidate is a negative of the query.
        temperature: similarities are divided by it.
        compete: a positive stands against the row's other positives too (as D3G's published loss
            has it); otherwise only against the negatives.
        average: weights of a row are brought to sum 1; otherwise each positive counts with its own
            weight and a row with its number of positives (D3G: the loss falls with the prior).
        hardness: a negative's similarity s, where positive, counts (1 + hardness s) times.

    Returns:
        (Q,) the loss of each row, 0 without a positive; (Q,) True where there is one.
    """
    logits = similarity / temperature
    floor = torch.finfo(logits.dtype).min
    positive = weight > 0
    rest = negative | positive if compete else negative
    against = logits
    if hardness:
        steeper = 1 + hardness * similarity.detach().clamp(min=0)
        against = torch.where(positive, logits, logits * steeper)
    others = torch.logsumexp(against.masked_fill(~rest, floor), dim=1, keepdim=True)
    # the positive itself is in `others` already when all of them compete
    share = others if compete else torch.logaddexp(logits, others)
    terms = torch.where(
        positive, weight * (share - logits), 0.0
    )  # (Q, K): -log of the positive's share
    total = weight.sum(1) if average else positive.sum(1).to(weight.dtype)
    return terms.sum(1) / total.clamp(min=1e-12), positive.any(1)
