"""Runs of hftbacktest: our strategy in it, or a list of orders."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
from hftbacktest import BacktestAsset, HashMapMarketDepthBacktest, ROIVectorMarketDepthBacktest
from numba import njit

from app.core.clock import NS_PER_MS
from app.core.errors import BadInput
from app.features.catalogue import COUNT, WARM_UPS_NS
from app.market.instruments import Instrument
from app.settings import Settings
from benchmarks import hft_layout as o
from benchmarks.hft_features import new_state
from benchmarks.hft_orders import NEVER, Account, Order, Told, Trip
from benchmarks.hft_strategy import trade_map, trade_vector
from benchmarks.hft_tape import Tape
from benchmarks.hft_wire import ANSWER, END_OF_DATA, FEED, cancel, learn, submit

I64 = npt.NDArray[np.int64]

_SCALE: Final = 10**10
_FOREVER: Final = 1 << 50
_TRADES: Final = 4096
#: The exponents of our power models, under which hftbacktest's `power_prob_queue_model` has the same formula.
EXPONENTS: Final = {"risk_averse": 0.0, "proportional": 1.0, "power_2": 2.0, "power_3": 3.0}


@dataclass(frozen=True)
class Terms:
    """What both programs work under, in hftbacktest's units, from `settings`; `whole` is its exchange without
    partial fills."""

    settings: Settings
    instrument: Instrument
    whole: bool = False

    @property
    def tick_size(self) -> float:
        return float(self.instrument.tick_size)

    @property
    def lot_size(self) -> float:
        return float(self.instrument.lot_size)

    @property
    def queue(self) -> str:
        return self.settings.executor.paper.queue

    @property
    def order_ns(self) -> int:
        """From a decision to its arrival: hftbacktest knows one delay where we have two."""
        executor = self.settings.executor
        return round(executor.decision_ms * NS_PER_MS) + round(executor.paper.latency.order_ms * NS_PER_MS)

    @property
    def response_ns(self) -> int:
        return round(self.settings.executor.paper.latency.response_ms * NS_PER_MS)

    @property
    def feedback_ns(self) -> int:
        return self.settings.pipeline.feedback_delay_ms * NS_PER_MS

    @property
    def ttl_ns(self) -> int:
        return self.strategy.entry.ttl_ms * NS_PER_MS

    @property
    def max_hold_ns(self) -> int:
        return self.strategy.exits.max_hold_ms * NS_PER_MS

    def ticks(self, tape: Tape) -> tuple[int, int]:
        """The lowest and the highest tick hftbacktest keeps."""
        return round(tape.lowest / self.tick_size), round(tape.highest / self.tick_size)

    @property
    def strategy(self):
        (strategy,) = self.settings.enabled_strategies.values()
        return strategy

    @property
    def threshold(self) -> float:
        return _condition(self.strategy, "imbalance_5").abs_min

    @property
    def plan(self) -> I64:
        """The strategy's numbers for numba."""
        plan, exits = np.zeros(o.PLAN, np.int64), self.strategy.exits
        plan[o.COOLDOWN] = max(1, self.strategy.trigger.cooldown_ms * NS_PER_MS)
        plan[o.MAX_SPREAD] = round(_condition(self.strategy, "spread_ticks").max)
        plan[o.WARM_UP] = max(WARM_UPS_NS)
        plan[o.TTL], plan[o.MAX_HOLD], plan[o.FEEDBACK] = self.ttl_ns, self.max_hold_ns, self.feedback_ns
        plan[o.STOP] = round(Decimal(repr(float(exits.stop_loss_bps))) * _SCALE / 10_000)
        plan[o.TARGET] = round(Decimal(repr(float(exits.take_profit_bps))) * _SCALE / 10_000)
        most = self.strategy.capital.max_notional / (self.instrument.tick_size * self.instrument.lot_size)
        plan[o.NOTIONAL], plan[o.NOTIONAL_BY] = most.as_integer_ratio()
        return plan


