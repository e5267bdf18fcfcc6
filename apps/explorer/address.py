"""The address of a page: pages write it, and read it where a link, Back or Forward has set it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import streamlit as st

Params = Mapping[str, str | Sequence[str]]


def write(params: Params) -> None:
    """Let the address say what the page shows."""
    st.query_params.from_dict(params)
    st.session_state["address"] = _held()


def has_led_here() -> bool:
    """Whether the address is another one than this visitor's pages wrote last.

    True on arrival by a link, and after Back or Forward; ask once in a run of a whole page. An
    empty one leads nowhere: the visitor has changed pages and comes back to what was there.
    """
    held = _held()
    is_new = bool(held) and held != st.session_state.get("address")
    st.session_state["address"] = held or st.session_state.get("address")
    return is_new


def _held() -> dict[str, list[str]]:
    return {key: st.query_params.get_all(key) for key in st.query_params}
