"""An archive read through a child process is the archive, and tells what is wrong with it in the same words."""

import subprocess
import sys
from pathlib import Path

import pytest

from app.core.errors import BadInput, Misconfigured
from app.market.rows import concat
from app.store.archive import ArchiveReader
from app.store.streaming import StreamedArchive
from tests.store.recordings import SYMBOLS, archive, recording

NAMES = list(SYMBOLS.values())


def test_importing_it_loads_no_parquet_library() -> None:
    code = "import app.store.streaming, sys; print('pyarrow' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout == "False\n"


def test_it_gives_what_the_reader_gives_again_and_again(tmp_path: Path) -> None:
    archive(tmp_path, recording(5000))
    expected = concat(ArchiveReader(tmp_path, "v", NAMES)).tobytes()
    streamed = StreamedArchive(tmp_path, "v", NAMES)
    assert concat(streamed).tobytes() == expected
    assert concat(streamed).tobytes() == expected


def test_stopping_early_leaves_no_child(tmp_path: Path) -> None:
    archive(tmp_path, recording(5000))
    streamed = StreamedArchive(tmp_path, "v", NAMES)
    child = streamed._child
    assert child is not None
    next(iter(streamed))
    assert child.wait(10) != 0


def test_a_missing_symbol_is_told_before_anything_is_read(tmp_path: Path) -> None:
    archive(tmp_path, recording(100))
    with pytest.raises(Misconfigured, match="has no NOSUCH of venue v"):
        StreamedArchive(tmp_path, "v", ["NOSUCH"])


def test_a_truncated_file_is_told_where_the_reader_meets_it(tmp_path: Path) -> None:
    archive(tmp_path, recording(5000))
    part = next((tmp_path / "venue=v").rglob("*.parquet"))
    part.write_bytes(part.read_bytes()[:-7])
    with pytest.raises(BadInput, match=r"its sidecar says"):
        concat(StreamedArchive(tmp_path, "v", NAMES))
