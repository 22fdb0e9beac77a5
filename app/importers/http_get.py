"""Plain HTTP GET of large files: no proxy, no compression, no redirect to anything but HTTP."""

import http.client
import re
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import IO, Final
from urllib.parse import urlsplit

from app.core.errors import Misconfigured, Retryable

TIMEOUT_S: Final = 30.0
_LONGEST_WAIT_S: Final = 60.0
_QUOTED: Final = 200
#: The server may do better next time.
_PASSING: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
_NETWORK: Final = (urllib.error.URLError, http.client.HTTPException, OSError)


class TryAgain(Retryable):
    """The request failed and may succeed later, after `wait_s` if the server said so."""

    def __init__(self, text: str, wait_s: float = 0.0) -> None:
        super().__init__(text)
        self.wait_s = wait_s


class Answer:
    """Status, headers and body of an answer that is 200, 206 or 416."""

    def __init__(self, url: str, response: http.client.HTTPResponse | urllib.error.HTTPError) -> None:
        self.status = response.status or 0
        self.headers = response.headers
        self._url, self._response = url, response

    def read(self, count: int) -> bytes:
        """The next bytes, at most `count`; none at the end, be it of the body or of the connection.

        Raises:
            TryAgain: the connection broke.
        """
        try:
            return self._response.read(count)
        except _NETWORK as error:
            raise TryAgain(f"{shown(self._url)}: the connection broke ({_said(error)})") from None

    def close(self) -> None:
        """Leave the rest."""
        self._response.close()


def check_url(url: str) -> str:
    """`url`, if it can be asked for.

    Raises:
        Misconfigured: it is not of http or https, names no host, holds a password, or has characters that belong
            percent-encoded.
    """
    if not re.fullmatch(r"[!-~]+", url):
        raise Misconfigured(f"address {url!r} has spaces or letters that are not ASCII; percent-encode them")
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        raise Misconfigured(f"address {url!r} cannot be downloaded: {error}") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise Misconfigured(f"address {shown(url)!r} cannot be downloaded; expected http://… or https://…")
    if parts.username is not None or parts.password is not None:
        raise Misconfigured(f"address {shown(url)!r} holds a user name or password; only public files are downloaded")
    return url


def shown(url: str) -> str:
    """`url` fit for a message: without what may be secret in it."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()


def get(url: str, headers: Mapping[str, str] | None = None) -> Answer:
    """Ask for `url`.

    Raises:
        TryAgain: no connection, or an answer that says to come back later.
        Misconfigured: the server has no such file or does not give it to us.
    """
    fields = {"Accept-Encoding": "identity", "User-Agent": "aviary", **(headers or {})}
    request = urllib.request.Request(url, headers=fields)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), Redirects())
    try:
        return Answer(url, opener.open(request, timeout=TIMEOUT_S))
    except urllib.error.HTTPError as error:
        if error.code == 416:
            return Answer(url, error)
        error.close()
        raise _refused(url, error) from None
    except _NETWORK as error:
        raise TryAgain(f"{shown(url)} cannot be reached ({_said(error)})") from None


def read_small(url: str, most: int) -> bytes:
    """The file at `url`, at most `most` bytes of it.

    Raises:
        TryAgain: as `get`, or it ended early.
        Misconfigured: as `get`.
    """
    answer, text = get(url), bytearray()
    try:
        while len(text) < most and (data := answer.read(most - len(text))):
            text += data
    finally:
        answer.close()
    length = answer.headers.get("Content-Length", "")
    if length.isdecimal() and len(text) < min(int(length), most):
        raise TryAgain(f"{shown(url)} ended after {len(text)} of {length} bytes")
    return bytes(text)


class Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects, but not from https to http, where anyone on the way could change the file."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        """See the base class."""
        if req.type == "https" and urlsplit(newurl).scheme != "https":
            raise Misconfigured(f"{shown(req.full_url)} leads to {shown(newurl)}, which is not https; get it elsewhere")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _refused(url: str, error: urllib.error.HTTPError) -> TryAgain | Misconfigured:
    said = f"{shown(url)} answers {error.code} {http.client.responses.get(error.code, '')}".rstrip()
    if 300 <= error.code < 400:
        return NotThere(f"{said}, which leads in a circle or away from the web; check the address", error.code)
    if error.code not in _PASSING:
        return NotThere(f"{said}; check the address", error.code)
    after = error.headers.get("Retry-After", "")
    return TryAgain(said, min(float(after), _LONGEST_WAIT_S) if after.isdecimal() else 0.0)


class NotThere(Misconfigured):
    """The server does not give the file; `status` is its answer's."""

    def __init__(self, text: str, status: int) -> None:
        super().__init__(text)
        self.status = status


def _said(error: Exception) -> str:
    reason = getattr(error, "reason", None) or error
    # A server that speaks something else is quoted, whatever it said.
    return " ".join(str(reason).split())[:_QUOTED] or type(reason).__name__
