"""Recordings on the wire: addresses that nobody can guess, served in ranges from the disk."""

from __future__ import annotations

import mimetypes
import secrets
import threading
from collections import OrderedDict
from pathlib import Path
from typing import TYPE_CHECKING

from grounding.errors import BadInput
from grounding.workspace import Workspace

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

PREFIX = "/recordings"
MOST = 4096  # addresses kept; the one not used for longest goes first
TYPES = {".mp4": "video/mp4", ".m4v": "video/mp4", ".mov": "video/mp4", ".webm": "video/webm"}


class Recordings:
    """Files that pages have asked to show, by the random name each got."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._paths: OrderedDict[str, Path] = OrderedDict()
        self._names: dict[Path, str] = {}
        self._lock = threading.Lock()

    def address(self, path: Path) -> str:
        """Where a browser finds a file of the workspace.

        Raises:
            BadInput: it lies outside.
        """
        path = self._workspace.inside(path)
        with self._lock:
            name = self._names.get(path)
            if name is None:
                name = self._names[path] = secrets.token_urlsafe(18)
            self._paths[name] = path
            self._paths.move_to_end(name)
            if len(self._paths) > MOST:
                _, old = self._paths.popitem(last=False)
                del self._names[old]
        return f"{PREFIX}/{name}"

    async def serve(self, request: Request) -> Response:
        """Answer GET and HEAD with the file or the range asked for, never all of it in memory."""
        from starlette.responses import FileResponse, PlainTextResponse

        with self._lock:
            path = self._paths.get(request.path_params["name"])
        try:
            # once more: what the address stood for may have become a link to elsewhere
            found = path is not None and self._workspace.inside(path) == path and path.is_file()
        except BadInput:
            found = False
        if path is None or not found:
            return PlainTextResponse("no such recording", status_code=404)
        kind = TYPES.get(path.suffix.lower()) or mimetypes.guess_type(path.name)[0]
        headers = {"X-Content-Type-Options": "nosniff", "Cache-Control": "private, max-age=3600"}
        if kind is None or not kind.startswith(("video/", "audio/")):
            kind = "application/octet-stream"
        return FileResponse(path, media_type=kind, headers=headers)
