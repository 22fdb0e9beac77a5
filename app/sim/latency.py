"""Latency models, named by what they assume. All delays are in event time, in ns.

A delay is a function of the message's key alone, so a replay draws what the original run drew, in any order.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import msgspec

from app.core.clock import NS_PER_MS
from app.core.errors import Misconfigured
from app.sim.settings import LatencySettings


class Latency(Protocol):
    """How long messages travel between us and the venue."""

    def order_ns(self, key: str) -> int:
        """From sending order message `key` to its arrival at the venue."""

    def response_ns(self, key: str) -> int:
        """From something happening at the venue to our knowing, for report `key`."""


@dataclass(frozen=True, slots=True)
class ConstantLatency:
    """Every message takes the same time."""

    order: int
    response: int

    def order_ns(self, key: str) -> int:
        """The constant."""
        return self.order

    def response_ns(self, key: str) -> int:
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

    def order_ns(self, key: str) -> int:
        """A recorded order delay."""
        return self._draw(self._order, "order", key)

    def response_ns(self, key: str) -> int:
        """A recorded response delay."""
        return self._draw(self._response, "response", key)

    def _draw(self, samples: Sequence[int], way: str, key: str) -> int:
        digest = hashlib.blake2b(f"{self._seed}\x1f{way}\x1f{key}".encode(), digest_size=8).digest()
        # Scaling instead of taking the remainder keeps the draw even for any number of samples.
        return samples[int.from_bytes(digest, "little") * len(samples) >> 64]


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
    return ConstantLatency(round(settings.order_ms * NS_PER_MS), round(settings.response_ms * NS_PER_MS))
