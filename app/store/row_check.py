"""What every row of a part must be, whatever its file's checksums say."""

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from app.core.clock import NS_PER_S
from app.market.rows import CLOCK, EVENT, KINDS, TRADE, Rows, faults
from app.store.layout import Sidecar

Columns = Mapping[str, npt.NDArray[Any]]
Mask = npt.NDArray[np.bool_]

#: No venue's clock is a day ahead of the clock that received from it.
MAX_AHEAD_NS: Final = 86_400 * NS_PER_S
_CHECKED: Final = ("ts_recv", "ts_event", "px", "qty", "kind", "side", "instrument")


class Fault(NamedTuple):
    """Rows that are wrong in one way: the first of them, counted from 0 in the file, how many, and what is wrong."""

    kind: str
    row: int
    rows: int
    detail: str


class Before(NamedTuple):
    """The rows of the part that were looked at already: their number, the last counter and the last ts_recv."""

    rows: int
    seq: int
    ts: int


def row_faults(columns: Columns | Rows, about: Sidecar) -> Iterator[tuple[str, Mask]]:
    """By kind, the rows of `columns` that cannot be rows of the part `about` describes, wherever they stand in it."""
    ts, ahead = columns["ts_recv"], columns["ts_event"] - columns["ts_recv"]
    yield "mixed_symbols", _foreign(columns, about)
    yield "malformed", faults(columns)
    yield "bad_time", (ts < about.first_ts) | (ts > about.last_ts) | (columns["ts_event"] < 0) | (ahead > MAX_AHEAD_NS)


def first_fault(columns: Columns, about: Sidecar, before: Before) -> Fault | None:
    """The first row that is wrong, or not behind the one before it."""
    if not len(columns["seq"]) or (_sound(columns, about) and _in_order(columns, before)):
        return None
    found = [_fault(kind, columns, about, mask, before) for kind, mask in row_faults(columns, about) if mask.any()]
    seq, ts = columns["seq"], columns["ts_recv"]
    wrong = np.empty(len(seq), np.bool_)
    np.less_equal(seq[1:], seq[:-1], out=wrong[1:])
    wrong[1:] |= ts[1:] < ts[:-1]
    wrong[0] = before.seq >= int(seq[0]) or ts[0] < before.ts
    if wrong.any():
        at = int(np.argmax(wrong))
        previous = (int(seq[at - 1]), int(ts[at - 1])) if at else (before.seq, before.ts)
        detail = f"rows are not in order (seq {seq[at]} after {previous[0]}, ts_recv {ts[at]} after {previous[1]})"
        found.append(Fault("shuffled", before.rows + at, int(wrong.sum()), detail))
    return min(found, key=lambda fault: fault.row, default=None)


def described(kind: str, columns: Columns | Rows, at: int, about: Sidecar) -> str:
    """What is wrong with row `at` of `columns`, in words."""
    if kind == "mixed_symbols":
        return (
            f"instrument {columns['instrument'][at]} and kind {columns['kind'][at]} among the rows of "
            f"{about.symbol}, which is instrument {about.instrument}"
        )
    if kind == "bad_time":
        return (
            f"ts_event {columns['ts_event'][at]} and ts_recv {columns['ts_recv'][at]}, where ts_recv goes from "
            f"{about.first_ts} to {about.last_ts} and ts_event is not a day ahead of it"
        )
    values = ", ".join(f"{name} {columns[name][at]}" for name in EVENT.names or () if not name.startswith("ts_"))
    return f"no market data has {values}"


def _sound(columns: Columns, about: Sidecar) -> bool:
    """True only if `row_faults` finds nothing, in a fraction of its time. Comparing NaN is always False."""
    ts, event, px, qty, kind, side, instrument = (columns[name] for name in _CHECKED)
    return bool(
        instrument.min() == instrument.max() == about.instrument
        and about.first_ts <= ts.min()
        and ts.max() <= about.last_ts
        and event.min() >= 0
        and (event - ts).max() <= MAX_AHEAD_NS
        and px.min() > 0.0
        and px.max() < np.inf
        and qty.min() >= 0.0
        and qty.max() < np.inf
        and kind.min() in KINDS
        and kind.max() in KINDS
        and side.min() >= -1
        and side.max() <= 1
        and side.all()
        and not (kind == CLOCK).any()
        and qty[kind == TRADE].all()
    )


def _in_order(columns: Columns, before: Before) -> bool:
    seq, ts = columns["seq"], columns["ts_recv"]
    return bool(
        before.seq < int(seq[0]) and before.ts <= ts[0] and (seq[1:] > seq[:-1]).all() and (ts[1:] >= ts[:-1]).all()
    )


def _foreign(columns: Columns | Rows, about: Sidecar) -> Mask:
    clock = columns["kind"] == CLOCK
    foreign: Mask = (columns["instrument"] != about.instrument) | (clock != (about.instrument == 0))
    return foreign


def _fault(kind: str, columns: Columns, about: Sidecar, mask: Mask, before: Before) -> Fault:
    at = int(np.argmax(mask))
    return Fault(kind, before.rows + at, int(mask.sum()), described(kind, columns, at, about))
