"""First start without data: what can be opened, and the sample in one click."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import streamlit as st

from apps.explorer.place import the_place
from apps.explorer.player import wait
from apps.explorer.text import plain
from grounding import isolated
from grounding.workspace import Catalog

LONGEST = 3600.0  # seconds


def show(catalog: Catalog) -> None:
    """Say what is missing and how to get it."""
    place = the_place()
    st.title("When does it happen?", anchor=False)
    st.write(
        "A sentence goes in with a recording; moments come out: start, end and score. "
        "This page shows them on top of the recording, beside the truth."
    )
    for warning in catalog.warnings[:5]:
        st.warning(plain(place.workspace.shown(warning)))
    st.write(
        "There is no dataset, run or prediction file here yet. The sample makes all three: it "
        "renders 96 short videos and trains a model on them, which takes a few minutes."
    )
    folder = place.workspace.demo
    key = ("demo", str(folder))
    # a job that was stopped before begins anew
    pressed = st.button("Make the sample", type="primary", on_click=place.jobs.forget, args=(key,))
    if pressed or st.session_state.get("making"):
        st.session_state["making"] = True
        job = place.jobs.start(key, _demo(str(folder)))
        if job.error is not None:
            st.session_state["making"] = False
            st.error(plain(place.workspace.shown(job.error)))
        else:
            wait(job, "Making the sample")
    st.divider()
    st.write("With recordings of your own:")
    st.code(
        "grounding init FOLDER --queries SHEET.csv --out DATASET\n"
        "grounding app DATASET RUN PREDICTIONS.jsonl",
        language=None,
    )


def _demo(folder: str) -> Callable[..., Any]:
    def work(tell: Callable[[float, float, str], None], stop: threading.Event) -> Any:
        device, _ = the_place().limits()
        arguments = {"folder": folder, "device": device}
        return isolated.call("demo", arguments, seconds=LONGEST, progress=tell, stop=stop)

    return work
