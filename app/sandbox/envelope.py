"""The envelope every REST answer of the venue comes in."""

from typing import Any, Final

import msgspec
from aiohttp import web

from app.core.clock import NS_PER_MS
from app.sandbox.timeline import Timeline

PARAMETER_ERROR: Final = 10001
TOO_MANY_VISITS: Final = 10006
NO_ROUTE: Final = 10017

_encode = msgspec.json.Encoder().encode


def answer(timeline: Timeline, result: Any) -> web.Response:
    """A success."""
    return _response(timeline, 0, "OK", result, status=200)


def error(timeline: Timeline, code: int, text: str, *, status: int = 200) -> web.Response:
    """A failure: `code` and `text` as the venue's retCode and retMsg, under HTTP 200 unless said otherwise."""
    return _response(timeline, code, text, {}, status=status)


def _response(timeline: Timeline, code: int, text: str, result: Any, *, status: int) -> web.Response:
    body = _encode(
        {
            "retCode": code,
            "retMsg": text,
            "result": result,
            "retExtInfo": {},
            "time": timeline.now_ns() // NS_PER_MS,
        }
    )
    return web.Response(body=body, status=status, content_type="application/json")
