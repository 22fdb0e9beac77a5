"""The cores of one shard, made by what the services' processes make theirs with."""

from prometheus_client import CollectorRegistry

from app.ai_scorer import build as ai_scorer
from app.bus.types import Core
from app.executor import build as executor
from app.risk import build as risk
from app.settings import Settings
from app.signal_engine import build as signal_engine


def build_cores(settings: Settings) -> dict[str, Core]:
    """A fresh core of each of the four services, by service name.

    Each has a registry of its own: services share names of metrics.

    Raises:
        Misconfigured: as the services' own start would.
    """
    factories = {
        "signal_engine": signal_engine.core_factory,
        "ai_scorer": ai_scorer.core_factory,
        "risk": risk.core_factory,
        "executor": executor.core_factory,
    }
    return {name: make(settings, CollectorRegistry())() for name, make in factories.items()}
