"""What the collector measures."""

from collections.abc import Sequence
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge

from app.core.metrics import labelled

DROP_REASONS: Final = ("malformed", "bad_value", "unknown_topic", "duplicate", "before_snapshot", "block_trade")
END_REASONS: Final = ("closed", "disconnected", "unreachable", "stale", "no_pong", "no_snapshot", "subscribe_refused")


class CollectorMetrics:
    """The collector's figures; `Counts` of its core."""

    def __init__(self, registry: CollectorRegistry, symbols: Sequence[str]) -> None:
        self.messages = Counter("feed_messages", "Market data messages written as rows", registry=registry)
        self.rows = Counter("feed_rows", "Event rows kept, clock rows included", registry=registry)
        self.gaps = Counter("feed_gaps", "Times that messages of a book were missed", ["symbol"], registry=registry)
        self.drops = Counter("feed_dropped", "Messages or rows not used", ["reason"], registry=registry)
        self.clamps = Counter("feed_clamped", "Rows whose impossible venue time was replaced", registry=registry)
        self.reconnects = Counter("feed_reconnects", "Connections that ended, by why", ["reason"], registry=registry)
        self.last_message = Gauge(
            "feed_last_message_timestamp_seconds", "When the last market data message came", registry=registry
        )
        self.lag = Gauge("feed_lag_seconds", "ts_recv - ts_event of the last message", registry=registry)
        self.paused = Gauge("feed_paused", "1 while the feed is not read because rows wait", registry=registry)
        self.finished = Gauge("collector_feed_finished", "1 once the feed has ended for good", registry=registry)
        self.backlog = Gauge("collector_backlog_rows", "Rows kept and not yet published", registry=registry)
        self.blocks = Counter("collector_blocks", "Blocks published", registry=registry)
        self.holes = Counter("collector_stream_hole_rows", "Rows that could not be published", registry=registry)
        self.archive_failures = Counter("collector_archive_failures", "Writes the disk refused", registry=registry)
        self.mismatches = Counter(
            "exchange_reference_mismatch",
            "Filters in symbols_file that differ from the venue's",
            ["symbol"],
            registry=registry,
        )
        labelled(self.gaps, symbols)
        labelled(self.mismatches, symbols)
        labelled(self.drops, DROP_REASONS)
        labelled(self.reconnects, END_REASONS)

    def dropped(self, reason: str, count: int) -> None:
        """See `Counts.dropped`."""
        self.drops.labels(reason).inc(count)

    def clamped(self) -> None:
        """See `Counts.clamped`."""
        self.clamps.inc()

    def gap(self, symbol: str) -> None:
        """See `Counts.gap`."""
        self.gaps.labels(symbol).inc()