def _condition(strategy, feature: str):
    found = [condition for condition in strategy.trigger.conditions if condition.feature == feature]
    if len(found) != 1:
        raise BadInput(f"the strategy beside hftbacktest needs one condition on {feature}, not {len(found)}")
    return found[0]


def asset(tape: Tape, terms: Terms, data, trades: int = 0) -> BacktestAsset:
    """What is traded: `data` are events, or the path of an npz. Room for so many trades between two wakes."""
    fees = terms.settings.executor.paper.fees
    built = (
        BacktestAsset()
        .data(data)
        .linear_asset(1.0)
        .constant_order_latency(terms.order_ns, terms.response_ns)
        .trading_value_fee_model(float(fees.maker), float(fees.taker))
        .tick_size(terms.tick_size)
        .lot_size(terms.lot_size)
        .roi_lb(terms.ticks(tape)[0] * terms.tick_size)
        .roi_ub(terms.ticks(tape)[1] * terms.tick_size)
        .last_trades_capacity(trades)
    )
    exponent = EXPONENTS[terms.queue]
    built = built.power_prob_queue_model(exponent) if exponent else built.risk_adverse_queue_model()
    return built.no_partial_fill_exchange() if terms.whole else built.partial_fill_exchange()


class Stated(NamedTuple):
    """The account as hftbacktest itself keeps it: base quantity, cash before fees, fees."""

    position: float
    balance: float
    fee: float


class HftRun(NamedTuple):
    """What came of a run to the end of the data. `error` is its code and when, (0, 0) if it got there."""

    account: Account
    stated: Stated
    error: tuple[int, int]


class _Arrays:
    def __init__(self, orders: int) -> None:
        self.orders = np.zeros((orders, o.ORDER), np.int64)
        self.fills = np.zeros((8 * orders, o.FILL), np.int64)
        self.candidates = np.zeros((orders, o.CANDIDATE), np.int64)
        self.result = np.zeros(o.RESULT, np.int64)


def drive(tape: Tape, terms: Terms, data, work: int, *, vector: bool = True, seen=None):
    """Our strategy over `data` (events, or the path of an npz), computing as much as `work` says.

    Returns the backtest, which the caller closes, and the arrays the strategy wrote.
    """
    plan, arrays = terms.plan, _Arrays(_most(tape, terms))
    plan[o.WORK] = work
    build, trade = (ROIVectorMarketDepthBacktest, trade_vector) if vector else (HashMapMarketDepthBacktest, trade_map)
    hbt = build([asset(tape, terms, data, trades=_TRADES if work == o.FEATURES else 0)])
    trade(
        hbt, plan, terms.threshold, tape.wakes, tape.restarts, terms.tick_size, terms.lot_size, *terms.ticks(tape),
        *new_state(), np.zeros((0, COUNT)) if seen is None else seen, arrays.orders, arrays.fills, arrays.candidates,
        arrays.result,
    )  # fmt: skip
    return hbt, arrays


def run_strategy(tape: Tape, terms: Terms, work: int = o.WHEN_DUE, seen=None) -> HftRun:
    """Our strategy on hftbacktest, over the whole tape; `seen` takes the features of each wake."""
    hbt, arrays = drive(tape, terms, tape.events, work, seen=seen)
    return _finished(hbt, arrays, terms)


def run_orders(tape: Tape, terms: Terms, orders: Sequence[Order]) -> HftRun:
    """These very orders and cancellations on hftbacktest, each a trip of its own."""
    arrays = _Arrays(len(orders) + 1)
    table = arrays.orders
    for row, order in enumerate(orders):
        table[row, [o.TRIP, o.LEG, o.SIDE, o.TICK, o.LOTS]] = row, order.leg, order.side, order.tick, order.lots
    sends = [(order.sent, 0, row) for row, order in enumerate(orders)]
    cancels = [(order.cancel_at - terms.order_ns, 1, row) for row, order in enumerate(orders) if order.cancel_at]
    actions = np.array(sorted(sends + cancels), np.int64).reshape(-1, 3)
    arrays.result[o.N_ORDERS] = len(orders)
    hbt = ROIVectorMarketDepthBacktest([asset(tape, terms, tape.events)])
    follow(hbt, actions, terms.tick_size, terms.lot_size, table, arrays.fills, arrays.result)
    return _finished(hbt, arrays, terms)


