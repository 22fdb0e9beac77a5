"""What is left of a shard's spool after its process died, made fit to read and to go on from."""

import json
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from app.core.logging import get_logger
from app.store.files import try_lock
from app.store.frames import Scan, pack_frame, scan

log = get_logger(__name__)

#: Written by sealing before it deletes a spool file: how far the shard's count has come.
SEALED: Final = "sealed.json"


@dataclass(frozen=True, slots=True)
class Recovered:
    """What a shard's earlier runs left.

    `count` rows were ever kept (sealed ones included), the last received at `last_ts_recv`, under `recording`
    (None and empty before the first). `bytes_lost` could not be used and were cut off by this call.
    """

    count: int = 0
    bytes_lost: int = 0
    last_ts_recv: int | None = None
    recording: str = ""


def spool_dir(root: Path, venue: str, shard: str) -> Path:
    """Where the spool files of a shard lie."""
    return root / "spool" / venue / shard


def recover(root: Path, venue: str, shard: str) -> Recovered:
    """Close what a dead process left open, cutting off a torn last frame; a second call finds nothing to do.

    Frames after damage in the middle of a file are no torn tail: they are moved to `<name>.damaged` for a person to
    look at, and count as lost too. A file that is being written is left alone and counted as far as it has come.

    Raises:
        BadInput: a file's header is damaged, or it is no spool file.
        SchemaMismatch: a file's rows have another layout.
    """
    directory = spool_dir(root, venue, shard)
    _drop_unnamed(directory)
    found = Recovered()
    for path in sorted(directory.glob("*.rows")):
        with suppress(FileNotFoundError):  # sealed meanwhile: SEALED, read below, has its count
            seen, lost = close_file(path)
            found = _joined(found, seen, lost)
    with suppress(FileNotFoundError):
        sealed = json.loads((directory / SEALED).read_text(encoding="utf-8"))
        if sealed["count"] > found.count:
            found = Recovered(sealed["count"], found.bytes_lost, sealed["last_ts_recv"], sealed["recording"])
    return found


def close_file(path: Path) -> tuple[Scan, int]:
    """Give the spool file at `path` its footer unless it has one or is being written.

    Returns what is in it, and the number of bytes cut off.
    """
    with path.open("r+b") as file:
        if not try_lock(file.fileno()):
            return scan(path), 0
        seen = scan(path)
        lost = seen.size - seen.good
        if seen.closed and not lost:
            return seen, 0
        file.seek(seen.good)
        if seen.islands:
            path.with_suffix(".damaged").write_bytes(file.read())
        file.truncate(seen.good)
        if not seen.closed:
            file.seek(seen.good)
            file.write(pack_frame(seen.next_seq, b""))
        file.flush()
        os.fsync(file.fileno())
    if lost:
        log.warning("spool tail lost", file=str(path), bytes=lost, whole_frames_bytes=seen.islands, kept=seen.rows)
    return seen, lost


def _drop_unnamed(directory: Path) -> None:
    """Remove files whose process died before they had their name; nothing was appended to them."""
    for path in directory.glob("*.tmp"):
        with suppress(FileNotFoundError), path.open("rb") as file:
            if try_lock(file.fileno()):
                path.unlink()


def _joined(found: Recovered, seen: Scan, lost: int) -> Recovered:
    lost += found.bytes_lost
    if seen.rows == 0 or seen.next_seq <= found.count:
        return Recovered(found.count, lost, found.last_ts_recv, found.recording)
    return Recovered(seen.next_seq, lost, seen.last_ts_recv, seen.header.recording)
