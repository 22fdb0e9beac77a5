"""What the scorer measures. Made once a process; cores come and go."""

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge

from app.ai_scorer.distribution import Distribution
from app.ai_scorer.model import Arm
from app.core.metrics import children, labelled

REFUSALS: Final = ("schema_mismatch", "not_finite", "bad_score", "bad_input")


class ScorerMetrics:
    """Counters, the models in charge, and the distribution of entry scores (holds are another population)."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.scored = Counter("signals_scored", "Signals scored", ["kind"], registry=registry)
        self.refused = Counter("signals_refused", "Signals dead-lettered", ["reason"], registry=registry)
        self.schema_mismatch = Counter(
            "parquet_schema_version_mismatch", "Signals made under another feature catalogue", registry=registry
        )
        self.parity_fail = Counter(
            "onnx_parity_fail", "Bundles whose golden inputs did not get their scores", registry=registry
        )
        self.shadow_evaluated = Counter("shadow_signals_evaluated", "Entries the shadow scored", registry=registry)
        self.shadow_approved = Counter(
            "shadow_signals_approved", "Entries at or above the shadow's tau_entry", registry=registry
        )
        self.shadow_failures = Counter("shadow_failures", "Shadow loads or scorings that failed", registry=registry)
        self.scores = _distribution("model_score_distribution", "active", registry)
        self.shadow_scores = _distribution("shadow_score_distribution", "shadow", registry)
        self._active = Gauge("model_active_id", "1 for the model that decides", ["model"], registry=registry)
        self._shadow = Gauge("model_shadow_id", "1 for the model scored beside it", ["model"], registry=registry)
        self._tau_entry = Gauge("tau_entry_current", "Score an entry needs", ["model"], registry=registry)
        self._tau_hold = Gauge("tau_hold_current", "Score a position needs to be kept", ["model"], registry=registry)
        self.scored_of = children(self.scored)
        labelled(self.scored, ("entry", "hold"))
        labelled(self.refused, REFUSALS)

    def show(self, active: Arm, shadow: Arm | None) -> None:
        """Name the models in charge, and their thresholds."""
        self._active.labels(active.model.id).set(1)
        if shadow is not None:
            self._shadow.labels(shadow.model.id).set(1)
        for arm in (active, *((shadow,) if shadow else ())):
            self._tau_entry.labels(arm.model.id).set(arm.tau_entry)
            self._tau_hold.labels(arm.model.id).set(arm.tau_hold)


def _distribution(name: str, whose: str, registry: CollectorRegistry) -> Distribution:
    gauge = Gauge(name, f"Recent entry scores of the {whose} model", ["split", "stat"], registry=registry)
    found = Distribution()
    # Read when scraped, so that scoring pays for two additions only.
    gauge.labels("online", "mean").set_function(found.mean)
    gauge.labels("online", "std").set_function(found.std)
    return found
