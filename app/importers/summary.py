"""An import's report as text, and its progress as a line."""

import sys
from datetime import UTC, datetime

from app.core.clock import NS_PER_S
from app.importers.report import Fault, ImportReport

_BOOKS = {
    "snapshot": "starts from a snapshot",
    "differences": "no snapshot: builds up from differences, so it lacks levels that have not changed yet",
    "none": "none",
}


def summary(report: ImportReport) -> str:
    """The report for people, a fact a line."""
    seconds = (report.last_ts - report.first_ts) / NS_PER_S
    lines = [
        f"{report.venue} {', '.join(report.symbols)}: {report.rows_total:,} rows in {report.parts} parts, "
        f"{_time(report.first_ts)} to {_time(report.last_ts)} ({seconds:,.1f} s), as {report.recording}",
        "rows: " + ", ".join(f"{kind} {count:,}" for kind, count in sorted(report.rows.items())),
        "read: " + ", ".join(f"{kind} {count:,}" for kind, count in sorted(report.read.items())),
        "delay (ts_recv - ts_event): " + ", ".join(f"{name} {ms:.1f} ms" for name, ms in report.delay_ms.items()),
    ]
    lines += [f"book of {symbol}: {_BOOKS[book]}" for symbol, book in report.book.items()]
    for file in report.files:
        if file.clock is not None:
            lines.append(
                f"clock of {file.name}: {file.clock.offset_ms:+.3f} ms, drift {file.clock.drift_ppm:+.1f} ppm "
                f"({file.clock.method})"
            )
        if file.truncated:
            lines.append(f"{file.name} is truncated: it ends before its compression says it should")
    lines += _faults("left out", report.refused) + _faults("repaired", report.repaired)
    if report.gaps:
        lines.append(f"gaps in the book's sequence: {report.gaps}; the book is cleared at each")
    if report.silences:
        lines.append(f"pauses longer than an hour, without clock rows: {report.silences}")
    lines += [f"warning: {warning}" for warning in report.warnings]
    lines.append(f"took {report.wall_s:.2f} s ({report.cpu_s:.2f} s of CPU)")
    return "\n".join(lines)


class ProgressLine:
    """Draws the share done on standard error, if that is a terminal."""

    def __init__(self) -> None:
        self._draws = sys.stderr.isatty()
        self._shown = -1

    def __call__(self, share: float) -> None:
        percent = int(share * 100)
        if not self._draws or percent == self._shown:
            return
        self._shown = percent
        bar = "#" * (percent * 40 // 100)
        end = "\r\x1b[K" if percent >= 100 else ""
        print(f"\rimporting [{bar:<40}] {percent:3d} %{end}", end="", file=sys.stderr, flush=True)


def _faults(what: str, faults: dict[str, Fault]) -> list[str]:
    return [f"{what}: {fault.count:,} × {reason} (first at {fault.first})" for reason, fault in sorted(faults.items())]


def _time(ns: int) -> str:
    return datetime.fromtimestamp(ns / NS_PER_S, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
