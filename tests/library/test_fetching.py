"""Recordings on other machines arrive whole or as one line that says why not."""

import errno
import hashlib
import os
import socket
import tempfile
from pathlib import Path

import pytest

from grounding.errors import BadInput, UnreachableMedia, UnreadableMedia
from grounding.features import content_hash
from grounding.library.fetching import local, mark, marks
from grounding.library.recordings import Recording
from grounding.library.remote import Limits
from tests.library.servers import Web

pytest.importorskip("aiohttp", reason="the extra `remote` is not installed")

QUICK = Limits(timeout=0.5, attempts=3, wait=0.01)
DATA = bytes(range(256)) * 4096  # 1 MB


@pytest.fixture
def web():
    with Web().running() as server:
        server.files["/v/a.mp4"] = DATA
        yield server


def fetch(url, folder, limits=QUICK):
    with local(Recording("a", url), folder, limits) as (path, content):
        data = path.read_bytes()
        assert content == hashlib.sha256(data).hexdigest()
        assert path.parent == folder and path.suffix == ".mp4"
    assert not list(folder.iterdir())
    return data


def test_a_recording_elsewhere_is_here_while_it_is_asked(web, tmp_path):
    assert fetch(f"{web.url}/v/a.mp4", tmp_path / "made") == DATA
    assert web.gets("/v/a.mp4") == [None]  # one request for all of it


def test_a_file_of_this_machine_stays_where_it_is(tmp_path):
    path = tmp_path / "a.mp4"
    path.write_bytes(DATA)
    with local(Recording("a", path), tmp_path / "none") as (found, content):
        assert found == path and content == content_hash(path)
    with local(Recording("a", path), tmp_path / "none", known="said") as (_, content):
        assert content == "said"
    assert path.exists() and not (tmp_path / "none").exists()


@pytest.mark.parametrize("how", ["pipe", "socket", "nothing", "folder"])
def test_what_is_no_file_is_refused_without_waiting(tmp_path, how):
    path = tmp_path / "a.mp4"
    if how == "pipe":
        os.mkfifo(path)
    elif how == "socket":
        path = Path(tempfile.mkdtemp()) / "a.mp4"  # these may not have long names
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(str(path))
    elif how == "folder":
        path.mkdir()
    with pytest.raises(UnreadableMedia), local(Recording("a", path), tmp_path, known="said"):
        pass


def test_a_broken_connection_is_taken_up_where_it_broke(web, tmp_path):
    web.troubles["/v/a.mp4"] = ["half", "half"]
    assert fetch(f"{web.url}/v/a.mp4", tmp_path) == DATA
    size = len(DATA)
    assert web.gets("/v/a.mp4") == [None, f"bytes={size // 2}-", f"bytes={size * 3 // 4}-"]


@pytest.mark.parametrize("lacking", ["ranges", "etags"])
def test_it_is_begun_again_where_that_cannot_be_done(web, tmp_path, lacking):
    setattr(web, lacking, False)
    web.troubles["/v/a.mp4"] = ["half"]
    assert fetch(f"{web.url}/v/a.mp4", tmp_path) == DATA


def test_two_contents_are_not_mixed(web, tmp_path, monkeypatch):
    web.troubles["/v/a.mp4"] = ["half"]
    other = DATA[::-1]
    monkeypatch.setattr(
        "grounding.library.remote.time.sleep",
        lambda seconds: web.files.__setitem__("/v/a.mp4", other),
    )
    assert fetch(f"{web.url}/v/a.mp4", tmp_path) == other


@pytest.mark.parametrize("trouble", [503, 429, "slow"])
def test_what_may_pass_is_tried_again(web, tmp_path, trouble):
    web.troubles["/v/a.mp4"] = [trouble] * (2 if isinstance(trouble, int) else 1)
    assert fetch(f"{web.url}/v/a.mp4", tmp_path) == DATA


@pytest.mark.parametrize(
    "trouble,says",
    [
        (503, "the server says HTTP 503 Service Unavailable (3 attempts)"),
        ("half", "the connection failed (ClientPayloadError) (3 attempts)"),
        ("slow", "no answer within 0.5 s (3 attempts)"),
    ],
)
def test_what_does_not_pass_is_unreachable(web, tmp_path, trouble, says):
    web.etags = False  # or it would be taken up and end well
    web.troubles["/v/a.mp4"] = [trouble] * 50
    with pytest.raises(UnreachableMedia) as error:
        fetch(f"{web.url}/v/a.mp4", tmp_path)
    assert error.value.reason == says and error.value.path == f"{web.url}/v/a.mp4"
    assert not list(tmp_path.iterdir())


