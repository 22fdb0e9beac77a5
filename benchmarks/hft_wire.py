"""Orders to hftbacktest and its answers, for numba functions; arrays as in `hft_layout`."""

import numpy as np
from hftbacktest import CANCELED, EXPIRED, GTC, GTX, LIMIT, MARKET
from hftbacktest import FILLED as WHOLLY_FILLED
from numba import njit

from benchmarks import hft_layout as o

#: What `wait_next_feed` returns; 0 is a timeout, anything else an error.
END_OF_DATA = 1
FEED = 2
ANSWER = 3


@njit
def note(result, code, now):
    if code != 0 and result[o.ERROR] == 0:
        result[o.ERROR], result[o.ERROR_TS] = code, now


@njit
def submit(hbt, orders, result, row, tick_size, lot_size, now):
    """Send the order of a row of `orders`; a market order has tick 0."""
    order = orders[row]
    market = order[o.TICK] == 0
    force, kind = (GTC, MARKET) if market else (GTX, LIMIT)
    price, quantity = order[o.TICK] * tick_size, order[o.LOTS] * lot_size
    if order[o.SIDE] > 0:
        code = hbt.submit_buy_order(0, row + 1, price, quantity, force, kind, False)
    else:
        code = hbt.submit_sell_order(0, row + 1, price, quantity, force, kind, False)
    order[o.SENT] = now
    note(result, code, now)


@njit
def cancel(hbt, orders, result, row, now):
    """Send the cancellation of an order, if hftbacktest takes one: it must have been acknowledged before."""
    order = orders[row]
    if order[o.ALIVE] and not order[o.OVER] and order[o.CANCEL_SENT] == 0:
        note(result, hbt.cancel(0, row + 1, False), now)
        order[o.CANCEL_SENT] = now


@njit
def learn(hbt, orders, fills, result, row, lot_size):
    """Take in what the venue said of an order; returns the lots that are new."""
    got = hbt.orders(0).get(row + 1)
    if got is None:
        return 0
    order = orders[row]
    status = got.status
    order[o.ALIVE] = status != 0
    fresh = np.int64(round((got.qty - got.leaves_qty) / lot_size)) - order[o.FILLED]
    if fresh > 0:
        order[o.FILLED] += fresh
        fill = fills[result[o.N_FILLS]]
        fill[o.F_ORDER], fill[o.F_TS], fill[o.F_TICK] = row, got.exch_timestamp, got.exec_price_tick
        fill[o.F_LOTS], fill[o.F_TOLD] = fresh, np.int64(round(got.exec_qty / lot_size))
        result[o.N_FILLS] += 1
    if status in (WHOLLY_FILLED, CANCELED, EXPIRED):
        order[o.OVER], order[o.ENDED] = 1, got.exch_timestamp
        order[o.EXPIRED] = status == EXPIRED
    return fresh
