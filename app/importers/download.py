"""Downloads recordings: resumable, checked, and under their name only when they are whole."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Literal
from urllib.parse import unquote, urlsplit

import msgspec

from app.core.errors import BadInput, Misconfigured
from app.importers.checksum import given_digest, parse_sidecar, sidecar_url
from app.importers.http_get import NotThere, TryAgain, check_url, read_small, shown
from app.importers.partial_file import PartialFile
from app.importers.transfer import OnBytes, Transfer, retried
from app.store.part import file_sha256

#: Pauses before further tries; they start over whenever more of the file is there than before.
RETRY_DELAYS_S: Final = (0.5, 1.0, 2.0, 4.0, 8.0)
_SIDECAR_BYTES: Final = 1 << 20
_ABSENT: Final = (403, 404, 410)  # object stores answer 403 for what does not exist where listing is not allowed


class DownloadReport(msgspec.Struct, kw_only=True):
    """What was downloaded.

    `checked` says where the checksum is from that `sha256` was held against. `kept_bytes` of the file were there from
    an earlier call; `received_bytes` came now, those of tries that had to start over included.
    """

    url: str
    path: str
    checked: Literal["given", "sidecar", "none"]
    size_bytes: int = 0
    sha256: str = ""
    kept_bytes: int = 0
    received_bytes: int = 0
    requests: int = 0
    already_there: bool = False
    wall_s: float = 0.0


def download(
    url: str,
    target: Path,
    *,
    sha256: str | None = None,
    on_progress: OnBytes | None = None,
    sidecar: bool = True,
    retry_delays_s: Sequence[float] = RETRY_DELAYS_S,
) -> DownloadReport:
    """Download `url` to `target`; into it, under the address's name, if that is a directory.

    Interrupted, by Ctrl-C too, it leaves `<target>.part`, and the same call goes on from there if the server can and
    the file there is still the same (Range with If-Range); else it starts over. The SHA-256 must be `sha256`, or
    what `<url>.CHECKSUM` says if there is one and `sidecar` is true. A `target` that is there is taken if its
    checksum is known and right. No proxy is used.

    Raises:
        Misconfigured: the address is not of http or https, the server does not have it, the target cannot be
            written, or is there already and differs or cannot be checked.
        BadInput: the checksum is wrong; the file is kept as `<target>.bad`. Or the checksum file is none.
        Retryable: the server cannot be reached, or the connection breaks too often; the bytes so far are kept.
    """
    begun = time.perf_counter()
    check_url(url)
    target = _file(url, target)
    expected, checked = _expected(url, sha256, retry_delays_s, sidecar=sidecar)
    report = DownloadReport(url=shown(url), path=str(target), checked=checked)
    if (there := _already(target, expected)) is not None:
        report.already_there, report.sha256 = True, there
    else:
        with PartialFile(target) as part:
            transfer = Transfer(url, part, on_progress or _silent, checkable=expected is not None)
            report.sha256 = _bring(transfer, part, expected, retry_delays_s)
        report.kept_bytes, report.received_bytes = transfer.kept, transfer.received
        report.requests = transfer.requests
    report.size_bytes = target.stat().st_size
    report.wall_s = round(time.perf_counter() - begun, 3)
    return report


def _file(url: str, target: Path) -> Path:
    try:
        return target / _name(url) if target.is_dir() else target
    except OSError as error:
        raise Misconfigured(f"target {target} cannot be a file: {error.strerror}; name another") from None


def _silent(_done: int, _total: int | None) -> None:
    """Draw nothing."""


def _expected(
    url: str, sha256: str | None, delays_s: Sequence[float], *, sidecar: bool
) -> tuple[str | None, Literal["given", "sidecar", "none"]]:
    """The checksum the file must have, and where it is from."""
    if sha256 is not None:
        return given_digest(sha256), "given"
    text = _beside(sidecar_url(url), delays_s) if sidecar else None
    return (None, "none") if text is None else (parse_sidecar(text.decode("utf-8", "replace"), _name(url)), "sidecar")


def _beside(url: str, delays_s: Sequence[float]) -> bytes | None:
    """The small file at `url`; None if there is none."""
    try:
        return retried(lambda: read_small(url, _SIDECAR_BYTES), delays_s, lambda: 0)
    except NotThere as error:
        if error.status in _ABSENT:
            return None
        raise
    except TryAgain as error:
        raise TryAgain(
            f"{error}; so it is not known whether the archive publishes a checksum: try later, give the checksum "
            "yourself, or ask for none to be looked for"
        ) from None


def _already(target: Path, expected: str | None) -> str | None:
    """The checksum of the file at `target`, if it is the one to download; None if there is no file."""
    if not target.exists():
        return None
    if expected is None:
        raise Misconfigured(f"{target} is there already, and no checksum tells whether it is right; remove it first")
    found = file_sha256(target)
    if found != expected:
        raise Misconfigured(
            f"{target} is there already and differs (SHA-256 {found}, expected {expected}); remove it, or name another "
            "target"
        )
    return found


def _bring(transfer: Transfer, part: PartialFile, expected: str | None, delays_s: Sequence[float]) -> str:
    """Give the file its name once it is whole and right; return its checksum."""
    transfer.run(delays_s)
    found = file_sha256(part.path)
    if expected is None or found == expected:
        part.finish(part.target)
        return found
    bad = part.target.with_name(part.target.name + ".bad")
    part.finish(bad)
    raise BadInput(
        f"{part.target.name} has the wrong checksum: expected SHA-256 {expected}, got {found}; it is kept as "
        f"{bad.name}; download it again, and if it stays so do not use it",
        reason="checksum",
    )


def _name(url: str) -> str:
    """The file's name in the address."""
    name = unquote(urlsplit(url).path.rpartition("/")[2])
    if name in ("", ".", "..") or "/" in name or "\0" in name:
        raise Misconfigured(f"address {shown(url)!r} ends in no file name; name the target file")
    return name
