"""The signal engine's core as the configuration describes it, for its process and for replays."""

from prometheus_client import CollectorRegistry

from app.bus.types import CoreFactory
from app.core.clock import NS_PER_MS
from app.market.instruments import read_instruments
from app.messages.streams import Streams
from app.settings import Settings, resolve
from app.signal_engine.metrics import EngineMetrics
from app.signal_engine.service import SignalEngine


def core_factory(settings: Settings, registry: CollectorRegistry) -> CoreFactory:
    """What makes fresh cores, which share their metrics in `registry`.

    Raises:
        Misconfigured: the symbols file cannot be read.
    """
    instruments = read_instruments(resolve(settings.symbols_file))
    pairs = [(name, symbol) for name, s in settings.strategies.items() for symbol in s.symbols]
    metrics = EngineMetrics(registry, pairs, settings.shard.symbols)

    def make_core() -> SignalEngine:
        return SignalEngine(
            Streams(settings.shard.id),
            settings.signal_engine,
            strategies=settings.strategies,
            instruments=instruments,
            symbols=settings.shard.symbols,
            feedback_delay_ns=settings.pipeline.feedback_delay_ms * NS_PER_MS,
            metrics=metrics,
        )

    return make_core
