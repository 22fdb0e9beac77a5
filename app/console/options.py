"""What `python -m app up` was asked to do, checked for contradictions."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from app.core.errors import Misconfigured

Clock = Literal["wall", "event"]

_UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0}


def parse_duration(text: str) -> float:
    """Seconds in `text`: a number, optionally followed by s, m or h.

    Raises:
        Misconfigured: it is anything else, or not above 0.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smh]?)", text.strip())
    seconds = float(match[1]) * _UNITS[match[2]] if match else 0.0
    if seconds <= 0:
        raise Misconfigured(f"duration {text!r} must be a number above 0, as in 60, 90s, 5m or 2h")
    return seconds


def parse_clock(text: str | None) -> Clock | None:
    """Which clock `text` names.

    Raises:
        Misconfigured: none.
    """
    match text:
        case None | "wall" | "event":
            return text
        case _:
            raise Misconfigured(f"clock {text!r} is not known; known: wall, event")


@dataclass(frozen=True, slots=True, kw_only=True)
class UpOptions:
    """The options of `up`; None means not given.

    `for_s` is wall-clock seconds, or event-time seconds with the event clock.
    """

    for_s: float | None = None
    tape: Path | None = None
    speed: float | None = None
    seed: int | None = None
    live: str | None = None
    clock: Clock | None = None
    assignments: Sequence[str] = ()
    runs: Path = Path("runs")
    config: Path | None = None
    overlays: Sequence[str] | None = None

    def check(self) -> None:
        """Refuse options that exclude each other.

        Raises:
            Misconfigured: naming both and which to leave out.
        """
        if self.live not in (None, "bybit"):
            raise Misconfigured(f"live venue {self.live!r} is not known; known: bybit")
        if self.live:
            for name, value in (("tape", self.tape), ("speed", self.speed), ("seed", self.seed)):
                if value is not None:
                    raise Misconfigured(f"--live and --{name} exclude each other: a live market cannot be steered")
        if self.speed is not None and self.speed < 0:
            raise Misconfigured(f"--speed {self.speed:g} must be 0 (as fast as possible) or above")
        if self.clock == "wall" and self.speed not in (None, 1.0):
            raise Misconfigured(
                f"--speed {self.speed:g} needs the event clock, since a market at another speed has left the present; "
                "leave out --clock wall"
            )

    def given(self) -> dict[str, str]:
        """The options that were given, as text, for the record of the run."""
        shown = {
            "for": self.for_s, "tape": self.tape, "speed": self.speed, "seed": self.seed, "live": self.live,
            "clock": self.clock, "overlays": ",".join(self.overlays) if self.overlays else None,
        }  # fmt: skip
        return {name: str(value) for name, value in shown.items() if value is not None}
