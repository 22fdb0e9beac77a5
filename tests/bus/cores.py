"""Small real cores for tests of the loop."""

import asyncio
import json
from collections.abc import Collection, Mapping

from prometheus_client import CollectorRegistry

from app.bus.loop import run_service
from app.bus.settings import BusSettings
from app.bus.types import Core, Delivery, Outbox
from app.core.errors import BadInput
from app.core.process import Process
from app.messages.signals import Mark
from app.messages.streams import Streams

STREAMS = Streams("test")


class RunningSum:
    """Adds up the `ts` of the marks on `sig:raw` and sends each running total on to `sig:scored`."""

    inputs = (STREAMS.raw,)

    def __init__(self) -> None:
        self.total = 0
        self.seen = 0
        self.fail_at: int | None = None

    def advance(self, delivery: Delivery, out: Outbox) -> None:
        for message in delivery.messages:
            if message.ts < 0:
                raise BadInput(f"negative ts {message.ts}", reason="bad_input")
            if message.ts == self.fail_at:
                self.total += 1_000_000  # a half-done change that recovery must undo
                raise ZeroDivisionError("a defect in the core")
            self.total += message.ts
            self.seen += 1
            out.send(STREAMS.scored, Mark(ts=self.total, source=str(message.ts)))

    def paused(self) -> Collection[str]:
        return ()

    def snapshot(self) -> bytes:
        return json.dumps([self.total, self.seen]).encode()

    def restore(self, blob: bytes) -> None:
        self.total, self.seen = json.loads(blob)


class Running:
    """A loop serving in this event loop until `stop`."""

    def __init__(
        self,
        url: str,
        make_core: type[Core],
        *,
        service: str = "ai_scorer",
        lazy: Mapping[str, float] | None = None,
        **bus: object,
    ) -> None:
        self.registry = CollectorRegistry()
        self.settings = BusSettings(redis_url=url, block_ms=50, reconnect_max_s=0.2, **bus)  # type: ignore[arg-type]
        self.process = Process(service, self.registry, 0)
        self.cores: list[Core] = []

        def factory() -> Core:
            self.cores.append(make_core())
            return self.cores[-1]

        self.task = asyncio.create_task(
            run_service(self.process, self.settings, STREAMS.shard, service, factory, lazy=lazy)
        )

    async def stop(self) -> None:
        """Stop in order."""
        self.process.stop.set()
        await asyncio.wait_for(self.task, 10)

    async def kill(self) -> None:
        """Stop without any goodbye: what is in flight stays in flight."""
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)