def test_nobody_there_is_unreachable(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    says = r"the connection failed \(Connection refused\) \(3 attempts\)$"
    with pytest.raises(UnreachableMedia, match=says):
        fetch(f"http://127.0.0.1:{port}/a.mp4", tmp_path)


@pytest.mark.parametrize(
    "status,says", [(404, "no such file"), (410, "no such file"), (403, "denied"), (400, "Bad")]
)
def test_what_will_not_pass_is_asked_once(web, tmp_path, status, says):
    web.troubles["/v/a.mp4"] = [status] * 9
    with pytest.raises(UnreadableMedia, match=says) as error:
        fetch(f"{web.url}/v/a.mp4", tmp_path)
    assert not isinstance(error.value, UnreachableMedia)
    assert len(web.gets("/v/a.mp4")) == 1


def test_no_more_is_fetched_than_allowed(web, tmp_path):
    limits = Limits(size=len(DATA) - 1)
    with pytest.raises(UnreadableMedia, match="more than the 1048575 bytes"):
        fetch(f"{web.url}/v/a.mp4", tmp_path, limits)
    assert not web.gets("/v/a.mp4")
    assert fetch(f"{web.url}/v/a.mp4", tmp_path, Limits(size=len(DATA))) == DATA


def test_a_server_that_cannot_prove_who_it_is_is_not_trusted(web, tmp_path):
    with pytest.raises(UnreadableMedia, match="there is no secure connection"):
        fetch(web.url.replace("http", "https") + "/v/a.mp4", tmp_path)


def test_an_empty_file_is_no_recording(web, tmp_path):
    web.files["/v/empty.mp4"] = b""
    with pytest.raises(UnreadableMedia, match="is empty"):
        fetch(f"{web.url}/v/empty.mp4", tmp_path)


def test_a_full_disk_is_not_the_servers_fault(web, tmp_path, monkeypatch):
    def full(self, chunk):
        def write():
            raise OSError(errno.ENOSPC, "No space left on device")

        self._write(write)

    monkeypatch.setattr("grounding.library.fetching._Fetch._keep", full)
    with pytest.raises(OSError, match="No space left") as error:
        fetch(f"{web.url}/v/a.mp4", tmp_path)
    assert error.value.errno == errno.ENOSPC
    assert len(web.gets("/v/a.mp4")) == 1 and not list(tmp_path.iterdir())


def test_a_mark_changes_with_the_content_and_holds_no_secret(web):
    url = web.url.replace("://", "://me:secret@") + "/v/a.mp4"
    first = mark(Recording("a", url))
    assert first == mark(Recording("b", url + "?token=secret")) and "secret" not in first
    web.files["/v/a.mp4"] = DATA[::-1]
    assert mark(Recording("a", url)) not in (None, first)
    web.etags = False
    assert mark(Recording("a", url)) is None
    assert not web.gets("/v/a.mp4")


def test_a_host_that_is_not_there_is_not_asked_for_each_recording(web, tmp_path, monkeypatch):
    web.files |= {f"/v/{n}.mp4": DATA + bytes([n]) for n in range(20)}
    web.troubles |= {f"/v/{n}.mp4": [503] * 9 for n in range(20)}
    here = tmp_path / "here.mp4"
    here.touch()
    monkeypatch.setattr("grounding.library.fetching.ASKED_AT_ONCE", 1)
    recordings = [Recording(str(n), f"{web.url}/v/{n}.mp4") for n in range(20)]
    found = marks([*recordings, Recording("here", here)], QUICK)
    assert found[:20] == [None] * 20 and found[20] == mark(Recording("here", here))
    assert len({path for _, path, _ in web.seen}) == 3
    web.troubles.clear()
    assert None not in marks(recordings) and len(set(marks(recordings))) == 20


def test_a_password_goes_to_the_server_and_nowhere_else(web, tmp_path, caplog):
    web.needs = "Basic bWU6czNjcmV0"  # me:s3cret
    url = web.url.replace("://", "://me:s3cret@") + "/v/a.mp4"
    with caplog.at_level("INFO"):
        assert fetch(url, tmp_path) == DATA
        with pytest.raises(UnreadableMedia) as error:
            fetch(url.replace("a.mp4", "b.mp4?key=s3cret"), tmp_path)
    assert str(error.value) == f"{web.url}/v/b.mp4: no such file"
    assert "s3cret" not in repr(Recording("a", url)) + caplog.text
    assert error.value.__suppress_context__
    with pytest.raises(UnreadableMedia, match="access is denied"):
        fetch(f"{web.url}/v/a.mp4", tmp_path)


def test_headers_can_be_configured(web, tmp_path, monkeypatch):
    from fsspec.config import conf

    web.needs = "Bearer abc"
    monkeypatch.setitem(conf, "http", {"headers": {"Authorization": "Bearer abc"}})
    web.troubles["/v/a.mp4"] = ["half"]
    assert fetch(f"{web.url}/v/a.mp4", tmp_path) == DATA


@pytest.mark.parametrize(
    "url,says",
    [
        ("nowhere://b/a.mp4", "unknown protocol; known are s3, https"),
        ("http://[::1]:80/a.mp4", "takes no IPv6 address"),
        ("gs://b/a.mp4", "gs://b/a.mp4: needs gcsfs; install it"),
    ],
)
def test_what_cannot_be_spoken_is_one_line(tmp_path, url, says):
    with pytest.raises(BadInput, match=says) as error:
        fetch(url, tmp_path)
    assert "\n" not in str(error.value) and not isinstance(error.value, UnreadableMedia)


def test_a_missing_package_names_the_extra(tmp_path, monkeypatch):
    import sys

    from fsspec.registry import _registry as registry

    monkeypatch.setitem(sys.modules, "s3fs", None)
    monkeypatch.delitem(registry, "s3", raising=False)
    with pytest.raises(BadInput, match=r"needs s3fs; install the extra: .*\[remote\]"):
        fetch("s3://bucket/a.mp4", tmp_path)
