"""No entry while the venue mode is unknown, or trading is halted."""

from typing import Any, ClassVar, Final

from app.core.errors import Misconfigured
from app.messages.control import Control
from app.messages.signals import ScoredSignal
from app.risk.gates.base import Gate, Limits, Refusal

KNOWN_MODES: Final = ("paper", "real")


class ModeGate(Gate):
    """HALT and CRIT stop entries until RESUME; both also outlast a restart.

    Raises:
        Misconfigured: `exchange.mode` is none of the known.
    """

    reasons: ClassVar[tuple[str, ...]] = ("halted", "crit")

    def __init__(self, limits: Limits) -> None:
        if limits.exchange_mode not in KNOWN_MODES:
            raise Misconfigured(
                f"exchange.mode {limits.exchange_mode!r} is unknown; set it to one of {', '.join(KNOWN_MODES)}"
            )
        self._stopped: tuple[str, str] | None = None

    def check(self, signal: ScoredSignal) -> Refusal | None:
        return None if self._stopped is None else Refusal(*self._stopped)

    def on_control(self, control: Control) -> None:
        if control.kind == "RESUME":
            self._stopped = None
        elif control.kind in ("HALT", "CRIT"):
            word = "halted" if control.kind == "HALT" else "crit"
            self._stopped = (word, f"{control.kind} from {control.source}: {control.reason}")

    def snapshot(self) -> Any:
        return self._stopped

    def restore(self, state: Any) -> None:
        self._stopped = None if state is None else (state[0], state[1])
