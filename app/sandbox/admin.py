"""The sandbox's own endpoints, which no venue has: its state, and faults to switch on."""

import json

from aiohttp import web
from pydantic import ValidationError

from app.sandbox.faults import FaultRequest
from app.sandbox.state import EXCHANGE


async def state(request: web.Request) -> web.Response:
    """GET /sandbox/state."""
    return web.json_response(request.app[EXCHANGE].state())


async def inject(request: web.Request) -> web.Response:
    """POST /sandbox/faults: a fault as JSON, e.g. ``{"kind": "drop", "topic": "orderbook.50.BTCUSDT"}``."""
    try:
        wanted = FaultRequest.model_validate_json(await request.read())
    except ValidationError as error:
        return web.json_response({"error": json.loads(error.json(include_url=False))}, status=400)
    await request.app[EXCHANGE].inject(wanted.root)
    return web.json_response({"armed": request.app[EXCHANGE].faults.armed()})


async def clear(request: web.Request) -> web.Response:
    """DELETE /sandbox/faults: switch all faults off."""
    request.app[EXCHANGE].faults.clear()
    return web.json_response({"armed": []})


def routes() -> list[web.RouteDef]:
    """The admin routes."""
    return [
        web.get("/sandbox/state", state),
        web.post("/sandbox/faults", inject),
        web.delete("/sandbox/faults", clear),
    ]
