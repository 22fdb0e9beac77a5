"""What `python -m app replay` was asked to do, checked for contradictions."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from app.core.clock import NS_PER_S
from app.core.errors import Misconfigured

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def parse_time(text: str, option: str) -> int:
    """`text`, a date or time in ISO 8601 (UTC unless it says otherwise), in ns since the epoch.

    Raises:
        Misconfigured: it is neither.
    """
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise Misconfigured(f"{option} {text!r} is not a time; write it as in 2024-08-09T00:05:00") from None
    since = (at if at.tzinfo else at.replace(tzinfo=UTC)) - _EPOCH
    return (since.days * 86_400 + since.seconds) * NS_PER_S + (since % timedelta(seconds=1)).microseconds * 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayOptions:
    """The options of `replay`; None or empty means not given. Times are ns."""

    archive: Path | None = None
    run: Path | None = None
    venue: str | None = None
    symbols: Sequence[str] = ()
    start: int | None = None
    end: int | None = None
    recording: str | None = None
    config: Path | None = None
    overlays: Sequence[str] | None = None
    assignments: Sequence[str] = ()
    report: Path | None = None
    repair: bool = False

    def check(self) -> None:
        """Refuse options that exclude each other.

        Raises:
            Misconfigured: naming both and which to leave out.
        """
        if (self.archive is None) == (self.run is None):
            raise Misconfigured("name what to replay: either --archive DIR or --run runs/<id>")
        if self.run is not None and (self.config or self.overlays):
            raise Misconfigured(
                "--run takes the configuration the run had; leave out --config and --overlay, or name its archive with "
                "--archive. Single settings may be changed with --set"
            )

    @property
    def narrowed(self) -> list[str]:
        """The options because of which a replay of a run is not the run over again."""
        given = {
            "--set": self.assignments, "--symbols": self.symbols, "--venue": self.venue, "--from": self.start,
            "--to": self.end, "--recording": self.recording,
        }  # fmt: skip
        return [name for name, value in given.items() if value not in (None, (), [])]

    def given(self) -> dict[str, str]:
        """The options that were given, as text, for the record of the replay."""
        shown = {
            "archive": self.archive, "run": self.run, "venue": self.venue, "symbols": ",".join(self.symbols) or None,
            "from": self.start, "to": self.end, "recording": self.recording, "config": self.config,
            "overlays": ",".join(self.overlays or ()) or None, "set": "; ".join(self.assignments) or None,
            "repair": "yes" if self.repair else None,
        }  # fmt: skip
        return {name: str(value) for name, value in shown.items() if value is not None}
