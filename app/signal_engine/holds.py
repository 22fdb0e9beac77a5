"""The positions known to be open, and when each is to be evaluated again."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from app.core.clock import NS_PER_MS
from app.core.ids import derived_id
from app.core.strategy import StrategySettings
from app.features.catalogue import SCHEMA
from app.features.engine import Found, Hold
from app.market.instruments import Instruments
from app.messages.signals import Signal
from app.signal_engine.feedback import Event, Opened


@dataclass(slots=True)
class Position:
    """One entry signal's position. `owners` are the accounts (route/model) that still hold it."""

    id: str
    strategy: str
    symbol: str
    side: int
    due: int
    owners: list[str] = field(default_factory=list)


class Holds:
    """Opens and closes positions as the executor's events take effect."""

    def __init__(self, strategies: Mapping[str, StrategySettings], instruments: Instruments) -> None:
        self._instruments = instruments
        self._every_ns = {name: s.exits.hold_every_ms * NS_PER_MS for name, s in strategies.items()}
        self.positions: dict[str, Position] = {}

    def apply(self, event: Event) -> None:
        """An event takes effect. Those of strategies and symbols no longer configured are ignored."""
        position = self.positions.get(event.position)
        if isinstance(event, Opened):
            if position is None:
                if event.strategy not in self._every_ns or event.symbol not in self._instruments:
                    return
                position = Position(event.position, event.strategy, event.symbol, event.side, event.at)
                self.positions[event.position] = position
            if event.owner not in position.owners:
                position.owners.append(event.owner)
        elif position is not None and event.owner in position.owners:
            position.owners.remove(event.owner)
            if not position.owners:
                del self.positions[event.position]

    def set_positions(self, positions: Iterable[Position]) -> None:
        """Have `positions` open, and no others; those of strategies and symbols no longer configured are left out."""
        known = [p for p in positions if p.strategy in self._every_ns and p.symbol in self._instruments]
        self.positions = {position.id: position for position in known}

    def due(self, times: list[int]) -> None:
        """Remember when each position is due, in their order."""
        for position, due in zip(self.positions.values(), times, strict=True):
            position.due = due

    def plan(self) -> list[Hold]:
        """The positions as the feature engine wants them, in their order."""
        return [
            Hold(self._instruments[position.symbol].id, position.due, self._every_ns[position.strategy])
            for position in self.positions.values()
        ]

    def signal(self, position: Position, found: Found, bid: float, ask: float, features: list[float]) -> Signal:
        """The hold evaluation of `position`."""
        return Signal(
            ts=found.ts,
            # Two positions of a strategy may be due at one row, so the position is part of the id.
            id=derived_id("hold", position.strategy, position.symbol, found.ts, position.id),
            strategy=position.strategy,
            symbol=position.symbol,
            kind="hold",
            side=position.side,
            ts_event=found.ts_event,
            bid=bid,
            ask=ask,
            features=features,
            schema=SCHEMA,
            position_id=position.id,
        )
