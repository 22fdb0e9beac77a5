"""What the executor works by: the configuration of everything that shapes an order, in its units."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from app.core.strategy import StrategySettings
from app.market.instruments import Instrument
from app.sim.fees import FlatFees
from app.sim.latency import Latency
from app.sim.spells import Spells


@dataclass(frozen=True, slots=True)
class Rules:
    """Times in ns. `instruments` are those of the shard; an instrument's slot at the venue is its place among them.

    `post_only` marks every limit order: an entry or target that would take liquidity is cancelled by the venue.
    `maker_only` marks entries alone, whatever `post_only` says. `reduce_only` marks every exit. Without it the
    venue would not stop an exit from turning a position round, so the executor then sends none before it knows that
    no other order of the position is working.
    """

    instruments: tuple[Instrument, ...]
    strategies: Mapping[str, StrategySettings]
    fees: FlatFees
    latency: Latency
    queue: int
    decision: int
    hold: int
    clock: int
    equity_every: int
    book_ticks: int = 65_536
    max_pending_rows: int = 200_000
    maker_only: bool = True
    post_only: bool = True
    reduce_only: bool = True
    spells: Spells = field(default_factory=Spells)
