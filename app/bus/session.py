"""One session of a service with Redis: a recovered core on a live connection.

A hand-over is one MULTI: what the core sent, the acknowledgement of what it read, and now and then its snapshot. So a
crash between any two steps repeats or loses nothing. It travels in the same write as the next blocking read: one
round trip a batch, and whatever arrives during that round trip forms the next batch.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.bus import entries, readers, recovery, upkeep
from app.bus.metrics import LoopMetrics
from app.bus.settings import BusSettings
from app.bus.types import Core, Delivery, Outbox
from app.bus.wire import Wire, pack
from app.core.clock import NS_PER_MS, wall_ns
from app.core.errors import BadInput
from app.core.logging import get_logger
from app.core.stopping import sleep_unless
from app.market.schema import ROW_BYTES
from app.messages.streams import Streams

log = get_logger(__name__)

_MULTI = pack("MULTI")
_EXEC = pack("EXEC")
_HOLD_POLL_S = 0.05
# What was handled without sending anything need not be acknowledged at once: handling it again sends nothing either.
_ACK_EVERY_S = 0.1

# Entries (stream, id) whose handling failed, with the error.
Poison = dict[tuple[str, str], str]


class HandlerFailed(Exception):
    """A core raised something it must not; its state is suspect, and the entry is set apart."""

    def __init__(self, entry: tuple[str, str], cause: Exception) -> None:
        super().__init__(f"{type(cause).__name__}: {cause}")
        self.entry = entry


@dataclass(frozen=True, slots=True)
class Setup:
    """What all sessions of a service share. `lazy` inputs may wait up to so many seconds for company."""

    bus: BusSettings
    streams: Streams
    service: str
    wire: Wire
    metrics: LoopMetrics
    lazy: Mapping[str, float]


class Session:
    """A recovered core on a live connection."""

    def __init__(self, setup: Setup, core: Core, positions: dict[str, str]) -> None:
        self._bus, self._streams, self._service = setup.bus, setup.streams, setup.service
        self._wire, self._metrics, self._lazy = setup.wire, setup.metrics, setup.lazy
        self._core = core
        self._positions = positions
        self._out = Outbox()
        self._acks: dict[str, list[bytes]] = {}
        self._forward = setup.streams.forward_of(setup.service)
        self._snapshot_due = time.monotonic() + setup.bus.snapshot_every_s
        self._snapshot_stale = False
        self._upkeep_due = 0.0
        # Readers get as long after an outage of Redis to be back: their silence during it says nothing.
        self._roll_call_due = time.monotonic() + setup.bus.reader_gone_s
        self._ack_due = 0.0
        self._lazy_due = dict.fromkeys(setup.lazy, 0.0)
        self._waiting_since: float | None = None

    async def take_pending(self, poison: Poison) -> None:
        """Handle what was read but not acknowledged before."""
        while True:
            reply = await self._call(self._read_command(self._core.inputs, 0, pending=True), 1)
            batch = entries.parse(reply[-1])
            if not batch:
                return
            self._handle(batch, poison)
            self._ack_due = 0.0  # what stays pending would be read again
            await self._commit(b"", 0)

    async def serve(self, stop: asyncio.Event) -> None:
        """Handle live entries until told to stop, then save the core's state."""
        reply = await self._call(self._next_read(), 1)
        while True:
            batch = entries.parse(reply[-1])
            if batch:
                self._handle(batch, {})
            else:
                self._caught_up()
            if stop.is_set():
                self._snapshot_due = 0.0
                await self._commit(b"", 0)
                return
            if time.monotonic() >= self._upkeep_due:
                await self._commit(b"", 0)
                await self._upkeep(stop)
            reply = await self._commit(self._next_read(), 1)

    def _caught_up(self) -> None:
        """A blocking read found nothing: there is no lag, whatever the last count was."""
        for stream in set(self._core.inputs) - set(self._core.paused()):
            self._metrics.lag.labels(stream).set(0)

    async def watch(self) -> None:
        """Break the connection if Redis accepts commands but stops answering them."""
        limit = 10.0 + self._bus.block_ms / 1000
        while True:
            await asyncio.sleep(limit / 4)
            if self._waiting_since is not None and time.monotonic() - self._waiting_since > limit:
                self._metrics.retries.labels("timeout").inc()
                log.warning("Redis does not answer; breaking the connection", waited_s=round(limit))
                self._wire.close()

    def _handle(self, batch: Sequence[tuple[str, list[entries.Entry]]], poison: Poison) -> None:
        began = time.perf_counter()
        now_ms = wall_ns() // NS_PER_MS
        for stream, found in batch:
            if stream in self._lazy:
                self._lazy_due[stream] = time.monotonic() + self._lazy[stream]
            acks = self._acks.setdefault(stream, [])
            acks += [entry_id for entry_id, _fields in found]
            handled = 0.0
            for entry_id, fields in found:
                handled += self._advance(stream, entry_id.decode(), fields, poison)
            self._metrics.read_of[stream].inc(handled)
            # The oldest entry stands for its batch: an observation an entry would cost as much as handling it.
            self._metrics.age_of[stream].observe(max(0, now_ms - int(found[0][0].partition(b"-")[0])) / 1000)
        self._metrics.handle.observe(time.perf_counter() - began)

    def _advance(self, stream: str, entry_id: str, fields: list[bytes] | None, poison: Poison) -> float:
        """Let the core handle one entry; return how many messages or rows it held."""
        if fields is None:
            # Only an operator can have trimmed what was still pending.
            self._out.refuse(Delivery(stream, entry_id), b"", BadInput("entry was trimmed", reason="trimmed"))
            return 0
        if poison and (failure := poison.pop((stream, entry_id), None)) is not None:
            fault = BadInput(f"handling it failed: {failure}", reason="handler_error")
            self._out.refuse(Delivery(stream, entry_id), b"\0".join(fields), fault)
            # Recovery must never feed it again, so the state after it is saved with its acknowledgement.
            self._snapshot_due = 0.0
            return 0
        delivery = entries.decode(stream, entry_id, fields, self._out)
        if delivery is None:
            return 0
        try:
            self._core.advance(delivery, self._out)
        except BadInput as error:
            self._out.refuse(delivery, bytes(delivery.block) or b"\0".join(fields), error)
        except Exception as error:
            raise HandlerFailed((stream, entry_id), error) from error
        return len(delivery.messages) or len(delivery.block) / ROW_BYTES

    async def _commit(self, then: bytes, then_replies: int) -> list[Any]:
        """Send the hand-over, if there is one, and `then` behind it; return the replies of `then`."""
        commands, count = self._hand_over()
        if not count:
            return await self._call(then, then_replies) if then_replies else []
        packed = b"".join((_MULTI, *commands, _EXEC, then))
        # MULTI, a QUEUED for each command, EXEC's own reply, and then what follows.
        replies = await self._call(packed, count + 2 + then_replies)
        return replies[count + 2 :]

    def _hand_over(self) -> tuple[list[bytes], int]:
        out, count = self._out, 0
        commands: list[bytes] = []
        now = time.monotonic()
        if out.empty and now < min(self._ack_due, self._snapshot_due):
            return commands, count
        self._ack_due = now + _ACK_EVERY_S
        for stream, messages in out.messages.items():
            commands.append(entries.add_messages(stream, messages))
            self._metrics.messages.labels(stream, "out").inc(len(messages))
        if out.dead:
            dead = entries.dead_letters(self._service, out, ts=wall_ns())
            commands.append(entries.add_messages(self._streams.dlq, dead))
            for delivery, _payload, error in out.dead:
                self._metrics.dead.labels(error.reason).inc()
                log.warning("dead letter", stream=delivery.stream, entry_id=delivery.entry_id, reason=error.reason,
                            error=str(error))  # fmt: skip
        for stream, ids in self._acks.items():
            commands.append(pack("XACK", stream, self._service, *ids))
            self._positions[stream] = ids[-1].decode()
            self._snapshot_stale = True
        count = len(commands)
        if self._snapshot_stale and now >= self._snapshot_due:
            saved, more = recovery.pack_snapshot(self._streams, self._service, self._positions, self._core)
            commands.append(saved)
            count += more
            self._snapshot_due = now + self._bus.snapshot_every_s
            self._snapshot_stale = False
        out.clear()
        self._acks = {}
        return commands, count

    async def _upkeep(self, stop: asyncio.Event) -> None:
        lags = await upkeep.trim(self._wire, self._streams, self._core.inputs, self._service)
        for stream, lag in lags.items():
            self._metrics.lag.labels(stream).set(lag)
        if time.monotonic() >= self._roll_call_due:
            await readers.strike_off_gone(self._wire, self._streams, after_s=self._bus.reader_gone_s)
        self._upkeep_due = time.monotonic() + self._bus.trim_every_s
        while not stop.is_set() and await upkeep.longest(self._wire, self._forward) > self._bus.max_stream_entries:
            self._metrics.held.set(1)
            await sleep_unless(stop, _HOLD_POLL_S)
        self._metrics.held.set(0)

    def _next_read(self) -> bytes:
        paused, now, block_ms = self._core.paused(), time.monotonic(), self._bus.block_ms
        inputs = []
        for stream in self._core.inputs:
            if stream in paused:
                continue
            wait_ms = int((self._lazy_due.get(stream, 0.0) - now) * 1000)
            if wait_ms > 0:
                block_ms = min(block_ms, wait_ms)
            else:
                inputs.append(stream)
        if not inputs:
            # Lazy inputs are all there is to read for now.
            inputs = [stream for stream in self._core.inputs if stream not in paused]
        return self._read_command(inputs, block_ms)

    def _read_command(self, inputs: Sequence[str], block_ms: int, *, pending: bool = False) -> bytes:
        start = "0" if pending else ">"
        wait = () if pending else ("BLOCK", block_ms)
        return pack(
            *("XREADGROUP", "GROUP", self._service, self._service, "COUNT", self._bus.batch_entries, *wait),
            *("STREAMS", *inputs, *(start for _ in inputs)),
        )

    async def _call(self, packed: bytes, replies: int) -> list[Any]:
        self._waiting_since = time.monotonic()
        try:
            return await self._wire.call(packed, replies)
        finally:
            self._waiting_since = None
