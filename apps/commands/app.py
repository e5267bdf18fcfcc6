"""Open the explorer: predictions against the truth, questions to models, runs side by side."""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path

from apps.parsing import positive
from apps.progress import say

PORT = 8501
UPLOAD_LIMIT = 500
STORE_LIMIT = 20_000


def arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `grounding app`."""
    parser.add_argument(
        "paths",
        nargs="*",
        metavar="DATASET|RUN|PREDICTIONS",
        help="folders and files to show (default: what lies under --workspace)",
    )
    parser.add_argument("--port", type=positive, default=PORT, help=f"default {PORT}")
    parser.add_argument(
        "--workspace",
        default=".",
        metavar="DIR",
        help="the only folder written to, below DIR/.grounding (default: this folder)",
    )
    parser.add_argument(
        "--upload-limit",
        type=positive,
        default=UPLOAD_LIMIT,
        metavar="MB",
        help=f"largest recording a visitor may upload (default {UPLOAD_LIMIT})",
    )
    parser.add_argument(
        "--store-limit",
        type=positive,
        default=STORE_LIMIT,
        metavar="MB",
        help="what uploads may take together, and what copies for browsers may: the oldest go "
        f"(default {STORE_LIMIT})",
    )
    parser.add_argument("--no-browser", action="store_true", help="do not open a browser window")


def run(args: argparse.Namespace) -> int:
    """Serve on this machine's own address until Ctrl-C."""
    open_app(
        args.paths,
        workspace=args.workspace,
        port=args.port,
        device=args.device,
        upload_limit=args.upload_limit,
        store_limit=args.store_limit,
        headless=args.no_browser,
        quiet=args.quiet,
    )
    return 0


def open_app(
    paths: list[str],
    *,
    workspace: str | Path = ".",
    port: int = PORT,
    device: str = "auto",
    upload_limit: int = UPLOAD_LIMIT,
    store_limit: int = STORE_LIMIT,
    headless: bool = False,
    quiet: bool = False,
) -> None:
    """What `grounding app` and the end of `grounding demo` share."""
    from grounding.workspace import Workspace

    root = Path(workspace)
    found = Workspace([*map(Path, paths)] or [root], root / ".grounding")

    from apps.explorer.jobs import Jobs
    from apps.explorer.place import Place
    from apps.explorer.recordings import Recordings
    from apps.explorer.server import serve

    logging.basicConfig(stream=sys.stderr, level=logging.WARNING)
    place = Place(found, Recordings(found), Jobs(), device, upload_limit, store_limit)

    def ready(url: str) -> None:
        say(f"the explorer is at {url}   (Ctrl-C stops it)", quiet)

    serve(place, port, not headless, ready)
