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


def gaussian(clips: int, sigma: float, device: torch.device | None = None) -> Tensor:
    """(N, N): row c is the curve G_c over clips, exp(-(t_x - t_c)^2 / (2 sigma^2)), 1 at its
    centre.
    """
    t = axis(clips, device)
    return torch.exp(-((t[None, :] - t[:, None]) ** 2) / (2 * sigma**2))


def on_cells(curve: Tensor, cells: Cells) -> Tensor:
    """A weight per clip (Q, N) -> a weight per cell (Q, P): the mean at its start, middle and end.

    A cell with an even number of clips has two middle clips; their mean stands for the middle.
    """
    total = cells.first + cells.last
    middle = (curve[:, total // 2] + curve[:, (total + 1) // 2]) / 2
    return (curve[:, cells.first] + middle + curve[:, cells.last]) / 3


class Adjustment:
    """DGA's memory: for each training query, how long each clip has looked like the glanced one.

    Plain tensors with `state_dict` and `load_state_dict`, so that a resumed training goes on with
    the same centres; rows are queries by their place in the dataset.
    """

    def __init__(
        self, queries: int, clips: int, window: float, threshold: float, momentum: float, most: int
    ) -> None:
        """Start with one centre per query.

        Args:
            queries: training queries.
            clips: N.
            window: centres may move so far from the glance, as a share of the video.
            threshold: clips at least this similar (cosine) to the glanced one gain, others lose.
            momentum: share of the new similarity; the rest is the remembered one.
            most: counters stop here, so that a clip which no longer looks alike is dropped in so
                many visits.
        """
        self.window, self.threshold, self.momentum, self.most = window, threshold, momentum, most
        self.counter = torch.zeros(queries, clips, dtype=torch.long)
        self.similarity = torch.zeros(queries, clips)
        self.visited = torch.zeros(queries, dtype=torch.bool)

    @torch.no_grad()
    def visit(self, query: Tensor, clips: Tensor, glance: Tensor) -> None:
        """Look once more at these queries' videos and move their centres.

        Args:
            query: (Q,) places in the dataset.
            clips: (Q, N, D) encoded clips of each query's video.
            glance: (Q,) the glanced clip.
        """
        count = clips.shape[1]
        rows = torch.arange(len(query), device=clips.device)
        unit = F.normalize(clips, dim=-1)
        seen = torch.einsum("qnd,qd->qn", unit, unit[rows, glance]).cpu()
        place, centre = query.cpu(), glance.cpu()
        before = self.similarity[place]
        mixed = self.momentum * seen + (1 - self.momentum) * before
        seen = torch.where(self.visited[place][:, None], mixed, seen).clamp(min=0)

        distance = (torch.arange(count) - centre[:, None]).abs()
        near = distance <= self.window * count
        counter = self.counter[place]
        alike = seen >= self.threshold
        counter = counter + (near & alike).long()
        counter = counter - (counter > 0).long() * (~alike).long()
        counter = counter.clamp(max=self.most)
        counter[torch.arange(len(place)), centre] = self.most  # what was clicked always counts
        seen[torch.arange(len(place)), centre] = 1.0
        self.counter[place], self.similarity[place] = counter, seen
        self.visited[place] = True

    def centres(self, query: Tensor) -> Tensor:
        """(Q,) -> (Q, N), True where a clip is a centre; none of a query that was never visited."""
        return self.counter[query.cpu()] >= 1

    def curve(self, query: Tensor, sigma: float) -> Tensor:
        """(Q,) visited queries -> (Q, N): the mean of the Gaussians at their centres, weighted by
        similarity.
        """
        place = query.cpu()
        centres = self.centres(place).float()
        weight = centres * self.similarity[place]
        bumps = weight @ gaussian(self.counter.shape[1], sigma)
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
