"""One batch over several processes: each encodes its own videos and sentences, all see all of them.

The loss is then computed by every process over the whole batch, so that heads need not know of
processes. Gradients are averaged over W processes afterwards (as DistributedDataParallel does it).
Two kinds of weights meet there:

* behind the gathering every process computes the same, whole gradient: its mean is right;
* before it, each computes only what its own rows are to blame for: the sum is right. So the
  gradient is multiplied by W where it leaves the gathered rows for the own ones.

Nothing is sent backward: the gradient of its own rows is known to each process already.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.distributed
from torch import Tensor

from models.records import Batch, Padded, Parts


def split(batch: Batch, rank: int, count: int) -> Batch:
    """The part of a whole batch that process `rank` of `count` encodes; what else it holds stays.

    Whole videos are dealt out, those with most queries first, so that processes have equally many
    videos, give or take one. One that is left without any encodes the first video and sentence for
    nothing: its weights take part in every step, and no encoder need bear an empty batch.
    """
    asked = torch.bincount(batch.video, minlength=len(batch.clips.x))
    dealt = asked.argsort(descending=True, stable=True)
    videos = tuple(dealt[r::count].sort().values for r in range(count))
    owner = torch.empty_like(dealt)
    for r, places in enumerate(videos):
        owner[places] = r
    queries = tuple(torch.nonzero(owner[batch.video] == r).squeeze(1) for r in range(count))
    return batch._replace(
        clips=_rows(batch.clips, _or_first(videos[rank])),
        words=_rows(batch.words, _or_first(queries[rank])),
        parts=Parts(rank, videos, queries),
    )


def alone(batch: Batch) -> Batch:
    """Of a batch that was split, what this process knows without the others: its own videos and
    queries.

    One without any is left with a query and a video that do not belong together; its loss must not
    count.
    """
    assert batch.parts is not None
    parts = batch.parts
    videos, queries = _or_first(parts.videos[parts.rank]), _or_first(parts.queries[parts.rank])
    place = batch.video.new_zeros(int(batch.video.max()) + 1)
    place[videos] = torch.arange(len(videos), device=place.device)
    asked: dict[str, Any] = {
        name: _rows(value, queries) if isinstance(value, Padded) else value[queries]
        for name, value in batch._asdict().items()
        if name not in ("clips", "words", "parts")
    }
    return batch._replace(**{**asked, "video": place[asked["video"]], "parts": None})


def gather(own: Tensor, places: Sequence[Tensor], rank: int) -> Tensor:
    """(B_rank, ...) rows of each process -> (B, ...), row i of process r at `places[r][i]`.

    Processes may have different numbers of rows, also none; rows beyond them in `own` are dropped.
    """
    gathered: Tensor = _Gather.apply(own[: len(places[rank])], list(places), rank)
    return gathered


def gather_encoded(clips: Padded, sentence: Tensor, parts: Parts) -> tuple[Padded, Tensor]:
    """Encoded clips (V_rank, L, D) and sentences (Q_rank, D) of each process -> those of all."""
    x = gather(clips.x, parts.videos, parts.rank)
    mask = gather(clips.mask.to(torch.uint8), parts.videos, parts.rank).bool()
    return Padded(x, mask), gather(sentence, parts.queries, parts.rank)


def each_own(part: Callable[[Padded], Tensor], clips: Padded, parts: Parts | None) -> Tensor:
    """`part` of all V videos, each computed by the process that has the video: for what is dear.

    Args:
        part: (V', L, D) -> (V', ...), each video for itself.
        clips: (V, L, D) gathered from all processes.
        parts: who has which; None where there is one process.
    """
    if parts is None:
        return part(clips)
    places = parts.videos[parts.rank]
    rows = _or_first(places)
    x: Tensor = _Own.apply(clips.x, rows, len(parts.videos))
    return gather(part(Padded(x, clips.mask[rows])), parts.videos, parts.rank)


def _rows(sequences: Padded, places: Tensor) -> Padded:
    return Padded(sequences.x[places], sequences.mask[places])


def _or_first(places: Tensor) -> Tensor:
    return places if len(places) else places.new_zeros(1)


class _Gather(torch.autograd.Function):
    """Own rows -> all rows; the gradient of the own ones times the number of processes."""

    @staticmethod
    def forward(ctx: Any, own: Tensor, places: list[Tensor], rank: int) -> Tensor:
        ctx.places, ctx.rank = places, rank
        # backends want equal sizes: all send as many rows as the longest
        sent = own.new_zeros(max(map(len, places)), *own.shape[1:])
        sent[: len(own)] = own
        received = [torch.empty_like(sent) for _ in places]
        torch.distributed.all_gather(received, sent)
        out = own.new_empty(sum(map(len, places)), *own.shape[1:])
        for place, piece in zip(places, received, strict=True):
            out[place] = piece[: len(place)]
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        return grad[ctx.places[ctx.rank]] * len(ctx.places), None, None


class _Own(torch.autograd.Function):
    """All rows -> own rows. The gradient that arrives has been multiplied by the number of
    processes already and will be again where the rows were gathered, hence the division.
    """

    @staticmethod
    def forward(ctx: Any, rows: Tensor, places: Tensor, count: int) -> Tensor:
        ctx.save_for_backward(places)
        ctx.shape, ctx.count = rows.shape, count
        return rows[places]

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        (places,) = ctx.saved_tensors
        whole = grad.new_zeros(ctx.shape)
        whole[places] = grad / ctx.count
        return whole, None, None
