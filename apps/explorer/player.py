"""What the player plays: the recording itself, or an MP4 made of it where browsers cannot."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import streamlit as st

from apps.explorer.jobs import Job
from apps.explorer.place import MEMORY, the_place
from apps.explorer.text import plain
from grounding import isolated
from grounding.errors import BadInput
from grounding.files import make_room
from grounding.media.playable import obstacle, proxy_path

LONGEST = 4 * 3600.0  # seconds that making a proxy may take
EXAMINATION = 120.0  # seconds that looking at an upload may take


def source(path: Path) -> dict[str, Any]:
    """`src` and `message` for the player; waits on screen while a proxy is made.

    Raises:
        BadInput: the recording lies outside the workspace.
    """
    place = the_place()
    path = place.workspace.inside(path)
    uploaded = path.is_relative_to(place.workspace.store / "uploads")
    try:
        changed = path.stat().st_mtime_ns
    except OSError as error:
        raise BadInput(f"{path.name}: {error.strerror}; reload the page") from None
    why = _obstacle(str(path), changed, uploaded)
    if why is None:
        return {"src": place.recordings.address(path), "message": ""}
    store = place.workspace.store / "proxies"
    proxy = proxy_path(path, store)
    if proxy.is_file():
        with contextlib.suppress(OSError):
            proxy.touch()  # the ones looked at last stay longest
        return {"src": place.recordings.address(proxy), "message": ""}
    make_room(store.glob("*.mp4"), place.store_limit << 20)
    key = ("proxy", str(proxy))
    job = place.jobs.start(key, _making(path, proxy))
    if job.finished.is_set() and job.error is None:
        if proxy.is_file():
            return {"src": place.recordings.address(proxy), "message": ""}
        place.jobs.forget(key)  # someone has removed it
        job = place.jobs.start(key, _making(path, proxy))
    if job.error is not None:
        st.button("Try again", on_click=place.jobs.forget, args=(key,))
        return {"src": None, "message": place.workspace.shown(job.error)}
    wait(job, f"{path.name}: {why}. Making a copy that it can play")
    return {"src": None, "message": "Preparing the recording …"}


@st.cache_data(max_entries=4096, show_spinner=False)
def _obstacle(path: str, changed: int, uploaded: bool) -> str | None:
    """Why browsers cannot play it; what a stranger sent is looked at in another process."""
    try:
        return examine(Path(path))["obstacle"] if uploaded else obstacle(path)
    except BadInput as error:
        return str(error)


def examine(path: Path) -> dict[str, Any]:
    """What an upload is; see `grounding.tasks.examine`.

    Raises:
        BadInput: it is broken, or takes too long or too much memory.
    """
    facts: dict[str, Any] = isolated.call(
        "examine", {"path": str(path)}, seconds=EXAMINATION, memory=MEMORY
    )
    return facts


def _making(path: Path, proxy: Path) -> Callable[..., Any]:
    def work(tell: Callable[[float, float, str], None], stop: threading.Event) -> Any:
        return isolated.call(
            "proxy",
            {"path": str(path), "out": str(proxy)},
            seconds=LONGEST,
            memory=MEMORY,
            progress=tell,
            stop=stop,
        )

    return work


def wait(job: Job, text: str) -> None:
    """A progress bar that follows a job, a way to stop it, and the page anew when it ends."""

    @st.fragment(run_every=0.5)
    def follow() -> None:
        if job.finished.is_set():
            st.rerun()
        left, right = st.columns([5, 1], vertical_alignment="bottom")
        doing = f"{text}: {job.what}" if job.what else text
        left.progress(job.share, text=plain(doing))
        right.button("Stop", on_click=job.stop.set, width="stretch", disabled=job.stop.is_set())

    follow()
