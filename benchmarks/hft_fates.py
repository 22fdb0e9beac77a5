"""The compiled part of `hft_venue`: a second, plain implementation of our rules and of hftbacktest's.

One pass over the rows in venue order, every order by itself. Where the venues differ, an order's set of rules decides.
Neither `app.sim` nor hftbacktest is called here.
"""

import numpy as np

from app.market.compiled import kernel
from app.market.rows import DEPTH_CLEAR, DEPTH_SET, TRADE
from benchmarks.hft_orders import NEVER
from benchmarks.hft_rules import Rule

# Columns of an order: a `hft_venue.Ticket`.
_AT, _CANCEL, _SIDE, _TICK, _LOTS = range(5)

_TWICE = int(Rule.TRADE_COUNTED_TWICE)
_ROUNDED = int(Rule.FRACTION_ROUNDED)
_BEHIND = int(Rule.TRADED_COUNTS_AS_BEHIND)
_OWN_SIDE = int(Rule.NO_FILL_THROUGH_OWN_SIDE)
_EARLIER = int(Rule.EARLIER_TRADE_FILLS)
_UNSEEN = int(Rule.UNSEEN_LEVEL)
_WITHIN = int(Rule.CROSSED_WITHIN_MESSAGE)
_STAY = int(Rule.CROSSED_LEVELS_STAY)
_BACK = int(Rule.TAKEN_COMES_BACK)
_WHOLE = int(Rule.WHOLE_ORDER_AT_ONCE)
_BELOW = int(Rule.QUEUE_BELOW_ZERO)

# An order while it rests: integers …
_LEFT, _SHOWN, _SHOWN_TS, _TRADED, _CANCELLED, _DARK, _RESTS = range(7)
RESTING = 7
# … and lots that need not be whole.
_AHEAD, _PRIOR, _SHARE = range(3)
WAITING = 3

_MOST_TICKS_SWEPT = 100


@kernel
def _wipe(values):
    for i in range(len(values)):
        values[i] = 0


@kernel
def _next(levels, tick, low, high, way):
    """The next level from `tick` on in direction `way`, -1 if there is none."""
    while low <= tick <= high:
        if levels[tick - low] > 0:
            return tick
        tick += way
    return -1


@kernel
def _set_level(books, best, view, side, tick, lots, low, high):
    """Set a level of a book. View 0 is ours, crossed until its message ends; view 1 is hftbacktest's, never crossed."""
    if not low <= tick <= high:
        return
    own, other = (0, 1) if side > 0 else (1, 0)
    books[view, own, tick - low] = lots
    if lots == 0:
        if best[view, own] == tick:
            best[view, own] = _next(books[view, own], tick - side, low, high, -side)
        return
    if best[view, own] < 0 or (tick - best[view, own]) * side > 0:
        best[view, own] = tick
        if view == 1 and best[1, other] >= 0 and (tick - best[1, other]) * side >= 0:
            best[1, other] = _next(books[1, other], tick + side, low, high, side)


@kernel
def _uncross(books, best, newer, low, high):
    """The newer side wins."""
    if best[0, 0] < 0 or best[0, 1] < 0 or best[0, 0] < best[0, 1]:
        return
    own, other = (0, 1) if newer > 0 else (1, 0)
    while best[0, other] >= 0 and (best[0, own] - best[0, other]) * newer >= 0:
        tick = best[0, other]
        books[0, other, tick - low] = 0
        best[0, other] = _next(books[0, other], tick + newer, low, high, newer)


@kernel
def _clear(books, best, side):
    for own in range(2):
        if side == 0 or (side > 0) == (own == 0):
            for view in range(2):
                _wipe(books[view, own])
                best[view, own] = -1


@kernel
def _share(exponent, ahead, behind):
    if exponent == 0.0 or ahead + behind <= 0.0:
        return 0.0
    part = ahead / (ahead + behind)
    return part**exponent / (part**exponent + (1.0 - part) ** exponent)


