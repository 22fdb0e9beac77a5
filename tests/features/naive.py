"""Every feature from its formula in the catalogue, over the whole past, with dictionaries and numpy."""

import heapq
import math
from dataclasses import dataclass, field

import numpy as np

from app.features.catalogue import GAP_NS, GRID_NS, NAMES, WARM_UPS_NS
from app.market.instruments import Instrument
from app.market.rows import CLOCK, DEPTH_CLEAR, FUNDING, LAST, LOST, MARK, SNAPSHOT, TRADE, Rows
from tests.market.naive_book import NaiveBook

_NONE = -1
_S = 10**9
_TAUS = {"100ms": 0.1, "1s": 1.0, "5s": 5.0, "30s": 30.0}
_LEVEL_NOT_THERE = (-math.inf, 0.0)

Level = tuple[float, float]  # price in ticks, the higher the better on either side, and quantity


@dataclass
class _Trades:
    """The trades of one message."""

    ts: int
    buy: float = 0.0
    sell: float = 0.0
    count: int = 0


@dataclass
class _Change:
    """What one message did to the best levels."""

    ts: int
    ofi: float
    deep: float
    removed: dict[int, float]
    cancelled: dict[int, float]


@dataclass
class _Past:
    """What one instrument has seen since the last restart."""

    since: int | None = None
    changes: list[_Change] = field(default_factory=list)
    trades: list[_Trades] = field(default_factory=list)
    mids: list[tuple[int, float]] = field(default_factory=list)  # (ts, mid) at the end of each message
    before: dict[int, list[Level]] | None = None
    traded: list[_Trades] = field(default_factory=list)  # since the five best levels last changed
    buckets: list[tuple[float, float]] = field(default_factory=lambda: [(0.0, 0.0)])
    mark: tuple[int, float] | None = None
    funding: float = 0.0


