"""The features: the single source of truth for live, replay, research and models.

Order is part of the contract: a feature's index here is its column everywhere. The catalogue's `SCHEMA` hash changes
with anything that changes a value; data and models made under another hash are refused.

Notation: at a consistent book, `bid`, `ask` are the best prices in ticks and `qb(i)`, `qa(i)` the quantities at the
i-th best level; `mid = (bid + ask) / 2`. `t` is event time (`ts_recv`) in seconds. Sums run over the past, since
statistics last began: at the first row, or anew after a gap (`GAP_NS`).
"""

import hashlib
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from app.core.clock import NS_PER_MS, NS_PER_S
from app.core.errors import Misconfigured, SchemaMismatch

# Raise when a kernel computes a feature differently than before.
KERNEL_VERSION: Final = 2

# The mid is sampled at whole multiples of this for returns and volatility.
GRID_NS: Final = 100 * NS_PER_MS
# Extremes are kept by blocks of this; the time of day is that of the block.
BLOCK_NS: Final = 1 * NS_PER_S
# After so long without any row, not even a clock row, nothing is known about what happened: all statistics restart.
GAP_NS: Final = 10 * NS_PER_S
# No feature takes longer than this to be ready. One that looks further back than it can have seen by then looks, until
# it has seen more, over the shorter past since the first two-sided book: it is approximate, and says so.
WARM_UP_MOST_NS: Final = 10 * NS_PER_S
# Time constants of the decaying sums of events. Each is a multiple of the one before: the kernel takes powers of one
# exponential (`statistics.decays`).
TAUS_NS: Final = (100 * NS_PER_MS, 1 * NS_PER_S, 5 * NS_PER_S, 30 * NS_PER_S)
# Time constants of the volatilities and of the mean mids, which are sums over the grid.
VOL_TAUS_NS: Final = (1 * NS_PER_S, 5 * NS_PER_S, 10 * NS_PER_S, 30 * NS_PER_S)
MEAN_TAUS_NS: Final = (10 * NS_PER_S, 30 * NS_PER_S)
SLOWEST_NS: Final = max(*TAUS_NS, *VOL_TAUS_NS, *MEAN_TAUS_NS)
# Times since an event count up to this.
SINCE_MOST_NS: Final = 10 * NS_PER_S
# A venue that sends the mark price only when it changes may be silent for a while; one silent longer has none.
MARK_AGE_NS: Final = 60 * NS_PER_S
# A volume bucket closes at this many trades of mean size; a message's weight in that mean, relative to the next one's.
BUCKET_TRADES: Final = 20.0
SIZE_MEMORY: Final = 0.99


@dataclass(frozen=True, slots=True)
class Feature:
    """One column. Not ready, and NaN, until `warm_up_ns` after the instrument's first two-sided book.

    `sided` features change sign when bids and asks are swapped; the others stay as they are. `window_ns` is the time
    constant or the length of the past that counts; 0 if the present alone does, or if it is not counted in time.
    """

    name: str
    unit: str
    sided: bool
    window_ns: int
    warm_up_ns: int
    formula: str
    source: str

    @property
    def approximate(self) -> bool:
        """True if it is ready before it has seen its whole window."""
        return self.warm_up_ns < self.window_ns


_CKS = "Cont, Kukanov, Stoikov (2014), The price impact of order book events, J. Financial Econometrics 12(1)"
_XGH = "after Xu, Gould, Howison (2018), Multi-level order-flow imbalance, Market Microstructure and Liquidity 4(3)"
_IMBALANCE = "Cartea, Jaimungal, Penalva (2015), Algorithmic and High-Frequency Trading, ch. 12"
_SLOPE = "after Naes, Skjeltorp (2006), Order book characteristics and the volume-volatility relation, JFM 9(4)"
_ABDL = "Andersen, Bollerslev, Diebold, Labys (2003), Econometrica 71(2), with exponential weights"
_HASBROUCK = "signed volume, Hasbrouck (1991), J. Finance 46(1)"
_QUEUES = (
    "after Cont, de Larrard (2013), Price dynamics in a Markovian limit order market, SIAM J. Financial Math. 4(1)"
)
_VPIN = "after Easley, Lopez de Prado, O'Hara (2012), Flow toxicity and liquidity, Rev. Financial Studies 25(5)"
_OFI = "sum e(n) exp(-(t - t(n)) / tau), e(n) = [bid >= bid'] qb(1) - [bid <= bid'] qb'(1) - [ask <= ask'] qa(1) "
_OFI += "+ [ask >= ask'] qa'(1), a prime marking the book before message n; 0 over a snapshot"
_MULTILEVEL = (
    "as ofi, of the five best levels: e(n) = sum e(n, i) / i, i = 1 .. 5, a level that is not there being of 0 at "
)
_MULTILEVEL += "a price worse than any"
_REMOVED = "r(n, side) = qb'(1) if bid < bid', max(qb'(1) - qb(1), 0) if bid = bid', 0 if bid > bid'; asks alike"
_CANCELLED = "c(n, side) = max(r(n, side) - v, 0), v the volume that traded against the side since one of the five "
_CANCELLED += "best levels last changed"


