"""What a running launcher has to show, the same for a terminal and for a log."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from app.console.fleet import State
from app.report.tally import Tally


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceRow:
    """One process now. `rate` is messages a second, ages are of the last seconds."""

    name: str
    state: State
    rate: float = 0.0
    lag: int = 0
    age_p50_s: float | None = None
    age_p99_s: float | None = None
    rss_bytes: int = 0
    cpu_share: float = 0.0
    restarts: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """The run now. `limit_s` is when it will end by itself, if that is by the wall clock."""

    run: str
    source: str
    phase: str
    elapsed_s: float
    limit_s: float | None
    services: Sequence[ServiceRow]
    tally: Tally


class View(Protocol):
    """Where the launcher says what goes on."""

    def check(self, name: str, text: str, *, mark: str = "ok") -> None:
        """One line of the start-up checklist; `mark` is ``ok``, ``wait``, ``warn`` or ``fail``."""

    def note(self, text: str) -> None:
        """Something a person should know."""

    def update(self, board: Board) -> None:
        """The state now; called about once a second."""

    def close(self) -> None:
        """No update will follow."""


class Unbreakable:
    """A view that falls silent when nobody can be written to any more: a run outlives its terminal."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._broken = False

    def check(self, name: str, text: str, *, mark: str = "ok") -> None:
        """See `View.check`."""
        self._say(lambda: self._view.check(name, text, mark=mark))

    def note(self, text: str) -> None:
        """See `View.note`."""
        self._say(lambda: self._view.note(text))

    def update(self, board: Board) -> None:
        """See `View.update`."""
        self._say(lambda: self._view.update(board))

    def close(self) -> None:
        """See `View.close`."""
        self._say(self._view.close)

    def _say(self, words: Callable[[], None]) -> None:
        if self._broken:
            return
        try:
            words()
        except OSError:
            self._broken = True
