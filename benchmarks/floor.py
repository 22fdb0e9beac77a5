"""The floor under a pipeline of stream hops: processes that do nothing but move an entry on, with bare redis-py.

`python -m benchmarks.floor URL IN OUT BYTES` reads IN with blocking XREADGROUP and, for every entry marked ``go``,
appends BYTES of payload to OUT in one pipeline with the acknowledgement. Field ``t`` carries the origin's time along.
"""

import subprocess
import sys
from collections.abc import Sequence

import redis

from app.bus.server import die_with_parent


def relay(url: str, source: str, target: str, payload_bytes: int) -> None:
    """Move entries from `source` to `target` for ever."""
    payload = b"x" * payload_bytes
    client = redis.Redis.from_url(url)
    client.xgroup_create(source, "floor", id="0", mkstream=True)
    client.set(f"floor:ready:{source}", 1)
    while True:
        for _stream, entries in client.xreadgroup("floor", "floor", {source: ">"}, count=256, block=500) or ():
            pipeline = client.pipeline(transaction=True)
            for _entry, fields in entries:
                if fields[b"go"] == b"1":
                    pipeline.xadd(target, {"go": 1, "t": fields[b"t"], "m": payload})
            pipeline.xack(source, "floor", *(entry for entry, _fields in entries))
            pipeline.execute()


def start_chain(url: str, streams: Sequence[str], payloads: Sequence[int]) -> list["subprocess.Popen[bytes]"]:
    """One relay process between each pair of neighbouring `streams`."""
    return [
        subprocess.Popen(
            [sys.executable, "-m", "benchmarks.floor", url, source, target, str(size)], preexec_fn=die_with_parent
        )
        for source, target, size in zip(streams[:-1], streams[1:], payloads, strict=True)
    ]


if __name__ == "__main__":
    relay(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]))
