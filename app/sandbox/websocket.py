"""The public websocket, /v5/public/linear: subscribe, unsubscribe, ping."""

from typing import Final

import msgspec
from aiohttp import web

from app.sandbox.client import Client
from app.sandbox.exchange import END_REASON, Exchange
from app.sandbox.frames import Reply, encode
from app.sandbox.state import EXCHANGE
from app.sandbox.topics import Topic, parse_topic

PATH: Final = "/v5/public/linear"
MAX_REQUEST_BYTES: Final = 64 * 1024
#: aiohttp's own limit on closing; whoever closes sets a shorter one.
CLOSE_TIMEOUT_S: Final = 3600.0
GOODBYE_S: Final = 2.0


class Request(msgspec.Struct):
    """A client's frame. ccxt sends `req_id` as a number, the venue's own examples as a string."""

    op: str = ""
    req_id: str | int = ""
    args: list[str] = []


_decoder = msgspec.json.Decoder(Request)


class Session:
    """One connection: answers its requests."""

    def __init__(self, exchange: Exchange, client: Client) -> None:
        self._exchange = exchange
        self._client = client

    async def handle(self, text: str) -> None:
        """Answer one frame. What cannot be understood is answered too, and the connection goes on."""
        try:
            request = _decoder.decode(text)
        except msgspec.MsgspecError as error:
            await self._reply(Request(), f"Failed to decode incoming data:{error}", success=False)
            return
        match request.op:
            case "ping":
                if not self._exchange.faults.swallow_pong():
                    await self._reply(request, "pong")
            case "subscribe":
                await self._subscribe(request)
            case "unsubscribe":
                await self._unsubscribe(request)
            case _:
                await self._reply(request, "error:invalid op", success=False)

    async def _subscribe(self, request: Request) -> None:
        # One bad topic fails the whole request, as it does at the venue.
        topics: list[Topic] = []
        publisher = self._exchange.publisher
        for name in request.args:
            topic = parse_topic(name)
            if topic is None or not publisher.knows(topic):
                await self._reply(request, f"error:handler not found,topic:{name}", success=False)
                return
            if topic in topics or publisher.has(self._client, topic):
                await self._reply(request, f"error:already subscribed,topic:{name}", success=False)
                return
            topics.append(topic)
        if not topics:
            await self._reply(request, "error:no topic in args", success=False)
            return

        def acknowledge_and_begin() -> list[bytes]:
            self._exchange.start()
            return [self._encoded(request, ""), *publisher.subscribe(self._client, topics)]

        await self._client.send_made(acknowledge_and_begin)

    async def _unsubscribe(self, request: Request) -> None:
        publisher = self._exchange.publisher
        topics = [parse_topic(name) for name in request.args]
        publisher.unsubscribe(self._client, [topic for topic in topics if topic and publisher.knows(topic)])
        await self._reply(request, "")

    async def _reply(self, request: Request, text: str, *, success: bool = True) -> None:
        await self._client.send(self._encoded(request, text, success=success))

    def _encoded(self, request: Request, text: str, *, success: bool = True) -> bytes:
        return encode(Reply(success, text, self._client.id, str(request.req_id), request.op))


async def public(request: web.Request) -> web.StreamResponse:
    """Serve one websocket until either side closes it."""
    exchange = request.app[EXCHANGE]
    refusal = exchange.faults.refusal()
    if refusal is not None:
        return web.Response(status=refusal.status, headers={"Retry-After": str(refusal.retry_after_s)})
    socket = web.WebSocketResponse(compress=False, max_msg_size=MAX_REQUEST_BYTES, timeout=CLOSE_TIMEOUT_S)
    await socket.prepare(request)
    assert request.transport is not None
    client = Client(socket, request.transport, exchange.counts, max_backlog_bytes=exchange.max_backlog_bytes)
    if exchange.finished:
        await client.close(1000, END_REASON, patience_s=GOODBYE_S)
        return socket
    exchange.publisher.join(client)
    try:
        await client.listen(Session(exchange, client).handle)
    finally:
        exchange.publisher.leave(client)
    return socket


def routes() -> list[web.RouteDef]:
    """The public websocket's route."""
    return [web.get(PATH, public)]