@kernel
def _after_update(order, queue, mask):
    left = queue[_PRIOR]
    if np.isfinite(left):
        left -= order[_CANCELLED] * queue[_SHARE]
        if not mask & _BELOW:
            left = max(0.0, left)
    queue[_AHEAD] = min(left, float(order[_SHOWN]))


@kernel
def _shown(order, queue, lots, ts, exponent, mask):
    """The order's level now shows `lots`."""
    rest = order[_SHOWN] - order[_TRADED]
    ahead = queue[_AHEAD]
    queue[_PRIOR], queue[_SHARE] = ahead, 0.0
    order[_CANCELLED] = 0
    if not order[_DARK] and exponent > 0.0 and mask & _BEHIND:
        gone = float(rest - lots)
        if gone >= 0.0:
            behind = order[_SHOWN] - ahead
            front, back = ahead**exponent, behind**exponent
            kept = back / (back + front) if back + front != 0.0 else np.nan
            left = ahead - (1.0 - kept) * gone + min(behind - kept * gone, 0.0)
            # Everything is gone, wherever it was.
            ahead = float(lots) if np.isnan(left) else left
        queue[_PRIOR] = min(ahead, float(lots))
    elif not order[_DARK]:
        order[_CANCELLED] = max(0, rest - lots)
        queue[_SHARE] = _share(exponent, ahead, max(0.0, rest - ahead))
    order[_SHOWN] = lots
    order[_SHOWN_TS] = max(order[_SHOWN_TS], ts)
    order[_TRADED] = order[_DARK] = 0
    _after_update(order, queue, mask)


@kernel
def _traded(order, queue, lots, ts, mask):
    """`lots` traded at the order's price; returns the lots that are left for it."""
    if ts <= order[_SHOWN_TS] and not mask & _TWICE:
        past = lots - queue[_PRIOR]
        queue[_PRIOR] = max(0.0, queue[_PRIOR] - lots)
        order[_CANCELLED] = max(0, order[_CANCELLED] - lots)
        _after_update(order, queue, mask)
    else:
        past = lots - queue[_AHEAD]
        queue[_AHEAD] -= lots
        order[_TRADED] += lots
    if mask & _ROUNDED:
        got = np.int64(np.floor(past + 0.5)) if past > 0.0 else 0
        if got > 0:
            queue[_AHEAD] = 0.0
    else:
        got = np.int64(past) if past > 0.0 else 0
        queue[_AHEAD] = 0.0 if got > 0 else max(0.0, queue[_AHEAD])
    return got


@kernel
def _fill(order, out, n, j, ts, tick, lots):
    lots = min(lots, order[_LEFT])
    if lots > 0:
        order[_LEFT] -= lots
        if n < len(out):
            out[n, 0], out[n, 1], out[n, 2], out[n, 3] = j, ts, tick, lots
        n += 1
    if order[_LEFT] == 0:
        order[_RESTS] = 0
    return n


@kernel
def _take(order, ticket, mask, books, best, taken, low, high, out, n, j, now):
    """A market order goes through the levels of the other side."""
    view, side = (1 if mask & _STAY else 0), ticket[_SIDE]
    other = 1 if side > 0 else 0
    tick = best[view, other]
    if mask & _WHOLE and tick >= 0:
        return _fill(order, out, n, j, now, tick, order[_LEFT])
    first = tick
    while tick >= 0 and order[_LEFT] > 0 and not (mask & _BACK and abs(tick - first) >= _MOST_TICKS_SWEPT):
        here = books[view, other, tick - low]
        if not mask & _BACK:
            here -= taken[other, tick - low]
        before = order[_LEFT]
        n = _fill(order, out, n, j, now, tick, here)
        taken[other, tick - low] += before - order[_LEFT]
        tick = _next(books[view, other], tick + side, low, high, side)
    return n


@kernel
def _facing(ticket, mask, books, best, taken, low, high):
    """The other side's best tick as the order's rules see it, -1 if there is none."""
    view, other = (1 if mask & _STAY else 0), (1 if ticket[_SIDE] > 0 else 0)
    tick = best[view, other]
    if not mask & _BACK:
        while tick >= 0 and 0 < books[view, other, tick - low] <= taken[other, tick - low]:
            tick = _next(books[view, other], tick + ticket[_SIDE], low, high, ticket[_SIDE])
    return tick


