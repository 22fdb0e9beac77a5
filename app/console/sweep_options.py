"""What `python -m app sweep` was asked to do, checked for contradictions."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from app.core.errors import Misconfigured
from app.replay.stretches import By, parse_days


def parse_by(text: str) -> By:
    """Which cut of the archive `text` names.

    Raises:
        Misconfigured: none.
    """
    match text:
        case "day" | "recording" | "whole":
            return text
        case _:
            raise Misconfigured(f"--by {text!r} is not known; known: day, recording, whole")


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepOptions:
    """The options of `sweep`; None or empty means not given. Times are ns."""

    archive: Path
    report: Path
    grid: Sequence[str] = ()
    points: Path | None = None
    by: By = "day"
    days: str | None = None
    start: int | None = None
    end: int | None = None
    venue: str | None = None
    symbols: Sequence[str] = ()
    recording: str | None = None
    config: Path | None = None
    overlays: Sequence[str] | None = None
    assignments: Sequence[str] = ()
    jobs: int | None = None
    ray: str | None = None

    def check(self) -> None:
        """Refuse options that exclude each other.

        Raises:
            Misconfigured: naming both and which to leave out.
        """
        if bool(self.grid) == (self.points is not None):
            raise Misconfigured("name what to vary: either --grid key.path=value,value (once or more) or --points FILE")
        if self.days is not None and (self.start is not None or self.end is not None):
            raise Misconfigured("--days and --from or --to exclude each other; leave out either")

    @property
    def limits(self) -> tuple[int | None, int | None]:
        """Begin and end of what is swept (ns); None is open."""
        return (self.start, self.end) if self.days is None else parse_days(self.days)

    def given(self) -> dict[str, str]:
        """The options that were given, as text, for the record of the sweep."""
        shown = {
            "archive": self.archive, "grid": "; ".join(self.grid) or None, "points": self.points, "by": self.by,
            "days": self.days, "from": self.start, "to": self.end, "venue": self.venue,
            "symbols": ",".join(self.symbols) or None, "recording": self.recording, "config": self.config,
            "overlays": ",".join(self.overlays or ()) or None, "set": "; ".join(self.assignments) or None,
            "jobs": self.jobs, "ray": self.ray,
        }  # fmt: skip
        return {name: str(value) for name, value in shown.items() if value is not None}
