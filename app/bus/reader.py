"""Reading streams from outside the service loop: recorders, consoles, benchmarks."""

import time
from collections.abc import Sequence

from app.bus import entries, readers, recovery
from app.bus.settings import BusSettings
from app.bus.types import Delivery, Outbox
from app.bus.wire import Wire, pack
from app.core.logging import get_logger
from app.messages.streams import Streams

log = get_logger(__name__)

#: Well within the shortest `bus.reader_gone_s` that makes sense.
_SIGN_EVERY_S = 2.0


class StreamReader:
    """A consumer group of its own, which trimming respects like any service's until its reader has gone.

    `read`, do something lasting with the result, `ack`. What was read but not acknowledged is read again by the next
    reader of the group. An error of the connection (`OSError`, `Retryable`) is the caller's to handle: `connect`
    again.
    """

    def __init__(self, bus: BusSettings, streams: Streams, inputs: Sequence[str], *, group: str) -> None:
        self._bus = bus
        self._streams = streams
        self._inputs = tuple(inputs)
        self._group = group
        name = readers.client_name(streams, group)
        self._wire = Wire(bus.redis_url.get_secret_value(), name=name, probe_key=streams.md)
        self._unacknowledged: dict[str, list[bytes]] = {}
        self._pending_first = True
        self._has_read = False
        self._sign_due = 0.0

    async def connect(self) -> None:
        """Connect, and create the group at the beginning of each stream if it is new.

        Raises:
            Misconfigured: Redis refuses the credentials.
            Retryable: Redis cannot be reached.
        """
        await self._wire.connect()
        if not await self._sign() and self._has_read:
            log.warning("was away too long; what was trimmed meanwhile is missed", group=self._group)
        await recovery.ensure_groups(self._wire, self._group, self._inputs)
        self._pending_first = True
        self._unacknowledged.clear()

    async def read(self) -> list[Delivery]:
        """The next entries, at most `bus.batch_entries` a stream; empty if none came within `bus.block_ms`.

        What cannot be decoded is logged and left out: dead letters are the services' to write.
        """
        if time.monotonic() >= self._sign_due:
            await self._sign()
        reply = (await self._wire.call(self._command(), 1))[0]
        self._has_read = True
        deliveries = []
        out = Outbox()
        found = False
        for stream, batch in entries.parse(reply):
            found = True
            for entry_id, fields in batch:
                self._unacknowledged.setdefault(stream, []).append(entry_id)
                delivery = entries.decode(stream, entry_id.decode(), fields, out) if fields else None
                if delivery is not None:
                    deliveries.append(delivery)
        if self._pending_first and not found:
            self._pending_first = False
            return await self.read()
        for delivery, _payload, error in out.dead:
            log.warning("unreadable", stream=delivery.stream, entry_id=delivery.entry_id, error=str(error))
        return deliveries

    async def ack(self) -> None:
        """Acknowledge everything read so far, and let trimming pass it."""
        if not self._unacknowledged:
            return
        commands = [pack("MULTI")]
        for stream, ids in self._unacknowledged.items():
            commands.append(pack("XACK", stream, self._group, *ids))
            commands.append(pack("HSET", self._streams.floors, f"{stream}|{self._group}", ids[-1]))
        commands.append(pack("EXEC"))
        await self._wire.call(b"".join(commands), len(commands))
        self._unacknowledged.clear()

    async def forget(self) -> None:
        """Destroy the group, so that streams need not be kept for it any longer."""
        await readers.strike_off(self._wire, self._streams, self._group)

    def close(self) -> None:
        """Close the connection; the group stays."""
        self._wire.close()

    async def _sign(self) -> bool:
        self._sign_due = time.monotonic() + _SIGN_EVERY_S
        return await readers.sign(self._wire, self._streams, self._group)

    def _command(self) -> bytes:
        wait = () if self._pending_first else ("BLOCK", self._bus.block_ms)
        start = "0" if self._pending_first else ">"
        return pack(
            *("XREADGROUP", "GROUP", self._group, self._group, "COUNT", self._bus.batch_entries, *wait),
            *("STREAMS", *self._inputs, *(start for _ in self._inputs)),
        )
