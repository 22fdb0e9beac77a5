"""Imports recordings into an archive: all of it appears there, or nothing."""

import hashlib
import re
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final, TypeAlias

import numpy as np

import app
from app.core.clock import NS_PER_MS
from app.core.errors import Misconfigured
from app.importers.binance.capture import Capture
from app.importers.bybit.session import Session
from app.importers.clock_rows import ClockRows
from app.importers.coinbase.recording import Coinbase
from app.importers.delays import Delays
from app.importers.format import Format
from app.importers.lobster.files import companions, is_lobster, is_zip
from app.importers.lobster.recording import Lobster
from app.importers.report import FileReport, ImportReport
from app.importers.source import Source
from app.market.instruments import Instrument, Instruments, read_instruments
from app.market.rows import CLOCK, DEPTH_CLEAR, DEPTH_SET, FUNDING, INDEX, MARK, QUOTE, SCHEMA, TRADE, Rows
from app.store.part import file_sha256
from app.store.publish import Publication
from app.store.writer import ArchiveWriter

#: Called with the share (0 to 1) of the import that is done.
OnProgress = Callable[[float], None]

#: Raise it when the same recording would give other rows: the archive then takes it for another recording.
VERSION: Final = 1
DEFAULT_SYMBOLS: Final = Path(app.__file__).resolve().parent.parent / "config" / "symbols.yml"
_LOOK_AT: Final = 100  # lines
_CAPTURE: Final = re.compile(rb"\d{19} \{")
_SESSION: Final = re.compile(rb'\{\s*"t"\s*:\s*"[a-z]+"')
_LOBSTER: Final = re.compile(rb"\d+(\.\d+)?,\d,\d+,\d+,-?\d+,-?1\r?")
_COINBASE: Final = re.compile(rb"side,price,size(,time)?\r?")
_SURVEY_SHARE: Final = 0.7
_AnyFormat: TypeAlias = type[Capture] | type[Session] | type[Lobster] | type[Coinbase]
_KINDS: Final = {
    DEPTH_SET: "depth_set",
    DEPTH_CLEAR: "depth_clear",
    TRADE: "trade",
    MARK: "mark",
    FUNDING: "funding",
    CLOCK: "clock",
    QUOTE: "quote",
    INDEX: "index",
}


def import_recording(
    paths: Sequence[Path],
    root: Path,
    symbol: str | None = None,
    on_progress: OnProgress | None = None,
    *,
    instruments: Instruments | None = None,
    clock_interval_ms: int = 100,
) -> ImportReport:
    """Import `paths`, files of one recording in order of time, into the archive at `root`.

    The format is told by the content. `symbol` picks one where there are several. `instruments` default to
    config/symbols.yml. Importing the same files again changes nothing. Interrupted, it leaves nothing behind that
    a reader sees.

    Raises:
        Misconfigured: a file cannot be read or is of no known format, or a symbol or its filters are missing or wrong
            in config/symbols.yml.
        BadInput: there is nothing to import, or the compressed data are damaged.
    """
    begun = time.perf_counter(), time.process_time()
    instruments = read_instruments(DEFAULT_SYMBOLS) if instruments is None else instruments
    progress = on_progress or (lambda _share: None)
    paths = whole_recording(paths)
    recording: Format = _detect(paths)(instruments, symbol)
    files = [FileReport(name=path.name, sha256=file_sha256(path)) for path in paths]
    with Publication(root, recording.venue) as publication:
        chosen = recording.survey(paths, publication.scratch, lambda share: progress(share * _SURVEY_SHARE))
        name = _name(files, chosen, clock_interval_ms)
        writer = ArchiveWriter(
            publication,
            venue=recording.venue,
            recording=name,
            symbols={instrument.id: instrument.symbol for instrument in chosen},
        )
        written, clock = _Written(), ClockRows(clock_interval_ms * NS_PER_MS)
        blocks = recording.rows(lambda share: progress(_SURVEY_SHARE + share * (1 - _SURVEY_SHARE)))
        for rows in written.counted(clock.between(blocks)):
            writer.append(rows)
        parts = writer.close()
        publication.commit()
    progress(1.0)
    return _report(recording, name, files, chosen, written, clock.silences, len(parts), begun)


