"""Where things lie in an archive, and what a part's sidecar says.

    <root>/venue=<venue>/symbol=<SYMBOL>/date=YYYY-MM-DD/hour=HH/part-<first ts_recv>.parquet   and .json beside it
    <root>/spool/<venue>/<shard>/                                                               not sealed yet

Hours are of ts_recv, UTC. CLOCK rows, which concern all symbols, lie under symbol=_CLOCK. The row counter `seq` is a
column beside those of the event row, so that the order across symbols can be had again.
"""

import os
import re
from datetime import UTC, datetime
from hashlib import blake2b
from pathlib import Path
from typing import Annotated, Final

import msgspec

from app.core.clock import NS_PER_S
from app.core.errors import BadInput

CLOCK_SYMBOL: Final = "_CLOCK"
#: How recordings are named: an import's with this and a hash, a spool's with its shard, time and first counter.
IMPORTED: Final = "import-"
_SPOOLED: Final = re.compile(r".+-\d{16,19}-(?P<count>\d+)")
#: What to do about a damaged archive.
REMEDY: Final = "restore it from a copy or import it again, or replay what can be had of the archive with --repair"
NS_PER_HOUR: Final = 3600 * NS_PER_S


#: Counters and times; from 2^62 on, sums of them might overflow.
Count = Annotated[int, msgspec.Meta(ge=0, lt=1 << 62)]


class Damaged(BadInput):
    """A file of an archive is not what was written; `row`, counted from 0 in it, is the first that is wrong."""

    def __init__(self, path: Path, row: int, detail: str, *, reason: str) -> None:
        super().__init__(f"{path}, row {row}: {detail}; {REMEDY}", reason=reason)
        self.path, self.row = path, row


class Sidecar(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of one part. Times are ts_recv in ns; `content_sha256` is of the rows and their counters.

    `recording` names an unbroken count of rows: those of one recording are in order by `seq`, which starts and ends
    in this part at `first_seq` and `last_seq` and is shared with the recording's other symbols.
    `stretches` (`proof.Stretches`) and `footer` (the file's last bytes, deflated, in base64) are for repairs; `seal` is
    a hash of all the rest. Parts of earlier versions have none of these.
    """

    schema: str
    venue: str
    symbol: str
    instrument: Annotated[int, msgspec.Meta(ge=0, lt=1 << 16)]
    recording: str
    rows: Count
    first_seq: Count
    last_seq: Count
    first_ts: Count
    last_ts: Count
    content_sha256: str
    bytes: int = 0
    sha256: str = ""
    stretches: str = ""
    footer: str = ""
    seal: str = ""

    def sealed(self) -> "Sidecar":
        """This, with its seal."""
        bare = msgspec.structs.replace(self, seal="")
        return msgspec.structs.replace(bare, seal=blake2b(msgspec.json.encode(bare), digest_size=8).hexdigest())

    @property
    def genuine(self) -> bool:
        """False if it was changed after it was sealed."""
        return not self.seal or self.sealed().seal == self.seal

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
        Damaged: there is none, or it cannot be read.
    """
    path = sidecar_of(part)
    try:
        return _decoder.decode(path.read_bytes())
    except FileNotFoundError:
        raise Damaged(part, 0, f"it has no sidecar {path.name}", reason="no_sidecar") from None
    except OSError as error:
        raise Damaged(
            part, 0, f"its sidecar {path.name} cannot be read ({error.strerror})", reason="bad_sidecar"
        ) from None
    except ValueError as error:  # msgspec's own, and bytes that are no text
        raise Damaged(part, 0, f"{path.name} beside it is not a sidecar ({error})", reason="bad_sidecar") from None


def venue_dir(root: Path, venue: str) -> Path:
    """Directory of a venue."""
    return root / f"venue={venue}"


def hour_dir(symbol: str, ts_recv: int) -> Path:
    """Directory of the hour of `ts_recv` (ns), relative to the venue's."""
    at = datetime.fromtimestamp(ts_recv // NS_PER_S, UTC)
    return Path(f"symbol={symbol}", f"date={at:%Y-%m-%d}", f"hour={at:%H}")


def hour_start(directory: Path) -> int:
    """First ns of the hour whose directory is `directory` (the inverse of `hour_dir`).

    Raises:
        BadInput: its name is that of no hour.
    """
    date, hour = directory.parent.name.removeprefix("date="), directory.name.removeprefix("hour=")
    try:
        return int(datetime.strptime(f"{date}T{hour}+0000", "%Y-%m-%dT%H%z").timestamp()) * NS_PER_S
    except ValueError:
        raise BadInput(
            f"{directory} is no directory of an hour, which is named date=YYYY-MM-DD/hour=HH; move it elsewhere",
            reason="stray",
        ) from None


def first_count(recording: str) -> int | None:
    """The counter of a recording's first row, where its name says so: an import counts from 0, a spool says from where.

    An archive that has lost its beginning can be told by it.
    """
    if recording.startswith(IMPORTED):
        return 0
    found = _SPOOLED.fullmatch(recording)
    return None if found is None else int(found["count"])


def venues_in(root: Path) -> list[str]:
    """The venues the archive at `root` has; none if it is no archive."""
    return _named(root, "venue=")


def symbols_in(root: Path, venue: str) -> list[str]:
    """The symbols the archive has of `venue`, without the clock."""
    return [symbol for symbol in _named(venue_dir(root, venue), "symbol=") if symbol != CLOCK_SYMBOL]


def hours_of(root: Path, venue: str, symbol: str) -> list[Path]:
    """The hour directories of a symbol, oldest first."""
    directory = venue_dir(root, venue) / f"symbol={symbol}"
    dates = [directory / f"date={date}" for date in _named(directory, "date=")]
    return [date / f"hour={hour}" for date in dates for hour in _named(date, "hour=")]


def names_in(directory: Path) -> list[str]:
    """The names in a directory of the archive, in order; none if there is no such directory.

    Raises:
        BadInput: it cannot be listed.
    """
    try:
        return sorted(os.listdir(directory))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise BadInput(f"{directory} cannot be listed ({error.strerror}); {REMEDY}", reason="unreadable") from None


def _named(directory: Path, prefix: str) -> list[str]:
    return [name.removeprefix(prefix) for name in names_in(directory) if name.startswith(prefix)]
