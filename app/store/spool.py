"""Crash-safe append of event rows; `seal` turns the files into Parquet later, in another process.

A process that dies loses nothing it appended: the rows are in the page cache. A machine that dies loses what was not
yet synced. Either may leave the beginning of a frame behind, which `recover` cuts off and reports.
"""

import os
from bisect import bisect_left
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Final

from app.core.clock import NS_PER_S
from app.core.errors import BadInput, Misconfigured, Retryable
from app.market.schema import FIELDS, ROW_BYTES, SCHEMA
from app.store.files import fsync_dir, try_lock
from app.store.frames import MAX_FRAME_ROWS, Header, pack_frame, pack_header, read_spool
from app.store.recovery import Recovered, recover, spool_dir

if TYPE_CHECKING:  # numpy is for those who read rows; who only records them has their bytes
    from app.market.rows import Rows

__all__ = ["Recovered", "Spool", "read_spool", "recover", "spool_dir"]

NS_PER_HOUR: Final = 3600 * NS_PER_S
_TS_RECV: Final = [name for name, _ in FIELDS].index("ts_recv")


class Spool:
    """Appends a shard's event rows to one file an hour (of ts_recv); at most one process may hold a shard.

    Opening recovers what an earlier run left: `recovered` says what it found, `count` goes on from there. The first
    rows may be older than those recovered (a tape played again): then a new recording begins.

    Not thread-safe.
    """

    def __init__(self, root: Path, *, venue: str, shard: str, fsync_s: float) -> None:
        self._venue, self._shard = venue, shard
        self._directory = spool_dir(root, venue, shard)
        self._directory.mkdir(parents=True, exist_ok=True)
        self._lock = os.open(self._directory / "lock", os.O_RDWR | os.O_CREAT, 0o644)
        if not try_lock(self._lock):
            os.close(self._lock)
            raise Misconfigured(
                f"another process records shard {shard!r} of {venue} under {root}; "
                "stop it, or set archive.root or shard.id to another"
            )
        self._fsync_ns = round(fsync_s * NS_PER_S)
        try:
            self.recovered = recover(root, venue, shard)
        except BaseException:
            os.close(self._lock)
            raise
        self.count = self.recovered.count
        self._recording = self.recovered.recording
        self._last_ts = self.recovered.last_ts_recv
        self._appended = False
        self._fd = -1
        self._path = Path()
        self._size = 0
        self._hour_end = -(2**63)
        self._dirty = False
        self._dirty_since: int | None = None

    def append(self, rows: "Rows | bytes") -> None:
        """Write `rows`, an array or the bytes of one (ts_recv not decreasing), to the file of their hour.

        Returns once the kernel has them: from then on only the machine's death can take them away.

        Raises:
            BadInput: not whole rows, or ts_recv decreases within them or from those appended before.
            Retryable: the disk is full or failing; `count` says how many of the rows were kept (those of an hour
                that ended within the block, at most).
        """
        block = rows if isinstance(rows, bytes) else rows.tobytes()
        times = self._checked_times(block)
        done = 0
        while done < len(times):
            if times[done] >= self._hour_end:
                self._roll(times[done])
            upto = len(times) if times[-1] < self._hour_end else bisect_left(times, self._hour_end)
            upto = min(upto, done + MAX_FRAME_ROWS)
            self._write(block[done * ROW_BYTES : upto * ROW_BYTES])
            self.count += upto - done
            self._last_ts = times[upto - 1]
            self._appended = True
            done = upto

    def begin_recording(self, count: int) -> None:
        """What follows continues nothing that was recovered, and its first row is the one after `count`.

        Raises:
            BadInput: rows were appended already, or `count` is below that of the rows kept.
        """
        if self._appended or count < self.count:
            raise BadInput(
                f"spool of shard {self._shard!r} cannot begin a recording at row {count}: it is at row {self.count}"
                f"{', and recording' if self._appended else ''}",
                reason="order",
            )
        self.count = count
        self._recording, self._last_ts = "", None

    def due(self, now_ns: int) -> bool:
        """True if rows have waited `fsync_s` or longer for `sync`, as seen by successive calls with any one clock."""
        if not self._dirty:
            return False
        if self._dirty_since is None:
            self._dirty_since = now_ns
        return now_ns - self._dirty_since >= self._fsync_ns

    def sync(self) -> None:
        """Make everything appended so far durable (blocks for the disk).

        Raises:
            Retryable: the disk failed.
        """
        if self._dirty and self._fd >= 0:
            try:
                os.fdatasync(self._fd)
            except OSError as error:
                raise self._failed("synced", error) from error
        self._dirty, self._dirty_since = False, None

    def detached_sync(self) -> Callable[[], None]:
        """`sync` as a function that another thread may run while this one goes on appending.

        What is appended from now on is not part of it. Call it once: it holds a file descriptor until then.
        """
        if not self._dirty or self._fd < 0:
            return lambda: None
        fd = os.dup(self._fd)
        self._dirty, self._dirty_since = False, None

        def run() -> None:
            try:
                os.fdatasync(fd)
            except OSError as error:
                self._dirty = True
                raise self._failed("synced", error) from error
            finally:
                os.close(fd)

        return run

    def close(self) -> None:
        """Close the current file, durably, and leave it for sealing. Closing twice does nothing."""
        if self._lock < 0:
            return
        self._close_file()
        os.close(self._lock)
        self._lock = -1

    def _checked_times(self, block: bytes) -> list[int]:
        """The ts_recv of each row."""
        if self._lock < 0:
            raise BadInput(f"spool of shard {self._shard!r} is closed", reason="closed")
        if len(block) % ROW_BYTES:
            raise BadInput(f"block of {len(block)} bytes is not a whole number of {ROW_BYTES}-byte rows", reason="rows")
        times: list[int] = memoryview(block).cast("q")[_TS_RECV :: ROW_BYTES // 8].tolist()
        if times != sorted(times):
            at = next(i for i, (before, after) in enumerate(pairwise(times)) if after < before)
            raise BadInput(
                f"ts_recv decreases at row {at + 1} of a block: {times[at + 1]} after {times[at]}", reason="order"
            )
        if times and self._last_ts is not None and times[0] < self._last_ts:
            if self._appended:
                raise BadInput(f"ts_recv decreases between blocks: {times[0]} after {self._last_ts}", reason="order")
            self._recording = ""
        return times

    def _roll(self, ts: int) -> None:
        self._close_file()
        if not self._recording:
            self._recording = f"{self._shard}-{ts}-{self.count}"
        header = Header(SCHEMA, self._venue, self._shard, self._recording, self.count, ts)
        try:
            self._fd, self._path, self._size = self._create(header)
        except OSError as error:
            raise self._failed("created", error) from error
        self._hour_end = (ts // NS_PER_HOUR + 1) * NS_PER_HOUR

    def _create(self, header: Header) -> tuple[int, Path, int]:
        """A new file that has its header from the moment it has its name."""
        hour = datetime.fromtimestamp(header.start_ns // NS_PER_S, UTC).strftime("%Y%m%dT%H")
        path = self._directory / f"{hour}-{header.start_ns}.rows"
        number = 0
        while path.exists():  # an earlier run began at the same nanosecond: the same tape
            number += 1
            path = self._directory / f"{hour}-{header.start_ns}-{number}.rows"
        unnamed = path.with_suffix(".tmp")
        fd = os.open(unnamed, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
        try:
            try_lock(fd)
            size = os.write(fd, pack_header(header))
            os.fsync(fd)
            unnamed.rename(path)
            fsync_dir(self._directory)
        except BaseException:
            os.close(fd)
            raise
        return fd, path, size

    def _write(self, payload: bytes) -> None:
        frame = pack_frame(self.count, payload)
        try:
            written = os.write(self._fd, frame)
            while written < len(frame):  # the rest of a short write, or the reason for it
                written += os.write(self._fd, frame[written:])
        except OSError as error:
            # What was written of the frame must go, or a frame after it could not be found again.
            os.ftruncate(self._fd, self._size)
            os.lseek(self._fd, self._size, os.SEEK_SET)
            raise self._failed("written", error) from error
        self._size += len(frame)
        self._dirty = True

    def _close_file(self) -> None:
        if self._fd < 0:
            return
        self._write(b"")
        self.sync()
        os.close(self._fd)
        self._fd = -1

    def _failed(self, verb: str, error: OSError) -> Retryable:
        where = self._path if self._fd >= 0 else self._directory
        return Retryable(
            f"spool {where} cannot be {verb} ({error.strerror}); free space there or set archive.root to another disk"
        )
