"""One connection to Redis that sends commands packed in advance and reads all their replies in one wake-up.

A general client costs 55 to 90 µs a command; a hop through the pipeline is several commands. Here a hop is one
write and one wake-up, whatever the number of commands. Parsing is hiredis's.
"""

import asyncio
import ssl
from collections.abc import Sequence
from typing import Any, cast
from urllib.parse import SplitResult, unquote, urlsplit

import hiredis

from app.core.errors import AviaryError, Misconfigured, Retryable

_CONNECT_TIMEOUT_S = 5.0
_REDIRECTS_MAX = 5


class RedisRefused(AviaryError):
    """Redis answered a command with an error; the text starts with Redis's own error word."""


class Moved(AviaryError):
    """The shard lives on another node of the cluster."""

    def __init__(self, host: str, port: int) -> None:
        super().__init__(f"the shard moved to {host}:{port}")
        self.host, self.port = host, port


def pack(*arguments: bytes | str | int) -> bytes:
    """A command as it goes over the wire (RESP array of bulk strings)."""
    parts = [b"*%d\r\n" % len(arguments)]
    for argument in arguments:
        data = argument if type(argument) is bytes else str(argument).encode()
        parts.append(b"$%d\r\n%b\r\n" % (len(data), data))
    return b"".join(parts)


class _Replies(asyncio.Protocol):
    """Collects replies until as many have come as the caller waits for."""

    def __init__(self) -> None:
        self._reader = hiredis.Reader()
        self._replies: list[Any] = []
        self._wanted = 0
        self._waiter: asyncio.Future[None] | None = None
        self._lost: Exception | None = None
        self.transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.WriteTransport, transport)

    def data_received(self, data: bytes) -> None:
        self._reader.feed(data)
        while (reply := self._reader.gets()) is not False:
            self._replies.append(reply)
        if self._waiter is not None and len(self._replies) >= self._wanted and not self._waiter.done():
            self._waiter.set_result(None)

    def connection_lost(self, error: Exception | None) -> None:
        self._lost = error or ConnectionResetError("closed by the server")
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(self._lost)

    async def take(self, wanted: int) -> list[Any]:
        if self._lost is not None:
            raise self._lost
        if len(self._replies) < wanted:
            self._wanted = wanted
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        taken, self._replies = self._replies[:wanted], self._replies[wanted:]
        return taken


