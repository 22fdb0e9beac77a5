"""The collector's side of the archive: appending, syncing in the background, and having closed hours sealed."""

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from app.collector.spool_tail import SpoolTail
from app.core.errors import Retryable
from app.core.logging import get_logger
from app.market.schema import ROW_BYTES
from app.store.spool import NS_PER_HOUR, Spool, spool_dir

log = get_logger(__name__)

_CHECK_S: Final = 0.1
_SEAL_ON_EXIT_S: Final = 60.0


class Archive:
    """A spool that is synced by a thread and sealed by short-lived processes.

    Sealing takes files away that publishing may still have to read, so it waits until their rows are published.
    """

    def __init__(
        self, root: Path, *, venue: str, shard: str, fsync_s: float, symbols_file: Path, project: Path
    ) -> None:
        self.spool = Spool(root, venue=venue, shard=shard, fsync_s=fsync_s)
        self.tail = SpoolTail(spool_dir(root, venue, shard))
        self._seal_command = [
            *(sys.executable, "-m", "app.store.seal", "--root", str(root.resolve()), "--venue", venue),
            *("--symbols", str(symbols_file.resolve())),
        ]
        self._project = project
        self._hour: int | None = None
        # Sealing is due once this many rows are published; at first it is for what an earlier run left.
        left = any(spool_dir(root, venue, shard).glob("*.rows"))
        self._seal_at: int | None = self.spool.count if left else None

    def append(self, block: bytes) -> None:
        """Keep `block`; raises what `Spool.append` raises."""
        self.spool.append(block)
        hour = int.from_bytes(block[-ROW_BYTES + 8 : -ROW_BYTES + 16], "little") // NS_PER_HOUR
        if self._hour is not None and hour != self._hour:
            self._seal_at = self.spool.count
        self._hour = hour

    async def run(self, published: Callable[[], int]) -> None:
        """Sync and seal when it is time."""
        loop = asyncio.get_running_loop()
        while True:
            if self.spool.due(int(loop.time() * 1e9)):
                try:
                    # A disk may take tens of milliseconds; rows must not wait for it.
                    await asyncio.to_thread(self.spool.detached_sync())
                except Retryable as error:
                    log.error("archive not synced; will try again", error=str(error))
            if self._seal_at is not None and published() >= self._seal_at:
                self._seal_at = None
                await self._seal()
            await asyncio.sleep(_CHECK_S)

    async def close(self, *, seal: bool) -> None:
        """Close the spool, durably, and have everything sealed if `seal`."""
        try:
            self.spool.close()
        except Retryable as error:
            log.error("archive not closed properly; the next start will", error=str(error))
            return
        if seal:
            try:
                await asyncio.wait_for(self._seal("--all"), _SEAL_ON_EXIT_S)
            except TimeoutError:
                log.warning("sealing took too long and was stopped; the next start seals the rest")

    async def _seal(self, *options: str) -> None:
        child = await asyncio.create_subprocess_exec(
            *self._seal_command,
            *options,
            cwd=self._project,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,  # a terminal's Ctrl-C is for the collector, which then seals the rest
        )
        try:
            said, _ = await child.communicate()
        except asyncio.CancelledError:
            child.kill()  # it may be stopped anywhere; the next one goes on from there
            await child.communicate()
            raise
        text = said.decode(errors="replace").strip()
        if child.returncode:
            log.error("archive not sealed; the rows are safe in the spool", exit_code=child.returncode, said=text)
        else:
            log.info("archive sealed", said=text)
