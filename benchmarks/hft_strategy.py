"""Our strategy once more, as a numba function that hftbacktest drives.

It decides from hftbacktest's own book at every feed event, and works its orders as our executor does with
`exchange.reduce_only: false`: hftbacktest has no reduce-only orders. Rules, in the order of one wake-up:

1. answers of the venue: a fill of the entry is protected by a take-profit for all that is known to be open; when more
   fills, it is cancelled and, once that is confirmed, sent anew; a take-profit that would take means leave now;
2. the stop: the best price of our side has reached it;
3. the entry's time to live, whose cancellation is sent one order latency before it is to arrive, and the longest age;
4. a candidate: |imbalance| of five levels, spread and cooldown as configured. It becomes an order if no position is
   open as far as risk would know: `FEEDBACK` after the venue was done with the last one.

To leave is to cancel what rests and, when all of it is confirmed, to send a market order.
"""

import numpy as np
from hftbacktest import BUY_EVENT
from numba import njit

from benchmarks import hft_layout as o
from benchmarks.hft_features import IMBALANCE_5, SPREAD, TRADES_CAME, evaluate, forget, observe
from benchmarks.hft_wire import ANSWER, END_OF_DATA, FEED, cancel, learn, note, submit

#: Our own code in the same place: the arrays were too small.
TOO_MANY = -1

_FOREVER = 1 << 50  # ns, to wait at most
_NONE = -1
_LEVELS = 5
_FAR = 1000  # ticks looked through for them in a map
_SCALE = 10_000_000_000

# What the strategy remembers.
_ENTRY = 0  # rows of `orders`, _NONE if there is none
_CLOSING = 1
_SIDE = 2
_IN = 3  # lots known to have come in and gone out
_OUT = 4
_SINCE = 5  # venue time of the first fill, 0 before it is known
_LEAVING = 6
_STARVED = 7  # an exit found nobody to trade with
_TRIP = 8
_CLOSED = 9  # venue time of the last fill of an order that closes
_FREE_AT = 10  # from when risk would let another entry pass
_FIRED = 11
_SIDED = 12  # since when the book has two sides, _NONE if never
_RESTARTS = 13  # silences passed
_STATE = 14


@njit
def imbalance(bids, asks, bid, ask):
    """(bids − asks) / (bids + asks) over five levels, added up in the order of our own kernel; indices into arrays."""
    bid_sum = ask_sum = 0.0
    found = 0
    while found < _LEVELS and bid >= 0:
        if bids[bid] > 0.0:
            bid_sum += bids[bid]
            found += 1
        bid -= 1
    found = 0
    while found < _LEVELS and ask < len(asks):
        if asks[ask] > 0.0:
            ask_sum += asks[ask]
            found += 1
        ask += 1
    return (bid_sum - ask_sum) / (bid_sum + ask_sum)


@njit
def _order(hbt, orders, result, state, leg, side, tick, lots, tick_size, lot_size, now):
    row = result[o.N_ORDERS]
    result[o.N_ORDERS] = row + 1
    orders[row] = 0
    orders[row, o.TRIP], orders[row, o.LEG], orders[row, o.SIDE] = state[_TRIP], leg, side
    orders[row, o.TICK], orders[row, o.LOTS] = tick, lots
    submit(hbt, orders, result, row, tick_size, lot_size, now)
    return row


