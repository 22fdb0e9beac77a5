"""Where a run goes on: what the archive kept compared with what the stream has."""

from dataclasses import dataclass

from app.core.clock import NS_PER_S
from app.core.errors import Misconfigured
from app.store.spool import Recovered

_AHEAD_MAX_NS = 60 * NS_PER_S


@dataclass(frozen=True, slots=True)
class Beginning:
    """Counters of this run's first row and of the first row to publish, and the `ts_recv` not to go below.

    `new_recording` is True if what follows is no continuation of the archive; `archive_lost` counts rows that the
    stream has and the archive does not.
    """

    kept: int
    published: int
    last_ts: int
    new_recording: bool
    archive_lost: int = 0


def begin(recovered: Recovered | None, newest: int | None) -> Beginning:
    """From what the archive kept (None: there is none) and the stream's newest count (None: it is empty).

    An empty stream is a new one, and so is its recording: a recording is what one stream's readers saw. Where the
    archive has more than the stream, the rest is published first. Where it has less, a power cut took its end; the
    rows the stream is ahead are missing from the archive, and a new recording begins after them. Without an archive,
    or where it lost its end, the time of the stream's last row is not known, and the clock is trusted to be past it.
    """
    kept = 0 if recovered is None else recovered.count
    if newest is None:
        return Beginning(kept, kept, 0, new_recording=True)
    if recovered is None:
        return Beginning(newest, newest, 0, new_recording=True)
    if newest > kept:
        return Beginning(newest, newest, 0, new_recording=True, archive_lost=newest - kept)
    # Beyond the last row: it may be a clock row, after which no row may carry its time.
    last_ts = 0 if recovered.last_ts_recv is None else recovered.last_ts_recv + 1
    return Beginning(kept, newest, last_ts, new_recording=False)


def check_time(last_ts: int, now: int, stream: str) -> None:
    """Raise `Misconfigured` if the stream's last row is from a future that this clock will not reach soon."""
    if last_ts - now > _AHEAD_MAX_NS:
        raise Misconfigured(
            f"stream {stream} ends {(last_ts - now) / NS_PER_S:.0f} s in the future of this machine's clock, so time "
            "would stand still; set the clock right, or use an empty Redis database or another shard.id"
        )
