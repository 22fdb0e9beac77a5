"""A scripted Bybit: a real websocket server on the loopback that does what a test tells it to."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from picows import (
    WSCloseCode,
    WSFrame,
    WSListener,
    WSMsgType,
    WSTransport,
    WSUpgradeRequest,
    WSUpgradeResponse,
    WSUpgradeResponseWithListener,
    ws_create_server,
)

from tests.venues.sink import encode

#: What the server does about a request: it is given the connection and the request.
OnRequest = Callable[["Peer", dict[str, Any]], None]


class Peer(WSListener):
    """The server's end of one connection."""

    def __init__(self, venue: "ScriptedVenue") -> None:
        self._venue = venue
        self._transport: WSTransport | None = None
        self.requests: list[dict[str, Any]] = []

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._transport = transport
        self._venue.peers.append(self)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type == WSMsgType.CLOSE:
            transport.disconnect()
        elif frame.msg_type == WSMsgType.TEXT:
            request = json.loads(frame.get_payload_as_bytes())
            self.requests.append(request)
            self._venue.on_request(self, request)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self._transport = None

    @property
    def connected(self) -> bool:
        return self._transport is not None

    def asked(self, op: str) -> list[list[str]]:
        """The arguments of each request of this kind so far."""
        return [request.get("args", []) for request in self.requests if request["op"] == op]

    def send(self, *frames: bytes) -> None:
        assert self._transport is not None
        for frame in frames:
            self._transport.send(WSMsgType.TEXT, frame)

    def send_in_parts(self, frame: bytes, size: int) -> None:
        """One message as several websocket frames."""
        assert self._transport is not None
        parts = [frame[i : i + size] for i in range(0, len(frame), size)]
        for i, part in enumerate(parts):
            kind = WSMsgType.CONTINUATION if i else WSMsgType.TEXT
            self._transport.send(kind, part, fin=i == len(parts) - 1)

    def close(self, code: int, reason: str = "") -> None:
        if self._transport is not None:
            self._transport.send_close(WSCloseCode(code), reason.encode())

    def cut(self) -> None:
        """Break the connection without a word."""
        if self._transport is not None:
            self._transport.disconnect(graceful=False)

    def reply(self, request: dict[str, Any], *, success: bool = True, text: str = "") -> None:
        answer = {"success": success, "ret_msg": text, "conn_id": "c", "req_id": request["req_id"]}
        self.send(encode({**answer, "op": request["op"]}))


def acknowledge(peer: Peer, request: dict[str, Any]) -> None:
    """What the venue does with every request, if nothing more."""
    peer.reply(request, text="pong" if request["op"] == "ping" else "")


class ScriptedVenue:
    """Acknowledges requests by default; `on_request` is a test's to replace. `refuse` answers handshakes instead."""

    def __init__(self) -> None:
        self.peers: list[Peer] = []
        self.on_request: OnRequest = acknowledge
        self.refuse: tuple[int, dict[str, str]] | None = None
        self.handshakes = 0
        self.url = ""

    def accept(self, request: WSUpgradeRequest) -> Peer | WSUpgradeResponseWithListener:
        self.handshakes += 1
        if self.refuse is not None:
            status, headers = self.refuse
            response = WSUpgradeResponse.create_error_response(status, b"", headers)
            return WSUpgradeResponseWithListener(response, None)
        return Peer(self)

    async def peer(self, number: int = 1, *, asked: str = "subscribe") -> Peer:
        """The `number`-th connection, once it has made a request of this kind."""
        await eventually(lambda: len(self.peers) >= number and self.peers[number - 1].asked(asked))
        return self.peers[number - 1]


@asynccontextmanager
async def scripted_venue(port: int = 0) -> AsyncIterator[ScriptedVenue]:
    """A venue that listens while the context is open."""
    venue = ScriptedVenue()
    server = await ws_create_server(venue.accept, "127.0.0.1", port)
    venue.url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/v5/public/linear"
    try:
        yield venue
    finally:
        server.close()
        for peer in venue.peers:
            peer.cut()
        await server.wait_closed()


async def eventually(holds: Callable[[], object], *, within_s: float = 5.0) -> None:
    """Wait until `holds()` is true."""
    deadline = asyncio.get_running_loop().time() + within_s
    while not holds():
        assert asyncio.get_running_loop().time() < deadline, "it never became true"
        await asyncio.sleep(0.002)
