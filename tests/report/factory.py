"""Messages of a small run, made by hand so that every figure can be checked on paper."""

from decimal import Decimal

from app.core.clock import NS_PER_S
from app.messages.base import Message
from app.messages.execution import ClosedTrade, Equity, Fill, Leg, OrderStatus, OrderUpdate
from app.messages.signals import ApprovedSignal, Dropped, Mark, Signal

T0 = 1_700_000_000 * NS_PER_S
STRATEGY, SYMBOL, MODEL = "scalper", "BTCUSDT", "baseline"
CASH = Decimal(10_000)


def signal(n: int, *, kind: str = "entry") -> Signal:
    return Signal(
        ts=T0 + n, id=f"s{n}", strategy=STRATEGY, symbol=SYMBOL, kind="hold" if kind == "hold" else "entry", side=1,
        ts_event=T0 + n, bid=100.0, ask=100.1, features=[0.5], schema="abc",
    )  # fmt: skip


def approved(n: int) -> ApprovedSignal:
    return ApprovedSignal(
        ts=T0 + n, id=f"s{n}", strategy=STRATEGY, symbol=SYMBOL, kind="entry", side=1, ts_event=T0 + n, bid=100.0,
        ask=100.1, score=0.6, model_id=MODEL, tau_hold=0.4, max_notional=1000.0, stop_loss_bps=8.0,
        take_profit_bps=6.0, max_hold_ms=10_000,
    )  # fmt: skip


def dropped(n: int, reason: str) -> Dropped:
    return Dropped(ts=T0 + n, id=f"s{n}", strategy=STRATEGY, symbol=SYMBOL, reason=reason)


def order(n: int, status: OrderStatus, *, leg: Leg = "entry", late: bool = False) -> OrderUpdate:
    return OrderUpdate(
        ts=T0 + n, order_id=f"s{n}-{leg}-0", signal_id=f"s{n}", strategy=STRATEGY, symbol=SYMBOL, leg=leg,
        side=1 if leg == "entry" else -1, status=status, px=Decimal(100), qty=Decimal(1),
        filled_qty=Decimal(status == "filled"), model_id=MODEL, late=late,
    )  # fmt: skip


def fill(n: int, px: str, *, leg: Leg = "entry", fee: str = "0.02") -> Fill:
    return Fill(
        ts=T0 + n, fill_id=f"s{n}-{leg}-0-1", order_id=f"s{n}-{leg}-0", signal_id=f"s{n}", strategy=STRATEGY,
        symbol=SYMBOL, leg=leg, side=1 if leg == "entry" else -1, px=Decimal(px), qty=Decimal(1), fee=Decimal(fee),
        liquidity="maker" if leg == "entry" else "taker", model_id=MODEL,
    )  # fmt: skip


def trade(
    n: int, entry: str, exit_: str, *, fees: str = "0.07", entry_n: int = 0, markouts: dict[str, float] | None = None
) -> ClosedTrade:
    gross = Decimal(exit_) - Decimal(entry)
    return ClosedTrade(
        ts=T0 + n, signal_id=f"s{n}", strategy=STRATEGY, symbol=SYMBOL, side=1, qty=Decimal(1), entry_ts=T0 + entry_n,
        entry_px=Decimal(entry), exit_px=Decimal(exit_), gross=gross, fees=Decimal(fees), funding=Decimal(0),
        pnl=gross - Decimal(fees), exit_reason="take_profit" if gross > 0 else "stop_loss", score=0.6, model_id=MODEL,
        markouts_bps=markouts or {},
    )  # fmt: skip


def equity(seconds: float, value: str, *, strategy: str = STRATEGY, position: str = "0", n: int = 0) -> Equity:
    total = Decimal(value)
    return Equity(
        ts=T0 + int(seconds * NS_PER_S), strategy=strategy, model_id=MODEL, cash=total - Decimal(position),
        position_value=Decimal(position), equity=total, open_positions=n,
    )  # fmt: skip


def small_run() -> list[Message]:
    """Three candidates: one dropped, one traded with a profit of 0.93, one left open. The books balance."""
    return [
        signal(1),
        signal(2),
        signal(3),
        Mark(ts=T0 + 3, source="signal_engine"),
        dropped(1, "score"),
        approved(2),
        approved(3),
        order(2, "submitted"),
        fill(2, "100"),
        order(2, "filled"),
        equity(1, "9999.98", position="100", n=1),
        order(2, "submitted", leg="exit"),
        fill(2, "101", leg="exit", fee="0.05"),
        order(2, "filled", leg="exit"),
        trade(2, "100", "101", entry_n=2, markouts={"100": 1.0, "1000": 3.0}),
        equity(2, "10000.93"),
        order(3, "submitted"),
        fill(3, "101"),
        order(3, "filled"),
        signal(4, kind="hold"),
        equity(3, "10000.91", position="101", n=1),
    ]
