"""Coinbase level files as columns: `side,price,size,time` for updates, without `time` for a snapshot."""

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyarrow import csv

from app.importers.report import Tally
from app.importers.source import Source

_HEADER: Final = re.compile(rb"side,price,size(,time)?\r?")
# Numbers that no level can have are told later, with their reason.
_NUMBER: Final = rb"-?(\d+(\.\d+)?(e-?\d{1,3})?|inf|nan)"
_LINE: Final = re.compile(rb"(buy|sell)," + _NUMBER + rb"," + _NUMBER)
_TIME: Final = re.compile(rb",20\d\d-[01]\d-[0-3]\dT[0-2]\d:[0-5]\d:[0-5]\d(\.\d{1,9})?Z")
_TYPES: Final = {"side": pa.string(), "price": pa.float64(), "size": pa.float64()}
_UPDATE: Final = _TYPES | {"time": pa.timestamp("ns", tz="UTC")}

#: `side` (+1 buy, -1 sell), `px` in quote currency, `qty` in base, `ts` in ns (0 in a snapshot), `line` from 1.
LEVEL: Final = np.dtype([("ts", "<i8"), ("px", "<f8"), ("qty", "<f8"), ("line", "<i8"), ("side", "|i1")])
Levels = npt.NDArray[np.void]


@dataclass(slots=True)
class LevelFile:
    """One file: `snapshot` tells which kind; `lines` and `truncated` are known when `blocks` has ended."""

    path: Path
    snapshot: bool
    lines: int = 0
    truncated: bool = False
    refused: Tally = field(default_factory=Tally)

    def blocks(self) -> Iterator[Levels]:
        """Yield the levels, some megabytes of them at a time; lines that are none are counted in `refused`.

        Raises:
            Misconfigured, BadInput: as `Source` does.
        """
        self.lines, self.refused = 0, Tally()
        source = Source(self.path)
        for lines in source.blocks():
            first, self.lines = self.lines + 1, self.lines + len(lines)
            if first == 1 and lines and _HEADER.fullmatch(lines[0]):
                first, lines = 2, lines[1:]
            yield self._parse([line.rstrip(b"\r") for line in lines], first)
        self.truncated = source.truncated

    def _parse(self, lines: list[bytes], first: int) -> Levels:
        numbers = np.arange(first, first + len(lines))
        try:
            return _columns(lines, numbers, snapshot=self.snapshot)
        except (pa.ArrowInvalid, KeyError):
            kept = [place for place, line in enumerate(lines) if self._whole(line, first + place)]
            return _columns([lines[place] for place in kept], numbers[kept], snapshot=self.snapshot)

    def _whole(self, line: bytes, number: int) -> bool:
        start = _LINE.match(line)
        rest = line[start.end() :] if start else b""
        whole = start is not None and (not rest if self.snapshot else _real_time(rest))
        if not whole:
            self.refused.add("malformed", f"{self.path.name}:{number}")
        return whole


def level_file(path: Path) -> LevelFile:
    """The level file at `path`; its header tells whether it is a snapshot."""
    first = next((lines for lines in Source(path).blocks() if any(lines)), [b""])[0]
    header = _HEADER.fullmatch(first)
    return LevelFile(path, snapshot=header is not None and header[1] is None)


def _real_time(text: bytes) -> bool:
    """False for what only looks like a time, such as the 31st of June."""
    try:
        return _TIME.fullmatch(text) is not None and not np.isnat(np.datetime64(text[1:-1].decode(), "ns"))
    except ValueError:
        return False


def _columns(lines: list[bytes], numbers: npt.NDArray[np.int64], *, snapshot: bool) -> Levels:
    """The levels of `lines`.

    Raises:
        ArrowInvalid: a line has more or fewer columns, or a value is no number or time.
        KeyError: a side is neither buy nor sell.
    """
    levels = np.zeros(len(lines), LEVEL)
    if not lines:
        return levels
    types = _TYPES if snapshot else _UPDATE
    table = csv.read_csv(
        io.BytesIO(b"\n".join(lines)),
        csv.ReadOptions(column_names=list(types), block_size=1 << 24, use_threads=False),
        csv.ParseOptions(quote_char=False, ignore_empty_lines=False),
        csv.ConvertOptions(column_types=types, null_values=[], strings_can_be_null=False),
    )
    sides = table.column("side").combine_chunks().dictionary_encode()
    known = np.array([{"buy": 1, "sell": -1}[side.as_py()] for side in sides.dictionary], np.int8)
    levels["side"] = known[sides.indices.to_numpy()]
    levels["px"], levels["qty"] = table.column("price").to_numpy(), table.column("size").to_numpy()
    levels["line"] = numbers
    if not snapshot:
        levels["ts"] = table.column("time").cast(pa.int64()).to_numpy()
    return levels
