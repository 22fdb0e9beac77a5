"""`python -m app download`: a recording from a public archive, resumed and checked."""

import sys
import time
from pathlib import Path
from typing import Final

import msgspec

from app.core.process import EXIT_FAILED, EXIT_OK
from app.importers.download import DownloadReport, download

_MIB: Final = 1 << 20
_EVERY_S: Final = 5.0


def download_command(url: str, target: Path, *, sha256: str | None, sidecar: bool, as_json: bool) -> int:
    """Download `url` to `target` and say what came; return the exit code: 0 it is there, 1 it was interrupted.

    Raises:
        Misconfigured, BadInput, Retryable: as `download` does.
    """
    line = ProgressLine()
    try:
        report = download(url, target, sha256=sha256, on_progress=line, sidecar=sidecar)
    except KeyboardInterrupt:
        print("interrupted; what came is kept: run this again to go on", file=sys.stderr)
        return EXIT_FAILED
    finally:
        line.close()
    print(msgspec.json.encode(report).decode() if as_json else summary(report))
    return EXIT_OK


def summary(report: DownloadReport) -> str:
    """The report for people."""
    checks = {
        "given": "as asked for",
        "sidecar": "as the archive says",
        "none": "not checked: the archive publishes none here",
    }
    came = "was there already" if report.already_there else f"{report.received_bytes:,} bytes received"
    if report.kept_bytes:
        came += f", {report.kept_bytes:,} kept from before"
    return (
        f"{report.path}: {report.size_bytes:,} bytes ({came}) in {report.wall_s:.1f} s\n"
        f"SHA-256 {report.sha256} ({checks[report.checked]})"
    )


class ProgressLine:
    """The bytes so far on standard error: a bar on a terminal, a line every few seconds elsewhere."""

    def __init__(self) -> None:
        self._draws = sys.stderr.isatty()
        self._shown = ""
        self._due = time.monotonic() + _EVERY_S

    def __call__(self, done: int, total: int | None) -> None:
        """Show `done` of `total` bytes; only what looks different from before."""
        text = f"{done / _MIB:.1f} MiB" + (f" of {total / _MIB:.1f}" if total else "")
        share = done / total if total else None
        if self._draws:
            self._draw(text if share is None else f"[{'#' * int(share * 40):<40}] {int(share * 100):3d} %  {text}")
        elif time.monotonic() >= self._due:
            self._due = time.monotonic() + _EVERY_S
            print(f"downloading {text}{'' if share is None else f', {share:.0%}'}", file=sys.stderr, flush=True)

    def _draw(self, text: str) -> None:
        if text != self._shown:
            self._shown = text
            print(f"\rdownloading {text}\x1b[K", end="", file=sys.stderr, flush=True)

    def close(self) -> None:
        """Remove the line."""
        if self._shown:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
