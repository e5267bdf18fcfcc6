"""`open_clip:MODEL[/TAG or PATH]`: what it means and where its weights are.

After the first slash stands a path when it is a file, contains a slash or ends like weights (.pt
.pth .bin .safetensors); otherwise a tag. Without either, the tag is the first that open_clip lists
for the model: the weights that its makers published (`openai` for ViT-B-32).

Tags say how images are prepared and with which GELU the model was trained. A path says neither: it
gets the preparation of the model's first tag and the GELU of the model's name (`ViT-B-32-quickgelu`
is the twin of `ViT-B-32`).
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grounding.encoders.hub import (
    OPEN_CLIP_FILES,
    Weights,
    cached,
    configs_missing,
    from_hub,
    hub_cache,
    nearest,
    not_there,
    quiet,
)
from grounding.errors import BadInput

_ENDS = (".pt", ".pth", ".bin", ".safetensors")


@dataclass(frozen=True, slots=True)
class OpenClipName:
    """A model of open_clip with its weights: a tag or an absolute path."""

    model: str
    weights: str | Path

    def __str__(self) -> str:
        return f"open_clip:{self.model}/{self.weights}"

    @staticmethod
    def matches(name: str) -> bool:
        """Whether a name is meant for open_clip."""
        return name.partition(":")[0] == "open_clip"

    @classmethod
    def parse(cls, name: str) -> OpenClipName:
        """Split a name as the module says.

        Raises:
            BadInput: open_clip has no such model or tag, or there is no such file.
        """
        import open_clip

        model, _, weights = name.partition(":")[2].partition("/")
        models = open_clip.list_models()
        if model not in models:
            hint = nearest(model, models) or "; grounding weights list names some"
            raise BadInput(f"{name}: open_clip has no model {model!r}{hint}")
        path = Path(weights).expanduser()
        if weights and ("/" in weights or weights.endswith(_ENDS) or path.is_file()):
            if not path.is_file():
                raise BadInput(f"{name}: there is no file {path}; check the path")
            return cls(model, path.absolute())
        tags = open_clip.list_pretrained_tags_by_model(model)
        if not tags:
            raise BadInput(
                f"{name}: open_clip knows no public weights of {model}; "
                f"give a file: open_clip:{model}/PATH"
            )
        tag = weights.lower().replace("-", "_") or tags[0]
        if tag not in tags:
            hint = nearest(tag, tags) or f"; it has {', '.join(tags)}"
            raise BadInput(f"{name}: {model} has no weights {weights!r}{hint}")
        return cls(model, tag)

    @property
    def config(self) -> dict[str, Any]:
        """The model's architecture."""
        import open_clip

        config: dict[str, Any] = open_clip.get_model_config(self.model)
        return config

    @property
    def trained(self) -> dict[str, Any]:
        """How the weights were trained: source, preparation of images, GELU."""
        import open_clip

        if not isinstance(self.weights, Path):
            return dict(open_clip.get_pretrained_cfg(self.model, self.weights))
        tags = open_clip.list_pretrained_tags_by_model(self.model)
        usual = open_clip.get_pretrained_cfg(self.model, tags[0]) if tags else {}
        return {key: value for key, value in usual.items() if key != "quick_gelu"}

    def find(self) -> Weights:
        """The weights, without downloading.

        Raises:
            BadInput: they are not there.
        """
        file = self._file()
        if file is None:
            raise self._missing()
        text, lacking = self.config["text_cfg"], None
        if (repo := text.get("hf_model_name")) and cached(repo, "config.json") is None:
            raise configs_missing(str(self), repo)
        repo = text.get("hf_tokenizer_name")
        if repo and cached(repo, "tokenizer_config.json") is None:
            lacking = f"sentences also need the tokenizer of hf hub {repo}, not in {hub_cache()}"
        return Weights(str(self), (file,), lacking)

    def fetch(self) -> Weights:
        """The weights, downloaded where they are not there.

        Raises:
            BadInput: they cannot be downloaded.
        """
        import open_clip

        file = self._file()
        if file is None:
            download = open_clip.download_pretrained
            file = Path(from_hub(self._hub()[0], lambda: download(self.trained), self._missing))
        return Weights(str(self), (file,))

    def _file(self) -> Path | None:
        """The weights on this machine."""
        return self.weights if isinstance(self.weights, Path) else cached(*self._hub())

    def _hub(self) -> tuple[str, ...]:
        """Repository and the file names that may hold the weights, safetensors first."""
        repo, _, file = self.trained["hf_hub"].rpartition("/")
        files = (f"{Path(file).stem}.safetensors", file) if file else OPEN_CLIP_FILES
        return (repo, *files)

    def _missing(self, why: str | None = None) -> BadInput:
        """The one line about weights that are not there; `why` a download failed."""
        import open_clip

        repo, *files = self._hub()
        # a file does not say with which GELU it was trained; the model's name must
        twin = f"{self.model}-quickgelu"
        quick = self.trained.get("quick_gelu") and twin in open_clip.list_models()
        return not_there(
            str(self),
            "the weights",
            f"{repo}, {' or '.join(files)}{self._size()}",
            why,
            f"pass open_clip:{twin if quick else self.model}/PATH",
        )

    def _size(self) -> str:
        """`, about N MB`, from the architecture; empty where part of that is on the hub itself."""
        if "hf_model_name" in self.config["text_cfg"]:
            return ""
        import open_clip
        import torch

        with quiet(), torch.device("meta"):
            model = open_clip.create_model(self.model, device="meta")
        return f", about {sum(p.numel() for p in model.parameters()) * 4 / 1e6:.0f} MB"


def open_clip_models() -> int:
    """How many models the installed open_clip knows; does not import it."""
    spec = importlib.util.find_spec("open_clip")
    assert spec is not None and spec.submodule_search_locations
    folder = Path(spec.submodule_search_locations[0]) / "model_configs"
    return sum(1 for _ in folder.glob("*.json"))
