"""Ask WHEN something happens in a video, a sound recording or a motion-capture take."""

from __future__ import annotations

import importlib
import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from grounding.predict import Grounder
    from grounding.timeline import Timeline
    from grounding.types import Moment, Prediction, Query, Sample

__all__ = ["Grounder", "Moment", "Prediction", "Query", "Sample", "Timeline"]

_HOMES = {
    "Grounder": "grounding.predict",
    "Timeline": "grounding.timeline",
    "Moment": "grounding.types",
    "Prediction": "grounding.types",
    "Query": "grounding.types",
    "Sample": "grounding.types",
}


def __getattr__(name: str) -> Any:
    """Public names, imported when first used: `import grounding` stays light."""
    if name not in _HOMES:
        raise AttributeError(f"module 'grounding' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def _check_models() -> None:
    """`models` is a common name: say so when it is not ours, instead of failing in some import
    later.
    """
    ours = Path(__file__).resolve().parent.parent / "models" / "__init__.py"
    found = importlib.util.find_spec("models")
    path = Path(found.origin).resolve() if found and found.origin else None
    if path != ours:
        raise ImportError(
            f"another package called 'models' shadows ours: found {path}, expected {ours}; "
            "start from the project's folder or take the other one off sys.path"
        )


_check_models()
