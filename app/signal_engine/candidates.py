"""Entry candidates: which strategy watches which symbol for what."""

from collections.abc import Mapping
from dataclasses import dataclass

from app.core.clock import NS_PER_MS
from app.core.ids import signal_id
from app.core.strategy import StrategySettings
from app.features.catalogue import SCHEMA
from app.features.engine import Found, Watch
from app.market.instruments import Instrument, Instruments
from app.messages.signals import Signal


@dataclass(frozen=True, slots=True)
class Candidate:
    """One (strategy, symbol) pair and the watch that raises its candidates."""

    strategy: str
    symbol: str
    instrument: Instrument
    watch: Watch

    def signal(self, found: Found, bid: float, ask: float, features: list[float]) -> Signal:
        """The entry candidate raised at `found`."""
        return Signal(
            ts=found.ts,
            # The kernel raises at most one candidate a pair and ts, so this is unique.
            id=signal_id(self.strategy, self.symbol, found.ts, "entry"),
            strategy=self.strategy,
            symbol=self.symbol,
            kind="entry",
            side=found.side,
            ts_event=found.ts_event,
            bid=bid,
            ask=ask,
            features=features,
            schema=SCHEMA,
        )


def candidates(strategies: Mapping[str, StrategySettings], instruments: Instruments) -> list[Candidate]:
    """One for each symbol of each enabled strategy, in the order of the configuration.

    Raises:
        Misconfigured: a symbol without filters, or a feature that the catalogue does not have (when watched).
    """
    found = []
    for name, strategy in strategies.items():
        if strategy.enabled:
            for symbol in strategy.symbols:
                instrument = instruments[symbol]
                found.append(Candidate(name, symbol, instrument, _watch(name, strategy, instrument)))
    return found


def _watch(name: str, strategy: StrategySettings, instrument: Instrument) -> Watch:
    return Watch(
        name=f"{name}/{instrument.symbol}",
        instrument=instrument.id,
        side_feature=strategy.trigger.side_feature,
        conditions=strategy.trigger.conditions,
        cooldown_ns=strategy.trigger.cooldown_ms * NS_PER_MS,
    )
