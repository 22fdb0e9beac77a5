"""Latency models, named by what they assume. All delays are in event time, in ns.

A delay is a function of the message's key and of when it was sent, so a replay draws what the original run drew, in any
order.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, log
from pathlib import Path
from statistics import NormalDist
from typing import Final, Protocol

import msgspec

from app.core.clock import NS_PER_MS
from app.core.errors import Misconfigured
from app.sim.draws import bits, uniform
from app.sim.settings import LatencySettings

_NORMAL: Final = NormalDist()
_Z99: Final = _NORMAL.inv_cdf(0.99)


class Latency(Protocol):
    """How long messages travel between us and the venue."""

    def order_ns(self, key: str, at: int) -> int:
        """From sending order message `key` at time `at` (ns) to its arrival at the venue."""

    def response_ns(self, key: str, at: int) -> int:
        """From something happening at the venue at time `at` (ns) to our knowing, for report `key`."""


@dataclass(frozen=True, slots=True)
class ConstantLatency:
    """Every message takes the same time."""

    order: int
    response: int

    def order_ns(self, key: str, at: int = 0) -> int:
        """The constant."""
        return self.order

    def response_ns(self, key: str, at: int = 0) -> int:
        """The constant."""
        return self.response


class MeasuredLatency:
    """Each message takes a recorded time, drawn evenly from the samples by hash of the seed and its key.

    Draws are independent: the model has the recording's distribution and none of its bursts.
    """

    def __init__(self, order_ms: Sequence[float], response_ms: Sequence[float], *, seed: int) -> None:
        self._order = [round(sample * NS_PER_MS) for sample in order_ms]
        self._response = [round(sample * NS_PER_MS) for sample in response_ms]
        self._seed = seed

    def order_ns(self, key: str, at: int = 0) -> int:
        """A recorded order delay."""
        return self._draw(self._order, "order", key)

    def response_ns(self, key: str, at: int = 0) -> int:
        """A recorded response delay."""
        return self._draw(self._response, "response", key)

    def _draw(self, samples: Sequence[int], way: str, key: str) -> int:
        # Scaling instead of taking the remainder keeps the draw even for any number of samples.
        return samples[bits(self._seed, way, key) * len(samples) >> 64]


class LognormalLatency:
    """Each message takes median · e^(σ z) ns, z normal by hash of the seed and its key, σ = ln(p99 / median) / z₉₉.

    Draws are independent. Under one seed a message has one z, so that it is as unlucky under any median and spread.
    """

    def __init__(self, order: int, response: int, *, p99_over_median: float, seed: int) -> None:
        self._order, self._response = order, response
        self._sigma = log(p99_over_median) / _Z99
        self._seed = seed

    def order_ns(self, key: str, at: int = 0) -> int:
        """A drawn order delay."""
        return self._draw(self._order, "order", key)

    def response_ns(self, key: str, at: int = 0) -> int:
        """A drawn response delay."""
        return self._draw(self._response, "response", key)

    def _draw(self, median: int, way: str, key: str) -> int:
        return round(median * exp(self._sigma * _NORMAL.inv_cdf(uniform(self._seed, way, key))))


class _Recording(msgspec.Struct, forbid_unknown_fields=True):
    order_ms: list[float]
    response_ms: list[float]


def read_recording(path: Path, *, seed: int) -> MeasuredLatency:
    """The model of a file ``{"order_ms": [...], "response_ms": [...]}``.

    Raises:
        Misconfigured: the file is missing, has another shape, an empty list, or a sample that is no delay.
    """
    try:
        recording = msgspec.json.decode(path.read_bytes(), type=_Recording)
    except OSError as error:
        raise Misconfigured(f"latency recording {path} cannot be read ({error.strerror}); "
                            "set executor.paper.latency.measured_file") from None  # fmt: skip
    except msgspec.MsgspecError as error:
        raise Misconfigured(f"latency recording {path}: {error}") from None
    for key, samples in (("order_ms", recording.order_ms), ("response_ms", recording.response_ms)):
        if not samples:
            raise Misconfigured(f"latency recording {path}: {key} is empty; it needs at least one sample")
        # JSON has no infinity or NaN, so a sample below 0 is all that can still be wrong.
        if min(samples) < 0:
            raise Misconfigured(f"latency recording {path}: {key} holds {min(samples)}; a delay cannot be negative")
    return MeasuredLatency(recording.order_ms, recording.response_ms, seed=seed)


def latency_model(settings: LatencySettings, *, root: Path) -> Latency:
    """The model of the configuration's `latency`; a relative `measured_file` is taken from `root`.

    Raises:
        Misconfigured: as `read_recording`.
    """
    if settings.model == "measured" and settings.measured_file is not None:
        return read_recording(root / settings.measured_file, seed=settings.seed)
    order, response = round(settings.order_ms * NS_PER_MS), round(settings.response_ms * NS_PER_MS)
    if settings.model == "lognormal":
        return LognormalLatency(order, response, p99_over_median=settings.p99_over_median, seed=settings.seed)
    return ConstantLatency(order, response)
