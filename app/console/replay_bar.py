"""How far a replay is: a bar on a terminal, a line now and then elsewhere."""

import time
from contextlib import suppress
from typing import Protocol, TextIO

from app.console.lines import signed
from app.replay import Progress

_EVERY_S = 5.0
_REDRAW_S = 0.1


class Bar(Protocol):
    """Where progress goes."""

    def update(self, progress: Progress) -> None:
        """Called after each block."""

    def close(self) -> None:
        """No update will follow."""


def make_bar(out: TextIO) -> Bar:
    """A bar that is drawn if `out` is a terminal and the library for it is there."""
    if out.isatty():
        with suppress(ImportError):
            return _Drawn(out)
    return _Told(out)


class _Told:
    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._due = time.monotonic() + _EVERY_S

    def update(self, progress: Progress) -> None:
        if time.monotonic() >= self._due:
            self._due = time.monotonic() + _EVERY_S
            print(f"    {progress.share:.0%}  {_figures(progress)}", file=self._out, flush=True)

    def close(self) -> None:
        pass


class _Drawn:
    def __init__(self, out: TextIO) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Rich

        columns = (
            BarColumn(),
            TextColumn("{task.percentage:>3.0f} %"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}"),
        )
        # Redrawn when told: a refresh thread would compete with the replay.
        self._bar = Rich(*columns, console=Console(file=out), auto_refresh=False, transient=True)
        self._task = self._bar.add_task("replay", total=1.0, note="")
        self._bar.start()
        self._due = 0.0

    def update(self, progress: Progress) -> None:
        if time.monotonic() >= self._due:
            self._due = time.monotonic() + _REDRAW_S
            self._bar.update(self._task, completed=progress.share, note=_figures(progress), refresh=True)

    def close(self) -> None:
        self._bar.stop()


def _figures(progress: Progress) -> str:
    tally = progress.tally
    return (
        f"{progress.rows:,} rows, {tally.candidates:,} signals, {tally.fills.total():,} fills, "
        f"{tally.closed_trades:,} trades, PnL {signed(tally.pnl)}"
    )
