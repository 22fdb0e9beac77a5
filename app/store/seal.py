"""Turns closed spool files into Parquet: `python -m app.store.seal --root DIR [--venue V] [--all]`.

Runs as a short-lived process of its own, so that a collector never loads the Parquet library. Sealing again after
being killed anywhere repeats nothing and loses nothing: a spool file goes only once its rows are published.
"""

import argparse
import fcntl
import json
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import app
from app.core.errors import AviaryError, BadInput, Misconfigured
from app.core.logging import configure_logging
from app.market.instruments import read_instruments
from app.market.rows import Rows, concat
from app.store.files import fsync_dir, replace_with, try_lock
from app.store.frames import Scan, read_header, read_spool, scan
from app.store.publish import Publication
from app.store.recovery import SEALED, close_file
from app.store.writer import ArchiveWriter

DEFAULT_SYMBOLS = Path(app.__file__).resolve().parent.parent / "config" / "symbols.yml"
_CHUNK_ROWS = 65_536


@dataclass(slots=True)
class Sealed:
    """What one run did: spool files sealed and left (being written, or not closed), rows, parts, bytes cut off."""

    sealed: int = 0
    left: int = 0
    rows: int = 0
    parts: int = 0
    bytes_lost: int = 0


def seal(root: Path, symbols: Mapping[int, str], *, venue: str | None = None, unclosed: bool = False) -> Sealed:
    """Seal the closed spool files under `root`, oldest first; with `unclosed`, also those a dead process left open.

    `symbols` maps instrument ids to symbols. A file that a live process is writing is left alone.

    Raises:
        Misconfigured: rows carry an instrument id that `symbols` lacks; their spool file stays.
        BadInput: a spool file is damaged, or the archive holds other rows in its place; it stays.
    """
    done = Sealed()
    for directory in sorted(path for path in (root / "spool").glob(f"{venue or '*'}/*") if path.is_dir()):
        with (directory / "sealing").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            for path in sorted(directory.glob("*.rows"), key=_start_seq):
                _seal_file(root, path, symbols, unclosed, done)
    return done


def _start_seq(path: Path) -> int:
    with path.open("rb") as file:
        return read_header(file, path).start_seq


def _seal_file(root: Path, path: Path, symbols: Mapping[int, str], unclosed: bool, done: Sealed) -> None:
    with path.open("rb") as file:
        if not try_lock(file.fileno()):
            done.left += 1
            return
    if unclosed:
        _, lost = close_file(path)
        done.bytes_lost += lost
    found = scan(path)
    if not found.closed:
        done.left += 1
        return
    done.parts += _publish(root, path, found, symbols)
    _remove(path, found)
    done.sealed += 1
    done.rows += found.rows


def _publish(root: Path, path: Path, found: Scan, symbols: Mapping[int, str]) -> int:
    header = found.header
    with Publication(root, header.venue) as publication:
        writer = ArchiveWriter(
            publication,
            venue=header.venue,
            recording=header.recording,
            symbols=symbols,
            first_seq=header.start_seq,
        )
        for rows in _chunks(path):
            writer.append(rows)
        parts = writer.close()
        if sum(part.rows for part in parts) != found.rows:
            raise BadInput(f"{path} changed while it was sealed; run this again", reason="changed")
        publication.commit()
    return len(parts)


def _chunks(path: Path) -> Iterator[Rows]:
    """The file's rows in pieces worth writing; its frames may be of a single row."""
    kept: list[Rows] = []
    count = 0
    for rows in read_spool(path):
        kept.append(rows)
        count += len(rows)
        if count >= _CHUNK_ROWS:
            yield concat(kept)
            kept, count = [], 0
    if kept:
        yield concat(kept)


def _remove(path: Path, found: Scan) -> None:
    """Delete a sealed spool file, once the shard's count is kept elsewhere."""
    marker = path.parent / SEALED
    before = json.loads(marker.read_text(encoding="utf-8"))["count"] if marker.exists() else 0
    if found.rows and found.next_seq > before:
        about = {"count": found.next_seq, "last_ts_recv": found.last_ts_recv, "recording": found.header.recording}
        replace_with(marker, json.dumps(about).encode())
    path.unlink()
    fsync_dir(path.parent)


def main(arguments: list[str] | None = None) -> int:
    """Seal, and print what was done as one JSON line. Exit code 1 if a file could not be sealed, 2 on misuse."""
    parser = argparse.ArgumentParser(prog="python -m app.store.seal", description="Turn closed spool files to Parquet.")
    parser.add_argument("--root", type=Path, required=True, help="the archive")
    parser.add_argument("--venue", help="only this venue's")
    parser.add_argument("--all", action="store_true", help="also files a dead process left open")
    parser.add_argument("--symbols", type=Path, default=DEFAULT_SYMBOLS, help="symbols file (default: %(default)s)")
    given = parser.parse_args(arguments)
    try:
        symbols = {instrument.id: instrument.symbol for instrument in read_instruments(given.symbols)}
        if not given.root.is_dir():
            raise Misconfigured(f"archive {given.root} does not exist; name another with --root")
        done = seal(given.root, symbols, venue=given.venue, unclosed=given.all)
    except AviaryError as error:
        print(json.dumps({"error": str(error)}))
        return 2 if isinstance(error, Misconfigured) else 1
    print(json.dumps(asdict(done)))
    return 0


if __name__ == "__main__":
    os.nice(5)  # the collector comes first
    configure_logging("seal")
    sys.exit(main())
