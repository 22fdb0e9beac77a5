"""Arguments that keep ccxt's Bybit client on the loopback."""

from typing import Any


def ccxt_options(url: str) -> dict[str, Any]:
    """Everything ccxt could connect to, REST and websocket, is the server at `url`; linear markets only."""
    ws = url.replace("http", "ws")
    public = {"public": {"linear": f"{ws}/v5/public/linear"}, "private": {"contract": ws, "trade": ws}}
    rest = dict.fromkeys(("public", "private", "spot", "futures", "v2"), url)
    return {"urls": {"api": {**rest, "ws": public}}, "options": {"fetchMarkets": {"types": ["linear"]}}}
