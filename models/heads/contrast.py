"""What sentences are contrasted with, and how much each query counts: for clips and cells alike.

Symbols: Q queries, V videos, K candidates (clips or cells) of a video, D width, M remembered
moments.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from models.contrastive import info_nce_rows
from models.heads.registry import Settings
from models.records import Batch

_KEPT = 0.7  # share of the remembered loss of a query


@dataclass(frozen=True)
class ContrastSettings(Settings):
    """Options of the contrast; docs/methods.md has what each brings.

    Attributes:
        duplicates: sentences whose vectors have at least this cosine count as the same one and are
            no negatives of each other; 1 = equal sentences alone.
        hardness: a negative's temperature falls with its similarity, down to 1 / (1 + hardness).
        reverse: weight of the contrast of each moment with all sentences.
        queue: moments of past batches that are negatives too.
        doubt: queries whose loss stays far above the others' count less, the more the larger.
    """

    duplicates: float = 1.0
    hardness: float = 0.0
    reverse: float = 0.0
    queue: int = 0
    doubt: float = 0.0


class Contrast:
    """InfoNCE of sentences with candidates, with the memory that its options need."""

    def __init__(
        self,
        settings: ContrastSettings,
        temperature: float,
        *,
        compete: bool = False,
        average: bool = True,
    ) -> None:
        """`compete`, `average`: as in `info_nce`."""
        self.settings, self.temperature = settings, temperature
        self.compete, self.average = compete, average
        self.state: dict[str, Tensor] = {}

    def prepare(self, queries: int, width: int) -> None:
        """Training begins, on so many queries; moments have `width` numbers."""
        if self.settings.queue:
            self.state["moments"] = torch.zeros(self.settings.queue, width)
            self.state["sentences"] = torch.full((self.settings.queue,), -1)
            self.state["vectors"] = torch.zeros(self.settings.queue, width)
        if self.settings.doubt:
            self.state["losses"] = torch.full((queries,), float("nan"))

    def __call__(
        self,
        cosine: Tensor,
        weight: Tensor,
        negative: Tensor,
        mask: Tensor,
        batch: Batch,
        text: Tensor,
        moments: Tensor,
    ) -> Tensor:
        """The loss of a batch; a scalar.

        Args:
            cosine: (Q, V, K) of each sentence with the candidates of all videos.
            weight: (Q, K) how much candidates of the own video are positives.
            negative: (Q, K) True where they are negatives.
            mask: (V, K) True where real.
            batch: whose queries they are.
            text: (Q, D) unit vectors of the sentences.
            moments: (Q, D) unit vectors of what each sentence is drawn to, for the queue.
        """
        rows = torch.arange(len(cosine), device=cosine.device)
        same = self._same(batch.sentence, batch.sentence, text, text) & ~batch.absent
        holds = F.one_hot(batch.video, cosine.shape[1]).bool()  # (Q, V)
        shares = (same.float() @ holds.float()) > 0  # videos that are asked the same sentence
        others = mask[None] & ~shares[:, :, None]
        others[rows, batch.video] = negative
        positive = torch.zeros_like(cosine)
        positive[rows, batch.video] = weight
        wide, drawn, apart = cosine.flatten(1), positive.flatten(1), others.flatten(1)
        if "moments" in self.state:
            past = self.state["moments"].to(text.device)
            known = self.state["sentences"].to(text.device)
            alike = self._same(batch.sentence, known, text, self.state["vectors"].to(text.device))
            wide = torch.cat([wide, text @ past.T], 1)
            drawn = torch.cat([drawn, torch.zeros_like(alike, dtype=drawn.dtype)], 1)
            apart = torch.cat([apart, ~alike & (known >= 0)], 1)
            self._remember(batch.sentence, text, moments, weight.sum(1) > 0)
        loss, used = info_nce_rows(
            wide,
            drawn,
            apart,
            self.temperature,
            compete=self.compete,
            average=self.average,
            hardness=self.settings.hardness,
        )
        if self.settings.reverse:
            own = cosine[:, batch.video].permute(1, 2, 0)  # (Q, K, Q'): candidates, all sentences
            here = shares[:, batch.video].T  # (Q, Q'): sentences that the own video is asked
            loss = loss + self.settings.reverse * self._reverse(own, weight, here)
        trust = used * self._trust(batch.query, loss, used)
        return (loss * trust).sum() / trust.sum().clamp(min=1e-6)

    def _same(self, one: Tensor, two: Tensor, vectors: Tensor, others: Tensor) -> Tensor:
        """(Q,), (M,) numbers and (Q, D), (M, D) vectors -> (Q, M) True where it is one sentence."""
        equal = one[:, None] == two[None, :]
        if self.settings.duplicates >= 1:
            return equal
        return equal | ((vectors @ others.T).detach() >= self.settings.duplicates)

    def _reverse(self, own: Tensor, weight: Tensor, here: Tensor) -> Tensor:
        """(Q,) each query's positives against all sentences that are not asked of its video."""
        logits = own / self.temperature
        itself = torch.eye(len(own), dtype=torch.bool, device=own.device)
        floor = torch.finfo(logits.dtype).min
        rest = logits.masked_fill((here & ~itself)[:, None, :], floor)
        mine = logits.diagonal(dim1=0, dim2=2).T  # (Q, K)
        terms = weight * (rest.logsumexp(2) - mine)
        return terms.sum(1) / weight.sum(1).clamp(min=1e-12)

    @torch.no_grad()
    def _trust(self, query: Tensor, loss: Tensor, used: Tensor) -> Tensor:
        """(Q,) in (0, 1): 1/2 at two typical deviations above the median loss of all queries."""
        if "losses" not in self.state:
            return torch.ones_like(loss)
        losses, place = self.state["losses"], query.cpu()
        before, now = losses[place], loss.detach().cpu()
        now = torch.where(before.isnan(), now, _KEPT * before + (1 - _KEPT) * now)
        losses[place] = torch.where(used.cpu(), now, before)
        known = losses[~losses.isnan()]
        if len(known) < 2:
            return torch.ones_like(loss)
        middle = known.median()
        spread = (known - middle).abs().median().clamp(min=1e-6)
        far = (losses[place].nan_to_num(float(middle)) - middle) / spread
        return torch.sigmoid(self.settings.doubt * (2 - far)).to(loss.device)

    @torch.no_grad()
    def _remember(self, sentence: Tensor, text: Tensor, moments: Tensor, known: Tensor) -> None:
        """Newest first; those without a moment are left out."""
        for name, new in (("moments", moments), ("sentences", sentence), ("vectors", text)):
            old = self.state[name]
            self.state[name] = torch.cat([new.detach()[known].to(old), old])[: len(old)]
