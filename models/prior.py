"""The Gaussian prior over cells and its dynamic adjustment (DGA): d3g.md sections 3 and 5.

One axis for everything: clip x stands at its centre, t_x = (2 x + 1) / N - 1 in [-1, 1], and so
does a Gaussian's
mean; the samples of a cell are clips of the cell. (The published code used two axes that disagree
by up to a clip and took the last sample one clip past the moment.)
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from models.cells import Cells


def axis(clips: int, device: torch.device | None = None) -> Tensor:
    """(N,) centres of the clips on [-1, 1]."""
    return (2 * torch.arange(clips, device=device) + 1) / clips - 1


def gaussian(clips: int, sigma: float | Tensor, device: torch.device | None = None) -> Tensor:
    """(N, N): row c is the curve G_c over clips, exp(-(t_x - t_c)^2 / (2 sigma^2)), 1 at its
    centre; (Q, N, N) for Q sigmas.
    """
    t = axis(clips, device)
    spread = sigma[:, None, None] if isinstance(sigma, Tensor) else sigma
    curves: Tensor = torch.exp(-((t[None, :] - t[:, None]) ** 2) / (2 * spread**2))
    return curves


def on_cells(curve: Tensor, cells: Cells) -> Tensor:
    """A weight per clip (Q, N) -> a weight per cell (Q, P): the mean at its start, middle and end.

    A cell with an even number of clips has two middle clips; their mean stands for the middle.
    """
    total = cells.first + cells.last
    middle = (curve[:, total // 2] + curve[:, (total + 1) // 2]) / 2
    return (curve[:, cells.first] + middle + curve[:, cells.last]) / 3


def like_glance(clips: Tensor, glance: Tensor) -> Tensor:
    """(Q, N, D) encoded clips, (Q,) glanced clip -> (Q, N) cosine with it, at least 0: what DGA
    follows as published. Never asks the sentence.
    """
    rows = torch.arange(len(glance), device=clips.device)
    unit = F.normalize(clips, dim=-1)
    return torch.einsum("qnd,qd->qn", unit, unit[rows, glance]).clamp(min=0)


def like_sentence(fit: Tensor, glance: Tensor) -> Tensor:
    """(Q, N) how well clips fit the sentence, 0 = as usual -> (Q, N) in [0, 1] as a share of the
    glanced clip's fit, or of the mean fit of what fits where that is more: the text decides what
    the event is, so a second one of the same kind counts however far it is.
    """
    good = fit.clamp(min=0)
    mean = good.sum(1) / (good > 0).sum(1).clamp(min=1)
    at_glance = good.gather(1, glance[:, None]).squeeze(1)
    return (good / torch.maximum(mean, at_glance).clamp(min=1e-6)[:, None]).clamp(max=1)


class Adjustment:
    """DGA's memory: for each training query, how long each clip has looked like the glanced one.

    Plain tensors with `state_dict` and `load_state_dict`, so that a resumed training goes on with
    the same centres; rows are queries by their place in the dataset.
    """

    def __init__(
        self,
        queries: int,
        clips: int,
        threshold: float,
        momentum: float,
        most: int,
        average: bool = False,
    ) -> None:
        """Start with one centre per query.

        Args:
            queries: training queries.
            clips: N.
            threshold: clips at least this similar to the glanced one gain, others lose.
            momentum: share of the new similarity; the rest is the remembered one.
            most: counters stop here, so that a clip which no longer looks alike is dropped in so
                many visits.
            average: a moving average of being alike, a centre from one half on, instead of a
                counter.
        """
        self.threshold, self.momentum, self.most = threshold, momentum, most
        self.average = average
        kind = torch.float32 if average else torch.long
        self.counter = torch.zeros(queries, clips, dtype=kind)
        self.similarity = torch.zeros(queries, clips)
        self.visited = torch.zeros(queries, dtype=torch.bool)

    @torch.no_grad()
    def visit(self, query: Tensor, seen: Tensor, glance: Tensor, window: Tensor | float) -> None:
        """Look once more at these queries' videos and move their centres.

        Args:
            query: (Q,) places in the dataset.
            seen: (Q, N) how much each clip is like the glanced one, in [0, 1].
            glance: (Q,) the glanced clip.
            window: one or (Q,): centres may be so far from the glance, as a share of the video.
        """
        count = seen.shape[1]
        seen, place, centre = seen.cpu(), query.cpu(), glance.cpu()
        mixed = self.momentum * seen + (1 - self.momentum) * self.similarity[place]
        seen = torch.where(self.visited[place][:, None], mixed, seen).clamp(min=0)

        reach = torch.as_tensor(window).cpu().expand(len(place))[:, None] * count
        near = (torch.arange(count) - centre[:, None]).abs() <= reach
        alike = seen >= self.threshold
        counter = self.counter[place]
        if self.average:
            counter = counter + (1 - self.momentum) * ((alike & near).float() - counter)
            full = 1.0
        else:
            counter = counter + (near & alike).long()
            counter = counter - (counter > 0).long() * (~alike).long()
            counter = counter.clamp(max=self.most)
            full = self.most
        rows = torch.arange(len(place))
        counter[rows, centre] = full  # what was clicked always counts
        seen[rows, centre] = 1.0
        self.counter[place], self.similarity[place] = counter, seen
        self.visited[place] = True

    def centres(self, query: Tensor) -> Tensor:
        """(Q,) -> (Q, N), True where a clip is a centre; none of a query that was never visited."""
        return self.counter[query.cpu()] >= (0.5 if self.average else 1)

    def curve(self, query: Tensor, sigma: float | Tensor) -> Tensor:
        """(Q,) visited queries, one sigma or (Q,) -> (Q, N): the mean of the Gaussians at their
        centres, weighted by similarity.
        """
        place = query.cpu()
        centres = self.centres(place).float()
        weight = centres * self.similarity[place]
        bells = gaussian(self.counter.shape[1], sigma if isinstance(sigma, float) else sigma.cpu())
        bumps = weight @ bells if bells.ndim == 2 else torch.einsum("qn,qnm->qm", weight, bells)
        return (bumps / centres.sum(1, keepdim=True).clamp(min=1)).to(query.device)

    def state_dict(self) -> dict[str, Tensor]:
        """All memory, as tensors."""
        return {
            "counter": self.counter,
            "similarity": self.similarity,
            "visited": self.visited,
        }

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Take up a saved memory.

        Raises:
            ValueError: it belongs to another number of queries or clips.
        """
        if state["counter"].shape != self.counter.shape:
            raise ValueError(
                f"the saved state is for {tuple(state['counter'].shape)} queries and clips, "
                f"not {tuple(self.counter.shape)}"
            )
        self.counter = state["counter"].clone()
        self.similarity = state["similarity"].clone()
        self.visited = state["visited"].clone()
