"""Our own pipeline on the same rows, and its orders as they compare with hftbacktest's."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import Any, Final

import numpy as np

from app.bus.types import Delivery
from app.core.clock import NS_PER_MS
from app.core.errors import BadInput
from app.market.rows import CLOCK, LAST, Rows, concat, to_block
from app.messages.base import Message
from app.messages.execution import ClosedTrade, Fill, OrderUpdate
from app.messages.signals import Mark, Signal
from app.messages.streams import Streams
from app.replay.cores import build_cores
from app.replay.pieces import pieces
from app.replay.wiring import Wiring
from app.settings import Settings, load_settings
from app.store.archive import ArchiveReader
from benchmarks import hft_layout as o
from benchmarks.hft_orders import Account, Execution, Order, Trip, told

_LEGS: Final = {"entry": o.ENTRY, "take_profit": o.TAKE_PROFIT, "exit": o.EXIT}

#: What makes decisions a function of market data and the own position alone, so that a strategy written for
#: hftbacktest can take them too: every candidate passes, positions are not evaluated anew, one position at a time,
#: no limit on losses, and exits as a venue without reduce-only orders needs them.
TERMS: Final = (
    "ai_scorer.tau_entry=0",
    "ai_scorer.tau_hold=0",
    "strategies.scalper.exits.hold_every_ms=3600000",
    "ai_scorer.shadow.enabled=false",
    "warmup.enabled=false",
    "risk.max_positions=1",
    "risk.daily_loss_cap_usd=-1e12",
    "risk.loss_streak_max=1000000000",
    "exchange.reduce_only=false",
)


def settings_for(symbol: str, *more: str) -> Settings:
    """The default configuration under `TERMS`, for one symbol; nothing is taken from AVIARY_SET."""
    symbols = (f"shard.symbols=[{symbol}]", f"strategies.scalper.symbols=[{symbol}]")
    return load_settings(overlays=(), assignments=[*TERMS, *symbols, *more])


def read_rows(root: Path, venue: str, symbol: str, most: int | None = None) -> Rows:
    """The rows of a symbol, with the clock rows between them; about the first `most`, up to a message's end."""
    blocks, got = [], 0
    for block in ArchiveReader(root, venue, [symbol]):
        blocks.append(block)
        got += len(block)
        if most is not None and got >= most:
            break
    rows = concat(blocks)
    if most is None or len(rows) <= most:
        return rows
    ends = np.flatnonzero((rows["flags"] & LAST != 0) | (rows["kind"] == CLOCK))
    return rows[: int(ends[np.searchsorted(ends, most - 1)]) + 1]


@dataclass
class OurRun:
    """What came of a run: messages of the executor, entry signals (ts → side), the end of what was simulated, CPU."""

    money: list[Message] = field(default_factory=list)
    candidates: dict[int, int] = field(default_factory=dict)
    until: int = 0
    cpu_s: float = 0.0

    @property
    def orders(self) -> int:
        return sum(isinstance(message, OrderUpdate) and message.status == "submitted" for message in self.money)

    def result(self) -> Decimal:
        """What the fills up to `until` brought in and cost, exactly as the executor booked it."""
        fills = (message for message in self.money if isinstance(message, Fill) and message.ts <= self.until)
        return sum((-fill.side * fill.px * fill.qty - fill.fee for fill in fills), Decimal(0))


def run_ours(settings: Settings, rows: Rows) -> OurRun:
    """The whole pipeline over `rows`, in this process."""
    run, streams = OurRun(), Streams(settings.shard.id)
    approved = 0

    def tap(stream: str, messages: Sequence[Message]) -> None:
        nonlocal approved
        for message in messages:
            match message:
                case Signal(kind="entry") if stream == streams.raw:
                    run.candidates[message.ts] = message.side
                case Mark() if stream == streams.approved:
                    approved = message.ts
                case OrderUpdate() | Fill() | ClosedTrade():
                    run.money.append(message)

    down = (streams.raw, streams.scored, streams.approved, streams.execution)
    wiring = Wiring(build_cores(settings), down, tap=tap, refused=_refused)
    began = time.process_time()
    for piece in pieces([rows]):
        wiring.feed_block(streams.md, to_block(piece))
    run.cpu_s = time.process_time() - began
    ends = rows["ts_recv"][(rows["flags"] & LAST != 0) | (rows["instrument"] == 0)]
    settled = int(ends[-1]) - settings.pipeline.reorder_hold_ms * NS_PER_MS
    run.until = min(settled - 1, approved)
    return run


def _refused(service: str, _delivery: Delivery, error: BadInput) -> None:
    raise SystemExit(f"{service} refused something that came from itself or the tape: {error}")


def account_of(run: OurRun, settings: Settings, *, tick_size: Decimal, lot_size: Decimal) -> Account:
    """Trips and orders of a run, in the units of hftbacktest."""
    updates = [message for message in run.money if isinstance(message, OrderUpdate) and message.ts <= run.until]
    fills = [message for message in run.money if isinstance(message, Fill) and message.ts <= run.until]
    got: dict[str, list[Execution]] = {}
    for fill in fills:
        got.setdefault(fill.order_id, []).append(
            Execution(fill.ts, round(fill.px / tick_size), round(fill.qty / lot_size))
        )
    orders: dict[str, tuple[str, Order]] = {}
    for order_id, steps in groupby(sorted(updates, key=attrgetter("order_id")), key=attrgetter("order_id")):
        steps = sorted(steps, key=attrgetter("ts"))
        first, last = steps[0], steps[-1]
        cancelled = last.status == "cancelled" and bool(last.reason in ("ttl", "exit", "resized", "target_hit"))
        orders[order_id] = first.signal_id, Order(
            _LEGS[first.leg], first.side, round(first.px / tick_size), round(first.qty / lot_size), first.ts,
            last.ts if cancelled else 0, told(tuple(got.get(order_id, ()))),
        )  # fmt: skip
    return Account(_trips(orders.values(), run, settings), run.candidates, run.until)


def _trips(orders: Any, run: OurRun, settings: Settings) -> tuple[Trip, ...]:
    feedback = settings.pipeline.feedback_delay_ms * NS_PER_MS
    free: dict[str, int] = {}
    for message in run.money:
        match message:
            case ClosedTrade():
                free[message.signal_id] = message.ts
            case OrderUpdate(leg="entry", status="cancelled" | "rejected") if not message.filled_qty:
                free[message.signal_id] = message.ts
    found: dict[str, list[Order]] = {}
    for trip, order in orders:
        found.setdefault(trip, []).append(order)
    trips = [
        Trip(tuple(sorted(of_it, key=attrgetter("sent", "leg"))), min(free.get(trip, run.until), run.until) + feedback)
        for trip, of_it in found.items()
    ]
    return tuple(sorted(trips, key=attrgetter("ts")))
