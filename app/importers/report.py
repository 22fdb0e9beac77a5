"""What an import found, changed and refused."""

from typing import Literal

import msgspec


class Fault(msgspec.Struct):
    """How often something happened, and where first (`file:line`)."""

    count: int = 0
    first: str = ""


class Tally(dict[str, Fault]):
    """Faults by reason, a short fixed word."""

    def add(self, reason: str, where: str, count: int = 1) -> None:
        """Count `reason`, first seen at `where`."""
        if count > 0:
            fault = self.setdefault(reason, Fault(first=where))
            fault.count += count

    def total(self) -> int:
        """All of them."""
        return sum(fault.count for fault in self.values())


class ClockReport(msgspec.Struct, kw_only=True):
    """How the recorder's clock was corrected: `ts_recv` = local time + `offset_ms`, and a drift if `method` says so."""

    method: str
    offset_ms: float
    drift_ppm: float


class FileReport(msgspec.Struct, kw_only=True):
    """One input file."""

    name: str
    sha256: str
    lines: int = 0
    truncated: bool = False
    clock: ClockReport | None = None


class ImportReport(msgspec.Struct, kw_only=True):
    """The whole import.

    `read` counts what was in the files before anything was left out; `rows` what is in the archive, by kind.
    `book` says, for each symbol, whether its order book starts from a snapshot or builds up from differences.
    `delay_ms` has the percentiles p1, p50 and p99 of `ts_recv` − `ts_event` over these rows, to 0.1 ms.
    `refused` messages or lines were left out; `repaired` ones were changed and their rows flagged REPAIRED.
    """

    format: str
    venue: str
    recording: str
    files: list[FileReport]
    symbols: list[str]
    read: dict[str, int]
    rows: dict[str, int]
    book: dict[str, Literal["snapshot", "differences", "none"]]
    gaps: int
    refused: dict[str, Fault]
    repaired: dict[str, Fault]
    delay_ms: dict[str, float]
    silences: int
    first_ts: int
    last_ts: int
    parts: int
    warnings: list[str]
    wall_s: float
    cpu_s: float

    @property
    def rows_total(self) -> int:
        """Rows in the archive, clock rows included."""
        return sum(self.rows.values())
