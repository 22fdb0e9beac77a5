"""Signals on their way from the signal engine to the executor."""

from typing import Literal

from app.messages.base import Message

SignalKind = Literal["entry", "hold"]


class Signal(Message, frozen=True, kw_only=True, tag="signal"):
    """An entry candidate, or a hold evaluation of an open position.

    `ts` is the `ts_recv` of the row that caused it, `ts_event` that row's venue time (ns). `side` is +1 for
    long and -1 for short; for a hold it is the position's side. `bid` and `ask` are the best prices known at
    `ts`. `features` are the raw catalogue values in catalogue order, all finite; `schema` is the catalogue's
    hash. `position_id` is the entry signal's id for a hold, and empty for an entry.
    """

    id: str
    strategy: str
    symbol: str
    kind: SignalKind
    side: int
    ts_event: int
    bid: float
    ask: float
    features: list[float]
    schema: str
    position_id: str = ""


class ScoredSignal(Message, frozen=True, kw_only=True, tag="scored"):
    """A signal with the score of the model it was routed to.

    `score` is the model's probability in [0, 1]; `tau_entry` and `tau_hold` are that model's thresholds.
    `arm` names the registry slot that decided (``active``); `shadow_*` are the shadow slot's, when it is on.
    """

    id: str
    strategy: str
    symbol: str
    kind: SignalKind
    side: int
    ts_event: int
    bid: float
    ask: float
    score: float
    model_id: str
    tau_entry: float
    tau_hold: float
    arm: str = "active"
    shadow_score: float | None = None
    shadow_model_id: str = ""
    position_id: str = ""


class ApprovedSignal(Message, frozen=True, kw_only=True, tag="approved"):
    """A signal risk let through, with the limits the executor must stay within.

    `max_notional` (quote currency) is a ceiling on size, not an order. Stops and targets are in basis points
    of the entry price; `max_hold_ms` is the longest a position may live. Holds carry the same fields and are
    never gated.
    """

    id: str
    strategy: str
    symbol: str
    kind: SignalKind
    side: int
    ts_event: int
    bid: float
    ask: float
    score: float
    model_id: str
    tau_hold: float
    max_notional: float
    stop_loss_bps: float
    take_profit_bps: float
    max_hold_ms: int
    route: str = "paper"
    position_id: str = ""


class Dropped(Message, frozen=True, kw_only=True, tag="dropped"):
    """A signal risk refused, and why. `reason` is the gate's fixed word, equal to the metric label."""

    id: str
    strategy: str
    symbol: str
    reason: str
    model_id: str = ""
    detail: str = ""


class Mark(Message, frozen=True, kw_only=True, tag="mark"):
    """A promise: everything `source` will ever say about times up to and including `ts` has been sent."""

    source: str