class Wire:
    """A connection to the node that holds `probe_key`'s slot (or to a lone server).

    Not for concurrent use: one caller sends and awaits its replies before the next.
    """

    def __init__(self, url: str, *, name: str, probe_key: str) -> None:
        self._target = _Target.parse(url)
        self._name = name
        self._probe_key = probe_key
        self._protocol: _Replies | None = None

    async def connect(self) -> None:
        """Connect, authenticate, select the database, and follow the cluster to the shard's node.

        Raises:
            Misconfigured: wrong credentials, a database the server does not have, a server that is too old.
            Retryable: the server cannot be reached or is not ready (loading, cluster down).
        """
        host, port = self._target.host, self._target.port
        for _ in range(_REDIRECTS_MAX):
            try:
                await self._open(host, port)
                return
            except Moved as moved:
                self.close()
                host, port = moved.host or host, moved.port
            except (OSError, TimeoutError) as error:
                self.close()
                raise Retryable(f"Redis at {host}:{port} cannot be reached: {error or 'timed out'}") from None
            except RedisRefused as error:
                self.close()
                if str(error).split()[0] in ("LOADING", "CLUSTERDOWN", "MASTERDOWN", "TRYAGAIN", "BUSY"):
                    raise Retryable(f"Redis at {host}:{port} is not ready: {error}") from None
                raise Misconfigured(
                    f"Redis at {host}:{port} refused the connection: {error}; check REDIS_URL"
                ) from None
        raise Retryable(f"Redis redirects {self._probe_key} in a circle; is the cluster being resharded?")

    async def _open(self, host: str, port: int) -> None:
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(_CONNECT_TIMEOUT_S):
            _, self._protocol = await loop.create_connection(_Replies, host, port, ssl=self._target.tls)
            hello = [pack("CLIENT", "SETNAME", self._name), pack("EXISTS", self._probe_key)]
            if self._target.database:
                hello.insert(0, pack("SELECT", self._target.database))
            if self._target.password is not None:
                hello.insert(0, pack("AUTH", *self._target.credentials))
            await self.call(b"".join(hello), len(hello))

    async def call(self, packed: bytes, replies: int) -> list[Any]:
        """Send `packed` (any number of commands) and return their `replies` replies.

        Raises:
            RedisRefused: a command was refused (the first refusal is reported; all replies were read).
            Moved: the slot is not on this node.
            OSError: the connection broke; whether the commands took effect is unknown.
        """
        protocol = self._protocol
        if protocol is None or protocol.transport is None:
            raise ConnectionResetError("not connected")
        try:
            protocol.transport.write(packed)
        except RuntimeError:
            # What uvloop raises where asyncio would tell the protocol: the server has hung up meanwhile.
            raise ConnectionResetError("closed by the server") from None
        try:
            answers = await protocol.take(replies)
        except asyncio.CancelledError:
            # The replies will still come, and would be taken for those of the next call.
            self.close()
            raise
        for answer in answers:
            _raise_refusal(answer)
        return answers

    async def command(self, *arguments: bytes | str | int) -> Any:
        """Send one command and return its reply."""
        return (await self.call(pack(*arguments), 1))[0]

    def close(self) -> None:
        """Close the connection; `connect` opens a new one."""
        if self._protocol is not None and self._protocol.transport is not None:
            self._protocol.transport.abort()
        self._protocol = None


def _raise_refusal(answer: Any) -> None:
    if isinstance(answer, hiredis.ReplyError):
        text = str(answer)
        if text.startswith("MOVED "):
            host, _, port = text.split()[2].rpartition(":")
            raise Moved(host, int(port))
        raise RedisRefused(text)
    # A transaction that was aborted or partly refused answers EXEC with its commands' replies.
    if isinstance(answer, list):
        for part in answer:
            if isinstance(part, hiredis.ReplyError):
                raise RedisRefused(str(part))


class _Target:
    """A parsed `redis://` or `rediss://` URL; its repr shows no credentials."""

    def __init__(
        self, host: str, port: int, database: int, credentials: Sequence[str], tls: ssl.SSLContext | None
    ) -> None:
        self.host, self.port, self.database, self.credentials, self.tls = host, port, database, credentials, tls

    @property
    def password(self) -> str | None:
        return self.credentials[-1] if self.credentials else None

    @classmethod
    def parse(cls, url: str) -> "_Target":
        parts = _split(url)
        if parts.scheme not in ("redis", "rediss") or not parts.hostname:
            raise Misconfigured(
                f"Redis URL with scheme {parts.scheme!r} is not of the form redis://[user:password@]host:port/db "
                "(rediss:// for TLS); check REDIS_URL"
            )
        database = parts.path.strip("/")
        user = [unquote(parts.username)] if parts.username else []
        credentials = [*user, unquote(parts.password)] if parts.password else []
        tls = ssl.create_default_context() if parts.scheme == "rediss" else None
        return cls(parts.hostname, parts.port or 6379, int(database or 0), credentials, tls)


def _split(url: str) -> SplitResult:
    """The parts of `url`. What is wrong with one is not shown: it may be the rest of a password."""
    try:
        parts = urlsplit(url)
        if parts.port != 0 and (parts.path.strip("/") or "0").isdecimal():
            return parts
    except ValueError:
        pass
    raise Misconfigured(
        "port or database of the Redis URL is not a number; check REDIS_URL "
        "(a password with any of / @ : # [ in it has to be percent-encoded)"
    )