def _warm(window_ns: int) -> int:
    return min(window_ns, WARM_UP_MOST_NS)


def _label(ns: int) -> str:
    return f"{ns // NS_PER_S}s" if ns >= NS_PER_S else f"{ns // NS_PER_MS}ms"


def _decayed(name: str, tau_ns: int, formula: str, source: str) -> Feature:
    return Feature(f"{name}_{_label(tau_ns)}", "base quantity", True, tau_ns, _warm(2 * tau_ns), formula, source)


def _flow(tau_ns: int) -> Feature:
    formula = "sum side(n) qty(n) exp(-(t - t(n)) / tau) over trades, side +1 for a buyer-initiated one"
    return _decayed("trade_flow", tau_ns, formula, _HASBROUCK)


def _trade_rate(tau_ns: int) -> Feature:
    formula = "sum exp(-(t - t(n)) / tau) / tau over trades"
    source = "kernel estimate of an arrival rate, Diggle (1985), Applied Statistics 34(2)"
    return Feature(f"trade_rate_{_label(tau_ns)}", "1/s", False, tau_ns, _warm(2 * tau_ns), formula, source)


def _vol(tau_ns: int) -> Feature:
    formula = "10^4 sqrt(V / T), V = sum r(g)^2 w(g), T = sum 0.1 w(g), w(g) = exp(-(G - g) / tau), "
    formula += "r(g) the mid's return over the 0.1 s up to g, g the multiples of 0.1 s before t, G the last of them"
    return Feature(f"realised_vol_{_label(tau_ns)}", "bps per sqrt(s)", False, tau_ns, _warm(tau_ns), formula, _ABDL)


def _return(lag_ns: int) -> Feature:
    formula = "10^4 (mid(t) / mid(g) - 1), g the latest multiple of 0.1 s at or before t - lag"
    return Feature(f"return_{_label(lag_ns)}", "bps", True, lag_ns, lag_ns + GRID_NS, formula, "definition")


def _trend(tau_ns: int) -> Feature:
    formula = "10^4 (mid(t) / M - 1), M = sum mid(g) w(g) / sum w(g), g and w as in realised_vol"
    source = "distance from an exponential moving average"
    return Feature(f"trend_{_label(tau_ns)}", "bps", True, tau_ns, _warm(tau_ns), formula, source)


def _extremes(window_ns: int) -> tuple[Feature, Feature]:
    where = "H and L the highest and lowest mid from g to t, g the first multiple of 1 s at or after t - window"
    label = _label(window_ns)
    return (
        Feature(f"range_{label}", "ticks", False, window_ns, _warm(window_ns), f"H - L, {where}", "definition"),
        Feature(
            f"position_{label}",
            "ticks",
            True,
            window_ns,
            _warm(window_ns),
            f"(mid - L) - (H - mid), {where}: distance to the low less distance to the high",
            "definition",
        ),
    )


def _since(name: str, what: str) -> Feature:
    formula = f"min(t - t(n), 10 s), n the last message {what}"
    return Feature(name, "s", False, SINCE_MOST_NS, SINCE_MOST_NS, formula, "definition")


