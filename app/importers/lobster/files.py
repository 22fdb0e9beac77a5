"""The two files of a LOBSTER day: in the zip they come in, or beside each other."""

import re
import zipfile
import zlib
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from app.core.clock import NS_PER_S
from app.core.errors import BadInput, Misconfigured

_NAME: Final = re.compile(r"([A-Z][A-Z0-9.\-]*)_(\d{4}-\d\d-\d\d)_(\d+)_(\d+)_(message|orderbook)_(\d+)\.csv")
_NEW_YORK: Final = "America/New_York"
#: What reading a zip may raise: damaged, cut off, in a compression unknown here, or encrypted.
_ZIP_ERRORS: Final = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError)


@dataclass(frozen=True, slots=True)
class LobsterDay:
    """One symbol's day, in the zip or the directory `path`; symbol, day and levels are those of the names."""

    path: Path
    symbol: str
    day: date
    levels: int
    message_name: str
    orderbook_name: str

    @property
    def midnight_ns(self) -> int:
        """Midnight in New York at the start of the day, in ns since the epoch."""
        return midnight_ns(self.day)

    def texts(self) -> tuple[bytes, bytes]:
        """The message and the orderbook file.

        Raises:
            Misconfigured: a file cannot be read.
            BadInput: the zip is damaged.
        """
        if self.path.is_dir():
            return _read(self.path / self.message_name), _read(self.path / self.orderbook_name)
        try:
            with zipfile.ZipFile(self.path) as archive:
                members = {_base(name): name for name in archive.namelist()}
                return archive.read(members[self.message_name]), archive.read(members[self.orderbook_name])
        except _ZIP_ERRORS as error:
            raise _damaged(self.path, error) from None


def find_day(path: Path) -> LobsterDay:
    """The day in the zip at `path`, or of the pair of CSV files of which `path` is one. Reads names only.

    Raises:
        Misconfigured: the file cannot be read, is not named as LOBSTER names its files, or the other one is missing.
        BadInput: the zip is damaged, or holds no pair or several.
    """
    if is_zip(path):
        return _day(path, *_pair(path, sorted(name for name in map(_base, _names(path)) if _NAME.fullmatch(name))))
    message, orderbook = companions(path)
    return _day(path.parent, message.name, orderbook.name)


def companions(path: Path) -> list[Path]:
    """The message and the orderbook file of which `path` is one; for a zip, the zip alone.

    Raises:
        Misconfigured: as in `find_day`.
    """
    if is_zip(path):
        return [path]
    if not _NAME.fullmatch(path.name):
        raise Misconfigured(
            f"{path.name} is not named as LOBSTER names its files, which is where symbol and date come from; expected "
            "SYMBOL_YYYY-MM-DD_START_END_message_LEVELS.csv and …_orderbook_LEVELS.csv, or the zip with both"
        )
    pair = [
        path.with_name(path.name.replace("_orderbook_", "_message_")),
        path.with_name(path.name.replace("_message_", "_orderbook_")),
    ]
    for file in pair:
        if not file.is_file():
            raise Misconfigured(
                f"{file} does not exist; a LOBSTER day needs its message and its orderbook file beside each other"
            )
    return pair


def is_zip(path: Path) -> bool:
    """True if the file at `path` starts as a zip does.

    Raises:
        Misconfigured: the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            return file.read(2) == b"PK"
    except OSError as error:
        raise Misconfigured(f"recording {path} cannot be read: {error.strerror}") from None


def is_lobster(path: Path) -> bool:
    """True for a LOBSTER CSV by name, and for a zip that holds one."""
    if not is_zip(path):
        return _NAME.fullmatch(path.name) is not None
    return any(_NAME.fullmatch(_base(name)) for name in _names(path))


def midnight_ns(day: date) -> int:
    """Midnight in New York at the start of `day`, in ns since the epoch.

    Raises:
        Misconfigured: this system has no time zone data.
    """
    try:
        local = datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(_NEW_YORK))
    except ZoneInfoNotFoundError:
        raise Misconfigured(f"this system has no data of the time zone {_NEW_YORK}; pip install tzdata") from None
    return int(local.astimezone(UTC).timestamp()) * NS_PER_S


def _names(path: Path) -> list[str]:
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.namelist()
    except _ZIP_ERRORS as error:
        raise _damaged(path, error) from None


def _damaged(path: Path, error: Exception) -> BadInput:
    return BadInput(f"recording {path}: the zip is damaged ({error}); get another copy", reason="damaged")


def _day(path: Path, message: str, orderbook: str) -> LobsterDay:
    symbol, day, *_, levels = message.removesuffix(".csv").split("_")
    return LobsterDay(
        path=path,
        symbol=symbol,
        day=_date(message, day),
        levels=int(levels),
        message_name=message,
        orderbook_name=orderbook,
    )


def _pair(path: Path, names: list[str]) -> tuple[str, str]:
    messages = [name for name in names if "_message_" in name]
    books = [name for name in names if "_orderbook_" in name]
    if len(messages) != 1 or books != [messages[0].replace("_message_", "_orderbook_")]:
        raise BadInput(
            f"{path.name} holds {len(messages)} message and {len(books)} orderbook files ({', '.join(names) or 'none'})"
            "; expected one pair of equal symbol, date and levels",
            reason="no_pair",
        )
    return messages[0], books[0]


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise Misconfigured(f"recording {path} cannot be read: {error.strerror}") from None


def _date(name: str, text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise Misconfigured(f"{name}: {text} is no date; expected YYYY-MM-DD") from None


def _base(name: str) -> str:
    return name.rpartition("/")[2]