class NaiveFeatures:
    """One instrument; `advance` takes all rows of the stream, `values` answers at any ts from then on."""

    def __init__(self, instrument: Instrument, window: int) -> None:
        self.instrument = instrument
        self.book = NaiveBook(window)
        self.past = _Past()
        self._last_ts: int | None = None
        self._message: list[Rows] = []
        self._arrays: tuple[_Past, int, np.ndarray, np.ndarray] | None = None

    def advance(self, row: Rows) -> bool:
        """Apply one row; True if it ends a message of this instrument."""
        ts, kind, flags = int(row["ts_recv"]), int(row["kind"]), int(row["flags"])
        if self._last_ts is not None and ts - self._last_ts > GAP_NS:
            self.past = _Past()
            self._message = []
        self._last_ts = ts
        if kind == CLOCK or int(row["instrument"]) != self.instrument.id:
            return False
        if kind == DEPTH_CLEAR and flags & LOST:
            self.past = _Past()
            self._message = []
        tick = self.instrument.ticks(float(row["px"])) if kind != FUNDING else 0
        self.book.row(kind, int(row["side"]), tick, float(row["qty"]), flags)
        if kind == MARK:
            self.past.mark = ts, float(row["px"])
        elif kind == FUNDING:
            self.past.funding = float(row["px"])
        self._message.append(row)
        if flags & LAST:
            self._end(ts)
        return bool(flags & LAST)

    def _end(self, ts: int) -> None:
        past, message = self.past, self._message
        resync = any(row["kind"] == DEPTH_CLEAR or row["flags"] & SNAPSHOT for row in message)
        self._message = []
        self._trade(ts, message)
        if not self.two_sided():
            past.before = None
        else:
            now = {side: self._levels(side)[:5] for side in (1, -1)}
            if past.before is not None and not resync:
                past.changes.append(_change(ts, past.before, now, past.traded))
            if past.before != now:
                past.traded = []
            past.before = now
            if past.since is None:
                past.since = ts
            past.mids.append((ts, (self.book.best(1) + self.book.best(-1)) / 2))

    def _trade(self, ts: int, message: list[Rows]) -> None:
        traded = _Trades(ts)
        for row in message:
            if row["kind"] == TRADE:
                traded.count += 1
                if row["side"] > 0:
                    traded.buy += float(row["qty"])
                else:
                    traded.sell += float(row["qty"])
        if traded.count:
            self.past.trades.append(traded)
            self.past.traded.append(traded)
            self._fill_bucket(traded.buy, traded.sell)

    def _fill_bucket(self, buy: float, sell: float) -> None:
        trades, buckets = self.past.trades, self.past.buckets
        buckets[-1] = (buckets[-1][0] + buy, buckets[-1][1] + sell)
        weights = 0.99 ** np.arange(len(trades) - 1, -1, -1)
        volume = np.dot(weights, [trade.buy + trade.sell for trade in trades])
        if sum(buckets[-1]) >= 20 * volume / np.dot(weights, [trade.count for trade in trades]):
            buckets.append((0.0, 0.0))

    def _levels(self, side: int) -> list[Level]:
        return heapq.nlargest(20, ((side * tick, qty) for tick, qty in self.book.sides[side].items()))

    def two_sided(self) -> bool:
        return _NONE not in (self.book.best(1), self.book.best(-1))

    def values(self, ts: int) -> np.ndarray:
        """All features at `ts`, in catalogue order; NaN where not ready."""
        found = np.full(len(NAMES), math.nan)
        if not self.two_sided() or self.past.since is None:
            return found
        every = {
            **self._book(), **self._sums(ts), **self._trade_sums(ts), **self._vpin(), **self._gridded(ts),
            **self._extremes(ts), **self._times(ts), **self._mark(ts),
        }  # fmt: skip
        assert every.keys() == set(NAMES)
        age = ts - self.past.since
        for i, name in enumerate(NAMES):
            if age >= WARM_UPS_NS[i]:
                found[i] = every[name]
        return found

    def _book(self) -> dict[str, float]:
        sides = {side: self._levels(side) for side in (1, -1)}
        bids, asks = ([qty for _price, qty in sides[side]] for side in (1, -1))
        bid, ask = self.book.best(1), self.book.best(-1)

        def imbalance(weights: np.ndarray) -> float:
            b = float(np.dot(bids[: len(weights)], weights[: len(bids)]))
            a = float(np.dot(asks[: len(weights)], weights[: len(asks)]))
            return (b - a) / (b + a)

        def slope(levels: list[Level]) -> float:
            first = levels[:10]
            return sum(qty for _price, qty in first) / (1 + first[0][0] - first[-1][0])

        b, a = slope(sides[1]), slope(sides[-1])
        return {
            "spread_ticks": ask - bid,
            "microprice_ticks": (bid * asks[0] + ask * bids[0]) / (asks[0] + bids[0]) - (bid + ask) / 2,
            "imbalance_1": imbalance(np.ones(1)),
            "imbalance_5": imbalance(np.ones(5)),
            "imbalance_10": imbalance(1 / np.arange(1, 11)),
            "imbalance_20": imbalance(1 / np.arange(1, 21)),
            "depth_slope": b + a,
            "depth_slope_skew": (b - a) / (b + a),
        }

    def _sums(self, ts: int) -> dict[str, float]:
        changes = self.past.changes
        at = [change.ts for change in changes]
        found = {}
        for label, tau in _TAUS.items():
            found[f"ofi_{label}"] = _decayed(ts, at, [c.ofi for c in changes], tau)
            found[f"multilevel_ofi_{label}"] = _decayed(ts, at, [c.deep for c in changes], tau)
        return {
            **found,
            "queue_depletion_1s": _decayed(ts, at, [c.removed[-1] - c.removed[1] for c in changes], 1),
            "queue_cancels_1s": _decayed(ts, at, [c.cancelled[-1] - c.cancelled[1] for c in changes], 1),
            "cancel_rate_5s": _decayed(ts, at, [c.cancelled[-1] + c.cancelled[1] for c in changes], 5) / 5,
        }

    def _trade_sums(self, ts: int) -> dict[str, float]:
        at = [trade.ts for trade in self.past.trades]
        flow = [trade.buy - trade.sell for trade in self.past.trades]
        count = [float(trade.count) for trade in self.past.trades]
        flows = {f"trade_flow_{label}": _decayed(ts, at, flow, tau) for label, tau in _TAUS.items()}
        return {**flows, **{f"trade_rate_{tau}s": _decayed(ts, at, count, tau) / tau for tau in (1, 5)}}

    def _vpin(self) -> dict[str, float]:
        kept = np.array(self.past.buckets[-17:])
        volume = kept.sum()
        return {"vpin": np.abs(kept[:, 0] - kept[:, 1]).sum() / volume if volume else 0.0}

    def _mid_at(self, points: np.ndarray) -> np.ndarray:
        """The mid after the last message at or before each point."""
        times, mids = self._mids()
        return np.asarray(mids[np.searchsorted(times, points, side="right") - 1])

    def _mids(self) -> tuple[np.ndarray, np.ndarray]:
        """The times and mids of `past.mids`."""
        known = self._arrays
        if known is None or known[0] is not self.past or known[1] != len(self.past.mids):
            times = np.array([t for t, _mid in self.past.mids], np.int64)
            mids = np.array([mid for _t, mid in self.past.mids])
            self._arrays = known = (self.past, len(mids), times, mids)
        return known[2], known[3]

    def _gridded(self, ts: int) -> dict[str, float]:
        first, now = self.past.mids[0][0], self.past.mids[-1][1]
        found = {}
        for label, lag in (("100ms", _S // 10), ("500ms", _S // 2), ("1s", _S), ("5s", 5 * _S)):
            point = (ts - lag) // GRID_NS * GRID_NS
            known = first <= point
            found[f"return_{label}"] = 1e4 * (now / float(self._mid_at(np.array(point))) - 1) if known else math.nan
        points = np.arange(-(-first // GRID_NS) * GRID_NS, ts, GRID_NS)
        sampled = self._mid_at(points)
        for tau in (1, 5, 10, 30):
            weights = np.exp(-(points[-1] - points) / 1e9 / tau) if len(points) else np.ones(0)
            if tau >= 10:
                mean = np.dot(sampled, weights) / weights.sum() if len(points) else math.nan
                found[f"trend_{tau}s"] = 1e4 * (now / mean - 1)
            known = len(points) >= 2
            squares = (sampled[1:] / sampled[:-1] - 1) ** 2
            variance = np.dot(squares, weights[1:]) / np.sum(0.1 * weights[1:]) if known else math.nan
            found[f"realised_vol_{tau}s"] = 1e4 * math.sqrt(variance)
        return found

    def _extremes(self, ts: int) -> dict[str, float]:
        found = {}
        times, mids = self._mids()
        for window in (10, 60):
            start = max(-(-(ts - window * _S) // _S) * _S, int(times[0]))
            seen = [float(self._mid_at(np.array(start))), *mids[times > start].tolist()]
            found[f"range_{window}s"] = max(seen) - min(seen)
            found[f"position_{window}s"] = (mids[-1] - min(seen)) - (max(seen) - mids[-1])
        return found

    def _times(self, ts: int) -> dict[str, float]:
        times, mids = self._mids()
        moved = times[1:][np.diff(mids) != 0]
        angle = 2 * math.pi * ((ts - 1) // _S % 86_400) / 86_400
        return {
            "since_move": min((ts - (int(moved[-1]) if len(moved) else 0)) / 1e9, 10),
            "since_trade": min((ts - (self.past.trades[-1].ts if self.past.trades else 0)) / 1e9, 10),
            "day_sin": math.sin(angle),
            "day_cos": math.cos(angle),
        }

    def _mark(self, ts: int) -> dict[str, float]:
        known = self.past.mark is not None and ts - self.past.mark[0] <= 60 * _S
        mid = self.past.mids[-1][1] * float(self.instrument.tick_size)
        return {
            "basis": 1e4 * (self.past.mark[1] / mid - 1) if known and self.past.mark else 0.0,
            "mark_known": float(known),
            "funding": 1e4 * self.past.funding,
        }


def _decayed(ts: int, at: list[int], sizes: list[float], tau_s: float) -> float:
    weights = np.exp(-(ts - np.array(at, np.int64)) / 1e9 / tau_s)
    return float(np.dot(weights, sizes))


def _change(ts: int, before: dict[int, list[Level]], now: dict[int, list[Level]], traded: list[_Trades]) -> _Change:
    ofi = deep = 0.0
    for side in (1, -1):
        for i in range(5):
            price, qty = now[side][i] if i < len(now[side]) else _LEVEL_NOT_THERE
            price0, qty0 = before[side][i] if i < len(before[side]) else _LEVEL_NOT_THERE
            flow = side * ((price >= price0) * qty - (price <= price0) * qty0)
            deep += flow / (i + 1)
            ofi += flow if i == 0 else 0.0
    removed = {side: _removed(before[side][0], now[side][0]) for side in (1, -1)}
    hit = {1: sum(trade.sell for trade in traded), -1: sum(trade.buy for trade in traded)}
    cancelled = {side: max(removed[side] - hit[side], 0.0) for side in (1, -1)}
    return _Change(ts, ofi, deep, removed, cancelled)


def _removed(before: Level, now: Level) -> float:
    if now[0] < before[0]:
        return before[1]
    return max(before[1] - now[1], 0.0) if now[0] == before[0] else 0.0
