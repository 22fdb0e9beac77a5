"""The entry decision: a pure function of the approved signal and the instrument's filters."""

import math
from typing import NamedTuple

from app.core.errors import Rejected
from app.market.instruments import Instrument
from app.messages.signals import ApprovedSignal
from app.sim.money import exact


class Plan(NamedTuple):
    """A passive limit order: price in ticks, size in lots."""

    tick: int
    lots: int


def plan_entry(signal: ApprovedSignal, instrument: Instrument) -> Plan:
    """Price = the best price of our own side, on the grid; size = ⌊max_notional / price / lot_size⌋ lots.

    Raises:
        Rejected: the signal's numbers are no prices, sizes or distances (reason ``bad_signal``).
    """
    px = signal.bid if signal.side > 0 else signal.ask
    numbers = (px, signal.max_notional, signal.stop_loss_bps, signal.take_profit_bps)
    if signal.side not in (1, -1) or signal.max_hold_ms <= 0 or not all(0 < n < math.inf for n in numbers):
        raise Rejected(
            f"{signal.symbol}: signal {signal.id} has side {signal.side}, price {px}, max_notional "
            f"{signal.max_notional}, stop_loss_bps {signal.stop_loss_bps}, take_profit_bps {signal.take_profit_bps}, "
            f"max_hold_ms {signal.max_hold_ms}; expected side ±1 and every number finite and above 0",
            reason="bad_signal",
        )
    tick = instrument.passive_ticks(exact(px), signal.side)
    if tick < 1:
        raise Rejected(f"{signal.symbol}: price {px} is below one tick {instrument.tick_size}", reason="bad_signal")
    return Plan(tick, instrument.lots_for_notional(exact(signal.max_notional), instrument.price(tick)))