@kernel
def _arrive(order, queue, ticket, mask, books, best, taken, low, high, out, n, j):
    now, side, tick = ticket[_AT], ticket[_SIDE], ticket[_TICK]
    _wipe(order)
    order[_LEFT] = ticket[_LOTS]
    if tick == 0:
        return _take(order, ticket, mask, books, best, taken, low, high, out, n, j, now)
    opposite = _facing(ticket, mask, books, best, taken, low, high)
    if opposite >= 0 and (tick - opposite) * side >= 0:
        return n
    view, own = (1 if mask & _STAY else 0), (0 if side > 0 else 1)
    shown = books[view, own, tick - low] if low <= tick <= high else 0
    visible = shown > 0 or _next(books[view, own], tick - side, low, high, -side) >= 0 or mask & _UNSEEN
    order[_SHOWN], order[_SHOWN_TS], order[_DARK], order[_RESTS] = shown, now - 1, not visible, 1
    queue[_AHEAD] = float(shown) if visible else np.inf
    queue[_PRIOR], queue[_SHARE] = queue[_AHEAD], 0.0
    return n


@kernel
def _on_trade(order, queue, ticket, mask, aggressor, tick, lots, ts, key, out, n, j):
    side = ticket[_SIDE]
    if ts < ticket[_AT] and not mask & _EARLIER:
        return n
    if (ticket[_TICK] - tick) * side > 0:
        if aggressor == side and mask & _OWN_SIDE:
            return n
        return _fill(order, out, n, j, key, ticket[_TICK], order[_LEFT])
    if ticket[_TICK] != tick or aggressor == side:
        return n
    got = _traded(order, queue, lots, ts, mask)
    if got > 0 and mask & _WHOLE:
        got = order[_LEFT]
    return _fill(order, out, n, j, key, ticket[_TICK], got)


@kernel
def _on_depth(order, queue, ticket, mask, kind, side, tick, lots, ts, exponent):
    if kind == DEPTH_CLEAR:
        if side != -ticket[_SIDE]:
            if mask & _UNSEEN:
                # Its own book starts from nothing, its queue does not.
                order[_SHOWN] = 0
            else:
                order[_DARK] = 1
    elif side == ticket[_SIDE] and tick == ticket[_TICK]:
        if lots > 0 or mask & _UNSEEN:
            _shown(order, queue, lots, ts, exponent, mask)
        else:
            order[_DARK] = 1


@kernel
def run(keys, stamps, kinds, sides, lasts, ticks, quantities, low, high, exponent, tickets, masks, arrivals, until,
         books, best, taken, orders, queues, active, out):  # fmt: skip
    """All rows and all orders once; returns how many executions there are (written as far as there is room).

    `books` (2, 2, ticks) and `taken` (2, ticks) begin with zeros, `best` (2, 2) with −1; `orders` (n, RESTING),
    `queues` (n, WAITING) and `active` (n) are room to work in.
    """
    working = came = n = newer = 0
    for row in range(len(keys) + 1):
        key = keys[row] if row < len(keys) else NEVER
        n, working, came = _arrivals(
            min(key, until + 1), tickets, masks, arrivals, came, active, working, orders, queues, books, best, taken,
            low, high, out, n,
        )  # fmt: skip
        if row == len(keys) or key > until:
            return n
        kind, side, tick, lots, ts = kinds[row], sides[row], ticks[row], quantities[row], stamps[row]
        bettered = 0
        if kind == DEPTH_SET:
            own, other = (0, 1) if side > 0 else (1, 0)
            before = best[1, own]
            for view in range(2):
                _set_level(books, best, view, side, tick, lots, low, high)
            if low <= tick <= high:
                taken[own, tick - low] = 0
            if best[0, other] >= 0 and lots > 0 and (tick - best[0, other]) * side >= 0:
                newer = side
            if best[1, own] >= 0 and (before < 0 or (best[1, own] - before) * side > 0):
                bettered = side
        elif kind == DEPTH_CLEAR:
            _clear(books, best, side)
            for own in range(2):
                if side == 0 or (side > 0) == (own == 0):
                    _wipe(taken[own])
        if lasts[row]:
            _uncross(books, best, newer, low, high)
            newer = 0
        for i in range(working):
            j = active[i]
            order, queue, ticket, mask = orders[j], queues[j], tickets[j], masks[j]
            if kind == TRADE:
                n = _on_trade(order, queue, ticket, mask, side, tick, lots, ts, key, out, n, j)
            elif kind in (DEPTH_SET, DEPTH_CLEAR):
                _on_depth(order, queue, ticket, mask, kind, side, tick, lots, ts, exponent)
            if order[_RESTS] and mask & _WITHIN and bettered == -ticket[_SIDE]:
                opposite = best[1, 1 if ticket[_SIDE] > 0 else 0]
                if (ticket[_TICK] - opposite) * ticket[_SIDE] >= 0:
                    n = _fill(order, out, n, j, key, ticket[_TICK], order[_LEFT])
            if order[_RESTS] and lasts[row]:
                n = _end_of_message(order, queue, ticket, mask, books, best, taken, low, high, ts, key, exponent, out,
                                    n, j)  # fmt: skip
        working = _without_finished(active, working, orders)
    return n


