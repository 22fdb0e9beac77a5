"""The service loop: sessions with Redis, one after the other, through lost connections and failures of the core."""

import asyncio
import time
from collections.abc import Mapping

from app.bus import readers, recovery
from app.bus.metrics import LoopMetrics
from app.bus.session import HandlerFailed, Poison, Session, Setup
from app.bus.settings import BusSettings
from app.bus.types import Core, CoreFactory
from app.bus.wire import Moved, RedisRefused, Wire
from app.core.errors import Retryable
from app.core.logging import get_logger
from app.core.process import Process
from app.core.stopping import sleep_unless
from app.messages.streams import Streams

log = get_logger(__name__)

_FIRST_BACKOFF_S = 0.05


async def run_service(
    process: Process,
    bus: BusSettings,
    shard: str,
    service: str,
    make_core: CoreFactory,
    *,
    lazy: Mapping[str, float] | None = None,
) -> None:
    """Serve until `process.stop` is set, through any number of lost connections.

    `lazy` names inputs that may wait up to so many seconds for company: they are read in larger batches, and do not
    wake the service when only they have something new.

    Raises:
        Misconfigured: Redis refuses the credentials, or another process serves the same shard.
    """
    await _ServiceLoop(process, bus, Streams(shard), service, make_core, lazy or {}).run()


class _ServiceLoop:
    """One service's sessions over one shard, one after the other."""

    def __init__(
        self,
        process: Process,
        bus: BusSettings,
        streams: Streams,
        service: str,
        make_core: CoreFactory,
        lazy: Mapping[str, float],
    ) -> None:
        self._process = process
        self._make_core = make_core
        # Made before there is a connection: it names the inputs, and what it lacks is told whether or not Redis is up.
        core = make_core()
        self._unused: Core | None = core
        metrics = LoopMetrics(process.registry, core.inputs)
        self._name = readers.client_name(streams, service)
        wire = Wire(bus.redis_url.get_secret_value(), name=self._name, probe_key=streams.md)
        self._setup = Setup(bus, streams, service, wire, metrics, lazy)
        self._poison: Poison = {}

    async def run(self) -> None:
        """Hold sessions with Redis until told to stop."""
        stop, metrics, longest_s = self._process.stop, self._setup.metrics, self._setup.bus.reconnect_max_s
        backoff = _FIRST_BACKOFF_S
        while not stop.is_set():
            began = time.monotonic()
            try:
                await self._session()
            except HandlerFailed as failed:
                metrics.retries.labels("handler_error").inc()
                self._poison[failed.entry] = str(failed)
                log.error("handler failed; entry set apart", stream=failed.entry[0], entry_id=failed.entry[1],
                          error=str(failed), exc_info=failed.__cause__)  # fmt: skip
            except (OSError, Retryable, RedisRefused, Moved) as error:
                reason = "refused" if isinstance(error, RedisRefused) else "connection"
                metrics.retries.labels(reason).inc()
                backoff = _FIRST_BACKOFF_S if time.monotonic() - began > longest_s else backoff
                log.warning("session with Redis lost; beginning anew", error=str(error), after_s=round(backoff, 2))
                await sleep_unless(stop, backoff)
                backoff = min(2 * backoff, longest_s)
            finally:
                self._setup.wire.close()

    async def _session(self) -> None:
        setup = self._setup
        wire, streams, service = setup.wire, setup.streams, setup.service
        await wire.connect()
        await recovery.claim_name(wire, self._name)
        core, self._unused = self._unused or self._make_core(), None
        await recovery.ensure_groups(wire, service, core.inputs)
        positions, refed, had_state = await recovery.recover(wire, streams, service, core)
        setup.metrics.refed.inc(refed)
        if not had_state:
            setup.metrics.resets.inc()
        log.info("recovered", refed=refed, had_snapshot=had_state, positions=positions)
        session = Session(setup, core, positions)
        watchdog = asyncio.create_task(session.watch())
        try:
            await session.take_pending(self._poison)
            self._process.ready()
            await session.serve(self._process.stop)
        finally:
            watchdog.cancel()
