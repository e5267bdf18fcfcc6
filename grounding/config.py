"""YAML + dotted overrides -> RunSettings; a wrong key names itself, its file and the nearest valid
key.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, fields, is_dataclass
from pathlib import Path
from typing import Any

import yaml
from jsonargparse import ArgumentError, ArgumentParser

from grounding.errors import ConfigError
from grounding.settings import (
    FeatureSettings,
    RunSettings,
    TextSettings,
    TrainingSettings,
    VideoSettings,
)

_SECTIONS: dict[str, type[Any]] = {
    "features": FeatureSettings,
    "text": TextSettings,
    "video": VideoSettings,
    "training": TrainingSettings,
}


def load(path: str | Path | None, overrides: Sequence[str] = ()) -> RunSettings:
    """Read a config file (None = all defaults) and apply overrides such as `--training.epochs 3`.

    Raises:
        ConfigError: a file, key or value is wrong; one line.
    """
    given = {} if path is None else _read(Path(path))
    source = "the defaults" if path is None else str(path)
    head = _peek_head(given, overrides)
    from models.heads import HEADS

    if head not in HEADS:
        near = difflib.get_close_matches(head, HEADS, 1)
        hint = f"did you mean {near[0]}?" if near else f"take one of {', '.join(sorted(HEADS))}"
        raise ConfigError(f"{source}: head {head!r} is unknown; {hint}")
    sections = {**_SECTIONS, "method": HEADS[head].settings}
    valid = {"dataset", "head", *_keys(sections)}
    for key in _flatten(given):
        _known(key, valid, source)
    for name in sections:
        if not isinstance(given.get(name, {}), Mapping):
            raise ConfigError(f"{source}: {name} is {given[name]!r}; it must hold keys and values")
    for word in overrides:
        if word.startswith("--"):
            _known(word[2:].split("=")[0], valid, "the command")

    parser = ArgumentParser(exit_on_error=False)
    parser.add_argument("--dataset", type=str | None, default=None)
    parser.add_argument("--head", type=str, default=head)
    for name, section in sections.items():
        parser.add_argument(f"--{name}", type=section, default=section())
    try:
        base = parser.parse_object(given)
        parsed = parser.parse_args(list(overrides), namespace=base)
    except ArgumentError as error:
        raise ConfigError(f"{source}: {_one_line(error)}") from None
    try:
        built = parser.instantiate(parsed)
    except ValueError as error:
        raise ConfigError(f"{source}: {error}") from None
    return RunSettings(**{f.name: built[f.name] for f in fields(RunSettings)})


def dump(settings: RunSettings) -> str:
    """The complete config as YAML; loading it gives the same settings."""
    return yaml.safe_dump(asdict(settings), sort_keys=False)


def _read(path: Path) -> dict[str, Any]:
    try:
        loaded = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(
            f"{path}: no such config file; those that come along are in configs/"
        ) from None
    except IsADirectoryError:
        raise ConfigError(f"{path}: is a folder; give the YAML file") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: is not UTF-8 text; give a YAML file") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        what = getattr(error, "problem", None) or "not YAML"
        raise ConfigError(f"{path}{line}: {what}; correct the YAML") from None
    if loaded is None:
        return {}
    if not isinstance(loaded, dict):
        raise ConfigError(f"{path}: holds {type(loaded).__name__}, not keys and values")
    return loaded


def _peek_head(given: Mapping[str, Any], overrides: Sequence[str]) -> str:
    head = str(given.get("head", "frames"))
    for i, word in enumerate(overrides):
        if word == "--head" and i + 1 < len(overrides):
            head = overrides[i + 1]
        elif word.startswith("--head="):
            head = word.split("=", 1)[1]
    return head


def _keys(sections: Mapping[str, type[Any]]) -> Iterator[str]:
    for name, section in sections.items():
        yield name
        assert is_dataclass(section)
        yield from (f"{name}.{f.name}" for f in fields(section))


def _flatten(given: Mapping[Any, Any], prefix: str = "") -> Iterator[str]:
    for key, value in given.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            yield from _flatten(value, name + ".")
        else:
            yield name


def _known(key: str, valid: set[str], source: str) -> None:
    if key in valid:
        return
    section, _, last = key.rpartition(".")
    siblings = sorted(v.rpartition(".")[2] for v in valid if v.rpartition(".")[0] == section)
    near = difflib.get_close_matches(last, siblings, 1)
    close = [f"{section}.{near[0]}" if section else near[0]] if near else []
    close = close or difflib.get_close_matches(key, valid, 1, cutoff=0.8)
    hint = (
        f"did you mean {close[0]!r}?" if close else f"valid: {', '.join(siblings or sorted(valid))}"
    )
    raise ConfigError(f"{source}: unknown key {key!r}; {hint}")


def _one_line(error: ArgumentError) -> str:
    """The first telling line of jsonargparse's report."""
    text = " ".join(line.strip(" -") for line in str(error).splitlines() if line.strip())
    key = re.match(r'Parser key "([^"]+)": Expected an? (.+)\. Got value: (.*)', text)
    empty = re.match(
        r'Parser key "([^"]+)": Does not .* Subtypes: \[(.+), <class \'NoneType\'>\] '
        r"Errors: .* Given value: (.*)",
        text,
    )
    if found := key or empty:
        kind = re.sub(r"<class '(\w+)'>|typing\.Literal\[(.*)\]", r"\1\2", found[2])
        return f"{found[1]} is {found[3]!r}; it must be {kind}{' or null' if empty else ''}"
    return text[:300]
