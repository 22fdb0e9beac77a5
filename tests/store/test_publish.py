"""Files appear in the archive together or not at all."""

import contextlib
import json
from pathlib import Path

import pytest

from app.core.errors import Misconfigured, Retryable
from app.store.archive import ArchiveReader
from app.store.publish import Publication, settled

from .recordings import archive, recording


def test_nothing_is_seen_before_commit_nor_after_giving_up(tmp_path: Path) -> None:
    with contextlib.suppress(KeyboardInterrupt), Publication(tmp_path, "v") as publication:
        publication.write(Path("symbol=X/a"), b"1")
        raise KeyboardInterrupt
    assert [path.name for path in (tmp_path / "venue=v").iterdir()] == [".writer"]


def test_readers_leave_out_what_is_half_published_and_the_next_writer_takes_it_back(tmp_path: Path) -> None:
    rows = recording(200)
    archive(tmp_path, rows[:100])
    before = sorted(tmp_path.rglob("part-*"))
    archive(tmp_path, rows[100:], first_seq=100)
    added = sorted(set(tmp_path.rglob("part-*")) - set(before))
    assert added
    # As if the writer had died after moving all its files and before removing its journal.
    venue = tmp_path / "venue=v"
    (venue / ".publishing.json").write_text(json.dumps([str(path.relative_to(venue)) for path in added]))
    (venue / ".staging").mkdir()
    with settled(venue) as unpublished:
        assert unpublished == set(added)
    assert sum(map(len, ArchiveReader(tmp_path, "v"))) == 100
    with Publication(tmp_path, "v"):
        pass
    assert sorted(tmp_path.rglob("part-*")) == before
    assert not (venue / ".publishing.json").exists()
    assert sum(map(len, ArchiveReader(tmp_path, "v"))) == 100


def test_a_copy_without_lock_files_can_be_read(tmp_path: Path) -> None:
    archive(tmp_path, recording(100))
    for name in (".writer", ".commit"):
        (tmp_path / "venue=v" / name).unlink()
    assert sum(map(len, ArchiveReader(tmp_path, "v"))) == 100


def test_a_disk_that_fails_is_said_to(tmp_path: Path) -> None:
    full = pytest.raises(Retryable, match=r"nothing was published in archive .*venue=v: .*No space left.*; free space")
    with full, Publication(tmp_path, "v"):
        raise OSError(28, "No space left on device")
    (tmp_path / "file").write_text("")
    absent = pytest.raises(Misconfigured, match=r"archive .*venue=v cannot be written \(Not a directory\); name")
    with absent, Publication(tmp_path / "file", "v"):
        pass
