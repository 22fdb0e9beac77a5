"""A tape to replay, by path: an archive, or a recording that is imported once into a cache."""

import hashlib
from pathlib import Path
from typing import Final

import msgspec

from app.core.errors import Misconfigured
from app.importers.importing import DEFAULT_SYMBOLS, VERSION, OnProgress, import_recording, whole_recording
from app.market.instruments import read_instruments
from app.market.rows import SCHEMA
from app.store.files import replace_with
from app.store.layout import venues_in
from app.store.part import file_sha256

#: In a cached archive, the report of its import; there only once the import is complete.
REPORT: Final = "import.json"


def open_tape(
    path: Path,
    cache_root: Path,
    on_progress: OnProgress | None = None,
    *,
    symbols_file: Path = DEFAULT_SYMBOLS,
) -> Path:
    """The archive at `path`; if that is a recording, the archive it was imported into, under `cache_root`.

    The cache is found by what the recording and `symbols_file` contain and by the row layout.

    Raises:
        Misconfigured: there is nothing at `path`, or the directory is no archive.
        BadInput: what `import_recording` raises.
    """
    if path.is_dir():
        if not venues_in(path):
            raise Misconfigured(
                f"{path} is not an archive: it has no venue=… directory; name an archive or a recording"
            )
        return path
    if not path.is_file():
        raise Misconfigured(f"tape {path} does not exist; name an archive's directory or a recording")
    files = whole_recording([path])
    key = "\n".join([*map(file_sha256, files), SCHEMA, str(VERSION), file_sha256(symbols_file)])
    root = cache_root / f"{path.name.split('.')[0]}-{hashlib.sha256(key.encode()).hexdigest()[:12]}"
    if not (root / REPORT).exists():
        report = import_recording(files, root, on_progress=on_progress, instruments=read_instruments(symbols_file))
        replace_with(root / REPORT, msgspec.json.format(msgspec.json.encode(report)))
    return root
