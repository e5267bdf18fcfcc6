"""What every page and visitor of one server shares: the workspace, the device, the limits.

The command sets it once before the server starts; pages only read it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from grounding import isolated

if TYPE_CHECKING:
    from apps.explorer.jobs import Jobs
    from apps.explorer.recordings import Recordings
    from grounding.workspace import Workspace

MEMORY = 4 << 30  # bytes that decoding a recording may take


@dataclass(frozen=True, slots=True)
class Place:
    """One server's workspace.

    Attributes:
        workspace: what may be read and written.
        recordings: hands out addresses for recordings that pages may play.
        jobs: work that takes longer than a page.
        device: where models run: "auto", "cpu" or "cuda".
        upload_limit: MB that a visitor may upload at once.
        store_limit: MB that all uploads may take, and all copies for browsers.
    """

    workspace: Workspace
    recordings: Recordings
    jobs: Jobs
    device: str
    upload_limit: int
    store_limit: int

    def limits(self) -> tuple[str, int | None]:
        """Where models run, and bytes that asking one may take: a GPU bears no such limit."""
        device = _resolved(self.device)
        return device, MEMORY if device == "cpu" else None


@cache
def _resolved(device: str) -> str:
    if device == "cpu":
        return device
    found: str = isolated.call("device", {"name": device}, seconds=120.0)
    return found


_here: Place | None = None


def set_place(place: Place) -> None:
    """Set what `the_place` returns from now on, in this process."""
    global _here
    _here = place


def the_place() -> Place:
    """The server's workspace.

    Raises:
        RuntimeError: the pages run without the command, for example by `streamlit run`.
    """
    if _here is None:
        raise RuntimeError("start the explorer with `grounding app`, not with `streamlit run`")
    return _here
