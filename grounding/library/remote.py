"""Other machines, through fsspec: how to get at them, how long to bear with them, and what to make
of an error.

Whatever fails is said in our own words: the libraries' messages hold whole URLs, secrets included.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, TypeVar

from grounding.errors import BadInput, UnreachableMedia, UnreadableMedia
from grounding.library.addresses import shown

T = TypeVar("T")

PASSING = (408, 425, 429)  # besides 5xx: too slow, too early, too many
EXTRA = "install the extra: pip install -e '.[remote]'"
# Names, not classes: their packages are optional and must not be imported to ask.
LOST = {"TimeoutError", "ConnectionError", "gaierror", "IncompleteRead", "ConnectionClosedError"}
LOST |= {"ClientConnectionError", "ClientPayloadError", "HTTPClientError", "EOFError"}
REFUSED = {"ClientSSLError", "ClientConnectorCertificateError", "SSLError"}
VERSIONS = ("ETag", "etag", "md5Hash", "Content-MD5", "Digest", "checksum", "CRC", "sha")
TIMES = ("Last-Modified", "LastModified", "last_modified", "mtime", "updated", "modified", "modify")


@dataclass(frozen=True, slots=True)
class Limits:
    """How long to bear with another machine.

    Attributes:
        size: largest recording, bytes; None = any.
        timeout: seconds without a byte.
        attempts: how often what may pass is tried, at least once.
        wait: seconds before the second attempt; doubled before each further one.
    """

    size: int | None = None
    timeout: float = 60.0
    attempts: int = 4
    wait: float = 1.0


class OwnDiskError(Exception):
    """Around an OSError of this machine's disk, to tell it from those of the network."""


def file_system(url: str, limits: Limits) -> tuple[Any, str]:
    """fsspec's file system and path for a URL.

    Credentials and endpoints come from where each protocol's library looks for them: `AWS_*`
    variables (`AWS_ENDPOINT_URL` for a store of one's own), `~/.aws`, `~/.netrc`, proxies, and
    fsspec's own `FSSPEC_<PROTOCOL>` variables and `~/.config/fsspec`.

    Raises:
        BadInput: the protocol is unknown, or the package it needs is missing.
        Exception: whatever the file system raises; `patiently` knows what to make of it.
    """
    if "://[" in url:
        raise BadInput(f"{shown(url)}: fsspec takes no IPv6 address; write the host's name")
    try:
        from fsspec.core import url_to_fs

        fs, path = url_to_fs(url, **_options(url, limits))
    except ImportError as error:
        missing = getattr(error.__cause__, "name", None) or error.name or "a package"
        remedy = EXTRA if missing in ("fsspec", "s3fs", "aiohttp") else "install it"
        raise BadInput(f"{shown(url)}: needs {missing}; {remedy}") from None
    except ValueError as error:
        if "Protocol not known" not in str(error):
            raise
        known = "known are s3, https and what else fsspec knows"
        raise BadInput(f"{shown(url)}: unknown protocol; {known}") from None
    if hasattr(fs, "retries"):
        fs.retries = 1  # attempts are counted in one place, `patiently`
    return fs, path


def patiently(step: Callable[[], T], url: str, limits: Limits) -> T:
    """Do `step`, again where its error may pass -> what it gives.

    Raises:
        UnreachableMedia: it may still pass, but not in `limits.attempts` attempts.
        UnreadableMedia: it will not.
    """
    for attempt in range(1, limits.attempts + 1):
        try:
            return step()
        except (BadInput, OwnDiskError):
            raise
        except Exception as error:
            reason, passing = diagnose(error, limits)
            if not passing:
                raise UnreadableMedia(shown(url), reason) from None
        if attempt < limits.attempts:
            time.sleep(limits.wait * 2 ** (attempt - 1))
    raise UnreachableMedia(shown(url), f"{reason} ({limits.attempts} attempts)")


