"""The collector's archive: what it may begin, syncing beside appending, and sealing no file that is still needed."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from app.collector.archive import Archive
from app.core.errors import BadInput
from app.store.spool import NS_PER_HOUR, Spool
from tests.collector.rig import ROOT, SHARD, SYMBOLS_FILE, archive_rows, parquet_files, spool_files
from tests.collector.test_backlog import HOUR, block, counters
from tests.venues.scripted import eventually


def open_archive(root: Path) -> Archive:
    return Archive(root, venue="bybit_v5", shard=SHARD, fsync_s=0.01, symbols_file=SYMBOLS_FILE, project=ROOT)


class Published:
    """How far publishing has come."""

    upto = 0


@asynccontextmanager
async def at_work(archive: Archive, published: Published) -> AsyncIterator[None]:
    task = asyncio.create_task(archive.run(lambda: published.upto))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def market(first: int, rows: int, *, at: int = HOUR) -> bytes:
    """Rows of instrument 1."""
    made = bytearray(block(first, rows, at=at))
    for row in range(rows):
        made[40 * row + 32] = 1
    return bytes(made)


async def test_a_closed_hour_is_sealed_once_its_rows_are_published(tmp_path: Path) -> None:
    archive, published = open_archive(tmp_path), Published()
    async with at_work(archive, published):
        archive.append(market(0, 10))
        archive.append(market(10, 5, at=HOUR + NS_PER_HOUR))
        published.upto = 14
        await asyncio.sleep(0.4)
        assert not parquet_files(tmp_path), "row 14 may still have to be read from the spool"
        published.upto = 15
        await eventually(lambda: parquet_files(tmp_path), within_s=15)
        await eventually(lambda: len(spool_files(tmp_path)) == 1, within_s=15)
        assert counters(archive_rows(tmp_path)) == list(range(15))
    await archive.close(seal=True)
    assert not spool_files(tmp_path)
    assert counters(archive_rows(tmp_path)) == list(range(15))


async def test_what_an_earlier_run_left_is_sealed_once_it_is_published(tmp_path: Path) -> None:
    earlier = open_archive(tmp_path)
    earlier.append(market(0, 10))
    await earlier.close(seal=False)
    assert not parquet_files(tmp_path)
    archive, published = open_archive(tmp_path), Published()
    assert archive.spool.count == 10
    async with at_work(archive, published):
        await asyncio.sleep(0.4)
        assert not parquet_files(tmp_path)
        published.upto = 10
        await eventually(lambda: parquet_files(tmp_path), within_s=15)
    await archive.close(seal=False)


async def test_a_fresh_archive_starts_no_sealing(tmp_path: Path) -> None:
    archive, published = open_archive(tmp_path), Published()
    async with at_work(archive, published):
        archive.append(market(0, 1))
        published.upto = 1
        await asyncio.sleep(0.3)
    assert not (spool_files(tmp_path)[0].parent / "sealing").exists()
    await archive.close(seal=False)


async def test_rows_are_synced_in_the_background(tmp_path: Path) -> None:
    archive, published = open_archive(tmp_path), Published()
    async with at_work(archive, published):
        for first in range(50):
            archive.append(market(first, 1))
            await asyncio.sleep(0.005)
        await eventually(lambda: not archive.spool.due(2**62))
    await archive.close(seal=False)
    assert counters(archive_rows(tmp_path)) == list(range(50))


class TestSpool:
    def test_a_sync_elsewhere_leaves_what_comes_meanwhile_to_the_next(self, tmp_path: Path) -> None:
        spool = Spool(tmp_path, venue="v", shard="s", fsync_s=0.0001)
        spool.detached_sync()()
        spool.append(market(0, 1))
        run = spool.detached_sync()
        assert not spool.due(10**9)
        spool.append(market(1, 1))
        run()
        spool.due(10**9)
        assert spool.due(2 * 10**9)
        spool.close()
        spool.detached_sync()()

    def test_a_sync_may_end_after_the_spool_is_closed(self, tmp_path: Path) -> None:
        spool = Spool(tmp_path, venue="v", shard="s", fsync_s=1)
        spool.append(market(0, 1))
        run = spool.detached_sync()
        spool.close()
        run()

    def test_a_new_recording_goes_on_counting_and_may_begin_earlier(self, tmp_path: Path) -> None:
        spool = Spool(tmp_path, venue="v", shard="s", fsync_s=1)
        spool.append(market(5, 1))
        first = spool.recovered.recording
        spool.close()
        spool = Spool(tmp_path, venue="v", shard="s", fsync_s=1)
        spool.begin_recording(100)
        spool.append(market(0, 3))
        spool.close()
        found = Spool(tmp_path, venue="v", shard="s", fsync_s=1)
        assert found.recovered.count == 103
        assert found.recovered.recording != first
        found.close()

    def test_a_new_recording_cannot_begin_in_the_middle_or_in_the_past(self, tmp_path: Path) -> None:
        spool = Spool(tmp_path, venue="v", shard="s", fsync_s=1)
        spool.append(market(0, 3))
        with pytest.raises(BadInput, match="cannot begin a recording at row 3: it is at row 3, and recording"):
            spool.begin_recording(3)
        spool.close()
        spool = Spool(tmp_path, venue="v", shard="s", fsync_s=1)
        with pytest.raises(BadInput, match="cannot begin a recording at row 2: it is at row 3"):
            spool.begin_recording(2)
        spool.close()
