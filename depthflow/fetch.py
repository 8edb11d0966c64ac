"""Download one file over HTTP with limits on bytes, time and redirects; it knows nothing of images."""

from __future__ import annotations

from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING

from depthflow.errors import PhotoError

if TYPE_CHECKING:
    import httpx

MAX_REDIRECTS = 5
SCHEMES = ("http", "https")

_HINT = "download it yourself and give the file"


@dataclass(frozen=True)
class Patience:
    """How long to wait for a server, in seconds: to connect, for the next bytes, and for all of it."""

    connect_s: float = 10.0
    read_s: float = 20.0
    total_s: float = 120.0


def fetch(url: str, *, max_bytes: int, patience: Patience | None = None) -> bytes:
    """Get what an http or https address holds.

    Messages name the host only: the rest of an address may carry passwords or signatures.

    Args:
        url: the address; a user name and password in it are used and not shown.
        max_bytes: give up as soon as more arrives, whatever the server announced.
        patience: time limits.

    Raises:
        PhotoError: refused address, no answer, an answer other than 200, too much or too slow.
    """
    import httpx

    patience = patience or Patience()
    deadline = monotonic() + patience.total_s
    timeout = httpx.Timeout(patience.read_s, connect=patience.connect_s)
    # "identity": a photo does not shrink by gzip, and a small answer must not inflate to a huge one.
    headers = {"User-Agent": "depthflow", "Accept": "image/*,*/*;q=0.5", "Accept-Encoding": "identity"}
    with httpx.Client(timeout=timeout, headers=headers, follow_redirects=False) as client:
        target = _parsed(url)
        for _ in range(MAX_REDIRECTS + 1):
            host = target.host
            try:
                with client.stream("GET", target) as answer:
                    if not answer.has_redirect_location:
                        _check_status(answer, host)
                        return _body(answer, host, max_bytes, deadline, patience.total_s)
                    target = _next(target, answer.headers["location"])
            # `from None`: the chained exception could carry the whole address.
            except httpx.TimeoutException:
                raise PhotoError(f"{host} does not answer in time", f"try again later, or {_HINT}") from None
            except httpx.InvalidURL:  # in a Location, which httpx reads though it is told not to follow
                raise PhotoError(f"{host} redirects elsewhere: to what is no address", _HINT) from None
            except (httpx.HTTPError, OSError) as error:
                raise PhotoError(f"cannot download from {host}: {_reason(error)}", _HINT) from None
        raise PhotoError(f"{target.host} redirects more than {MAX_REDIRECTS} times", _HINT)


def _parsed(url: str) -> httpx.URL:
    import httpx

    try:
        return _checked(httpx.URL(url))
    except httpx.InvalidURL:  # its own text quotes the part it stumbled over
        raise PhotoError("this is no address", "write it as https://host/photo.jpg") from None


def _checked(url: httpx.URL) -> httpx.URL:
    """Refuse what is not http or https: `file://` would read this machine's own files."""
    if url.scheme not in SCHEMES:
        raise PhotoError(f"{url.scheme or 'this'} addresses are not downloaded: only http and https", _HINT)
    if not url.host:
        raise PhotoError("the address names no host", "write it as https://host/photo.jpg")
    return url


def _next(target: httpx.URL, location: str) -> httpx.URL:
    try:
        return _checked(target.join(location))
    except PhotoError as error:
        raise PhotoError(f"{target.host} redirects elsewhere: {error.message}", _HINT) from None


def _check_status(answer: httpx.Response, host: str) -> None:
    if answer.status_code == 200:
        return
    hints = {401: "it asks for a login: " + _HINT, 403: _HINT, 404: "check the address", 410: "check the address"}
    hint = hints.get(answer.status_code, f"try again later, or {_HINT}")
    raise PhotoError(f"{host} answers {answer.status_code} {answer.reason_phrase}".rstrip(), hint)


def _body(answer: httpx.Response, host: str, max_bytes: int, deadline: float, total_s: float) -> bytes:
    announced = answer.headers.get("content-length", "")
    if announced.isascii() and announced.isdigit() and int(announced) > max_bytes:
        raise _too_large(host, max_bytes)
    parts: list[bytes] = []
    size = 0
    for part in answer.iter_bytes():
        size += len(part)
        if size > max_bytes:
            raise _too_large(host, max_bytes)
        # The read limit restarts with every byte, so a server that drips would hold us for ever.
        if monotonic() > deadline:
            raise PhotoError(f"{host} sent {size} bytes in {total_s:g} s and no end", f"try again, or {_HINT}")
        parts.append(part)
    return b"".join(parts)


def _too_large(host: str, max_bytes: int) -> PhotoError:
    return PhotoError(f"the file at {host} is larger than the limit of {_size(max_bytes)}", _HINT)


def _size(count: int) -> str:
    return f"{count / 2**20:.4g} MiB" if count >= 2**20 else f"{count} bytes"


def _reason(error: Exception) -> str:
    """What the system said about a connection; it names hosts and certificates, never the address."""
    return " ".join(str(error).split())[:160] or type(error).__name__