def diagnose(error: BaseException, limits: Limits) -> tuple[str, bool]:
    """What an error of a file system means, and whether it may pass."""
    chain = [error]
    while (cause := chain[-1].__cause__) is not None and cause not in chain:
        chain.append(cause)
    for each in reversed(chain):  # what came first says most
        kinds = {kind.__name__ for kind in type(each).__mro__}
        if REFUSED & kinds:
            return f"there is no secure connection ({type(each).__name__})", False
        if "TimeoutError" in kinds:
            return f"no answer within {limits.timeout:g} s", True
        if LOST & kinds:
            return f"the connection failed ({_detail(each)})", True
        if "NoCredentialsError" in kinds:
            return "there are no credentials for it; docs/batch.md says where they go", False
    # only now: aiohttp calls a broken connection a 400 too
    if status := next(filter(None, map(_status, reversed(chain))), None):
        return _of_status(status)
    for kind, reason in (
        (FileNotFoundError, "no such file"),
        (PermissionError, "access is denied; check the credentials"),
        (IsADirectoryError, "is a folder, not a recording"),
    ):
        if isinstance(error, kind):
            return reason, False
    return f"cannot be got ({type(chain[-1]).__name__})", False


def info(fs: Any, path: str) -> dict[str, Any]:
    """What the file system knows of a path, asked anew."""
    fs.invalidate_cache()
    found: dict[str, Any] = fs.info(path)
    return found


def version(found: dict[str, Any], *, exact: bool = False) -> str | None:
    """Size and what tells a content from others, a time of change unless `exact`; None where the
    server says nothing that does.
    """
    keys = VERSIONS if exact else VERSIONS + TIMES
    told = next((str(found[key]) for key in keys if found.get(key)), None)
    if told is None or found.get("size") is None or (exact and told.startswith("W/")):
        return None
    return f"{found['size']}|{told}"


def read_bytes(url: str, limits: Limits, most: int) -> bytes:
    """A small file.

    Raises:
        BadInput: it cannot be read, or is larger than `most` bytes.
    """

    def step() -> bytes:
        fs, path = file_system(url, limits)
        if (info(fs, path).get("size") or 0) > most:
            raise BadInput(f"{shown(url)}: has more than {most >> 20} MB; split it")
        data: bytes = fs.cat_file(path)
        return data

    return patiently(step, url, limits)


def _options(url: str, limits: Limits) -> dict[str, Any]:
    """Options for each protocol in a URL, beside what the user has configured in fsspec."""
    from fsspec.config import conf

    options: dict[str, Any] = {}
    for protocol in {found.lower() for found in re.findall(r"([A-Za-z][\w+.-]+)://", url)}:
        own = dict(conf.get(protocol, {}))
        if protocol in ("http", "https"):
            from aiohttp import ClientTimeout

            own = dict(conf.get("http", {})) | own
            # aiohttp's own limit is five minutes in all, however fast the bytes come
            patience = ClientTimeout(None, sock_connect=limits.timeout, sock_read=limits.timeout)
            client = {"timeout": patience, "trust_env": True, **own.get("client_kwargs", {})}
            # what merely looks like a link is none
            options[protocol] = {"simple_links": False, "client_kwargs": client}
        elif protocol in ("s3", "s3a"):
            config: dict[str, Any] = {
                "connect_timeout": limits.timeout,
                "read_timeout": limits.timeout,
            }
            config["retries"] = {"total_max_attempts": 1}
            options[protocol] = {"config_kwargs": config | own.get("config_kwargs", {})}
    return options


def _detail(error: BaseException) -> str:
    number = getattr(error, "errno", None)
    if isinstance(number, int) and number > 0:
        return os.strerror(number)
    return getattr(error, "strerror", None) or type(error).__name__


def _status(error: BaseException) -> int | None:
    """The HTTP status an error carries, wherever its library puts it."""
    response = getattr(error, "response", None)
    if isinstance(response, dict):
        found = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    else:
        found = next(
            (
                value
                for source in (error, response)
                for name in ("status", "status_code", "code")
                if isinstance(value := getattr(source, name, None), int)
            ),
            None,
        )
    return found if isinstance(found, int) and 400 <= found < 600 else None


def _of_status(status: int) -> tuple[str, bool]:
    if status in (404, 410):
        return "no such file", False
    if status in (401, 403):
        return f"access is denied (HTTP {status}); check the credentials", False
    try:
        phrase = f" {HTTPStatus(status).phrase}"
    except ValueError:
        phrase = ""
    return f"the server says HTTP {status}{phrase}", status >= 500 or status in PASSING
