"""A recording's messages between being read and being put in order: on disk, so that a day's may be imported.

Each message has an entry in one file and its rows, consecutive, in another. Rows are as they will be, but for ts_recv
and the time corrections, which need the whole recording to be known.
"""

from pathlib import Path
from types import TracebackType
from typing import Final, Self

import numpy as np
import numpy.typing as npt

from app.market.rows import EVENT, Rows

Messages = npt.NDArray[np.void]

MESSAGE: Final = np.dtype(
    [
        ("local", "<i8"),  # ns, the recorder's clock
        ("event", "<i8"),  # ns, the exchange's
        ("low", "<i8"),  # first update id of a difference
        ("high", "<i8"),  # its last update id; the id of a snapshot, quote or trade
        ("prev", "<i8"),  # the update id a difference follows
        ("row", "<i8"),  # its first row
        ("line", "<i8"),
        ("rows", "<i4"),
        ("file", "<u2"),
        ("symbol", "<u2"),  # index of the symbol's name; 0 for snapshots, which name none
        ("kind", "u1"),
    ]
)

DIFFERENCE: Final = 1
SNAPSHOT_BODY: Final = 2
QUOTES: Final = 3
TRADES: Final = 4
MARKS: Final = 5


class Staging:
    """Write with `add` inside the context; then `messages` and `rows` map what was written."""

    def __init__(self, messages: Path, rows: Path) -> None:
        self._paths = messages, rows
        self._files = [path.open("wb") for path in self._paths]
        self.row_count = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for file in self._files:
            file.close()

    def add(self, messages: Messages, rows: Rows) -> None:
        """Append `messages`, whose `row` counts from their first, and their rows."""
        messages["row"] += self.row_count
        self.row_count += len(rows)
        self._files[0].write(messages.tobytes())
        self._files[1].write(rows.tobytes())

    @property
    def messages(self) -> Messages:
        """All messages, read-only."""
        return _mapped(self._paths[0], MESSAGE)

    @property
    def rows(self) -> Rows:
        """All rows, read-only."""
        return _mapped(self._paths[1], EVENT)


def _mapped(path: Path, dtype: np.dtype[np.void]) -> npt.NDArray[np.void]:
    if not path.stat().st_size:
        return np.zeros(0, dtype)
    return np.memmap(path, dtype, "r")
