"""One websocket client, as the publisher sees it."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress

from aiohttp import WSMsgType, web

from app.sandbox.counts import Counts


class Client:
    """Sends frames in order.

    A client that does not read holds the sender up, so that nothing is ever lost, or, where `max_backlog_bytes` is
    given, is cut off once so much waits for it.
    """

    def __init__(
        self,
        socket: web.WebSocketResponse,
        transport: asyncio.Transport,
        counts: Counts,
        *,
        max_backlog_bytes: int | None,
    ) -> None:
        self.id = str(uuid.uuid4())
        self._socket = socket
        self._transport = transport
        self._counts = counts
        self._limit = max_backlog_bytes
        self._lock = asyncio.Lock()
        self._reading: asyncio.Task[None] | None = None
        self._closing = asyncio.Lock()
        if max_backlog_bytes is not None:
            # aiohttp pauses a sender at the transport's high-water mark: put that where the client is gone already.
            transport.set_write_buffer_limits(high=2 * max_backlog_bytes)

    async def send(self, frame: bytes) -> None:
        """Send one frame; nothing happens if the client is gone."""
        async with self._lock:
            await self._write(frame)

    async def send_made(self, make: Callable[[], Iterable[bytes]]) -> None:
        """Send what `make` returns, called when it is this sender's turn: nothing gets between the two."""
        async with self._lock:
            for frame in make():
                await self._write(frame)

    async def listen(self, handle: Callable[[str], Awaitable[None]]) -> None:
        """Pass the client's frames to `handle` until the connection is closed by either side."""
        self._reading = asyncio.create_task(self._read(handle))
        try:
            await asyncio.wait({self._reading})
        finally:
            self._reading.cancel()
        async with self._closing:
            if not self._reading.cancelled():
                self._reading.result()

    async def close(self, code: int, reason: str, *, patience_s: float | None) -> None:
        """Say good-bye and wait for the answer, at most `patience_s`; 1006 stands for cutting the line without a word.

        Closing early would not only be rude: what the client then still sends makes its system throw away frames it
        has not read yet.
        """
        if code == 1006:
            self._transport.abort()
            return
        async with self._closing:
            if self._reading is not None:
                # While somebody else waits for the client's frames, aiohttp does not wait for its answer.
                self._reading.cancel()
                await asyncio.wait({self._reading})
            try:
                async with asyncio.timeout(patience_s):
                    await self._socket.close(code=code, message=reason.encode())
            except (ConnectionError, TimeoutError):
                self._transport.abort()

    async def _read(self, handle: Callable[[str], Awaitable[None]]) -> None:
        async for message in self._socket:
            if message.type is WSMsgType.TEXT:
                await handle(message.data)
            elif message.type is WSMsgType.BINARY:
                await handle(message.data.decode("utf-8", "replace"))

    async def _write(self, frame: bytes) -> None:
        # The handler notices a lost connection and takes the client off the list; until then there is no one to tell.
        with suppress(ConnectionError):
            await self._socket.send_frame(frame, WSMsgType.TEXT)
        if self._limit is not None and self._transport.get_write_buffer_size() > self._limit:
            self._counts.slow_clients += 1
            self._limit = None
            self._transport.abort()
