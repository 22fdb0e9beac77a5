"""What each process of a run used and how far behind it was, sampled about once a second."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from app.core.errors import BadInput


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """One process at one moment. `t` is seconds since the run's first sample.

    Counters (`received`, `sent`, `retries`, `dead_letters`, `cpu_s`) and `ages_s` are since the run began, over
    restarts; `age_p50_s` and `age_p99_s` are of the messages since the sample before. Ages are how old a message
    was when it was handled: ``{stream: (count, p50, p99)}`` in seconds, and ``*`` for all of them together.
    """

    t: float
    service: str
    up: bool
    ready: bool = False
    rss_bytes: int = 0
    cpu_s: float = 0.0
    lag: dict[str, int] = msgspec.field(default_factory=dict)
    received: int = 0
    sent: int = 0
    retries: int = 0
    dead_letters: int = 0
    restarts: int = 0
    ages_s: dict[str, tuple[int, float, float]] = msgspec.field(default_factory=dict)
    age_p50_s: float | None = None
    age_p99_s: float | None = None

    @property
    def lag_entries(self) -> int:
        """Entries not yet read, all inputs together."""
        return sum(self.lag.values())


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Sample)


def sample_line(sample: Sample) -> bytes:
    """The line that `read_samples` reads back, newline included."""
    return _encoder.encode(sample) + b"\n"


def read_samples(path: Path) -> dict[str, list[Sample]]:
    """The samples in `path` by service, in time order; a torn last line is passed over.

    Raises:
        BadInput: any other line cannot be read.
    """
    found: dict[str, list[Sample]] = {}
    with path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            if not line.endswith(b"\n"):
                break
            try:
                sample = _decoder.decode(line)
            except (msgspec.MsgspecError, UnicodeDecodeError) as error:
                raise BadInput(f"{path}, line {number}: {error}", reason="malformed") from None
            found.setdefault(sample.service, []).append(sample)
    return found


class ProcessSummary(msgspec.Struct, frozen=True, kw_only=True):
    """One process over a whole run, as report.json has it.

    `rss_bytes_at` has the resident memory at 10 % and at 100 % of the time the process was sampled: growth between
    the two is what a leak looks like.
    """

    lag_max: int
    lag_last: int
    age_p50_ms: float | None
    age_p99_ms: float | None
    age_by_stream: dict[str, dict[str, float]]
    rss_bytes: int
    rss_bytes_max: int
    rss_bytes_at: dict[str, int]
    cpu_s: float
    cpu_share: float
    received: int
    sent: int
    retries: int
    dead_letters: int
    restarts: int


def summarise(samples: Iterable[Sample]) -> ProcessSummary | None:
    """The summary of one process's samples; None if it was never seen up."""
    seen = [sample for sample in samples if sample.up]
    if not seen:
        return None
    first, last = seen[0], seen[-1]
    _, p50, p99 = last.ages_s.get("*", (0, None, None))
    return ProcessSummary(
        lag_max=max(sample.lag_entries for sample in seen),
        lag_last=last.lag_entries,
        age_p50_ms=_ms(p50),
        age_p99_ms=_ms(p99),
        age_by_stream={
            stream: {"count": count, "p50_ms": low * 1000, "p99_ms": high * 1000}
            for stream, (count, low, high) in last.ages_s.items()
            if stream != "*"
        },
        rss_bytes=last.rss_bytes,
        rss_bytes_max=max(sample.rss_bytes for sample in seen),
        rss_bytes_at={"10%": _at(seen, 0.1).rss_bytes, "100%": last.rss_bytes},
        cpu_s=last.cpu_s,
        cpu_share=(last.cpu_s - first.cpu_s) / (last.t - first.t) if last.t > first.t else 0.0,
        received=last.received,
        sent=last.sent,
        retries=last.retries,
        dead_letters=last.dead_letters,
        restarts=last.restarts,
    )


def _at(samples: Sequence[Sample], share: float) -> Sample:
    """The first sample at or after `share` of the time between the first and the last."""
    moment = samples[0].t + share * (samples[-1].t - samples[0].t)
    return next(sample for sample in samples if sample.t >= moment)


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else seconds * 1000
