"""Bybit order book frames for `benchmarks.feed`: synthetic ones, and those of a recorded session."""

import io
import json
import os
import random
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RECORDINGS = Path(os.environ.get("AVIARY_SHARED_DATA", ROOT.parent / "shared" / "data"))
T0 = 1_700_000_000_000
TICK = 0.1

Window = dict[int, int]  # price in ticks → size in lots


def synthetic_frames(count: int, *, depth: int, seed: int) -> list[bytes]:
    """A snapshot and `count` - 1 deltas of a random book whose mid price wanders, 8.6 levels each on average.

    The venue's rule is kept: a delta names every level that changed, entered or left the window of the best `depth`.
    """
    market = _Market(random.Random(seed))
    before = market.windows(depth)
    frames = [_frame("snapshot", 2, *(sorted(side.items()) for side in before), depth)]
    while len(frames) < count:
        market.step()
        now = market.windows(depth)
        bids, asks = (_changes(*pair) for pair in zip(before, now, strict=True))
        if bids or asks:
            frames.append(_frame("delta", len(frames) + 2, bids, asks, depth))
            before = now
    return frames


class _Market:
    """Sizes at every price, a mid between two of them, and changes that fall off with the distance from it."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._mid = 600_000
        self._sizes: dict[int, int] = {}

    def step(self) -> None:
        for _ in range(self._rng.randint(3, 14)):
            distance = min(int(self._rng.expovariate(1 / 14)), 200)
            side = self._rng.choice((1, -1))
            self._sizes[self._mid - side * (distance + 1)] = self._rng.randint(1, 3000)
        if self._rng.random() < 0.26:
            self._mid += self._rng.choice((1, -1))

    def windows(self, depth: int) -> tuple[Window, Window]:
        """The best `depth` bids and asks."""
        bids = {self._mid - i: self._size(self._mid - i) for i in range(1, depth + 1)}
        asks = {self._mid + i: self._size(self._mid + i) for i in range(1, depth + 1)}
        return bids, asks

    def _size(self, ticks: int) -> int:
        return self._sizes.setdefault(ticks, self._rng.randint(1, 3000))


def _changes(before: Window, now: Window) -> list[tuple[int, int]]:
    gone = [(ticks, 0) for ticks in before if ticks not in now]
    return gone + [(ticks, lots) for ticks, lots in now.items() if before.get(ticks) != lots]


def _frame(kind: str, u: int, bids: Sequence[tuple[int, int]], asks: Sequence[tuple[int, int]], depth: int) -> bytes:
    b, a = ([[f"{t * TICK:.2f}", f"{lots / 1000:.3f}" if lots else "0"] for t, lots in side] for side in (bids, asks))
    at = T0 + 20 * u
    data = {"s": "BTCUSDT", "b": b, "a": a, "u": u, "seq": 753_843_907_770 + 31 * u}
    frame = {"topic": f"orderbook.{depth}.BTCUSDT", "type": kind, "ts": at, "data": data, "cts": at - 3}
    return json.dumps(frame, separators=(",", ":")).encode()


def recorded_frames(symbol: str, depth: int) -> list[bytes]:
    """The order book frames of `symbol` in the recorded session; empty if it is not there."""
    path = RECORDINGS / "bybit" / "session_20260809.jsonl.zst"
    if not path.is_file():
        return []
    import pyarrow

    session = pyarrow.input_stream(str(path), compression="zstd").read()
    begins = f'{{"topic":"orderbook.{depth}.{symbol}"'
    linear, found = set(), []
    for line in io.BytesIO(session):
        event = json.loads(line)
        if event["t"] == "connect" and event["addr"].endswith("/linear"):
            linear.add(event["conn"])
        elif event["t"] == "recv" and event["conn"] in linear and event["data"].startswith(begins):
            found.append(event["data"].encode())
    return found


def levels_of(frames: Sequence[bytes]) -> float:
    """Levels a delta on average."""
    sizes = [len(data["b"]) + len(data["a"]) for data in (json.loads(frame)["data"] for frame in frames[1:])]
    return sum(sizes) / len(sizes)
