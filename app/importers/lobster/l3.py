"""The order-level messages of a LOBSTER day, with the book after each, as one numpy array."""

from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from app.core.clock import NS_PER_S
from app.core.errors import BadInput
from app.importers.lobster.files import LobsterDay, find_day
from app.importers.lobster.table import Ints, Table
from app.importers.report import Tally

#: What happened: values of the column `type`.
NEW: Final = 1  # a limit order came
CANCEL: Final = 2  # part of one was withdrawn
DELETE: Final = 3  # one was withdrawn
EXECUTION: Final = 4  # a visible one was filled, wholly or in part
HIDDEN: Final = 5  # a hidden one was filled; it never was in the book
CROSS: Final = 6  # an auction's trade; neither side of it was in the book, and nobody took
HALT: Final = 7  # price_ticks -1 halted, 0 quoting, 1 trading again

#: Prices in the files are in 1/10,000 of a dollar; a tick is a cent.
PER_DOLLAR: Final = 10_000
PER_TICK: Final = 100
#: `ask_ticks` and `bid_ticks` of a level that nobody occupies; its size is 0.
EMPTY: Final = -1

_TYPES: Final = (NEW, CANCEL, DELETE, EXECUTION, HIDDEN, HALT)
_DUMMY: Final = 9_999_999_999
_SECONDS: Final = 86_400

L3 = npt.NDArray[np.void]


def l3_dtype(levels: int) -> np.dtype[np.void]:
    """The columns of `read_l3` for a book of `levels` levels a side.

    ts (i8): ns since the epoch, UTC. type (i1): NEW … HALT. order_id (i8): 0 for hidden orders. size (i8): shares.
    price (i8): in 1/10,000 dollar. price_ticks (i8): in cents, rounded down; only hidden executions can lie between
    two. direction (i1): +1 a bid, -1 an ask, of the resting order; the aggressor of an execution is on the other
    side. ask_ticks, ask_size, bid_ticks, bid_size (i8, shape (levels,)): the book after the message, best first;
    levels that nobody occupies are `EMPTY` with size 0. line (i8): the line in both files, from 1.
    """
    book = [(name, "<i8", (levels,)) for name in ("ask_ticks", "ask_size", "bid_ticks", "bid_size")]
    fields = [
        ("ts", "<i8"),
        ("order_id", "<i8"),
        ("size", "<i8"),
        ("price", "<i8"),
        ("price_ticks", "<i8"),
        ("line", "<i8"),
        ("type", "|i1"),
        ("direction", "|i1"),
    ]
    return np.dtype([*fields, *book])


def read_l3(path: Path, refused: Tally | None = None) -> L3:
    """Read a whole LOBSTER day: the zip, or one of its two CSV files with the other beside it.

    Messages keep the order of the files. Those that cannot be true are left out and counted in `refused` by reason:
    malformed (a line is cut off or not of numbers), no_counterpart (one file is longer), unknown_type, bad_field (a
    time, size, price or direction that no message can have), off_tick (a book price between two ticks), bad_book
    (levels out of order, or without a size), crossed_book (bid ≥ ask). So are trades of auctions, as cross_trade:
    nobody took, and no queue got shorter.

    Returns:
        A structured array of `l3_dtype(levels)`; `levels` is in the file name.

    Raises:
        Misconfigured: a file is missing or not named as LOBSTER names its files (symbol and date come from there).
        BadInput: the zip is damaged, the orderbook file has not as many levels as its name says, one file alone has a
            headline, or nothing in the files can be used.
    """
    day, refused = find_day(path), Tally() if refused is None else refused
    return messages_of(day, Table(day, refused), refused)


def messages_of(day: LobsterDay, table: Table, refused: Tally) -> L3:
    """The messages in `table`; see `read_l3`."""
    found = np.zeros(len(table.line), l3_dtype(day.levels))
    found["line"] = table.line
    with np.errstate(invalid="ignore"):  # a time that is no number is refused below
        found["ts"] = np.rint(table.time * NS_PER_S).astype(np.int64) + day.midnight_ns
    kind, found["order_id"], found["size"], found["price"], direction = table.message
    # Wider than the column: a value that does not fit must not come out as one that does.
    found["type"], found["direction"] = np.clip(kind, -128, 127), np.clip(direction, -128, 127)
    found["price_ticks"] = np.where(kind == HALT, found["price"], found["price"] // PER_TICK)
    found["ask_ticks"], found["ask_size"] = _levels(table.book[:, 0::4], table.book[:, 1::4])
    found["bid_ticks"], found["bid_size"] = _levels(table.book[:, 2::4], table.book[:, 3::4])
    usable = found[_usable(day, table, found, refused)]
    if not len(usable):
        faults = (f"{reason}: {fault.count}, first {fault.first}" for reason, fault in refused.items())
        raise BadInput(
            f"no market data in {day.message_name}: of {len(table.line)} whole lines none could be used "
            f"({'; '.join(faults) or 'empty'})",
            reason="empty",
        )
    return usable


def _levels(prices: Ints, sizes: Ints) -> tuple[Ints, Ints]:
    absent = np.abs(prices) == _DUMMY
    return np.where(absent, EMPTY, prices // PER_TICK), np.where(absent, 0, sizes)


def _usable(day: LobsterDay, table: Table, found: L3, refused: Tally) -> npt.NDArray[np.bool_]:
    good = np.ones(len(found), np.bool_)
    for reason, name, bad in (
        ("cross_trade", day.message_name, found["type"] == CROSS),
        ("unknown_type", day.message_name, ~np.isin(found["type"], _TYPES)),
        ("bad_field", day.message_name, _bad_field(table, found)),
        ("off_tick", day.orderbook_name, _off_tick(table.book)),
        ("bad_book", day.orderbook_name, _bad_book(found)),
        ("crossed_book", day.orderbook_name, _crossed(found)),
    ):
        new = bad & good
        if new.any():
            refused.add(reason, f"{name}:{int(found['line'][np.argmax(new)])}", int(new.sum()))
        good &= ~bad
    return good


def _bad_field(table: Table, found: L3) -> npt.NDArray[np.bool_]:
    impossible = (found["size"] <= 0) | (found["price"] <= 0)
    bad: npt.NDArray[np.bool_] = (found["type"] != HALT) & impossible
    bad |= ~((table.time >= 0) & (table.time < _SECONDS)) | (np.abs(found["direction"]) != 1)
    return bad


def _off_tick(book: Ints) -> npt.NDArray[np.bool_]:
    prices = book[:, 0::2]
    off: npt.NDArray[np.bool_] = ((np.abs(prices) != _DUMMY) & (prices % PER_TICK != 0)).any(axis=1)
    return off


def _bad_book(found: L3) -> npt.NDArray[np.bool_]:
    """Occupied levels come first, from the best to the worst, each with a size."""
    bad = np.zeros(len(found), np.bool_)
    for side, worse in (("ask", 1), ("bid", -1)):
        ticks, sizes = found[f"{side}_ticks"], found[f"{side}_size"]
        occupied = ticks != EMPTY
        bad |= (occupied & ((ticks <= 0) | (sizes <= 0))).any(axis=1)
        bad |= (occupied[:, 1:] & (~occupied[:, :-1] | (worse * np.diff(ticks, axis=1) <= 0))).any(axis=1)
    return bad


def _crossed(found: L3) -> npt.NDArray[np.bool_]:
    ask, bid = found["ask_ticks"][:, 0], found["bid_ticks"][:, 0]
    crossed: npt.NDArray[np.bool_] = (ask != EMPTY) & (bid != EMPTY) & (bid >= ask)
    return crossed
