"""Keeps every decision, order and fill of a run, and counts them as they pass."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from app.bus.reader import StreamReader
from app.bus.types import Delivery
from app.bus.wire import Moved, RedisRefused
from app.core.errors import AviaryError, Retryable
from app.core.logging import get_logger
from app.messages.signals import Mark
from app.messages.streams import Streams
from app.report.events import event_line
from app.report.tally import Tally

log = get_logger(__name__)

#: Reading in intervals costs the launcher far less than waking up for every entry.
_PAUSE_S = 0.1
_LONGEST_BACKOFF_S = 5.0
_QUIET_READS = 2

GROUP = "recorder"


class RecordingFailed(AviaryError):
    """What happens can no longer be kept, so the run must not go on."""


def recorded_streams(streams: Streams) -> tuple[str, ...]:
    """What a run keeps: everything but the market data, which the archive has, and commands."""
    return (streams.raw, streams.scored, streams.approved, streams.dropped, streams.execution, streams.dlq)


class Recorder:
    """Appends messages to a file as lines, marks aside, and to a `Tally`.

    An entry is acknowledged when its lines have been written out; one that comes again after a broken connection is
    recognised by its id and not written twice.
    """

    def __init__(self, reader: StreamReader, path: Path, *, busy_entries: int) -> None:
        self.tally = Tally()
        self._reader = reader
        self._path = path
        self._busy = busy_entries
        self._newest: dict[str, tuple[int, int]] = {}
        self._stopping = False

    async def run(self) -> None:
        """Record until `stop` is called and nothing is left to read, through any number of lost connections.

        Raises:
            RecordingFailed: the file cannot be written.
        """
        backoff = _PAUSE_S
        with _appending(self._path) as out:
            while True:
                try:
                    await self._reader.connect()
                    backoff = _PAUSE_S
                    await self._follow(out)
                    await self._reader.forget()
                    return
                except (OSError, Retryable, RedisRefused, Moved) as error:
                    log.warning("recording interrupted; will try again", error=str(error), after_s=backoff)
                    await asyncio.sleep(backoff)
                    backoff = min(2 * backoff, _LONGEST_BACKOFF_S)
                finally:
                    self._reader.close()

    def stop(self) -> None:
        """Let `run` end once it has read what there is."""
        self._stopping = True

    async def _follow(self, out: BinaryIO) -> None:
        quiet = 0
        while not (self._stopping and quiet >= _QUIET_READS):
            deliveries = await self._reader.read()
            quiet = 0 if deliveries else quiet + 1
            self._write(out, deliveries)
            await self._reader.ack()
            if len(deliveries) < self._busy:
                await asyncio.sleep(_PAUSE_S)

    def _write(self, out: BinaryIO, deliveries: Sequence[Delivery]) -> None:
        lines: list[bytes] = []
        for delivery in deliveries:
            if not self._is_new(delivery):
                continue
            for message in delivery.messages:
                if not isinstance(message, Mark):
                    self.tally.update(message)
                    lines.append(event_line(delivery.stream, delivery.entry_id, message))
        try:
            out.writelines(lines)
            out.flush()
        except OSError as error:
            raise RecordingFailed(f"{self._path} cannot be written ({error.strerror}); free some space") from error

    def _is_new(self, delivery: Delivery) -> bool:
        milliseconds, _, sequence = delivery.entry_id.partition("-")
        entry = int(milliseconds), int(sequence)
        if entry <= self._newest.get(delivery.stream, (-1, -1)):
            return False
        self._newest[delivery.stream] = entry
        return True


@contextmanager
def _appending(path: Path) -> Iterator[BinaryIO]:
    out = path.open("ab")
    try:
        yield out
    finally:
        # Every write was flushed, or failed and was reported: closing has nothing to add.
        with suppress(OSError):
            out.close()
