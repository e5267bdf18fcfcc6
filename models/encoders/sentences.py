"""Pretrained sentence encoders: the text half of an open_clip model, any transformers encoder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from models.records import Padded

LONGEST = 512  # tokens; what is longer is cut, as its model would


class TextModel(Protocol):
    """The half of an open_clip model that reads."""

    def encode_text(self, text: Tensor) -> Tensor:
        """(Q, W) ids -> (Q, D)."""
        ...


class _Sentences:
    """Sentences -> rows of length 1, a batch at a time."""

    def __init__(self, name: str, weights: str, version: str, width: int, batch: int) -> None:
        if batch < 1:
            raise ValueError(f"batch {batch} is less than 1")
        self.name, self.weights, self.version, self.width = name, weights, version, width
        self._batch = batch

    def encode(self, sentences: Sequence[str]) -> Tensor:
        """Q sentences -> (Q, width) float32 on the CPU, rows of length 1, without gradients."""
        rows = [torch.zeros(0, self.width)]
        # not inference_mode: a head that is trained on these rows keeps them for its backward pass
        with torch.no_grad():
            for i in range(0, len(sentences), self._batch):
                x = self._embed(list(sentences[i : i + self._batch]))
                rows.append(F.normalize(x.float(), dim=-1).cpu())
        return torch.cat(rows)

    def _embed(self, sentences: list[str]) -> Tensor:
        """At most a batch of sentences -> (Q, width)."""
        raise NotImplementedError


class OpenClipSentences(_Sentences):
    """Text embeddings of an open_clip model, comparable with its image embeddings."""

    def __init__(
        self,
        model: TextModel,
        tokenizer: Callable[[list[str]], Tensor],
        *,
        name: str,
        weights: str,
        version: str,
        width: int,
        batch: int = 64,
        device: str = "cpu",
    ) -> None:
        """`model` in evaluation mode on `device`; `tokenizer` the model's own; `weights` their
        hash.

        Raises:
            ValueError: the batch is empty.
        """
        super().__init__(name, weights, version, width, batch)
        self._model, self._tokenizer, self._device = model, tokenizer, device

    def _embed(self, sentences: list[str]) -> Tensor:
        return self._model.encode_text(self._tokenizer(sentences).to(self._device))


class HuggingFaceSentences(_Sentences):
    """Mean of a transformers encoder's last states over the real tokens."""

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        *,
        name: str,
        weights: str,
        version: str,
        batch: int = 64,
        device: str = "cpu",
    ) -> None:
        """`model` (an encoder in evaluation mode on `device`) and `tokenizer` as transformers'
        Auto classes give them; `weights` their hash.

        Raises:
            ValueError: the batch is empty.
        """
        super().__init__(name, weights, version, int(model.config.hidden_size), batch)
        places = getattr(model.config, "max_position_embeddings", None) or LONGEST
        self._longest = min(tokenizer.model_max_length, places, LONGEST)
        self.network, self._tokenizer, self._device = model, tokenizer, device

    def ids(self, sentences: Sequence[str]) -> Padded:
        """Q sentences -> (Q, W) token ids, padded behind, on the CPU."""
        tokens = self._tokenizer(
            list(sentences),
            padding=True,
            padding_side="right",
            truncation=True,
            max_length=self._longest,
            return_tensors="pt",
        )
        return Padded(tokens["input_ids"], tokens["attention_mask"].bool())

    def _embed(self, sentences: list[str]) -> Tensor:
        return mean_state(self.network, *self.ids(sentences).to(self._device))


def mean_state(network: Any, ids: Tensor, mask: Tensor) -> Tensor:
    """(Q, W) ids and their mask -> (Q, D): the mean of a transformers encoder's last states over
    the real tokens, those that mark begin and end among them.
    """
    states: Tensor = network(input_ids=ids, attention_mask=mask.long()).last_hidden_state
    weight = mask.to(states.dtype).unsqueeze(-1)
    mean: Tensor = (states * weight).sum(1) / weight.sum(1).clamp(min=1)
    return mean