@kernel
def _end_of_message(order, queue, ticket, mask, books, best, taken, low, high, ts, key, exponent, out, n, j):
    side, tick = ticket[_SIDE], ticket[_TICK]
    own = 0 if side > 0 else 1
    view = 1 if mask & _STAY else 0
    empty = order[_DARK] and low <= tick <= high and books[view, own, tick - low] == 0
    if empty and _next(books[view, own], tick - side, low, high, -side) >= 0:
        order[_DARK] = 0
        _shown(order, queue, 0, ts, exponent, mask)
    if not mask & _WITHIN:
        opposite = _facing(ticket, mask, books, best, taken, low, high)
        if opposite >= 0 and (tick - opposite) * side >= 0:
            n = _fill(order, out, n, j, key, tick, order[_LEFT])
    return n


@kernel
def _arrivals(before, tickets, masks, arrivals, came, active, working, orders, queues, books, best, taken, low, high,
              out, n):  # fmt: skip
    """Orders and cancellations that arrive before the next row."""
    while True:
        at = tickets[arrivals[came], _AT] if came < len(arrivals) else NEVER
        gone = -1
        for i in range(working):
            if tickets[active[i], _CANCEL] < min(at, before):
                gone, at = i, tickets[active[i], _CANCEL]
        if at >= before:
            return n, working, came
        if gone >= 0:
            orders[active[gone], _RESTS] = 0
            working = _without_finished(active, working, orders)
        else:
            j = arrivals[came]
            came += 1
            n = _arrive(orders[j], queues[j], tickets[j], masks[j], books, best, taken, low, high, out, n, j)
            if orders[j, _RESTS]:
                active[working] = j
                working += 1


@kernel
def _without_finished(active, working, orders):
    kept = 0
    for i in range(working):
        if orders[active[i], _RESTS]:
            active[kept] = active[i]
            kept += 1
    return kept


@kernel
def mid2_at(keys, kinds, sides, lasts, ticks, quantities, low, high, until, books, best):
    """Our book's best bid plus best ask when the last message up to `until` ended; 0 if a side was always empty."""
    newer = 0
    found = 0
    for row in range(len(keys)):
        if keys[row] > until:
            break
        if kinds[row] == DEPTH_SET:
            other = 1 if sides[row] > 0 else 0
            _set_level(books, best, 0, sides[row], ticks[row], quantities[row], low, high)
            if best[0, other] >= 0 and quantities[row] > 0 and (ticks[row] - best[0, other]) * sides[row] >= 0:
                newer = sides[row]
        elif kinds[row] == DEPTH_CLEAR:
            _clear(books, best, sides[row])
        if lasts[row]:
            _uncross(books, best, newer, low, high)
            newer = 0
            if best[0, 0] >= 0 and best[0, 1] > best[0, 0]:
                found = best[0, 0] + best[0, 1]
    return found
