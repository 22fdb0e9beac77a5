"""The risk service's core as the configuration describes it, for its process and for replays."""

from prometheus_client import CollectorRegistry

from app.bus.types import CoreFactory
from app.core.clock import NS_PER_MS
from app.messages.streams import Streams
from app.risk.gates.base import Limits
from app.risk.metrics import RiskMetrics
from app.risk.service import RiskCore
from app.settings import Settings


def limits_of(settings: Settings) -> Limits:
    """The parts of the configuration that gates are built from."""
    return Limits(
        exchange_mode=settings.exchange.mode,
        warmup=settings.warmup,
        risk=settings.risk,
        strategies=settings.strategies,
        feedback_ns=settings.pipeline.feedback_delay_ms * NS_PER_MS,
    )


def core_factory(settings: Settings, registry: CollectorRegistry) -> CoreFactory:
    """What makes fresh cores, which share their metrics in `registry`."""
    streams, limits = Streams(settings.shard.id), limits_of(settings)
    metrics = RiskMetrics(registry, symbols=settings.shard.symbols)
    return lambda: RiskCore(streams, limits, metrics)
