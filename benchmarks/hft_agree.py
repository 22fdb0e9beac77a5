"""Our venue beside hftbacktest's: the same orders, and the same strategy; what differs, and why."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final, NamedTuple

import numpy as np

from app.core.clock import NS_PER_S
from app.features.catalogue import COUNT, NAMES
from app.features.engine import FeatureEngine, Watch
from app.features.layout import O_TS
from app.market.rows import Rows
from app.messages.execution import Fill
from benchmarks import hft_layout as o
from benchmarks.hft_compare import Charges, Comparer, Comparison, Difference, reason
from benchmarks.hft_features import NOT_SHOWN
from benchmarks.hft_orders import Account, Order, Told, cut
from benchmarks.hft_ours import OurRun, account_of, run_ours
from benchmarks.hft_run import EXPONENTS, HftRun, Stated, Terms, run_orders, run_strategy
from benchmarks.hft_tape import Tape
from benchmarks.hft_venue import Venue

_CENT: Final = Decimal("0.01")
_STATUS_INVALID: Final = 14


class Agreement(NamedTuple):
    """Both comparisons under one set of terms, and hftbacktest's own account beside its executions.

    `stopped` says where hftbacktest stopped with an error, empty if it did not; what came later is not compared.
    """

    orders: Comparison
    strategy: Comparison
    rounding: Decimal
    unbooked: int
    own_account: Decimal
    own_account_unexplained: Decimal
    stopped: str

    @property
    def unexplained(self) -> int:
        own = abs(self.own_account_unexplained) >= _CENT
        return self.orders.unexplained + self.strategy.unexplained + own


def agree(tape: Tape, rows: Rows, terms: Terms) -> Agreement:
    """Run both programs on `rows` (`tape` is the same for hftbacktest) and compare them."""
    ours = run_ours(terms.settings, rows)
    tick, lot = terms.instrument.tick_size, terms.instrument.lot_size
    account = account_of(ours, terms.settings, tick_size=tick, lot_size=lot)
    fees = terms.settings.executor.paper.fees
    charges = Charges(tick, lot, fees.maker, fees.taker)
    venue = Venue(tape, tick_size=terms.tick_size, lot_size=terms.lot_size, exponent=EXPONENTS[terms.queue])
    comparer = Comparer(tape, venue, charges, order_ns=terms.order_ns, response_ns=terms.response_ns, whole=terms.whole)
    one_by_one, ended_early = _orders(tape, terms, comparer, account)
    run = run_strategy(tape, terms)
    until = min(ours.until, _reach(run, terms))
    mine, theirs = (cut(one, until, terms.feedback_ns) for one in (account, run.account))
    starting = terms.strategy.capital.starting_cash
    compared = comparer.compare(mine, theirs, starting=starting)
    own, expected, unbooked = _own_account(run, charges)
    return Agreement(
        one_by_one,
        compared,
        _rounding(ours, until, charges),
        unbooked,
        own,
        # An error leaves it with fills that the strategy was not woken for any more.
        Decimal(0) if run.error[0] else own - expected,
        ended_early or _stopped(run),
    )


def _orders(tape: Tape, terms: Terms, comparer: Comparer, account: Account) -> tuple[Comparison, str]:
    """Our orders, one by one, at hftbacktest's exchange."""
    orders = [order for trip in account.trips for order in _with_ends(trip.orders, terms)]
    run = run_orders(tape, terms, orders)
    until = min(account.until, _reach(run, terms))
    ours = [order for order in orders if order.sent <= until]
    hft = [trip.orders[0] for trip in run.account.trips][: len(ours)]
    mine, theirs = (
        [order._replace(fills=tuple(fill for fill in order.fills if fill.ts <= until)) for order in side]
        for side in (ours, hft)
    )
    return comparer.compare_orders(mine, theirs, until), _stopped(run)


def _with_ends(orders: Sequence[Order], terms: Terms) -> list[Order]:
    """Orders with the cancellation they were to get, also those that filled before: there they might not."""
    ended = []
    for order in orders:
        at = order.cancel_at
        if not at and order.leg == o.ENTRY:
            at = order.sent + terms.order_ns + terms.ttl_ns
        elif not at and order.leg == o.TAKE_PROFIT:
            at = order.sent + terms.order_ns + terms.max_hold_ns
        ended.append(order._replace(cancel_at=at))
    return ended


def _reach(run: HftRun, terms: Terms) -> int:
    """Up to when a run tells all that happened: an answer is a response latency late."""
    return run.error[1] - terms.response_ns if run.error[0] else run.account.until


def _stopped(run: HftRun) -> str:
    code, ts = run.error
    if not code:
        return ""
    why = (
        "an order filled to its last lot by a partial fill stays in its book, and the next trade there is an error"
        if code == _STATUS_INVALID
        else "see its error codes"
    )
    return f"hftbacktest stopped at {ts} with code {code} ({why}); compared up to there"


def _rounding(ours: OurRun, until: int, charges: Charges) -> Decimal:
    """What rounding fees up to 1e-8 cost us."""
    cost = Decimal(0)
    for fill in ours.money:
        if isinstance(fill, Fill) and fill.ts <= until:
            rate = charges.taker if fill.liquidity == "taker" else charges.maker
            cost += fill.fee - fill.px * fill.qty * rate
    return cost


