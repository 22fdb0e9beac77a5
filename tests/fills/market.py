"""An order-level market of strict price and time priority: hand-made or drawn, as an array or as LOBSTER's files."""

from pathlib import Path
from typing import Any

import numpy as np

from app.importers.lobster.l3 import CANCEL, DELETE, EXECUTION, HIDDEN, L3, NEW, l3_dtype

START_NS = 34_200 * 10**9


class Market:
    """Queues of (id, lots) by side and tick; every act is one message."""

    def __init__(self, levels: int = 50) -> None:
        self.levels = levels
        self.queues: dict[tuple[int, int], list[list[int]]] = {}
        self.where: dict[int, tuple[int, int]] = {}
        self.now = START_NS
        self._messages: list[tuple[int, int, int, int, int, int, dict[str, Any]]] = []
        self._ids = 0

    def new(self, side: int, tick: int, lots: int) -> int:
        """An order comes; returns its id."""
        self._ids += 1
        self.queues.setdefault((side, tick), []).append([self._ids, lots])
        self.where[self._ids] = (side, tick)
        self._write(NEW, self._ids, lots, side, tick)
        return self._ids

    def cancel(self, order: int, lots: int | None = None) -> None:
        """Withdraw an order, or `lots` of it."""
        entry = self._entry(order)
        part = entry[1] if lots is None else lots
        self._take(order, part)
        self._write(DELETE if lots is None else CANCEL, order, part, *self.where[order])

    def trade(self, side: int, lots: int) -> None:
        """`lots` of the best price of `side` are executed, from the front; one message an order."""
        tick = self.best(side)
        assert tick is not None
        while lots > 0:
            order, rest = self.queues[side, tick][0]
            part = min(lots, rest)
            self._take(order, part)
            self._write(EXECUTION, order, part, side, tick)
            lots -= part

    def hidden(self, side: int, tick: int, lots: int) -> None:
        """A hidden order is executed."""
        self._write(HIDDEN, 0, lots, side, tick)

    def best(self, side: int) -> int | None:
        ticks = [side * tick for of, tick in self.queues if of == side]
        return side * max(ticks) if ticks else None

    def _entry(self, order: int) -> list[int]:
        return next(entry for entry in self.queues[self.where[order]] if entry[0] == order)

    def _take(self, order: int, lots: int) -> None:
        queue = self.queues[self.where[order]]
        entry = self._entry(order)
        entry[1] -= lots
        if entry[1] == 0:
            queue.remove(entry)
            if not queue:
                del self.queues[self.where[order]]

    def _write(self, kind: int, order: int, lots: int, side: int, tick: int) -> None:
        book = {}
        for of, name in ((-1, "ask"), (1, "bid")):
            ticks = sorted((t for s, t in self.queues if s == of), key=lambda t: -of * t)[: self.levels]
            sizes = [sum(entry[1] for entry in self.queues[of, t]) for t in ticks]
            pad = self.levels - len(ticks)
            book[f"{name}_ticks"], book[f"{name}_size"] = ticks + [-1] * pad, sizes + [0] * pad
        self._messages.append((self.now, kind, order, lots, side, tick, book))

    def array(self) -> L3:
        """All messages, structured as `read_l3` gives them."""
        out = np.zeros(len(self._messages), l3_dtype(self.levels))
        for row, (ts, kind, order, lots, side, tick, book) in zip(out, self._messages, strict=True):
            fields = {"ts": ts, "type": kind, "order_id": order, "size": lots, "direction": side, "price_ticks": tick}
            for name, value in (fields | book).items():
                row[name] = value
        return out

    def write(self, folder: Path, symbol: str = "TEST") -> Path:
        """Write the two CSV files; returns the message file's path."""
        stem = f"{symbol}_2012-06-21_34200000_57600000"
        messages, books = [], []
        for row in self.array():
            time = f"{row['ts'] // 10**9}.{row['ts'] % 10**9:09d}"
            fields = (row["type"], row["order_id"], row["size"], row["price_ticks"] * 100, row["direction"])
            messages.append(",".join([time, *map(str, fields)]))
            books.append(",".join(_csv_level(row, level) for level in range(self.levels)))
        (folder / f"{stem}_orderbook_{self.levels}.csv").write_text("\n".join(books) + "\n")
        path = folder / f"{stem}_message_{self.levels}.csv"
        path.write_text("\n".join(messages) + "\n")
        return path


def _csv_level(row: np.void, level: int) -> str:
    parts = []
    for name, absent in (("ask", 9_999_999_999), ("bid", -9_999_999_999)):
        tick = int(row[f"{name}_ticks"][level])
        parts.append(f"{absent if tick < 0 else tick * 100},{int(row[f'{name}_size'][level])}")
    return ",".join(parts)


def drawn(seed: int, acts: int, levels: int = 50) -> Market:
    """A random market around a wandering price, in which queues form, are cancelled and are traded away."""
    draws, market = np.random.default_rng(seed), Market(levels)
    alive: list[int] = []
    middle = 1000.0
    for _ in range(acts):
        market.now += int(draws.exponential(3e8))
        middle += draws.normal(0.0, 0.15)
        act, side = draws.random(), 1 if draws.random() < 0.5 else -1
        alive = [
            order for order in alive if any(entry[0] == order for entry in market.queues.get(market.where[order], ()))
        ]
        if act < 0.5 or not alive:
            tick = int(middle) - int(draws.integers(0, 4)) if side > 0 else int(middle) + 1 + int(draws.integers(0, 4))
            other = market.best(-side)
            if other is None or (other - tick) * side > 0:
                alive.append(market.new(side, tick, int(draws.integers(1, 6)) * 10))
        elif act < 0.6:
            order = int(draws.choice(alive))
            lots = market._entry(order)[1]
            if lots > 10:
                market.cancel(order, 10)
        elif act < 0.8:
            market.cancel(int(draws.choice(alive)))
        elif act < 0.82:
            market.hidden(side, int(middle), 10)
        elif (best := market.best(side)) is not None:
            market.trade(side, min(int(draws.integers(1, 8)) * 10, sum(e[1] for e in market.queues[side, best])))
    return market


def deep(seed: int, acts: int, length: int) -> Market:
    """One price a side, with some `length` orders each; every order is as likely to be cancelled as any other."""
    draws, market = np.random.default_rng(seed), Market(1)
    for act in range(acts):
        market.now += 10**6
        side, tick = (1, 100) if act % 2 else (-1, 101)
        queue = market.queues.get((side, tick), [])
        kind = draws.random()
        if len(queue) < length or kind < 0.47:
            market.new(side, tick, 10)
        elif kind < 0.93:
            market.cancel(queue[int(draws.integers(len(queue)))][0])
        else:
            market.trade(side, 10)
    return market
