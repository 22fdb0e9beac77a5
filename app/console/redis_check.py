"""What a Redis server is and how it keeps data, and whether that is fit for orders."""

from collections.abc import Iterator
from dataclasses import dataclass

from app.bus.wire import RedisRefused, Wire, pack
from app.core.clock import NS_PER_S, wall_ns
from app.messages.streams import Streams

#: XTRIM MINID and exclusive ranges came with 6.2.
OLDEST = (6, 2)


@dataclass(frozen=True, slots=True)
class RedisState:
    """A server as found. `appendonly` and `eviction` are None where it does not tell (managed services).

    `skew_s` is how far its clock is ahead of ours; `entries` counts what is in the shard's streams already.
    """

    version: str
    appendonly: bool | None
    eviction: str | None
    skew_s: float
    entries: int

    def faults(self) -> Iterator[str]:
        """What must be changed, with the remedy."""
        if tuple(int(part) for part in self.version.split(".")[:2]) < OLDEST:
            yield f"version {self.version} is older than 6.2; upgrade Redis"
        if self.eviction not in (None, "noeviction"):
            yield (
                f"maxmemory-policy is {self.eviction}, which throws messages away when memory is short; "
                "set it to noeviction"
            )

    def warnings(self) -> Iterator[str]:
        """What should be changed."""
        if self.appendonly is False:
            yield "appendonly is no: messages not yet handled are lost when Redis ends; set it to yes"
        if abs(self.skew_s) > 0.1:
            yield f"its clock differs from ours by {self.skew_s:+.2f} s, so message ages are wrong; synchronise both"


async def inspect_redis(url: str, shard: str) -> RedisState:
    """Ask the server at `url`.

    Raises:
        Misconfigured: it refuses us.
        Retryable: it cannot be reached.
    """
    streams = Streams(shard)
    wire = Wire(url, name="aviary:check", probe_key=streams.md)
    await wire.connect()
    try:
        info = (await wire.command("INFO", "server")).decode()
        seconds, micros = await wire.command("TIME")
        skew = int(seconds) + int(micros) / 1e6 - wall_ns() / NS_PER_S
        lengths = await wire.call(b"".join(pack("XLEN", name) for name in streams.all()), len(streams.all()))
        appendonly = await _setting(wire, "appendonly")
        return RedisState(
            version=next(line.split(":")[1] for line in info.splitlines() if line.startswith("redis_version:")),
            appendonly=None if appendonly is None else appendonly == "yes",
            eviction=await _setting(wire, "maxmemory-policy"),
            skew_s=skew,
            entries=sum(map(int, lengths)),
        )
    finally:
        wire.close()


async def _setting(wire: Wire, name: str) -> str | None:
    try:
        found = await wire.command("CONFIG", "GET", name)
    except RedisRefused:
        return None
    return str(found[1].decode()) if found else None