def _own_account(run: HftRun, charges: Charges) -> tuple[Decimal, Decimal, int]:
    """The cash hftbacktest states, the cash it should state, and how many fills it does not book.

    It books an order's last execution, and only if that left nothing of the order.
    """
    stated: Stated = run.stated
    cash, unbooked = Decimal(0), 0
    for order in (order for trip in run.account.trips for order in trip.orders):
        whole = sum(fill.lots for fill in order.fills) == order.lots
        rate = charges.taker if order.leg == o.EXIT else charges.maker
        for n, fill in enumerate(order.fills):
            booked = fill.last if whole and n == len(order.fills) - 1 else 0
            unbooked += booked != fill.lots
            value = charges.tick_size * fill.tick * charges.lot_size * booked
            cash += -order.side * value - rate * value
    return Decimal(repr(stated.balance)) - Decimal(repr(stated.fee)), cash, unbooked


def features_apart(tape: Tape, rows: Rows, terms: Terms) -> dict[str, Any]:
    """How far the features of the strategy on hftbacktest are from ours, at every wake at which ours are ready."""
    seen = np.full((len(tape.wakes), COUNT), np.nan)
    run_strategy(tape, terms, o.FEATURES, seen)
    watch = Watch(name="all", instrument=terms.instrument.id)
    engine = FeatureEngine([terms.instrument], [watch], book_ticks=terms.settings.signal_engine.book_ticks)
    found, ours = engine.table(rows)
    # Where several messages have one time, hftbacktest wakes after the last of them.
    last = np.append(found[1:, O_TS] != found[:-1, O_TS], True)
    times, ours = found[last, O_TS], ours[last]
    at = np.searchsorted(tape.wakes[:, 0], times)
    theirs = seen[at]
    ready = np.isfinite(ours).all(axis=1)
    ours, theirs = ours[ready], theirs[ready]
    shown = [n for n, name in enumerate(NAMES) if name not in NOT_SHOWN]
    scale = np.maximum(np.abs(ours), np.median(np.abs(ours), axis=0)) + 1e-12
    apart = np.abs(theirs - ours) / scale
    return {
        "messages": len(ours),
        "features": len(shown),
        "not_shown": list(NOT_SHOWN),
        "equal": float((apart[:, shown] <= 1e-9).mean()) if len(ours) else 1.0,
        "worst": _worst(apart, shown),
    }


def _worst(apart: Any, shown: Sequence[int]) -> dict[str, float]:
    """The greatest relative difference of each feature that has one above 1e-9."""
    most = {NAMES[n]: float(np.nanmax(apart[:, n])) for n in shown if len(apart)}
    return {name: value for name, value in most.items() if not value <= 1e-9}


def as_figures(found: Agreement) -> dict[str, Any]:
    """An agreement as JSON."""
    strategy = found.strategy
    return {
        "unexplained": found.unexplained,
        "orders_one_by_one": {
            "orders": found.orders.orders,
            "fills_agreed": found.orders.fills,
            "orders_apart": len(found.orders.differences),
            "by_cause": _by_cause(found.orders),
        },
        "strategy": {
            "trips": strategy.trips,
            "orders": strategy.orders,
            "fills_agreed": strategy.fills,
            "trips_apart": len(strategy.differences),
            "candidates_apart": strategy.candidates_apart,
            "candidates_unexplained": strategy.candidates_unexplained,
            "by_cause": _by_cause(strategy),
            "equity_ours": _money(strategy.equity_ours),
            "equity_hft": _money(strategy.equity_hft),
            "equity_apart": _money(strategy.equity_hft - strategy.equity_ours),
            "equity_unexplained": _money(strategy.residual),
        },
        "fee_rounding": _money(found.rounding),
        "own_account": {
            "cash": _money(found.own_account),
            "fills_not_booked": found.unbooked,
            "unexplained": _money(found.own_account_unexplained),
        },
        "stopped": found.stopped,
    }


def _money(amount: Decimal) -> str:
    """To the eighth digit, without a negative zero."""
    return f"{amount.quantize(Decimal('1e-8')) + 0:f}"


def _by_cause(found: Comparison) -> dict[str, Any]:
    return {
        cause: {"trips": trips, "fills_ours": ours, "fills_hft": hft, "money": _money(money), "reason": reason(cause)}
        for cause, (trips, ours, hft, money) in found.by_cause.items()
    }


def lines(found: Comparison, terms: Terms) -> list[str]:
    """Each difference in words."""
    return [_line(difference, terms) for difference in found.differences]


def _line(d: Difference, terms: Terms) -> str:
    tick, lot = terms.instrument.tick_size, terms.instrument.lot_size

    def fills(which: Sequence[Told]) -> str:
        parts = [f"{fill.lots * lot} @ {fill.tick * tick} at {fill.ts / NS_PER_S:.3f}" for fill in which]
        return ", ".join(parts) or "nothing"

    side = "long" if d.side > 0 else "short"
    return f"{d.ts / NS_PER_S:.3f} {side}: we {fills(d.ours)}; hftbacktest {fills(d.hft)}; {d.money:+.4f}: {d.cause}"
