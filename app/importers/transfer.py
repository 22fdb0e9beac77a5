"""The requests that bring one file, and the tries they take."""

import re
import time
from collections.abc import Callable, Sequence
from typing import Final, TypeVar

from app.core.errors import Misconfigured
from app.importers.http_get import Answer, TryAgain, get, shown
from app.importers.partial_file import Origin, PartialFile

#: Called with the bytes so far and all bytes, if known.
OnBytes = Callable[[int, int | None], None]

_T = TypeVar("_T")
_BLOCK: Final = 1 << 16
_RANGE: Final = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")
_ALL: Final = re.compile(r"bytes \*/(\d+)")


def retried(step: Callable[[], _T], delays_s: Sequence[float], progress: Callable[[], int]) -> _T:
    """`step()`, again after each of `delays_s` when it raises `TryAgain`; from the first one once `progress()` grew.

    Raises:
        TryAgain: of the last try.
    """
    done, most = 0, progress()
    while True:
        try:
            return step()
        except TryAgain as error:
            if progress() > most:
                done, most = 0, progress()
            if done == len(delays_s):
                raise
            time.sleep(max(delays_s[done], error.wait_s))
            done += 1


class Transfer:
    """Brings the file at `url` into a partial file. `checkable`: a checksum will tell whether it is whole."""

    def __init__(self, url: str, part: PartialFile, on_progress: OnBytes, *, checkable: bool) -> None:
        self._url, self._part, self._on_progress, self._checkable = url, part, on_progress, checkable
        self.kept = part.size if self._known() else 0
        self.received = self.requests = 0

    def run(self, delays_s: Sequence[float]) -> None:
        """Bring all of it, in as many tries as it takes.

        Raises:
            Misconfigured: the server does not have it, or does not say how long it is while there is no checksum.
            TryAgain: it has failed too often; the bytes so far are kept.
        """
        try:
            retried(self._request, delays_s, lambda: self._part.size)
        except TryAgain as error:
            kept = f"{self._part.size} bytes are kept in {self._part.path.name}: run this again to go on"
            left = kept if self._part.size else "nothing came"
            raise TryAgain(f"{error}; gave up after {self.requests} requests, {left}") from None

    def _known(self) -> bool:
        """True if the bytes so far are of this address and can be gone on from."""
        origin = self._part.origin
        return origin is not None and origin.validator != "" and origin.url == self._url and self._part.size > 0

    def _request(self) -> None:
        origin, offset = (self._part.origin, self._part.size) if self._known() else (None, 0)
        if origin is not None and origin.size == offset:
            return
        self.requests += 1
        going_on = {"Range": f"bytes={offset}-", "If-Range": origin.validator} if origin is not None else {}
        answer = get(self._url, going_on)
        try:
            if not (answer.status == 416 and origin is not None and self._is_all(answer, offset)):
                self._copy(answer, self._begin(answer, origin, offset))
        finally:
            answer.close()

    def _begin(self, answer: Answer, origin: Origin | None, offset: int) -> int | None:
        """Make the partial file ready for the body; return how long all of it will be."""
        if answer.status == 206 and origin is not None and _continues(answer, origin, offset):
            return origin.size
        length = answer.headers.get("Content-Length", "")
        total = int(length) if answer.status == 200 and length.isdecimal() else None
        self._part.restart(Origin(url=self._url, validator=_validator(answer), size=total))
        self.kept = 0
        if answer.status != 200:
            raise TryAgain(f"{shown(self._url)}: the server gave another part than was asked for, starting over")
        if total is None and "chunked" not in answer.headers.get("Transfer-Encoding", "") and not self._checkable:
            raise Misconfigured(
                f"{shown(self._url)}: the server does not say how long the file is, so a broken one could not be "
                "told; give its SHA-256"
            )
        return total

    def _copy(self, answer: Answer, total: int | None) -> None:
        self._on_progress(self._part.size, total)
        while data := answer.read(_BLOCK):
            self._part.write(data)
            self.received += len(data)
            self._on_progress(self._part.size, total)
        if total is not None and self._part.size < total:
            raise TryAgain(f"{shown(self._url)} ended after {self._part.size} of {total} bytes")

    def _is_all(self, answer: Answer, offset: int) -> bool:
        """True if the server has nothing beyond `offset`."""
        said = _ALL.fullmatch(answer.headers.get("Content-Range", ""))
        return said is not None and int(said[1]) == offset


def _validator(answer: Answer) -> str:
    """What tells this version of the file from others. A weak ETag does not: it is for files that are alike."""
    etag = answer.headers.get("ETag", "")
    return etag if etag and not etag.startswith("W/") else answer.headers.get("Last-Modified", "")


def _continues(answer: Answer, origin: Origin, offset: int) -> bool:
    said = _RANGE.fullmatch(answer.headers.get("Content-Range", ""))
    if said is None or int(said[1]) != offset or _validator(answer) not in ("", origin.validator):
        return False
    return said[2] == "*" or origin.size is None or int(said[2]) == origin.size
