"""The exchange behind a socket."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from aiohttp import web

from app.core.errors import Misconfigured
from app.sandbox import admin, private, rest, websocket
from app.sandbox.envelope import TOO_MANY_VISITS, error
from app.sandbox.exchange import Exchange
from app.sandbox.faults import RestFault
from app.sandbox.state import EXCHANGE

SHUTDOWN_GRACE_S: Final = 1.0
_HTML: Final = "<html><head><title>{title}</title></head><body><center><h1>{title}</h1></center></body></html>"
_TITLES: Final = {
    403: "access too frequent",
    404: "404 Not Found",
    429: "429 Too Many Requests",
    502: "502 Bad Gateway",
    503: "503 Service Temporarily Unavailable",
    504: "504 Gateway Time-out",
}

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def make_app(exchange: Exchange) -> web.Application:
    """The web application: public REST and websocket, admin, and refusals for the rest."""
    app = web.Application(middlewares=[_faulty])
    app[EXCHANGE] = exchange
    for part in (rest, websocket, admin, private):
        app.add_routes(part.routes())
    return app


@dataclass(frozen=True, slots=True)
class Served:
    """A running exchange: its port, and a future that is done when the flow has broken (and only then)."""

    port: int
    broken: "asyncio.Future[None]"


@asynccontextmanager
async def serve(exchange: Exchange, *, host: str, port: int) -> AsyncIterator[Served]:
    """Serve `exchange` and play its flow while the context is open; `port` 0 takes a free one.

    Leaving closes every websocket with code 1001, then the listening socket. An error that broke the flow (a damaged
    tape) is raised on leaving.

    Raises:
        Misconfigured: the port is taken or may not be opened.
    """
    runner = web.AppRunner(make_app(exchange), access_log=None, shutdown_timeout=SHUTDOWN_GRACE_S)
    await runner.setup()
    try:
        await _listen(runner, host, port)
        broken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        playing = asyncio.create_task(_play(exchange, broken))
        try:
            yield Served(int(runner.addresses[0][1]), broken)
        finally:
            playing.cancel()
            await asyncio.wait({playing})
            await exchange.publisher.close_all(1001, "going away")
    finally:
        await runner.cleanup()
    if broken.done():
        broken.result()


async def _play(exchange: Exchange, broken: "asyncio.Future[None]") -> None:
    try:
        await exchange.run()
    except Exception as error:
        broken.set_exception(error)


async def _listen(runner: web.AppRunner, host: str, port: int) -> None:
    try:
        await web.TCPSite(runner, host, port).start()
    except OSError as fault:
        raise Misconfigured(
            f"sandbox port {host}:{port} cannot be opened ({fault.strerror}); "
            "stop what uses it or set sandbox.port to another (0 takes a free one)"
        ) from None


@web.middleware
async def _faulty(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Let armed faults strike REST calls of the venue."""
    if not request.path.startswith("/v5/") or request.path == websocket.PATH:
        return await handler(request)
    exchange = request.app[EXCHANGE]
    exchange.counts.rest_requests += 1
    fault = exchange.faults.rest()
    if fault is None:
        return await handler(request)
    return await _struck(fault, request, handler)


async def _struck(fault: RestFault, request: web.Request, handler: Handler) -> web.StreamResponse:
    match fault.kind:
        case "http":
            text = _HTML.format(title=_TITLES[fault.status])
            return web.Response(text=text, status=fault.status, content_type="text/html")
        case "rate_limited":
            headers = {"X-Bapi-Limit": "1", "X-Bapi-Limit-Status": "0"}
            limited = error(request.app[EXCHANGE].timeline, TOO_MANY_VISITS, "Too many visits!")
            limited.headers.update(headers)
            return limited
        case "garbage":
            return await _garbage(fault, request, handler)
        case _:
            await asyncio.sleep(fault.seconds)
            return await handler(request)


async def _garbage(fault: RestFault, request: web.Request, handler: Handler) -> web.StreamResponse:
    if fault.body == "html":
        return web.Response(text=_HTML.format(title="200"), content_type="text/html")
    good = await handler(request)
    assert isinstance(good, web.Response)
    assert isinstance(good.body, bytes)
    body = b"" if fault.body == "empty" else good.body[: len(good.body) // 2]
    return web.Response(body=body, content_type="application/json")
