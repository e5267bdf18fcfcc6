"""Which of the cells that may be the moment is it? The hidden moment of a glance, as far as known.

Symbols: Q queries, P cells, N clips.
"""

from __future__ import annotations

from torch import Tensor


def posterior(evidence: Tensor, prior: Tensor, possible: Tensor) -> Tensor:
    """(Q, P) probability that each cell is the moment.

    The prior says where moments with this glance usually are, the evidence what the model sees
    now: SA-GCL's choice by prior and similarity (d3g.md section 4), all cells at once instead of
    the k best.

    Args:
        evidence: (Q, P) log-odds that the cell is the moment.
        prior: (Q, P) at least 0.
        possible: (Q, P) False where the cell cannot be it. A row without any gives zeros.
    """
    usable = possible & (prior > 0)
    logits = evidence + prior.clamp(min=1e-12).log()
    shares = logits.masked_fill(~usable, -1e30).softmax(1)
    return shares * usable.any(1, keepdim=True)
