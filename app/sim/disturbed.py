"""A latency model with trouble laid over it: spikes, bursts, slow cancellations, spells.

delay = (drawn · factor + spike) · burst · cancellation · spell,   and the wait for a line that is down
"""

from math import exp, log

from app.core.clock import NS_PER_MS
from app.core.ids import is_cancel
from app.sim.bursts import Bursts
from app.sim.draws import uniform
from app.sim.latency import Latency
from app.sim.settings import LatencySettings, SimSettings
from app.sim.spells import Spells


def disturbed(latency: Latency, settings: SimSettings) -> Latency:
    """`latency` with what the configuration lays over it; itself if that is nothing."""
    own = settings.latency
    troubled = own.factor != 1 or own.cancel_factor != 1 or own.spikes or own.bursts or settings.spells
    return Disturbed(latency, own, Spells(settings.spells)) if troubled else latency


class Disturbed:
    """A latency model over another one; the same keys and times give the same delays, in any order."""

    def __init__(self, latency: Latency, settings: LatencySettings, spells: Spells) -> None:
        self._latency = latency
        self._settings = settings
        self._bursts = None if settings.bursts is None else Bursts(settings.bursts, seed=settings.seed)
        self._spells = spells

    def order_ns(self, key: str, at: int) -> int:
        """See `Latency`."""
        cancels = self._settings.cancel_factor if is_cancel(key) else 1.0
        return self._delay(self._latency.order_ns(key, at), "order", key, at, cancels)

    def response_ns(self, key: str, at: int) -> int:
        """See `Latency`."""
        return self._delay(self._latency.response_ns(key, at), "response", key, at, 1.0)

    def _delay(self, drawn: int, way: str, key: str, at: int, factor: float) -> int:
        spell = self._spells.at(at)
        if self._settings.bursts is not None and self._bursts is not None and self._bursts.active(at):
            factor *= self._settings.bursts.factor
        if spell is not None:
            factor *= spell.factor
        delay = round((drawn * self._settings.factor + self._spike(way, key)) * factor)
        return delay + (spell.end - at if spell is not None and spell.down else 0)

    def _spike(self, way: str, key: str) -> float:
        spikes, seed = self._settings.spikes, self._settings.seed
        if spikes is None or uniform(seed, f"{way} spikes", key) >= spikes.share:
            return 0.0
        ms = spikes.scale_ms * exp(-log(uniform(seed, f"{way} spike", key)) / spikes.alpha)
        return min(ms, spikes.most_ms) * NS_PER_MS
