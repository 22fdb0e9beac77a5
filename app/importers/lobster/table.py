"""The two CSV texts of a LOBSTER day as columns, line by line in step."""

import io
import re
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyarrow import csv

from app.core.errors import BadInput
from app.importers.lobster.files import LobsterDay
from app.importers.report import Tally

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

_MESSAGE: Final = ("time", "type", "order_id", "size", "price", "direction")
_MESSAGE_LINE: Final = rb"\d+(\.\d+)?(,-?\d{1,18}){5}(,[^,]*){%d}"
_LOOKED_AT: Final = 3  # lines that tell how many columns there are: one of them may be broken


class Table:
    """The lines that both files have whole. `line` is the number of each in the files, from 1.

    `time` is in seconds after midnight; `message` has the columns type, order id, size, price and direction, `book`
    ask price, ask size, bid price and bid size a level; prices × 10⁴. Columns behind these, as younger message files
    have, are not read. `lines` counts those of the message and of the orderbook file, broken ones included.

    Raises:
        BadInput: the orderbook file has not as many levels as its name says, or one file alone has a headline.
    """

    def __init__(self, day: LobsterDay, refused: Tally) -> None:
        message, orderbook = day.texts()
        _check_columns(day, message, orderbook)
        columns = sorted(_columns(message))
        self._more = max(0, columns[len(columns) // 2] - len(_MESSAGE)) if columns else 0
        try:
            self._read(message, orderbook, day.levels)
            self.lines = len(self.line), len(self.line)
        except (pa.ArrowInvalid, _Unequal):
            self._read_whole_lines(day, _lines(message), _lines(orderbook), refused)

    def _read(self, message: bytes, orderbook: bytes, levels: int) -> None:
        columns = {name: pa.float64() if name == "time" else pa.int64() for name in _MESSAGE}
        table = _parse(message, columns | {f"more {number}": pa.string() for number in range(self._more)})
        book = _parse(orderbook, {str(number): pa.int64() for number in range(4 * levels)})
        if table.num_rows != book.num_rows:
            raise _Unequal
        self.time: Floats = table.column("time").to_numpy()
        self.message: list[Ints] = [table.column(name).to_numpy() for name in _MESSAGE[1:]]
        self.book: Ints = np.column_stack([column.to_numpy() for column in book.columns])
        self.line: Ints = np.arange(1, table.num_rows + 1)

    def _read_whole_lines(self, day: LobsterDay, messages: list[bytes], books: list[bytes], refused: Tally) -> None:
        """Line n of one file belongs to line n of the other: a broken one takes the other with it."""
        self.lines = len(messages), len(books)
        pairs = min(len(messages), len(books))
        longer = day.message_name if len(messages) > pairs else day.orderbook_name
        refused.add("no_counterpart", f"{longer}:{pairs + 1}", max(len(messages), len(books)) - pairs)
        message_line = re.compile(_MESSAGE_LINE % self._more)
        book_line = re.compile(rb"-?\d{1,18}(,-?\d{1,18}){%d}" % (4 * day.levels - 1))
        kept = []
        for number in range(pairs):
            if not message_line.fullmatch(messages[number]):
                refused.add("malformed", f"{day.message_name}:{number + 1}")
            elif not book_line.fullmatch(books[number]):
                refused.add("malformed", f"{day.orderbook_name}:{number + 1}")
            else:
                kept.append(number)
        self._read(
            b"\n".join(messages[number] for number in kept), b"\n".join(books[number] for number in kept), day.levels
        )
        self.line = np.array(kept, np.int64) + 1


class _Unequal(Exception):
    """The files differ in length."""


def _check_columns(day: LobsterDay, message: bytes, orderbook: bytes) -> None:
    """Refuse what would fail line by line, or pair each message with the book of another, without saying why."""
    for name, text, other in ((day.message_name, message, orderbook), (day.orderbook_name, orderbook, message)):
        if text[:1].isalpha() and other.strip() and not other[:1].isalpha():
            raise BadInput(f"{name}:1 is a headline, and the other file has none; remove it", reason="headline")
    found, wanted = _columns(orderbook), 4 * day.levels
    if found and wanted not in found:
        raise BadInput(
            f"{day.orderbook_name}:1 has {found[0]} columns, and {day.levels} levels, as its name says, make {wanted}; "
            "give both files the number of levels that is in them",
            reason="levels",
        )


def _columns(text: bytes) -> list[int]:
    """How many columns the first lines have; without those that have nothing."""
    return [line.count(b",") + 1 for line in text.split(b"\n", _LOOKED_AT)[:_LOOKED_AT] if line.strip()]


def _parse(text: bytes, types: dict[str, pa.DataType]) -> pa.Table:
    """The columns of `text`, without nulls.

    Raises:
        ArrowInvalid: a line has more or fewer columns, or a value is no number.
    """
    if not text.strip():
        return pa.schema(list(types.items())).empty_table()
    return csv.read_csv(
        io.BytesIO(text),
        csv.ReadOptions(column_names=list(types), block_size=1 << 23, use_threads=False),
        csv.ParseOptions(quote_char=False, ignore_empty_lines=False),
        csv.ConvertOptions(column_types=types, null_values=[], strings_can_be_null=False),
    )


def _lines(text: bytes) -> list[bytes]:
    text = text.rstrip()
    return [line.rstrip(b"\r") for line in text.split(b"\n")] if text else []
