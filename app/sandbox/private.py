"""The private side: order entry, account and their websockets. The sandbox does not offer it and says so."""

from typing import Final

from aiohttp import web

from app.sandbox.envelope import NO_ROUTE, PARAMETER_ERROR, error
from app.sandbox.state import EXCHANGE

AREAS: Final = ("order", "position", "account", "execution", "asset", "user", "private", "trade")


async def refused(request: web.Request) -> web.Response:
    """Known at the venue, absent here."""
    text = f"the sandbox has public market data only: {request.path} is not available"
    return error(request.app[EXCHANGE].timeline, PARAMETER_ERROR, text, status=404)


async def unknown(request: web.Request) -> web.Response:
    """Not known at the venue either."""
    return error(request.app[EXCHANGE].timeline, NO_ROUTE, f"route not found: {request.path}", status=404)


def routes() -> list[web.RouteDef]:
    """Refusals for the private areas, then for everything else; register these last."""
    areas = [web.route("*", path, refused) for area in AREAS for path in (f"/v5/{area}", f"/v5/{area}/{{rest:.*}}")]
    return [*areas, web.route("*", "/{rest:.*}", unknown)]