@njit
def follow(hbt, actions, tick_size, lot_size, orders, fills, result):
    """Send orders (kind 0) and cancellations (1) at the times that `actions` say, and take in what becomes of them."""
    working = np.zeros(len(orders), np.int64)
    count = done = 0
    now = np.int64(0)
    while True:
        wait = min(actions[done, 0] - now, _FOREVER) if done < len(actions) else _FOREVER
        code = hbt.wait_next_feed(count > 0, wait)
        if code == END_OF_DATA:
            return
        if code != FEED and code != ANSWER and code != 0:
            result[o.ERROR], result[o.ERROR_TS] = code, now
            return
        now = hbt.current_timestamp
        if code == ANSWER:
            kept = 0
            for i in range(count):
                row = working[i]
                learn(hbt, orders, fills, result, row, lot_size)
                if orders[row, o.LATE_CANCEL]:
                    cancel(hbt, orders, result, row, now)
                if not orders[row, o.OVER]:
                    working[kept] = row
                    kept += 1
            count = kept
            if kept == 0:
                hbt.clear_inactive_orders(0)
        while done < len(actions) and actions[done, 0] <= now:
            row = actions[done, 2]
            if actions[done, 1] == 0:
                submit(hbt, orders, result, row, tick_size, lot_size, now)
                working[count] = row
                count += 1
            else:
                cancel(hbt, orders, result, row, now)
                orders[row, o.LATE_CANCEL] = not orders[row, o.ALIVE]
            done += 1


def _most(tape: Tape, terms: Terms) -> int:
    """More orders than there can be: a candidate a cooldown, and a few orders for each."""
    span = int(tape.rows["ts_recv"][-1] - tape.rows["ts_recv"][0])
    return 1000 + 8 * (span // int(terms.plan[o.COOLDOWN]) + 1)


def _finished(hbt, arrays: _Arrays, terms: Terms) -> HftRun:
    values = hbt.state_values(0)
    stated = Stated(values.position, values.balance, values.fee)
    hbt.close()
    result = arrays.result.tolist()
    candidates = {row[o.C_TS]: row[o.C_SIDE] for row in arrays.candidates[: result[o.N_CANDIDATES]].tolist()}
    account = Account(_trips(arrays, terms), candidates, NEVER)
    return HftRun(account, stated, (result[o.ERROR], result[o.ERROR_TS]))


def _trips(arrays: _Arrays, terms: Terms) -> tuple[Trip, ...]:
    fills: dict[int, list[Told]] = {}
    for row in arrays.fills[: arrays.result[o.N_FILLS]].tolist():
        told = Told(row[o.F_TS], row[o.F_LOTS], row[o.F_TICK], row[o.F_TOLD])
        fills.setdefault(row[o.F_ORDER], []).append(told)
    trips: dict[int, list[Order]] = {}
    ends: dict[int, int] = {}
    for number, row in enumerate(arrays.orders[: arrays.result[o.N_ORDERS]].tolist()):
        cancel_at = row[o.CANCEL_SENT] + terms.order_ns if row[o.CANCEL_SENT] else 0
        order = Order(
            row[o.LEG], row[o.SIDE], row[o.TICK], row[o.LOTS], row[o.SENT], cancel_at, tuple(fills.get(number, ()))
        )
        trips.setdefault(row[o.TRIP], []).append(order)
        ends[row[o.TRIP]] = max(ends.get(row[o.TRIP], 0), row[o.ENDED] if row[o.OVER] else NEVER)
    return tuple(Trip(tuple(orders), ends[trip] + terms.feedback_ns) for trip, orders in trips.items())
