"""A strategy holds only so many positions at a time."""

from typing import Any, ClassVar

from app.messages.execution import ClosedTrade, OrderUpdate
from app.messages.signals import ScoredSignal
from app.risk.gates.base import Gate, Limits, Refusal


class MaxPositionsGate(Gate):
    """Refuses entries of a strategy that has `risk.max_positions` open, entries in flight included.

    An entry is open from its approval until its trade is closed, or its order ends without a fill. The executor has
    the last word on what exists: an order it reports is open though its approval is unknown here, and an approval
    it has not reported one feedback delay later never reached it. (Both happen only in recovery, which cannot
    know the moment at which a control message took effect.)
    """

    reasons: ClassVar[tuple[str, ...]] = ("max_positions",)

    def __init__(self, limits: Limits) -> None:
        self._most = limits.risk.max_positions
        self._feedback = limits.feedback_ns
        self._open: dict[str, set[str]] = {}
        self._unconfirmed: dict[str, tuple[str, int]] = {}

    def check(self, signal: ScoredSignal) -> Refusal | None:
        count = len(self._open.get(signal.strategy, ()))
        if count >= self._most:
            return Refusal("max_positions", f"{signal.strategy} has {count} open, risk.max_positions is {self._most}")
        return None

    def on_time(self, ts: int) -> None:
        # In order of approval, so the first that is still within its delay ends the search.
        while self._unconfirmed:
            signal_id, (strategy, approved) = next(iter(self._unconfirmed.items()))
            if ts < approved + self._feedback:
                return
            self._close(strategy, signal_id)

    def on_approved(self, signal: ScoredSignal) -> None:
        self._open.setdefault(signal.strategy, set()).add(signal.id)
        self._unconfirmed[signal.id] = (signal.strategy, signal.ts)

    def on_order(self, update: OrderUpdate) -> None:
        if update.status == "submitted":
            self._unconfirmed.pop(update.signal_id, None)
            self._open.setdefault(update.strategy, set()).add(update.signal_id)
        else:
            self._close(update.strategy, update.signal_id)

    def on_trade(self, trade: ClosedTrade) -> bool:
        self._close(trade.strategy, trade.signal_id)
        return False

    def _close(self, strategy: str, signal_id: str) -> None:
        self._unconfirmed.pop(signal_id, None)
        self._open.get(strategy, set()).discard(signal_id)

    def snapshot(self) -> Any:
        ids = {strategy: sorted(ids) for strategy, ids in sorted(self._open.items()) if ids}
        return [ids, [[signal_id, *at] for signal_id, at in self._unconfirmed.items()]]

    def restore(self, state: Any) -> None:
        ids, unconfirmed = state
        self._open = {strategy: set(open_) for strategy, open_ in ids.items()}
        self._unconfirmed = {signal_id: (strategy, ts) for signal_id, strategy, ts in unconfirmed}
