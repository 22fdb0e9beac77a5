"""Recordings as lines: however they are compressed, cut off or damaged."""

import gzip
import random
from pathlib import Path

import pytest
import zstandard

from app.core.errors import BadInput, Misconfigured
from app.importers.source import Source

LINES = [b"%d %s" % (number, random.Random(number).randbytes(20).hex().encode()) for number in range(60_000)]
TEXT = b"".join(line + b"\n" for line in LINES)
PACKED = {"plain": TEXT, "gzip": gzip.compress(TEXT, 1), "zstd": zstandard.compress(TEXT)}


def lines_of(path: Path) -> tuple[list[bytes], bool]:
    source = Source(path)
    lines = [line for block in source.blocks() for line in block]
    return lines, source.truncated


@pytest.mark.parametrize("kind", PACKED)
def test_lines_come_back_with_or_without_a_last_newline(tmp_path: Path, kind: str) -> None:
    done = 0

    def on_bytes(count: int) -> None:
        nonlocal done
        done += count

    path = tmp_path / "recording"
    path.write_bytes(PACKED[kind])
    blocks = list(Source(path, on_bytes).blocks())
    assert [line for block in blocks for line in block] == LINES
    assert done == path.stat().st_size
    if kind == "plain":
        path.write_bytes(TEXT[:-1])
        assert lines_of(path) == (LINES, False)


@pytest.mark.parametrize("kind", ["gzip", "zstd"])
def test_files_of_several_members(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "recording"
    path.write_bytes(PACKED[kind] * 2)
    assert lines_of(path) == (LINES * 2, False)


@pytest.mark.parametrize("kind", ["gzip", "zstd"])
def test_a_truncated_file_gives_what_it_has_and_says_so(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "recording"
    path.write_bytes(PACKED[kind][: len(PACKED[kind]) * 2 // 3])
    lines, truncated = lines_of(path)
    assert truncated
    assert len(LINES) / 2 < len(lines) < len(LINES)
    assert lines[:-1] == LINES[: len(lines) - 1]
    assert LINES[len(lines) - 1].startswith(lines[-1])


@pytest.mark.parametrize("kind", ["gzip", "zstd"])
def test_damaged_data_are_refused(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "recording"
    data = bytearray(PACKED[kind])
    data[len(data) // 2 : len(data) // 2 + 8] = b"\0" * 8
    path.write_bytes(data)
    with pytest.raises(
        BadInput, match=r"recording .*: compressed data are damaged before byte \d+ \(.*\); get another"
    ):
        lines_of(path)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match=r"recording .*absent cannot be read: No such file or directory"):
        lines_of(tmp_path / "absent")
    with pytest.raises(Misconfigured, match="cannot be read: Is a directory"):
        lines_of(tmp_path)
