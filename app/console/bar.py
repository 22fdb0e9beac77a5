"""How far a long command is: a bar on a terminal, a line now and then elsewhere."""

import time
from contextlib import suppress
from typing import Protocol, TextIO

_EVERY_S = 5.0
_REDRAW_S = 0.1
# In characters: a bar that still shows something, and what stands between it and the words.
_BAR = 20
_BESIDE = len(" 100 % ")


class Bar(Protocol):
    """Where progress goes."""

    def update(self, share: float, *notes: str) -> None:
        """`share` (0 to 1) is done. `notes` say more, each in fewer words: the first that has room is shown."""

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

    def update(self, share: float, *notes: str) -> None:
        if time.monotonic() >= self._due:
            self._due = time.monotonic() + _EVERY_S
            print(f"    {share:.0%}  {notes[0]}", file=self._out, flush=True)

    def close(self) -> None:
        pass


class _Drawn:
    def __init__(self, out: TextIO) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn

        columns = (BarColumn(_BAR), TextColumn("{task.percentage:>3.0f} %"), TextColumn("{task.fields[note]}"))
        # Redrawn when told: a refresh thread would compete with the work.
        self._console = Console(file=out)
        self._bar = Progress(*columns, console=self._console, auto_refresh=False, transient=True)
        self._task = self._bar.add_task("", total=1.0, note="")
        self._bar.start()
        self._due = 0.0

    def update(self, share: float, *notes: str) -> None:
        if time.monotonic() >= self._due:
            self._due = time.monotonic() + _REDRAW_S
            room = self._console.width - _BAR - _BESIDE
            note = next((note for note in notes if len(note) <= room), notes[-1])
            self._bar.update(self._task, completed=share, note=note, refresh=True)

    def close(self) -> None:
        self._bar.stop()


def left_text(seconds: float | None) -> str:
    """How long it will still take, to be put behind other words; empty for None."""
    if seconds is None:
        return ""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f", about {hours} h {minutes:02d} min left"
    return f", about {minutes} min {rest:02d} s left" if minutes else f", about {rest} s left"
