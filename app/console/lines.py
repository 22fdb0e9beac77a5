"""The launcher's words as lines of text: for a log, a pipe, or a terminal without the `demo` extra."""

import time
from decimal import Decimal
from typing import TextIO

from app.console.board import Board

_EVERY_S = 5.0
_MARKS = {"ok": "✓", "wait": "…", "warn": "!", "fail": "✗"}
_PLAIN = {"ok": "ok", "wait": "..", "warn": "!!", "fail": "no"}


class Lines:
    """Writes to `out`: the checklist and notes at once, the state every five seconds and whenever the phase changes."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._due = 0.0
        self._phase = ""
        self._marks = _MARKS if "utf" in (out.encoding or "").lower() else _PLAIN

    def check(self, name: str, text: str, *, mark: str = "ok") -> None:
        """One line of the start-up checklist."""
        self._write(f" {self._marks[mark]} {name:<14} {text}")

    def note(self, text: str) -> None:
        """A line with the time of day."""
        self._write(f"{time.strftime('%H:%M:%S')} {text}")

    def update(self, board: Board) -> None:
        """A summary line, if it is time for one; the checklist tells how starting goes."""
        if board.phase == "starting":
            return
        if board.phase != self._phase or time.monotonic() >= self._due:
            self._phase, self._due = board.phase, time.monotonic() + _EVERY_S
            self.note(f"{board.phase}  {_pipeline(board)}  {_trading(board)}")

    def close(self) -> None:
        """Nothing to put away."""

    def _write(self, text: str) -> None:
        print(text.encode(self._out.encoding or "ascii", "replace").decode(self._out.encoding or "ascii"),
              file=self._out, flush=True)  # fmt: skip


def _pipeline(board: Board) -> str:
    ready = sum(row.state == "ready" for row in board.services)
    rate = max((row.rate for row in board.services), default=0.0)
    worst = max((row.age_p99_s for row in board.services if row.age_p99_s is not None), default=None)
    age = "" if worst is None else f", age p99 {worst * 1000:.1f} ms"
    return f"ready {ready}/{len(board.services)}, {rate:,.0f} msg/s, lag {sum(r.lag for r in board.services):,}{age}"


def _trading(board: Board) -> str:
    tally = board.tally
    dead = f", dead letters {tally.dead_letters.total():,}" if tally.dead_letters else ""
    return (
        f"signals {tally.candidates:,}, approved {tally.approved:,}, dropped {tally.dropped:,}, "
        f"orders {tally.orders:,}, fills {tally.fills.total():,}, open {len(tally.open_positions)}, "
        f"trades {tally.closed_trades:,}, pnl {signed(tally.pnl)}{dead}"
    )


def signed(value: Decimal) -> str:
    """Money to a hundredth of a cent, with its sign."""
    return f"{value:+,.4f}"
