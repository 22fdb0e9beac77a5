"""Names of the streams of one shard.

The braces are a Redis Cluster hash tag: all of a shard's streams, its dead letters and its snapshots share a
slot, so a hand-over from any stream to any other is one transaction on a cluster too.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Streams:
    """The stream and key names of `shard`."""

    shard: str

    @property
    def md(self) -> str:
        return f"md:{{{self.shard}}}"

    @property
    def raw(self) -> str:
        return f"sig:raw:{{{self.shard}}}"

    @property
    def scored(self) -> str:
        return f"sig:scored:{{{self.shard}}}"

    @property
    def approved(self) -> str:
        return f"sig:approved:{{{self.shard}}}"

    @property
    def dropped(self) -> str:
        return f"sig:dropped:{{{self.shard}}}"

    @property
    def execution(self) -> str:
        return f"exec:events:{{{self.shard}}}"

    @property
    def control(self) -> str:
        return f"control:events:{{{self.shard}}}"

    @property
    def dlq(self) -> str:
        return f"dlq:{{{self.shard}}}"

    @property
    def floors(self) -> str:
        """Hash: `stream|group` → the oldest entry id that group may still have to read again."""
        return f"floors:{{{self.shard}}}"

    @property
    def readers(self) -> str:
        """Hash: group of a reader that is no service → when it was last heard of, ms of Redis's clock."""
        return f"readers:{{{self.shard}}}"

    def snapshot(self, service: str) -> str:
        """Key of the last snapshot of `service`'s core."""
        return f"snapshot:{service}:{{{self.shard}}}"

    def forward_of(self, service: str) -> tuple[str, ...]:
        """The streams `service` must not run ahead on: it waits while their slowest reader is far behind.

        `exec:events` is none of them. It flows against the pipeline's direction, so waiting on it could close a
        circle of services that each wait for the next; its volume is bounded by what the executor reads.
        """
        forward = {
            "collector": (self.md,),
            "signal_engine": (self.raw,),
            "ai_scorer": (self.scored,),
            "risk": (self.approved,),
        }
        return forward.get(service, ())

    @property
    def unread(self) -> tuple[str, ...]:
        """Streams that may have no reader at all; they keep their newest entries only."""
        return (self.dropped, self.control, self.dlq)

    def all(self) -> tuple[str, ...]:
        """Every stream, in pipeline order."""
        return (
            self.md,
            self.raw,
            self.scored,
            self.approved,
            self.dropped,
            self.execution,
            self.control,
            self.dlq,
        )
