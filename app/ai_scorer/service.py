"""Scoring: raw signals in, scored signals out. No I/O, no clock, no state."""

from collections.abc import Collection, Iterator, Sequence

import msgspec
import numpy as np
import numpy.typing as npt

from app.ai_scorer.metrics import ScorerMetrics
from app.ai_scorer.model import Arm
from app.bus.types import Delivery, Outbox
from app.core.errors import BadInput, SchemaMismatch
from app.core.logging import get_logger
from app.features import catalogue
from app.messages.base import Message
from app.messages.signals import Mark, ScoredSignal, Signal
from app.messages.streams import Streams

log = get_logger(__name__)

_LARGEST = float(np.finfo(np.float32).max)


class ScorerCore:
    """The core of the scorer: all signals of an entry are scored in one call, and leave in their order."""

    def __init__(self, streams: Streams, active: Arm, shadow: Arm | None, metrics: ScorerMetrics) -> None:
        self.inputs: Sequence[str] = (streams.raw,)
        self._scored = streams.scored
        self._active = active
        self._shadow = shadow
        self._metrics = metrics

    def advance(self, delivery: Delivery, out: Outbox) -> None:
        """Handle one entry."""
        passing = [message for message in delivery.messages if self._accepts(message, delivery, out)]
        signals = [message for message in passing if isinstance(message, Signal)]
        scores = self._score(signals, out)
        for message in passing:
            if isinstance(message, Signal):
                self._emit(message, *next(scores), delivery, out)
            else:
                out.send(self._scored, message)

    def paused(self) -> Collection[str]:
        """Nothing ever waits."""
        return ()

    def snapshot(self) -> bytes:
        """Nothing to keep."""
        return b""

    def restore(self, blob: bytes) -> None:
        """Nothing to restore."""

    def _accepts(self, message: Message, delivery: Delivery, out: Outbox) -> bool:
        if isinstance(message, Mark):
            return True
        fault = _fault(message, delivery.stream)
        if fault is not None:
            self._refuse(message, fault, delivery, out)
        return fault is None

    def _score(self, signals: Sequence[Signal], out: Outbox) -> Iterator[tuple[float, float | None]]:
        """The active model's score of each signal, and the shadow's."""
        if not signals:
            return iter(())
        oriented = catalogue.oriented([s.features for s in signals], [s.side for s in signals])
        return zip(self._active.model.score(oriented).tolist(), self._score_beside(oriented, out), strict=True)

    def _score_beside(self, oriented: npt.NDArray[np.float64], out: Outbox) -> list[float | None]:
        """The shadow's scores. Whatever goes wrong with it, the signals go on without one."""
        if self._shadow is None:
            return [None] * len(oriented)
        try:
            scores = self._shadow.model.score(oriented).tolist()
        except Exception as error:  # the shadow only watches: no fault of its own may stop trading
            self._shadow_failed(str(error), out)
            return [None] * len(oriented)
        if not all(0.0 <= score <= 1.0 for score in scores):
            self._shadow_failed("a score is not within [0, 1]", out)
        return [score if 0.0 <= score <= 1.0 else None for score in scores]

    def _emit(self, signal: Signal, score: float, beside: float | None, delivery: Delivery, out: Outbox) -> None:
        arm = self._active
        if not 0.0 <= score <= 1.0:
            text = f"signal {signal.id}: model {arm.model.id!r} scored {score}, which is not within [0, 1]"
            self._refuse(signal, BadInput(text, reason="bad_score"), delivery, out)
            return
        if not out.refeeding:
            self._count(signal, score, beside)
        out.send(
            self._scored,
            ScoredSignal(
                ts=signal.ts,
                id=signal.id,
                strategy=signal.strategy,
                symbol=signal.symbol,
                kind=signal.kind,
                side=signal.side,
                ts_event=signal.ts_event,
                bid=signal.bid,
                ask=signal.ask,
                score=score,
                model_id=arm.model.id,
                tau_entry=arm.tau_entry,
                tau_hold=arm.tau_hold,
                shadow_score=beside,
                shadow_model_id="" if beside is None or self._shadow is None else self._shadow.model.id,
                position_id=signal.position_id,
            ),
        )

    def _count(self, signal: Signal, score: float, beside: float | None) -> None:
        metrics = self._metrics
        metrics.scored_of(signal.kind).inc()
        if signal.kind != "entry":
            return
        metrics.scores.update(score)
        if beside is not None and self._shadow is not None:
            metrics.shadow_scores.update(beside)
            metrics.shadow_evaluated.inc()
            metrics.shadow_approved.inc(beside >= self._shadow.tau_entry)

    def _refuse(self, message: Message, fault: BadInput, delivery: Delivery, out: Outbox) -> None:
        if not out.refeeding:
            self._metrics.refused.labels(fault.reason).inc()
            if isinstance(fault, SchemaMismatch):
                self._metrics.schema_mismatch.inc()
        out.refuse(delivery, msgspec.json.encode(message), fault)

    def _shadow_failed(self, why: str, out: Outbox) -> None:
        if not out.refeeding:
            self._metrics.shadow_failures.inc()
            log.warning("shadow not scored", error=why)


def _fits(value: float) -> bool:
    return -_LARGEST <= value <= _LARGEST


def _fault(message: Message, stream: str) -> BadInput | None:
    """Why `message` cannot be scored, or None."""
    if not isinstance(message, Signal):
        return BadInput(f"message type {type(message).__struct_config__.tag!r} does not belong on {stream}")
    if message.schema != catalogue.SCHEMA or len(message.features) != catalogue.COUNT:
        return SchemaMismatch(
            f"signal {message.id} has {len(message.features)} features of schema {message.schema!r}, this program has "
            f"{catalogue.COUNT} of {catalogue.SCHEMA!r}; run signal engine and scorer from the same version"
        )
    if message.side not in (1, -1):
        return BadInput(f"signal {message.id}: side is {message.side}, expected 1 or -1")
    # The sum of sizes is a bound for each of them, and no bound if one is a NaN; only then each is looked at.
    if not sum(map(abs, message.features)) <= _LARGEST and not all(map(_fits, message.features)):
        pairs = zip(catalogue.NAMES, message.features, strict=True)
        worst = next(name for name, value in pairs if not _fits(value))
        return BadInput(f"signal {message.id}: feature {worst} is not a finite 32-bit number", reason="not_finite")
    return None
