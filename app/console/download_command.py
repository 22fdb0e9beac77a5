"""`python -m app download`: a recording from a public archive, resumed and checked."""

import sys
from pathlib import Path
from typing import Final

import msgspec

from app.importers.download import DownloadReport, download

EXIT_INTERRUPTED: Final = 130
_MIB: Final = 1 << 20


def download_command(url: str, target: Path, *, sha256: str | None, sidecar: bool, as_json: bool) -> int:
    """Download `url` to `target` and say what came; return the exit code.

    Raises:
        Misconfigured, BadInput, Retryable: as `download` does.
    """
    line = ProgressLine()
    try:
        report = download(url, target, sha256=sha256, on_progress=line, sidecar=sidecar)
    except KeyboardInterrupt:
        print("interrupted; what came is kept: run this again to go on", file=sys.stderr)
        return EXIT_INTERRUPTED
    finally:
        line.close()
    print(msgspec.json.encode(report).decode() if as_json else summary(report))
    return 0


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
    """Draws the bytes so far on standard error, if that is a terminal."""

    def __init__(self) -> None:
        self._draws = sys.stderr.isatty()
        self._shown = ""

    def __call__(self, done: int, total: int | None) -> None:
        """Draw `done` of `total` bytes; only what looks different from before."""
        if not self._draws:
            return
        text = f"{done / _MIB:.1f} MiB"
        if total:
            share = done / total
            text = f"[{'#' * int(share * 40):<40}] {int(share * 100):3d} %  {text} of {total / _MIB:.1f}"
        if text != self._shown:
            self._shown = text
            print(f"\rdownloading {text}\x1b[K", end="", file=sys.stderr, flush=True)

    def close(self) -> None:
        """Remove the line."""
        if self._shown:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
