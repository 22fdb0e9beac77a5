"""The scorer's core as the configuration describes it, for its process and for replays."""

from prometheus_client import CollectorRegistry

from app.ai_scorer.arms import active_arm, shadow_arm
from app.ai_scorer.metrics import ScorerMetrics
from app.ai_scorer.service import ScorerCore
from app.bus.types import CoreFactory
from app.messages.streams import Streams
from app.settings import Settings, resolve


def core_factory(settings: Settings, registry: CollectorRegistry) -> CoreFactory:
    """What makes fresh cores, which share their models and their metrics in `registry`.

    Raises:
        Misconfigured: the active slot's bundle cannot be trusted or used.
    """
    streams, models = Streams(settings.shard.id), resolve(settings.ai_scorer.registry)
    metrics = ScorerMetrics(registry)
    active = active_arm(models, settings.ai_scorer, metrics)
    shadow = shadow_arm(models, settings.ai_scorer.shadow, metrics)
    metrics.show(active, shadow)
    return lambda: ScorerCore(streams, active, shadow, metrics)