FEATURES: Final = (
    Feature("spread_ticks", "ticks", False, 0, 0, "ask - bid", "definition"),
    Feature(
        "microprice_ticks",
        "ticks",
        True,
        0,
        0,
        "(bid qa(1) + ask qb(1)) / (qa(1) + qb(1)) - mid",
        "Gatheral, Oomen (2010), Zero-intelligence realized variance estimation, Finance Stoch. 14",
    ),
    Feature("imbalance_1", "1", True, 0, 0, "(qb(1) - qa(1)) / (qb(1) + qa(1))", _IMBALANCE),
    Feature("imbalance_5", "1", True, 0, 0, "(B - A) / (B + A), B = sum of qb(i), i = 1 .. 5, A of qa(i)", _IMBALANCE),
    Feature("imbalance_10", "1", True, 0, 0, "as imbalance_5, over i = 1 .. 10, each level weighted 1 / i", _IMBALANCE),
    Feature("imbalance_20", "1", True, 0, 0, "as imbalance_5, over i = 1 .. 20, each level weighted 1 / i", _IMBALANCE),
    Feature(
        "depth_slope",
        "base quantity per tick",
        False,
        0,
        0,
        "S(bid) + S(ask), S(side) = sum q(i) / (1 + |p(n) - p(1)|), i = 1 .. n, p the levels' ticks, n = 10 or as many "
        "levels as there are",
        _SLOPE,
    ),
    Feature("depth_slope_skew", "1", True, 0, 0, "(S(bid) - S(ask)) / (S(bid) + S(ask)), S as in depth_slope", _SLOPE),
    *(_decayed("ofi", tau, _OFI, _CKS) for tau in TAUS_NS),
    *(_decayed("multilevel_ofi", tau, _MULTILEVEL, _XGH) for tau in TAUS_NS),
    Feature(
        "queue_depletion_1s",
        "base quantity",
        True,
        TAUS_NS[1],
        2 * TAUS_NS[1],
        f"sum (r(n, ask) - r(n, bid)) exp(-(t - t(n)) / tau), what left the best level: {_REMOVED}; 0 over a snapshot",
        _QUEUES,
    ),
    Feature(
        "queue_cancels_1s",
        "base quantity",
        True,
        TAUS_NS[1],
        2 * TAUS_NS[1],
        f"sum (c(n, ask) - c(n, bid)) exp(-(t - t(n)) / tau), {_CANCELLED}, r as in queue_depletion",
        _QUEUES,
    ),
    Feature(
        "cancel_rate_5s",
        "base quantity per s",
        False,
        TAUS_NS[2],
        2 * TAUS_NS[2],
        "sum (c(n, ask) + c(n, bid)) exp(-(t - t(n)) / tau) / tau, c as in queue_cancels",
        _QUEUES,
    ),
    *(_flow(tau) for tau in TAUS_NS),
    *(_trade_rate(tau) for tau in TAUS_NS[1:3]),
    Feature(
        "vpin",
        "1",
        False,
        0,
        WARM_UP_MOST_NS,
        "sum |bought - sold| / sum (bought + sold), over the bucket of volume that is open and the 16 before it; a "
        "bucket closes with the message of trades that fills it to 20 trades of mean size, in which mean a message "
        "weighs 0.99 of the one after it; 0 before the first trade",
        _VPIN,
    ),
    _since("since_trade", "with a trade"),
    *(_vol(tau) for tau in VOL_TAUS_NS),
    *(_return(lag) for lag in (100 * NS_PER_MS, 500 * NS_PER_MS, 1 * NS_PER_S, 5 * NS_PER_S)),
    *(_trend(tau) for tau in MEAN_TAUS_NS),
    *_extremes(10 * NS_PER_S),
    *_extremes(60 * NS_PER_S),
    _since("since_move", "that moved the mid"),
    Feature(
        "basis",
        "bps",
        True,
        0,
        0,
        "10^4 (mark / mid - 1), mark the last mark price; 0 where mark_known is 0",
        "definition",
    ),
    Feature("mark_known", "1", False, 0, 0, "1 if a mark price came in the last 60 s, else 0", "definition"),
    Feature("funding", "bps", True, 0, 0, "10^4 times the last funding rate; 0 before the first", "definition"),
    Feature("day_sin", "1", False, 0, 0, "sin(2 pi s / 86400), s the last whole second before t, UTC", "definition"),
    Feature("day_cos", "1", False, 0, 0, "cos(2 pi s / 86400), s the last whole second before t, UTC", "definition"),
)

NAMES: Final = tuple(feature.name for feature in FEATURES)
WARM_UPS_NS: Final = tuple(feature.warm_up_ns for feature in FEATURES)
COUNT: Final = len(FEATURES)


def _schema() -> str:
    parts = [repr((f.name, f.unit, f.sided, f.window_ns, f.warm_up_ns)) for f in FEATURES]
    parts.append(repr((KERNEL_VERSION, GRID_NS, BLOCK_NS, GAP_NS, TAUS_NS, VOL_TAUS_NS, MEAN_TAUS_NS)))
    parts.append(repr((SINCE_MOST_NS, MARK_AGE_NS, BUCKET_TRADES, SIZE_MEMORY)))
    return hashlib.blake2b("\n".join(parts).encode(), digest_size=8).hexdigest()


SCHEMA: Final = _schema()

_INDEX = {name: i for i, name in enumerate(NAMES)}
#: The signs of a row's columns as seen from side -1, 0 and 1.
_SIGNS = np.array([[side if feature.sided else 1.0 for feature in FEATURES] for side in (-1, 0, 1)])


def index_of(name: str) -> int:
    """The column of feature `name`.

    Raises:
        Misconfigured: there is no such feature.
    """
    try:
        return _INDEX[name]
    except KeyError:
        raise Misconfigured(f"feature {name!r} is not in the catalogue; it has {', '.join(NAMES)}") from None


def oriented(features: npt.ArrayLike, side: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """`features` as seen from `side`: the sided columns times it, so that positive speaks for the trade.

    Args:
        features: (…, COUNT) raw values.
        side: (…) integers, +1 for long, -1 for short.
    """
    signs: npt.NDArray[np.float64] = _SIGNS[np.asarray(side, np.int64) + 1]
    return np.asarray(np.asarray(features, np.float64) * signs)


def check_schema(found: str, *, where: str) -> None:
    """Raise `SchemaMismatch` unless `found` is the hash of the running catalogue."""
    if found != SCHEMA:
        raise SchemaMismatch(
            f"{where} was made under feature schema {found!r}, this program has {SCHEMA!r}; "
            "make it anew with this version"
        )
