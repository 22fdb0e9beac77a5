"""Where things lie in an archive, and what a part's sidecar says.

    <root>/venue=<venue>/symbol=<SYMBOL>/date=YYYY-MM-DD/hour=HH/part-<first ts_recv>.parquet   and .json beside it
    <root>/spool/<venue>/<shard>/                                                               not sealed yet

Hours are of ts_recv, UTC. CLOCK rows, which concern all symbols, lie under symbol=_CLOCK. The row counter `seq` is a
column beside those of the event row, so that the order across symbols can be had again.
"""

from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec

from app.core.clock import NS_PER_S
from app.core.errors import BadInput

CLOCK_SYMBOL: Final = "_CLOCK"
NS_PER_HOUR: Final = 3600 * NS_PER_S


class Sidecar(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of one part. Times are ts_recv in ns; `content_sha256` is of the rows and their counters.

    `recording` names an unbroken count of rows: those of one recording are in order by `seq`, which starts and ends
    in this part at `first_seq` and `last_seq` and is shared with the recording's other symbols.
    """

    schema: str
    venue: str
    symbol: str
    instrument: int
    recording: str
    rows: int
    first_seq: int
    last_seq: int
    first_ts: int
    last_ts: int
    content_sha256: str
    bytes: int = 0
    sha256: str = ""

    def same_rows(self, other: "Sidecar") -> bool:
        """True if the two describe the same rows, whatever the bytes of their files."""
        return (self.recording, self.content_sha256) == (other.recording, other.content_sha256)


_decoder = msgspec.json.Decoder(Sidecar)


def sidecar_of(part: Path) -> Path:
    """The sidecar of a Parquet file."""
    return part.with_suffix(".json")


def read_sidecar(part: Path) -> Sidecar:
    """The sidecar beside the Parquet file `part`.

    Raises:
        BadInput: there is none, or it cannot be read.
    """
    path = sidecar_of(part)
    try:
        return _decoder.decode(path.read_bytes())
    except FileNotFoundError:
        raise BadInput(
            f"{part} has no sidecar {path.name}; restore both from a copy, or delete the part and import it again",
            reason="no_sidecar",
        ) from None
    except msgspec.MsgspecError as error:
        raise BadInput(f"{path} is not a sidecar: {error}; restore it from a copy", reason="bad_sidecar") from None


def venue_dir(root: Path, venue: str) -> Path:
    """Directory of a venue."""
    return root / f"venue={venue}"


def hour_dir(symbol: str, ts_recv: int) -> Path:
    """Directory of the hour of `ts_recv` (ns), relative to the venue's."""
    at = datetime.fromtimestamp(ts_recv // NS_PER_S, UTC)
    return Path(f"symbol={symbol}", f"date={at:%Y-%m-%d}", f"hour={at:%H}")


def hour_start(directory: Path) -> int:
    """First ns of the hour whose directory is `directory` (the inverse of `hour_dir`)."""
    date, hour = directory.parent.name.removeprefix("date="), directory.name.removeprefix("hour=")
    return int(datetime.fromisoformat(f"{date}T{hour}:00:00+00:00").timestamp()) * NS_PER_S


def venues_in(root: Path) -> list[str]:
    """The venues the archive at `root` has; none if it is no archive."""
    return sorted(path.name.removeprefix("venue=") for path in root.glob("venue=*"))


def symbols_in(root: Path, venue: str) -> list[str]:
    """The symbols the archive has of `venue`, without the clock."""
    found = sorted(path.name.removeprefix("symbol=") for path in venue_dir(root, venue).glob("symbol=*"))
    return [symbol for symbol in found if symbol != CLOCK_SYMBOL]


def hours_of(root: Path, venue: str, symbol: str) -> list[Path]:
    """The hour directories of a symbol, oldest first."""
    return sorted((venue_dir(root, venue) / f"symbol={symbol}").glob("date=*/hour=*"))