@njit
def _distant(tick, way, distance):
    """The tick `distance` · 10⁻¹⁰ of the price away from `tick`, rounded away from it."""
    whole = tick * (_SCALE + way * distance)
    return -(-whole // _SCALE) if way > 0 else whole // _SCALE


@njit
def _stopped(depth, orders, state, plan, low, high):
    """Whether the best price of the position's own side is at its stop or beyond."""
    side = state[_SIDE]
    best = depth.best_bid_tick if side > 0 else depth.best_ask_tick
    stop = _distant(orders[state[_ENTRY], o.TICK], -side, plan[o.STOP])
    return low <= best <= high and (best - stop) * side <= 0


@njit
def _decide(hbt, depth, orders, result, state, plan, tick_size, lot_size, low, high, now):
    """What follows from what is known of the position."""
    entry = state[_ENTRY]
    while True:
        known = state[_IN] - state[_OUT]
        leaving, closing = state[_LEAVING], state[_CLOSING]
        if leaving or (state[_IN] > 0 and known == 0):
            cancel(hbt, orders, result, entry, now)
        if leaving:
            if closing != _NONE:
                if orders[closing, o.LEG] == o.TAKE_PROFIT:
                    cancel(hbt, orders, result, closing, now)
            elif known > 0 and not state[_STARVED] and orders[entry, o.OVER]:
                state[_CLOSING] = _order(
                    hbt, orders, result, state, o.EXIT, -state[_SIDE], 0, known, tick_size, lot_size, now
                )
            return
        if known <= 0:
            return
        if closing == _NONE:
            target = _distant(orders[entry, o.TICK], state[_SIDE], plan[o.TARGET])
            state[_CLOSING] = _order(
                hbt, orders, result, state, o.TAKE_PROFIT, -state[_SIDE], target, known, tick_size, lot_size, now
            )
        elif orders[closing, o.LOTS] - orders[closing, o.FILLED] < known:
            cancel(hbt, orders, result, closing, now)
        if not _stopped(depth, orders, state, plan, low, high):
            return
        state[_LEAVING] = 1


@njit
def _hear(hbt, orders, fills, result, state, lot_size):
    """Learn what became of the position's orders."""
    entry, closing = state[_ENTRY], state[_CLOSING]
    if not orders[entry, o.OVER]:
        fresh = learn(hbt, orders, fills, result, entry, lot_size)
        state[_IN] += fresh
        if fresh > 0 and state[_SINCE] == 0:
            state[_SINCE] = fills[result[o.N_FILLS] - 1, o.F_TS]
    if closing != _NONE:
        fresh = learn(hbt, orders, fills, result, closing, lot_size)
        state[_OUT] += fresh
        if fresh > 0:
            state[_CLOSED] = fills[result[o.N_FILLS] - 1, o.F_TS]
        if orders[closing, o.OVER]:
            state[_CLOSING] = _NONE
            if orders[closing, o.EXPIRED]:
                state[_LEAVING] = 1
                state[_STARVED] = orders[closing, o.LEG] == o.EXIT


@njit
def _settle(hbt, orders, state, plan):
    """Be done with a position of which nothing is left."""
    entry = state[_ENTRY]
    if orders[entry, o.OVER] and state[_IN] == state[_OUT] and state[_CLOSING] == _NONE:
        state[_FREE_AT] = max(orders[entry, o.ENDED], state[_CLOSED]) + plan[o.FEEDBACK]
        state[_ENTRY] = _NONE
        hbt.clear_inactive_orders(0)


@njit
def _alarm(orders, state, plan):
    """When something is to be done though nothing happens."""
    entry, at = state[_ENTRY], np.int64(1 << 62)
    if not orders[entry, o.OVER] and orders[entry, o.CANCEL_SENT] == 0:
        at = orders[entry, o.SENT] + plan[o.TTL]
    if state[_SINCE] > 0 and not state[_LEAVING]:
        at = min(at, state[_SINCE] + plan[o.MAX_HOLD])
    return at


@njit
def _restarted(state, restarts, now):
    """Whether the statistics begin anew at `now`, after a silence."""
    if state[_RESTARTS] == len(restarts) or restarts[state[_RESTARTS]] > now:
        return False
    state[_RESTARTS] += 1
    state[_SIDED] = _NONE
    return True


@njit
def _traded(hbt):
    """Volume bought and sold, and the number of trades, since this was asked last."""
    buy = sell = 0.0
    trades = hbt.last_trades(0)
    count = len(trades)
    for i in range(count):
        if trades[i].ev & BUY_EVENT:
            buy += trades[i].qty
        else:
            sell += trades[i].qty
    hbt.clear_last_trades(0)
    return buy, sell, float(count)


@njit
def _vector_levels(depth):
    return depth.bid_depth, depth.ask_depth


@njit
def _vector_imbalance(depth, bids, asks, low, bid, ask):
    return imbalance(bids, asks, bid - low, ask - low)


@njit
def _map_levels(depth):
    return np.zeros(0), np.zeros(0)


@njit
def _map_imbalance(depth, bids, asks, low, bid, ask):
    """As `imbalance`, level by level from the map."""
    bid_sum = ask_sum = 0.0
    found, end = 0, bid - _FAR
    while found < _LEVELS and bid > end:
        quantity = depth.bid_qty_at_tick(bid)
        if quantity > 0.0:
            bid_sum += quantity
            found += 1
        bid -= 1
    found, end = 0, ask + _FAR
    while found < _LEVELS and ask < end:
        quantity = depth.ask_qty_at_tick(ask)
        if quantity > 0.0:
            ask_sum += quantity
            found += 1
        ask += 1
    return (bid_sum - ask_sum) / (bid_sum + ask_sum)


@njit
def _look(hbt, depth, bids, asks, ints, floats, out, kinds, low, high, now):
    """All features at `now`."""
    buy = sell = count = 0.0
    if kinds & TRADES_CAME:
        buy, sell, count = _traded(hbt)
    bid, ask = depth.best_bid_tick, depth.best_ask_tick
    observe(ints, floats, bids, asks, low, bid, ask, kinds, buy, sell, count, now)
    if low <= bid < ask <= high:
        evaluate(ints, floats, out, now)
    else:
        out[:] = np.nan


@njit
def _look_away(hbt, depth, bids, asks, ints, floats, out, kinds, low, high, now):
    """No features."""


def _strategy(levels_of, imbalance_of, look):
    """The strategy for one of hftbacktest's kinds of depth. `look` computes the features, if it is to have any."""

    @njit
    def fires(depth, bids, asks, state, plan, threshold, out, low, high, now):
        """The side of a candidate at `now`, 0 if there is none."""
        early = state[_SIDED] == _NONE or now - state[_FIRED] < plan[o.COOLDOWN]
        if early and state[_SIDED] != _NONE and plan[o.WORK] == o.WHEN_DUE:
            return 0
        bid, ask = depth.best_bid_tick, depth.best_ask_tick
        if not (low <= bid < ask <= high):
            return 0
        if state[_SIDED] == _NONE:
            state[_SIDED] = now
        if plan[o.WORK] == o.FEATURES:
            value, spread = out[IMBALANCE_5], np.int64(out[SPREAD])
        else:
            spread = ask - bid
            value = imbalance_of(depth, bids, asks, low, bid, ask)
        if now - state[_SIDED] < plan[o.WARM_UP] or now - state[_FIRED] < plan[o.COOLDOWN]:
            return 0
        if spread > plan[o.MAX_SPREAD] or abs(value) < threshold:
            return 0
        state[_FIRED] = now
        return 1 if value > 0.0 else -1

    @njit
    def enter(hbt, depth, orders, result, state, plan, side, tick_size, lot_size, now):
        tick = depth.best_bid_tick if side > 0 else depth.best_ask_tick
        state[_TRIP] += 1
        state[_SIDE] = side
        state[_IN] = state[_OUT] = state[_SINCE] = state[_LEAVING] = state[_STARVED] = state[_CLOSED] = 0
        lots = plan[o.NOTIONAL] // (tick * plan[o.NOTIONAL_BY])
        state[_ENTRY] = _order(hbt, orders, result, state, o.ENTRY, side, tick, lots, tick_size, lot_size, now)

    @njit
    def manage(hbt, depth, orders, fills, result, state, plan, answered, fed, tick_size, lot_size, low, high, now):
        """Rules 1 to 3."""
        if answered:
            _hear(hbt, orders, fills, result, state, lot_size)
            _decide(hbt, depth, orders, result, state, plan, tick_size, lot_size, low, high, now)
        act = False
        if fed and state[_STARVED]:
            state[_STARVED] = 0
            act = True
        elif fed and state[_IN] > state[_OUT] and not state[_LEAVING]:
            act = _stopped(depth, orders, state, plan, low, high)
            state[_LEAVING] = act
        if act:
            _decide(hbt, depth, orders, result, state, plan, tick_size, lot_size, low, high, now)
        if now >= _alarm(orders, state, plan):
            if now >= orders[state[_ENTRY], o.SENT] + plan[o.TTL]:
                cancel(hbt, orders, result, state[_ENTRY], now)
            if state[_SINCE] > 0 and now >= state[_SINCE] + plan[o.MAX_HOLD]:
                state[_LEAVING] = 1
                _decide(hbt, depth, orders, result, state, plan, tick_size, lot_size, low, high, now)
        _settle(hbt, orders, state, plan)

    @njit
    def trade(
        hbt, plan, threshold, wakes, restarts, tick_size, lot_size, low, high, ints, floats, out, seen, orders, fills,
        candidates, result,
    ):  # fmt: skip
        """Trade until the data end; `result` says how many rows of the other arrays were written.

        `wakes` (n, 2) are the times of all feed events, and what came. Prices are kept from tick `low` to `high`.
        `ints`, `floats` and `out` are what `hft_features.new_state` gives, `seen` (n or 0, COUNT) is to take the
        features of every wake.
        """
        depth = hbt.depth(0)
        bids, asks = levels_of(depth)
        state = np.zeros(_STATE, np.int64)
        state[_ENTRY] = state[_CLOSING] = state[_SIDED] = _NONE
        state[_FIRED] = -(1 << 62)
        now = np.int64(0)
        passed = 0
        while result[o.N_ORDERS] < len(orders) - 2 and result[o.N_FILLS] < len(fills) - 4:
            busy = state[_ENTRY] != _NONE
            wait = min(_alarm(orders, state, plan) - now, _FOREVER) if busy else _FOREVER
            code = hbt.wait_next_feed(busy, wait)
            if code == END_OF_DATA:
                return
            if code != FEED and code != ANSWER and code != 0:
                note(result, code, now)
                return
            now = hbt.current_timestamp
            # The code tells of the answer alone; a feed event of the very same time was handled before it.
            fed = code == FEED or (code == ANSWER and passed < len(wakes) and wakes[passed, 0] == now)
            if fed:
                if restarts.size > 0 and _restarted(state, restarts, now):
                    forget(ints, floats)
                if plan[o.WORK] == o.FEATURES:
                    look(hbt, depth, bids, asks, ints, floats, out, wakes[passed, 1], low, high, now)
                    if passed < len(seen):
                        seen[passed] = out
                passed += 1
            if busy:
                answered = code == ANSWER
                manage(
                    hbt, depth, orders, fills, result, state, plan, answered, fed, tick_size, lot_size, low, high, now
                )
            if fed:
                side = fires(depth, bids, asks, state, plan, threshold, out, low, high, now)
                if side != 0:
                    candidate = candidates[result[o.N_CANDIDATES]]
                    candidate[o.C_TS], candidate[o.C_SIDE] = now, side
                    result[o.N_CANDIDATES] += 1
                    if state[_ENTRY] == _NONE and now >= state[_FREE_AT]:
                        enter(hbt, depth, orders, result, state, plan, side, tick_size, lot_size, now)
        note(result, TOO_MANY, now)

    return trade


#: For hftbacktest's depth in arrays, its fastest, and for the one in hash maps, which its tutorials use.
trade_vector = _strategy(_vector_levels, _vector_imbalance, _look)
trade_map = _strategy(_map_levels, _map_imbalance, _look_away)
