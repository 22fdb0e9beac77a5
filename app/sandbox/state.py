"""Where request handlers find the exchange."""

from aiohttp import web

from app.sandbox.exchange import Exchange

EXCHANGE = web.AppKey("exchange", Exchange)
