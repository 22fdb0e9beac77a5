"""A made-up market whose price follows its order book imbalance, so that there is something to learn."""

from decimal import Decimal

import numpy as np

from app.core.clock import NS_PER_MS, NS_PER_S
from app.core.strategy import Condition, TriggerSettings
from app.market.instruments import Instrument
from app.market.rows import CLOCK, DEPTH_CLEAR, DEPTH_SET, LAST, SNAPSHOT, TRADE, Rows, concat, empty

BTC = Instrument(
    id=1,
    symbol="BTCUSDT",
    tick_size=Decimal("0.1"),
    lot_size=Decimal("0.001"),
    min_qty=Decimal("0.001"),
    min_notional=Decimal(5),
    max_qty=Decimal(100),
    base="BTC",
)
TRIGGER = TriggerSettings(
    side_feature="imbalance_5", conditions=(Condition(feature="imbalance_5", abs_min=0.3),), cooldown_ms=500
)
START = 1_723_075_200 * NS_PER_S
LEVELS = 10


def market(seconds: int, seed: int, *, after_s: int = 0, every_ms: int = 50) -> Rows:
    """`seconds` of messages `every_ms` apart, from `after_s` after START on.

    A message sets all levels of both sides anew; there is a trade now and then, and clock rows.
    """
    rng = np.random.default_rng(seed)
    start = START + after_s * NS_PER_S
    parts, lean, drift, bid = [_clear(start)], 0.0, 0.0, 600_000
    for i in range(seconds * 1000 // every_ms):
        ts = start + (i + 1) * every_ms * NS_PER_MS
        lean = 0.97 * lean + 0.25 * rng.normal()
        # The imbalance of now is the drift of the next seconds.
        drift = 0.97 * drift + 0.03 * lean
        bid += int(np.floor(8 * drift + 3 * rng.normal() + 0.5))
        parts.append(_message(ts, bid, lean, rng))
        if ts % (100 * NS_PER_MS) == 0:
            clock = empty(1)
            clock["ts_event"] = clock["ts_recv"] = ts
            clock["kind"] = CLOCK
            parts.append(clock)
    return concat(parts)


def _clear(ts: int) -> Rows:
    rows = empty(1)
    rows["ts_event"] = rows["ts_recv"] = ts
    rows["instrument"], rows["kind"], rows["flags"] = 1, DEPTH_CLEAR, SNAPSHOT | LAST
    return rows


def _message(ts: int, bid: int, lean: float, rng: np.random.Generator) -> Rows:
    """Both sides replaced by `LEVELS` levels that lean by tanh(`lean`), and one trade in four messages."""
    size = 1.0 + rng.random((2, LEVELS))
    size[0] *= 1 + np.tanh(lean)
    size[1] *= 1 - np.tanh(lean)
    book = empty(1 + 2 * LEVELS)
    book["kind"] = DEPTH_SET
    book["kind"][0] = DEPTH_CLEAR
    book["side"][1 : 1 + LEVELS], book["side"][1 + LEVELS :] = 1, -1
    ticks = np.concatenate([bid - np.arange(LEVELS), bid + 1 + np.arange(LEVELS)])
    book["px"][1:] = np.round(ticks * 0.1, 1)
    book["qty"][1:] = np.maximum(size.reshape(-1), 1e-3)
    book["flags"] = SNAPSHOT
    book["flags"][-1] |= LAST
    parts = [book]
    if rng.random() < 0.25:
        trade = empty(1)
        trade["kind"], trade["flags"], trade["side"] = (
            TRADE,
            LAST,
            1 if rng.random() < 0.5 + 0.4 * np.tanh(lean) else -1,
        )
        trade["px"], trade["qty"] = round(bid * 0.1, 1), 0.01
        parts.append(trade)
    rows = concat(parts)
    rows["ts_event"], rows["ts_recv"], rows["instrument"] = ts - NS_PER_MS, ts, 1
    return rows
