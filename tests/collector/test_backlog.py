"""What waits to be published: in order, complete, and bounded in memory, on a real spool."""

import asyncio
import random
from pathlib import Path

import numpy as np
import pytest

from app.collector.backlog import Backlog
from app.collector.spool_tail import SpoolTail
from app.core.clock import NS_PER_S
from app.market.rows import MARK, Rows, concat, empty, from_block
from app.market.schema import ROW_BYTES
from app.store.spool import NS_PER_HOUR, Spool, spool_dir

HOUR = 480_000 * NS_PER_HOUR


def block(first: int, rows: int, *, at: int = HOUR) -> bytes:
    """Rows whose quantity is their counter, from `first` on."""
    made = empty(rows)
    made["qty"] = np.arange(first, first + rows)
    made["px"], made["kind"] = 1.0, MARK
    made["ts_recv"] = made["ts_event"] = at + np.arange(first, first + rows) * NS_PER_S
    return made.tobytes()


def counters(rows: Rows) -> list[int]:
    return [int(qty) for qty in rows["qty"]]


def open_spool(root: Path) -> tuple[Spool, SpoolTail]:
    return Spool(root, venue="v", shard="s", fsync_s=1), SpoolTail(spool_dir(root, "v", "s"))


async def take(backlog: Backlog, max_rows: int = 1000) -> tuple[list[int], int]:
    async with asyncio.timeout(5):
        got, first = await backlog.next(max_rows)
    backlog.done(first + len(got) // ROW_BYTES)
    return counters(from_block(got)), first


class TestSpoolTail:
    def test_reads_on_while_the_spool_is_written_across_hours(self, tmp_path: Path, seed: int) -> None:
        spool, tail = open_spool(tmp_path)
        rng, written, read = random.Random(seed), 0, 0
        for _ in range(200):
            if rng.random() < 0.5:
                rows = rng.randint(1, 700)
                spool.append(block(written, rows))
                written += rows
            elif read < written:
                first, blocks = tail.read(read, rng.randint(1, 900))
                assert first == read
                found = counters(concat(map(from_block, blocks)))
                assert found == list(range(read, read + len(found)))
                assert found
                read += len(found)
        spool.close()
        assert len(list(spool_dir(tmp_path, "v", "s").glob("*.rows"))) > 3
        while read < written:
            read += sum(map(len, tail.read(read, 5000)[1])) // ROW_BYTES
        assert read == written
        assert tail.read(read, 10) == (read + 10, [])

    def test_reads_from_anywhere_even_within_a_block(self, tmp_path: Path) -> None:
        spool, tail = open_spool(tmp_path)
        for first in range(0, 100, 10):
            spool.append(block(first, 10, at=HOUR + first // 50 * NS_PER_HOUR))
        for start in (95, 0, 33, 49, 50, 51, 7):
            first, blocks = tail.read(start, 1000)
            assert first == start
            assert counters(concat(map(from_block, blocks))) == list(range(start, 100))
        spool.close()

    def test_rows_that_are_gone_are_skipped_and_told(self, tmp_path: Path) -> None:
        spool, tail = open_spool(tmp_path)
        spool.append(block(0, 10))
        spool.append(block(10, 10, at=HOUR + NS_PER_HOUR))
        spool.close()
        min(spool_dir(tmp_path, "v", "s").glob("*.rows")).unlink()
        first, blocks = tail.read(4, 100)
        assert first == 10
        assert counters(concat(map(from_block, blocks))) == list(range(10, 20))

    def test_nothing_there(self, tmp_path: Path) -> None:
        assert SpoolTail(tmp_path).read(5, 7) == (12, [])


class TestInMemory:
    async def test_blocks_come_in_order_and_company_is_merged(self) -> None:
        backlog = Backlog(published=0, kept=0, read=None)
        for first in (0, 3, 6):
            backlog.add(block(first, 3))
        assert backlog.rows == 9
        assert await take(backlog, 6) == ([0, 1, 2, 3, 4, 5], 0)
        assert await take(backlog, 6) == ([6, 7, 8], 6)
        assert backlog.rows == 0

    async def test_a_block_larger_than_the_limit_goes_alone(self) -> None:
        backlog = Backlog(published=0, kept=0, read=None)
        backlog.add(block(0, 9))
        backlog.add(block(9, 1))
        assert (await take(backlog, 4))[0] == list(range(9))

    async def test_waits_for_the_next_block(self) -> None:
        backlog = Backlog(published=7, kept=7, read=None)
        waiting = asyncio.create_task(backlog.next(100))
        await asyncio.sleep(0.01)
        assert not waiting.done()
        backlog.add(block(7, 2))
        assert (await waiting)[1] == 7

    async def test_without_a_spool_nothing_is_ever_forgotten_and_full_says_stop(self) -> None:
        backlog = Backlog(published=0, kept=0, read=None, max_rows=10)
        for first in range(0, 30, 3):
            backlog.add(block(first, 3))
        assert backlog.full
        assert (await take(backlog))[0] == list(range(30))
        assert not backlog.full
        assert not backlog.rewind(0)


class TestWithSpool:
    @pytest.mark.parametrize("max_rows", [1, 50, 400, 10_000])
    async def test_complete_and_bounded_whatever_happens(self, tmp_path: Path, seed: int, max_rows: int) -> None:
        spool, tail = open_spool(tmp_path)
        backlog = Backlog(published=0, kept=0, read=tail.read, max_rows=max_rows)
        rng, kept, stream = random.Random(seed), 0, list[int]()
        for _ in range(300):
            action = rng.random()
            if action < 0.55:
                rows = rng.randint(1, 40)
                spool.append(made := block(kept, rows))
                backlog.add(made)
                kept += rows
                assert backlog.in_memory < max_rows + 40
            elif action < 0.95 and backlog.rows:
                found, first = await take(backlog, rng.randint(1, 200))
                assert first == len(stream)
                stream += found
            elif stream and action >= 0.95:
                del stream[rng.randrange(len(stream)) :]
                assert backlog.rewind(len(stream))
        while backlog.rows:
            stream += (await take(backlog))[0]
        spool.close()
        assert stream == list(range(kept))

    async def test_begins_with_what_an_earlier_run_left_unpublished(self, tmp_path: Path) -> None:
        spool, tail = open_spool(tmp_path)
        spool.append(block(0, 20))
        backlog = Backlog(published=15, kept=20, read=tail.read)
        spool.append(late := block(20, 5))
        backlog.add(late)
        assert (await take(backlog))[0] == [15, 16, 17, 18, 19, 20, 21, 22, 23, 24]
        spool.close()

    async def test_rows_that_are_gone_show_in_the_counter(self, tmp_path: Path) -> None:
        spool, tail = open_spool(tmp_path)
        spool.begin_recording(100)
        spool.append(block(100, 5))
        backlog = Backlog(published=90, kept=105, read=tail.read)
        assert await take(backlog) == ([100, 101, 102, 103, 104], 100)
        spool.close()
