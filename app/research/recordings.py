"""Recordings to train on, imported like any other tape."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from app.importers import import_recording
from app.market.rows import Rows, concat
from app.store.archive import ArchiveReader


@dataclass(frozen=True, slots=True)
class Recording:
    """Rows of one continuous recording, with the SHA-256 of the files it came from by their names."""

    files: dict[str, str]
    rows: Rows


def read_recording(paths: Sequence[Path], symbol: str) -> Recording:
    """Import `paths`, files of one recording in order of time, and read all rows of `symbol` into memory.

    Raises:
        Misconfigured: a file is missing, of no known kind, or does not have the symbol.
        BadInput: its data are damaged.
    """
    with tempfile.TemporaryDirectory() as root:
        report = import_recording(paths, Path(root), symbol)
        rows = concat(ArchiveReader(Path(root), report.venue, [symbol]))
    return Recording({file.name: file.sha256 for file in report.files}, rows)