class _Written:
    """What went into the archive."""

    def __init__(self) -> None:
        self.kinds: Counter[str] = Counter()
        self.delays = Delays()
        self.first_ts = self.last_ts = 0

    def counted(self, blocks: Iterable[Rows]) -> Iterator[Rows]:
        """Pass `blocks` on."""
        for rows in blocks:
            self.first_ts = self.first_ts or int(rows["ts_recv"][0])
            self.last_ts = int(rows["ts_recv"][-1])
            self.delays.update(rows)
            counts = np.bincount(rows["kind"], minlength=max(_KINDS) + 1)
            self.kinds.update({name: int(counts[kind]) for kind, name in _KINDS.items() if counts[kind]})
            yield rows


def whole_recording(paths: Sequence[Path]) -> list[Path]:
    """`paths`, with the files that their formats need beside them: a LOBSTER CSV has a second one.

    Raises:
        Misconfigured: a file cannot be read, or one that must be there is not.
    """
    whole = [file for path in paths for file in (companions(path) if is_lobster(path) else [path])]
    return list(dict.fromkeys(whole))


def _detect(paths: Sequence[Path]) -> _AnyFormat:
    if not paths:
        raise Misconfigured("no recording named; give the path of at least one file")
    found = {path: _format_of(path) for path in paths}
    if len(set(found.values())) > 1:
        kinds = ", ".join(f"{path.name}: {kind.name}" for path, kind in found.items())
        raise Misconfigured(f"recordings of different kinds cannot be one import ({kinds}); import them one by one")
    return found[paths[0]]


def _format_of(path: Path) -> _AnyFormat:
    """Told by the first lines: one of them may be damaged. LOBSTER's orderbook files and zips are told by name."""
    if is_lobster(path):
        return Lobster
    if is_zip(path):
        raise Misconfigured(f"recording {path} is a zip without LOBSTER files; unpack it and name the files in it")
    first = next((lines for lines in Source(path).blocks() if any(lines)), [])
    for line in first[:_LOOK_AT]:
        if _CAPTURE.match(line):
            return Capture
        if _SESSION.match(line):
            return Session
        if _LOBSTER.fullmatch(line):
            return Lobster
        if _COINBASE.fullmatch(line):
            return Coinbase
    raise Misconfigured(
        f"recording {path} is of no known kind: it starts with {b''.join(first)[:40]!r}; expected a Binance capture "
        '(`<local ns> {"stream": …}` a line), a Bybit session (`{"t": …}` a line) or Coinbase levels '
        "(`side,price,size,time`), plain, .gz or .zst, or a LOBSTER day (a zip, or its two CSV files)"
    )


def _name(files: Sequence[FileReport], chosen: Sequence[Instrument], clock_interval_ms: int) -> str:
    """A name that is equal for equal rows."""
    parts = [file.sha256 for file in files] + [f"{instrument.id}={instrument.symbol}" for instrument in chosen]
    text = "\n".join([str(VERSION), SCHEMA, str(clock_interval_ms), *parts])
    return f"import-{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def _report(
    recording: Format,
    name: str,
    files: list[FileReport],
    chosen: Sequence[Instrument],
    written: _Written,
    silences: int,
    parts: int,
    begun: tuple[float, float],
) -> ImportReport:
    found = recording.found
    for file, lines, truncated, clock in zip(files, found.lines, found.truncated, recording.clocks(), strict=True):
        file.lines, file.truncated, file.clock = lines, truncated, clock
    return ImportReport(
        format=recording.name,
        venue=recording.venue,
        recording=name,
        files=files,
        symbols=[instrument.symbol for instrument in chosen],
        read=dict(found.read),
        rows=dict(written.kinds),
        book={instrument.symbol: recording.book(instrument) for instrument in chosen},
        gaps=recording.gaps,
        refused=dict(found.refused),
        repaired=dict(found.repaired),
        delay_ms={f"p{share}": written.delays.get(share / 100) for share in (1, 50, 99)},
        silences=silences,
        first_ts=written.first_ts,
        last_ts=written.last_ts,
        parts=parts,
        warnings=found.warnings,
        wall_s=round(time.perf_counter() - begun[0], 3),
        cpu_s=round(time.process_time() - begun[1], 3),
    )
