"""Weights on this machine, in the Hugging Face cache and on its hub; imports no torch."""

from __future__ import annotations

import difflib
import hashlib
import json
import logging
import pickle
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from grounding.errors import BadInput
from grounding.features import content_hash

T = TypeVar("T")

OPEN_CLIP_FILES = ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")
_CONFIGS = ["*.json", "*.txt", "*.model"]  # configs and tokenizers


@dataclass(frozen=True, slots=True)
class Weights:
    """Weights that are on this machine.

    Attributes:
        name: the encoder's full name, with its tag or absolute path.
        files: what is loaded; several when the weights come in parts.
        lacking: what sentences need besides and is not there; one line.
    """

    name: str
    files: tuple[Path, ...]
    lacking: str | None = None

    def sha256(self) -> str:
        """Of the file; of the files' hashes where there are several.

        Raises:
            UnreadableMedia: a file cannot be read.
        """
        first, *others = hashes = [content_hash(file) for file in self.files]
        return hashlib.sha256("".join(hashes).encode()).hexdigest() if others else first


def hub_cache() -> Path:
    """Where downloaded weights lie (HF_HOME and HF_HUB_CACHE move it)."""
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE)


def cached(repo: str, *files: str) -> Path | None:
    """The first of the files that the hub cache has."""
    from huggingface_hub import try_to_load_from_cache

    for file in files:
        found = try_to_load_from_cache(repo, file)
        if isinstance(found, str):
            return Path(found)
    return None


def from_hub(repo: str, download: Callable[[], T], missing: Callable[[str], BadInput]) -> T:
    """Download, or raise the error that `missing` makes of the reason."""
    from huggingface_hub import HfApi

    try:
        # one request that does not retry: without a network, each file would retry for 25 s
        HfApi().model_info(repo, timeout=10)
        return download()
    except Exception as error:  # whatever the network, the hub or the disk says
        raise missing(reason(error)) from error


def not_there(name: str, what: str, source: str, why: str | None, remedy: str) -> BadInput:
    """The one line about `what` is not there; `why` a download failed, None = not tried."""
    failed = f" and cannot be downloaded ({why})" if why else " (the first use downloads them)"
    return BadInput(
        f"{name}: {what} (hf hub {source}) are not in {hub_cache()}{failed}; "
        f"without a network, download them elsewhere and {remedy}"
    )


def configs(name: str, repo: str, needed: str) -> Path:
    """The folder with configs and tokenizer of a repository, downloaded at need.

    Raises:
        BadInput: they are not there and cannot be downloaded.
    """
    from huggingface_hub import snapshot_download

    if (file := cached(repo, needed)) is not None:
        return file.parent
    return Path(
        from_hub(
            repo,
            lambda: snapshot_download(repo, allow_patterns=_CONFIGS),
            lambda why: configs_missing(name, repo, why),
        )
    )


def configs_missing(name: str, repo: str, why: str | None = None) -> BadInput:
    """The one line about a text half whose configs or tokenizer are not there."""
    what, remedy = "its text configs and tokenizer", "copy their folder into that cache"
    return not_there(name, what, repo, why, remedy)


def find_sentence_weights(name: str, *, fetch: bool = False) -> Weights:
    """The weights of a Hugging Face text encoder by name or folder, downloaded only to `fetch`.

    Raises:
        BadInput: they are not there and are not or cannot be downloaded, or the name is none.
    """
    from huggingface_hub import HfApi, snapshot_download
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils._validators import validate_repo_id

    path = Path(name).expanduser()
    if path.is_dir():
        files = _parts(path.absolute())
        if not files or not (path / "config.json").is_file():
            raise BadInput(f"{name}: has no config.json with weights (model.safetensors) beside it")
        return Weights(str(path.absolute()), files)
    try:
        validate_repo_id(name)
    except HFValidationError:
        hint = nearest(name, ("open_clip",)) if ":" in name else ""
        raise BadInput(
            f"{name}: is neither a folder with a text encoder nor a Hugging Face name{hint}"
        ) from None

    def missing(why: str | None = None) -> BadInput:
        hint = nearest(name, ("pixel-grid", "words"))
        return not_there(name, "the weights", name, why, f"pass the path of their folder{hint}")

    def download() -> str:
        names = [str(file.rfilename) for file in HfApi().model_info(name).siblings or ()]
        safe = any(n.startswith("model") and n.endswith(".safetensors") for n in names)
        tensors = "model*.safetensors*" if safe else "pytorch_model*.bin*"
        return snapshot_download(name, allow_patterns=[*_CONFIGS, tensors])

    folder = complete_folder(name)
    if folder is None:
        if not fetch:
            raise missing()
        folder = Path(from_hub(name, download, missing))
    if not (files := _parts(folder)):
        raise BadInput(f"{name}: has no weights that transformers can read (model.safetensors)")
    return Weights(name, files)


def complete_folder(repo: str) -> Path | None:
    """The cached folder of a text encoder with config, tokenizer and weights."""
    config = cached(repo, "config.json")
    tokenizer = cached(repo, "tokenizer.json", "tokenizer_config.json", "vocab.txt", "vocab.json")
    if config is None or tokenizer is None or not _parts(config.parent):
        return None
    return config.parent


def _parts(folder: Path) -> tuple[Path, ...]:
    """The weights in a folder, safetensors before pickles; empty where not all parts are there."""
    for whole in ("model.safetensors", "pytorch_model.bin"):
        if (folder / whole).is_file():
            return (folder / whole,)
        index = folder / f"{whole}.index.json"
        if index.is_file():
            names = sorted(set(json.loads(index.read_text())["weight_map"].values()))
            files = tuple(folder / name for name in names)
            return files if all(file.is_file() for file in files) else ()
    return ()


def nearest(word: str, choices: Iterable[str]) -> str:
    """`; did you mean 'X'?`, or nothing."""
    known = {choice.lower(): choice for choice in choices}
    near = difflib.get_close_matches(word.partition(":")[0].lower(), known, 1)
    return f"; did you mean {known[near[0]]!r}?" if near else ""


def reason(error: Exception) -> str:
    """What went wrong, in one short line."""
    from huggingface_hub.errors import OfflineModeIsEnabled

    if isinstance(error, pickle.UnpicklingError):
        return "it is no weights file, or holds more than tensors"
    if isinstance(error, OfflineModeIsEnabled):
        return "HF_HUB_OFFLINE is set"
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 160 else f"{text[:157]}..."


@contextmanager
def quiet() -> Iterator[None]:
    """No bars and no remarks of third parties on stderr: what matters is raised."""
    from transformers.utils import logging as hugging_face

    bars: Any = hugging_face  # its functions are not annotated
    before, shown = logging.root.manager.disable, bars.is_progress_bar_enabled()
    logging.disable(logging.WARNING)
    bars.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
        if shown:
            bars.enable_progress_bar()
