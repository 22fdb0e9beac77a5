"""What risk tells the executor about a signal it lets through."""

from app.core.strategy import StrategySettings
from app.messages.signals import ApprovedSignal, ScoredSignal


def approve(signal: ScoredSignal, strategy: StrategySettings | None) -> ApprovedSignal:
    """`signal` with the limits of its strategy.

    Only the hold of a strategy that is no longer configured comes without one: it may leave, and enter with nothing.
    """
    exits = None if strategy is None else strategy.exits
    return ApprovedSignal(
        ts=signal.ts,
        id=signal.id,
        strategy=signal.strategy,
        symbol=signal.symbol,
        kind=signal.kind,
        side=signal.side,
        ts_event=signal.ts_event,
        bid=signal.bid,
        ask=signal.ask,
        score=signal.score,
        model_id=signal.model_id,
        tau_hold=signal.tau_hold,
        max_notional=0.0 if strategy is None else float(strategy.capital.max_notional),
        stop_loss_bps=0.0 if exits is None else exits.stop_loss_bps,
        take_profit_bps=0.0 if exits is None else exits.take_profit_bps,
        max_hold_ms=0 if exits is None else exits.max_hold_ms,
        position_id=signal.position_id,
    )
