"""The models of the registry's slots with the thresholds in force."""

from pathlib import Path

from app.ai_scorer.metrics import ScorerMetrics
from app.ai_scorer.model import Arm, Model, ParityFailed
from app.ai_scorer.settings import ScorerSettings, ShadowSettings
from app.core.errors import Misconfigured
from app.core.logging import get_logger
from app.registry.bundle import Bundle
from app.registry.data import Thresholds
from app.registry.slots import load, load_active

log = get_logger(__name__)


def active_arm(registry: Path, settings: ScorerSettings, metrics: ScorerMetrics) -> Arm:
    """The active slot, with thresholds from `settings` where they are given, else the bundle's.

    Raises:
        Misconfigured: the slot's bundle cannot be trusted or used.
    """
    return _arm(load_active(registry), settings.tau_entry, settings.tau_hold, metrics)


def shadow_arm(registry: Path, settings: ShadowSettings, metrics: ScorerMetrics) -> Arm | None:
    """The shadow slot; None if it is off, empty, or unusable: the shadow only watches, so it must not stop trading.

    Raises:
        Misconfigured: its thresholds are to come from the configuration, which has none.
    """
    if not settings.enabled:
        return None
    tau_entry, tau_hold = _shadow_thresholds(settings)
    try:
        bundle = load(registry, "shadow")
        return None if bundle is None else _arm(bundle, tau_entry, tau_hold, metrics)
    except Exception as error:  # whatever is wrong with a model that only watches
        metrics.shadow_failures.inc()
        log.error("shadow model not loaded; scoring without it", error=str(error))
        return None


def _shadow_thresholds(settings: ShadowSettings) -> tuple[float | None, float | None]:
    if settings.use_threshold_from_meta:
        return None, None
    if settings.tau_entry is None or settings.tau_hold is None:
        raise Misconfigured(
            "ai_scorer.shadow.use_threshold_from_meta is false, so ai_scorer.shadow.tau_entry and tau_hold must be set"
        )
    return settings.tau_entry, settings.tau_hold


def _arm(bundle: Bundle, tau_entry: float | None, tau_hold: float | None, metrics: ScorerMetrics) -> Arm:
    try:
        model = Model(bundle)
    except ParityFailed:
        metrics.parity_fail.inc()
        raise
    own: Thresholds = bundle.card.thresholds
    return Arm(
        model,
        own.tau_entry if tau_entry is None else tau_entry,
        own.tau_hold if tau_hold is None else tau_hold,
    )
