"""The explorer's server: Streamlit on this machine's own address, and the recordings beside it."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import sys
import threading
import time
import webbrowser
from collections.abc import Callable
from pathlib import Path
from typing import Any

from apps.explorer.place import Place, set_place, the_place
from apps.explorer.recordings import PREFIX
from grounding import uploads
from grounding.errors import BadInput

HERE = Path(__file__).resolve().parent
ADDRESS = "127.0.0.1"
START = 60.0  # seconds that the server may take to answer
HOSTS = ["127.0.0.1", "localhost"]  # names this server answers to: no other site's page gets in
# One hue. White on it, and it on the light theme's greys, has a contrast of 4.5 at least; what is
# text alone is lighter on dark.
ACCENT = "#1f6bcc"
LINKS = {"light": ACCENT, "dark": "#6aaaf5"}

logger = logging.getLogger(__name__)


def build(place: Place) -> Any:
    """The application as ASGI: pages, and recordings in ranges."""
    import streamlit as st
    from starlette.middleware import Middleware
    from starlette.middleware.trustedhost import TrustedHostMiddleware
    from starlette.routing import Route

    set_place(place)
    return st.App(
        HERE / "app.py",
        routes=[Route(f"{PREFIX}/{{name}}", place.recordings.serve, methods=["GET", "HEAD"])],
        middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=HOSTS)],
        on_script_error=_on_error,
    )


def options(place: Place, port: int) -> dict[str, Any]:
    """Streamlit's settings: on this machine alone, no statistics, no traceback, both themes.

    Headless always: otherwise it offers visitors to write files of its own beside ours.
    """
    themes = {f"theme.{kind}.primaryColor": ACCENT for kind in LINKS}
    themes |= {f"theme.{kind}.linkColor": colour for kind, colour in LINKS.items()}
    return {
        "server.address": ADDRESS,
        "server.port": port,
        "server.headless": True,
        "logger.hideWelcomeMessage": True,
        "server.fileWatcherType": "none",
        "server.runOnSave": False,
        "server.maxUploadSize": place.upload_limit,
        "server.enableStaticServing": False,
        "browser.serverAddress": "localhost",
        "browser.gatherUsageStats": False,
        "client.showErrorDetails": "none",
        "client.toolbarMode": "viewer",
        **themes,
    }


def serve(place: Place, port: int, show: bool, ready: Callable[[str], None]) -> None:
    """Serve until interrupted; `ready` is told the address once the port is known to be free.

    Args:
        show: open the address in the browser of whoever started it, where there is a screen.

    Raises:
        BadInput: the port is taken.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((ADDRESS, port))
        except (OSError, OverflowError) as error:
            why = getattr(error, "strerror", None) or error
            raise BadInput(f"port {port}: {why}; choose another with --port N") from None
    url = f"http://{ADDRESS}:{port}"
    ready(url)
    app = build(place)
    # the first visitor need not wait for files and libraries
    threading.Thread(target=_read_ahead, args=(place,), daemon=True).start()
    if show and (sys.platform != "linux" or {"DISPLAY", "WAYLAND_DISPLAY"} & set(os.environ)):
        threading.Thread(target=_open, args=(url, port), daemon=True).start()
    try:
        app.run(config=options(place, port))
    finally:
        place.jobs.close()


def _open(url: str, port: int) -> None:
    """Open a browser once the server answers."""
    end = time.monotonic() + START
    while time.monotonic() < end:
        with contextlib.suppress(OSError), socket.create_connection((ADDRESS, port), timeout=1):
            webbrowser.open(url)
            return
        time.sleep(0.2)


def _read_ahead(place: Place) -> None:
    import altair  # noqa: F401
    import pandas  # noqa: F401
    import pyarrow  # noqa: F401

    uploads.clean(place.workspace.store / "uploads", uploads.KEPT, place.store_limit << 20)
    with contextlib.suppress(BadInput):  # pages say what is wrong
        place.workspace.catalog()


def _on_error(error: Exception) -> bool:
    """Visitors get one sentence; whoever runs the server gets the traceback."""
    import streamlit as st

    from apps.explorer.text import plain

    if isinstance(error, BadInput):
        st.error(plain(the_place().workspace.shown(str(error))))
    else:
        logger.error("a page failed", exc_info=error)
        st.error(
            "Something went wrong on this page. The terminal that runs `grounding app` says what."
        )
    return True
