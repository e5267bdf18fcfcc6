"""The two custom views: player with timeline, and the list of queries.

Plain JavaScript beside this file; both get plain data and put text in as text, never as HTML.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import streamlit as st

HERE = Path(__file__).resolve().parent


def _component(name: str, *scripts: str) -> Callable[..., Any]:
    """A view of `<name>.html` and `.css`; its scripts are joined, for one cannot import another."""
    html, css = ((HERE / f"{name}.{kind}").read_text("utf-8") for kind in ("html", "css"))
    js = "\n".join((HERE / f"{script}.js").read_text("utf-8") for script in (*scripts, name))
    return st.components.v2.component(f"grounding_{name}", html=html, css=css, js=js)


_timeline = _component("timeline", "elements", "drawing")
_queries = _component("queries", "elements")


def timeline(data: Mapping[str, Any], key: str, on_place: Callable[[], None] | None = None) -> Any:
    """Player and timeline as one view.

    Args:
        data: `id` (a new one opens anew), `title` and `facts` (lines above and below, or ""), `src`
            (address of the recording, or None), `message`, `start` (seconds, None = at
            the first moment), `steps` (`at` and `total`: the place of this query among
            others; None without), `timeline` (see `grounding.views.timeline`).
        on_place: called on "next" and "previous"; the place to go to is then in the result.

    Returns:
        What the view says: `time`, seconds where the player rests, and `place`.
    """
    return _timeline(
        data=dict(data),
        key=key,
        default={"time": None},
        on_time_change=lambda: None,
        on_place_change=on_place or (lambda: None),
    )


def queries(
    data: Mapping[str, Any],
    key: str,
    on_chosen: Callable[[], None],
    on_turned: Callable[[], None],
) -> Any:
    """One page of the list of queries.

    Args:
        data: `rows` (each with `at`, its place in the whole list, `text`, `sub` and `marks`),
            `first` (place of the first row), `selected` (place), `total`.
        on_chosen: called when a row is chosen; its place is then in the result.
        on_turned: called when the page is turned; 1 or -1 is then in the result.
    """
    return _queries(
        data=dict(data), key=key, on_chosen_change=on_chosen, on_turned_change=on_turned
    )
