"""One file from a web server: resumed after any break, verified, and under its final name only then.

requests does the work: connections, back-off, errors. pooch, which librosa brings, verifies but begins anew after a
break; pypdl resumes, but needs aiohttp and writes many parts, which it copies into one at the end.
"""

import contextlib
import hashlib
import os
import time

import requests
from requests.adapters import HTTPAdapter, Retry

from fmalib import files
from fmalib.progress import bar

BLOCK = 1 << 16  # bytes; at a break, less than one is lost
TRIES = 6  # of one request, and after a break without a byte more
WAIT = 1.0  # seconds before the second try, doubled before each further one
TIMEOUT = (10, 60)  # seconds for a connection, and without a byte
BUSY = (408, 429, 500, 502, 503, 504)  # statuses that may be gone at the next try
PART = ".part"  # behind the name of a file that is not whole yet


def fetch(url, target, sha1, *, progress=True):
    """Downloads a file, unless it is there; what was begun earlier is resumed by an HTTP range.

    Until it is verified its name is `target` with `PART` behind it, so any file named `target` here is whole.

    Args:
        url: of the file.
        target: path of the file.
        sha1: its SHA-1, hexadecimal.
        progress: whether to show bars with speed and time left.

    Raises:
        OSError: the server cannot be reached or has no such file, or the disk is full; what has come stays for the next call.
        ValueError: the file has another SHA-1; it is removed.
    """
    part = part_of(target)
    if target.exists():  # by a browser, perhaps, and perhaps not whole
        if digest(target, progress=progress) == sha1:
            return
        os.replace(target, part)
    target.parent.mkdir(parents=True, exist_ok=True)
    with requests.Session() as session:
        retry = Retry(TRIES - 1, backoff_factor=WAIT, status_forcelist=BUSY, raise_on_status=False)
        for scheme in ("http://", "https://"):
            session.mount(scheme, HTTPAdapter(max_retries=retry))
        try:
            _receive_all(session, url, part, progress)
        except requests.RequestException as error:
            text = f"{url} cannot be fetched ({_reason(error)}); what has come is kept, and the next call goes on"
            raise ConnectionError(text) from error
    verify(part, sha1, url, progress=progress)
    os.replace(part, target)


def verify(path, sha1, source, *, remove=True, progress=True):
    """Raises ValueError unless a file has a SHA-1; `remove`: whether to delete it then. `source` is named in the message."""
    found = digest(path, progress=progress)
    if found != sha1:
        if remove:
            os.unlink(path)
        remedy = "it is removed: try again, or another source" if remove else "fetch it again"
        raise ValueError(f"{source} is damaged or another version; {remedy}. Expected SHA-1 {sha1}. Received: {found}")


def part_of(path):
    """Returns the path of a file or folder while it is not whole."""
    return path.with_name(path.name + PART)


def digest(path, *, progress=False):
    """Returns the SHA-1 of a file, hexadecimal."""
    found, size = hashlib.sha1(usedforsecurity=False), os.path.getsize(path)
    shown = bar(total=size, desc=f"Verifying {path.name.removesuffix(PART)}", unit="B", progress=progress)
    with shown, open(path, "rb") as file:
        while block := file.read(BLOCK):
            found.update(block)
            shown.update(len(block))
    return found.hexdigest()


def _receive_all(session, url, part, progress):
    """Fetches what is missing of a file; after a break goes on, until `TRIES` in turn bring nothing new."""
    furthest, idle = -1, 0
    while True:
        broken = _receive(session, url, part, progress)
        if not broken:
            return
        size = _size(part)
        idle = 0 if size > furthest else idle + 1
        furthest = max(size, furthest)
        if idle == TRIES - 1:
            raise broken
        time.sleep(WAIT * 2**idle)


def _receive(session, url, part, progress):
    """Makes one request for what is missing of a file; returns the error that broke it off, or None at the file's end."""
    start = _size(part)
    # Compressed on the way, the bytes would not be those of the file, nor their number that of the range.
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={start}-"} if start else {})
    with session.get(url, headers=headers, stream=True, timeout=TIMEOUT) as response:
        if response.status_code == requests.codes.requested_range_not_satisfiable:
            if response.headers.get("Content-Range") == f"bytes */{start}":
                return None  # it had all come before
            part.unlink()  # longer than the file: no beginning of it
            return _receive(session, url, part, progress)
        response.raise_for_status()
        return _save(response, part, start, progress)


def _save(response, part, start, progress):
    """Appends an answer to a file whose bytes up to `start` are there; returns as `_receive`."""
    resumed = response.status_code == requests.codes.partial_content
    sent = response.headers.get("Content-Range", "")
    if resumed and not sent.startswith(f"bytes {start}-"):
        raise requests.RequestException(f"another range than asked for: {sent}")
    start = start if resumed else 0  # a server without ranges sends the whole file
    length, name = response.headers.get("Content-Length", ""), part.name.removesuffix(PART)
    total = start + int(length) if length.isdecimal() else None
    files.check_room(part.parent, (total or 0) - _size(part), f"the rest of {name}")
    shown = bar(total=total, initial=start, desc=name, unit="B", progress=progress)
    with shown, open(part, "ab" if resumed else "wb") as file:
        try:
            for block in response.iter_content(BLOCK):
                file.write(block)
                shown.update(len(block))
        except (requests.ConnectionError, requests.exceptions.ChunkedEncodingError) as error:
            return error
    return None


def _size(path):
    with contextlib.suppress(FileNotFoundError):
        return os.path.getsize(path)
    return 0


def _reason(error):
    """Returns an exception of requests in a few words, without the URL and the address of an object."""
    if error.response is not None:
        return f"status {error.response.status_code} {error.response.reason}".strip()
    cause = error.args[0] if error.args else error
    return str(getattr(cause, "reason", cause) or cause).split(": ", 1)[-1]
