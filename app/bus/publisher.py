"""Publishing event rows from outside the service loop: what the collector, importers and benchmarks write with."""

import asyncio
import time

from app.bus import entries, upkeep
from app.bus.settings import BusSettings
from app.bus.wire import Moved, RedisRefused, Wire
from app.core.errors import AviaryError, Retryable
from app.core.logging import get_logger
from app.messages.streams import Streams

log = get_logger(__name__)

_FIRST_BACKOFF_S = 0.05
_HOLD_POLL_S = 0.05
_LAST_ENTRIES = 32


class StreamBroken(AviaryError):
    """The stream does not end where its writer left it: Redis lost entries, or all of them (`newest` is None)."""

    def __init__(self, stream: str, expected: int, newest: int | None) -> None:
        super().__init__(
            f"stream {stream} ended at row {expected} and now {f'ends at row {newest}' if newest else 'is empty'}: "
            "Redis came back with less than it had"
        )
        self.newest = newest


class Publisher:
    """The only writer of a stream of blocks; it outlasts any outage and never writes a block twice.

    Each block carries how many rows the stream has had with it. After a broken connection the newest entry's count
    tells whether the block in question had arrived.
    """

    def __init__(self, bus: BusSettings, streams: Streams, *, name: str) -> None:
        self._bus = bus
        self._wire = Wire(bus.redis_url.get_secret_value(), name=f"aviary:{name}:{streams.shard}", probe_key=streams.md)
        self._connected = False
        self._check_due = 0.0
        self.retries = 0
        self.held_s = 0.0

    async def publish_block(self, stream: str, block: bytes, counter: int, *, follows: int | None = None) -> None:
        """Append `block`, whose last row is the stream's `counter`-th, waiting for Redis and for slow readers.

        `follows` is the count the block before it ended with, for a writer that can repeat what was lost.

        Raises:
            StreamBroken: after an interruption the stream did not end with `follows`; nothing was written.
            Misconfigured: Redis refuses the credentials.
        """
        packed = entries.add_block(stream, block, counter)
        while True:
            try:
                await self._connect()
                if self.retries:
                    newest = await self._last_counter(stream)
                    if (newest or 0) >= counter:
                        return
                    if follows is not None and (newest or 0) != follows:
                        raise StreamBroken(stream, follows, newest)
                await self._hold(stream)
                await self._wire.call(packed, 1)
                return
            except (OSError, Retryable, RedisRefused, Moved) as error:
                await self._lost(error)
            finally:
                if self._connected:
                    self.retries = 0

    async def last_counter(self, stream: str) -> int | None:
        """How many rows `stream` has had, by its newest entry; None if it has none. Waits for Redis."""
        while True:
            try:
                await self._connect()
                found = await self._last_counter(stream)
                self.retries = 0
                return found
            except (OSError, Retryable, RedisRefused, Moved) as error:
                await self._lost(error)

    def close(self) -> None:
        """Close the connection."""
        self._connected = False
        self._wire.close()

    async def _connect(self) -> None:
        if not self._connected:
            await self._wire.connect()
            self._connected = True

    async def _last_counter(self, stream: str) -> int | None:
        # Entries that somebody else put on the stream carry no count, or a wrong one: the highest of the last is ours.
        counts = []
        for _entry, fields in await self._wire.command("XREVRANGE", stream, "+", "-", "COUNT", _LAST_ENTRIES):
            count = dict(zip(fields[::2], fields[1::2], strict=False)).get(b"n", b"")
            if count.isdigit():
                counts.append(int(count))
        return max(counts, default=None)

    async def _hold(self, stream: str) -> None:
        if time.monotonic() < self._check_due:
            return
        began = time.monotonic()
        while await upkeep.longest(self._wire, (stream,)) > self._bus.max_stream_entries:  # noqa: ASYNC110
            # Polled on purpose: the reader is another process and tells nobody when it has caught up.
            await asyncio.sleep(_HOLD_POLL_S)
        self.held_s += time.monotonic() - began
        self._check_due = time.monotonic() + self._bus.trim_every_s

    async def _lost(self, error: Exception) -> None:
        self.close()
        delay = min(_FIRST_BACKOFF_S * 2**self.retries, self._bus.reconnect_max_s)
        self.retries += 1
        log.warning("publishing interrupted; will try again", error=str(error), after_s=round(delay, 2))
        await asyncio.sleep(delay)
