"""The stretches of an archive that a sweep replays each by itself: days, recordings, or the whole."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final, Literal

from app.core.clock import NS_PER_S
from app.core.errors import Misconfigured
from app.replay.source import open_source
from app.store.archive import ArchiveReader
from app.store.inventory import list_parts
from app.store.layout import hour_start, read_sidecar

By = Literal["day", "recording", "whole"]

WHOLE: Final = "whole"
_DAY: Final = 86_400 * NS_PER_S


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """Rows with `start` ≤ ts_recv < `end` (ns; None is open) of one recording or of all; `span` is what there is."""

    name: str
    start: int | None
    end: int | None
    recording: str | None
    span: tuple[int, int]


def find_stretches(
    archive: Path,
    *,
    venue: str,
    symbols: Sequence[str],
    by: By,
    start: int | None = None,
    end: int | None = None,
    recording: str | None = None,
) -> list[Stretch]:
    """What there is of `symbols` with `start` ≤ ts_recv < `end` (ns), by UTC day, by recording, or in one piece.

    Days without a row are none.

    Raises:
        Misconfigured: there is nothing of that kind.
        BadInput: rows are missing from a recording, or a sidecar from a part.
    """
    source = open_source(archive, venue=venue, symbols=symbols, start=start, end=end, recording=recording)
    whole = Stretch(name=WHOLE, start=source.start, end=end, recording=recording, span=source.span)
    match by:
        case "whole":
            return [whole]
        case "day":
            return list(_days(archive, venue, symbols, whole))
        case "recording":
            return list(_recordings(archive, venue, symbols, whole))


def _days(archive: Path, venue: str, symbols: Sequence[str], whole: Stretch) -> Iterator[Stretch]:
    low, high = whole.span
    for day, (first, last) in sorted(_rows_by_day(archive, venue, symbols, whole.recording).items()):
        begin = _midnight(day)
        if last < low or first > high:
            continue
        yield Stretch(
            name=day.isoformat(),
            start=max(begin, whole.start or begin),
            end=min(begin + _DAY, whole.end or begin + _DAY),
            recording=whole.recording,
            span=(max(low, first), min(high, last)),
        )


def _rows_by_day(
    archive: Path, venue: str, symbols: Sequence[str], recording: str | None
) -> dict[date, tuple[int, int]]:
    """The first and last ts_recv (ns) of each day that has rows."""
    found: dict[date, tuple[int, int]] = {}
    for symbol in symbols:
        for path in list_parts(archive, venue, symbol):
            day, about = datetime.fromtimestamp(hour_start(path.parent) // NS_PER_S, UTC).date(), read_sidecar(path)
            if recording in (None, about.recording):
                first, last = found.get(day, (about.first_ts, about.last_ts))
                found[day] = min(first, about.first_ts), max(last, about.last_ts)
    return found


def _recordings(archive: Path, venue: str, symbols: Sequence[str], whole: Stretch) -> Iterator[Stretch]:
    low, high = whole.span
    for name, (first, last) in ArchiveReader(archive, venue, symbols).recordings().items():
        if whole.recording in (None, name) and first <= high and last >= low:
            span = max(low, first), min(high, last)
            yield Stretch(name=name, start=whole.start, end=whole.end, recording=name, span=span)


def parse_days(text: str) -> tuple[int, int]:
    """Begin of the first and end of the last day (ns) of ``2024-08-01`` or ``2024-08-01..2024-08-07``, both included.

    Raises:
        Misconfigured: it is neither, or the days run backwards.
    """
    first, _, last = text.partition("..")
    try:
        days = date.fromisoformat(first.strip()), date.fromisoformat((last or first).strip())
    except ValueError:
        raise Misconfigured(
            f"--days {text!r} is not a day or two; write 2024-08-01 or 2024-08-01..2024-08-07"
        ) from None
    if days[0] > days[1]:
        raise Misconfigured(f"--days {text!r} ends before it begins; write the earlier day first")
    return _midnight(days[0]), _midnight(days[1] + timedelta(days=1))


def _midnight(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * NS_PER_S
