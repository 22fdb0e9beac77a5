"""The seam between a kind of recording and the import."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Literal, Protocol

from app.importers.findings import Findings
from app.importers.report import ClockReport
from app.market.instruments import Instrument
from app.market.rows import Rows

Book = Literal["snapshot", "differences", "none"]
#: Called with the share (0 to 1) of a stage that is done.
OnShare = Callable[[float], None]


class Format(Protocol):
    """A recording of one kind, in one or more files in order of time. `survey` first, then `rows`, once each."""

    name: str
    venue: str
    found: Findings

    @property
    def gaps(self) -> int:
        """Breaks in the sequence of a book."""

    def survey(self, paths: Sequence[Path], scratch: Callable[[str], Path], on_share: OnShare) -> list[Instrument]:
        """Read the files through and find the symbols and the error of the clock; return the symbols to import."""

    def rows(self, on_share: OnShare) -> Iterator[Rows]:
        """The symbols' rows, ts_recv corrected and not decreasing, without clock rows."""

    def clocks(self) -> list[ClockReport]:
        """How each file's clock was corrected."""

    def book(self, instrument: Instrument) -> Book:
        """What the book of `instrument` was built from."""
