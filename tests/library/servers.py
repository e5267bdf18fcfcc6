"""Servers on loopback that behave, and that do not."""

import http.server
import threading
import time
from contextlib import contextmanager, suppress
from urllib.parse import unquote, urlsplit

import pytest


@contextmanager
def direct():
    """Ask loopback itself, whatever proxy this machine has."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("no_proxy", "127.0.0.1")
        patch.setenv("NO_PROXY", "127.0.0.1")
        yield


class Web:
    """A web server whose files are `files` (path -> bytes).

    A path's `troubles` are what its next GETs meet, one each: a status, "half" (the connection
    ends half-way), "slow" (no byte for two seconds). HEAD meets a trouble only if it is a status,
    and does not use it up. `seen` holds (method, path, Range) of every request.
    """

    def __init__(self):
        self.files, self.pages, self.troubles, self.seen = {}, {}, {}, []
        self.ranges = self.etags = True
        self.needs = None  # an Authorization header
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_HEAD(self):
                outer.answer(self, body=False)

            def do_GET(self):
                outer.answer(self, body=True)

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    @contextmanager
    def running(self):
        thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        thread.start()
        try:
            with direct():
                yield self
        finally:
            self._server.shutdown()
            self._server.server_close()
            thread.join()

    def gets(self, path):
        return [what for method, where, what in self.seen if method == "GET" and where == path]

    def answer(self, request, body):
        path = unquote(urlsplit(request.path).path)
        asked = request.headers.get("Range")
        self.seen.append((request.command, path, asked))
        troubles = self.troubles.get(path, [])
        trouble = troubles[0] if troubles else None
        if body and troubles:
            troubles.pop(0)
        if self.needs and request.headers.get("Authorization") != self.needs:
            trouble = 401
        if isinstance(trouble, int):
            return self._send(request, trouble, {}, b"", body)
        if path + "/" in self.pages:
            return self._send(request, 301, {"Location": path + "/"}, b"", body)
        if path in self.pages:
            page = self.pages[path].encode()
            return self._send(request, 200, {"Content-Type": "text/html"}, page, body)
        if path not in self.files:
            return self._send(request, 404, {}, b"", body)
        data, status, headers = self.files[path], 200, {}
        if self.etags:
            headers["ETag"] = f'"{hash(data)}"'
        if asked and self.ranges:
            start = int(asked.removeprefix("bytes=").split("-")[0])
            headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
            data, status = data[start:], 206
        if trouble == "slow" and body:
            time.sleep(2)
        self._send(request, status, headers, data, body, half=trouble == "half")

    def _send(self, request, status, headers, data, body, half=False):
        request.send_response(status)
        for name, value in {**headers, "Content-Length": len(data)}.items():
            request.send_header(name, str(value))
        request.end_headers()
        if body:
            with suppress(OSError):  # whoever asked did not wait
                request.wfile.write(data[: len(data) // 2] if half else data)
            if half:
                time.sleep(0.2)  # or the end overtakes what comes before it
                request.close_connection = True
