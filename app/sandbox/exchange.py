"""The venue: a flow applied to markets and published, step by step on a grid of event time."""

import asyncio
from collections.abc import Sequence
from typing import Final

from app.core.errors import Misconfigured
from app.core.logging import get_logger
from app.market.instruments import Instrument
from app.market.rows import SNAPSHOT
from app.sandbox.counts import Counts
from app.sandbox.faults import CloseSockets, Fault, Faults, Restart
from app.sandbox.flow import Flow, VenueMessage
from app.sandbox.market import Market
from app.sandbox.pacing import Pacing
from app.sandbox.publisher import Publisher
from app.sandbox.timeline import GRID_NS, Timeline, grid_after, grid_from
from app.sandbox.topics import TICKER_INTERVAL

log = get_logger(__name__)

END_REASON: Final = "end of tape"
MAX_BACKLOG_BYTES: Final = 4 * 1024 * 1024


class Exchange:
    """Waits for its first subscriber, then plays the flow to its end.

    Everything sent is a function of the flow and of the subscriptions: messages are applied and frames made at
    multiples of 10 ms of event time, never "when the process gets to it".

    Args:
        speed: event time per wall time; 0 is as fast as the slowest subscriber reads.
        follows_wall: move the flow's times so that its beginning is the moment of the first subscription.
        max_backlog_bytes: in the present a client that does not read is cut off when so much waits for it. Recorded
            time must be played whole: there the flow waits for the client.

    Raises:
        Misconfigured: the flow is empty.
    """

    def __init__(
        self,
        flow: Flow,
        instruments: Sequence[Instrument],
        *,
        speed: float = 1.0,
        follows_wall: bool = False,
        max_backlog_bytes: int = MAX_BACKLOG_BYTES,
    ) -> None:
        self.counts = Counts()
        self.faults = Faults()
        self.timeline = Timeline(follows_wall=follows_wall)
        self.markets = {instrument.symbol: Market(instrument, self.timeline) for instrument in instruments}
        self.publisher = Publisher(self.markets.values(), self.timeline, self.faults, self.counts)
        self.max_backlog_bytes = max_backlog_bytes if follows_wall else None
        self.finished = False
        self._flow = flow
        self._messages = flow.messages()
        self._by_id = {market.instrument.id: market for market in self.markets.values()}
        self._seq = 0
        self._next = next(self._messages, None)
        if self._next is None:
            raise Misconfigured(f"the flow has no market data of {', '.join(self.markets)}; check sandbox.symbols")
        self._pacing = Pacing(speed, self.publisher.wanted, self.counts)
        self._started = asyncio.Event()
        # A feed that begins anew while a step is half sent would give its second subscriber frames out of order.
        self._publishing = asyncio.Lock()
        self._begin(self._prime(self._next))

    @property
    def started(self) -> bool:
        """Whether the flow is running or over."""
        return self._started.is_set()

    def start(self) -> None:
        """Let the flow run, from now; a second call does nothing."""
        if self.started:
            return
        self._begin(self.timeline.reached_ns)
        self._pacing.begin(self.timeline.reached_ns)
        self._started.set()
        log.info("flow started", event_time_ns=self.timeline.reached_ns, shift_ns=self.timeline.shift_ns)

    async def run(self) -> None:
        """Play the flow to its end, then close the websockets. Waits for `start`."""
        await self._started.wait()
        last = self.timeline.reached_ns
        while self._next is not None:
            last = self._next.when
            await self._step(self._next_tick())
        # One more round of every feed: nothing that was applied may stay unpublished.
        end = grid_from(last, TICKER_INTERVAL)
        while self.timeline.reached_ns < end:
            await self._step(self.timeline.reached_ns + GRID_NS)
        self.finished = True
        log.info("end of tape", **self._flow.notes())
        # A client may be minutes behind, and has to get it all.
        await self.publisher.close_all(1000, END_REASON, patience_s=None)

    async def inject(self, fault: Fault) -> None:
        """Switch a fault on, or let it strike at once if it is of that kind."""
        if isinstance(fault, Restart):
            self.faults.struck[fault.kind] += 1
            async with self._publishing:
                await self.publisher.restart(fault.topic)
        elif isinstance(fault, CloseSockets) and fault.after == 0:
            self.faults.struck[fault.kind] += 1
            self.publisher.begin_close(fault.code)
        else:
            self.faults.arm(fault)

    def state(self) -> dict[str, object]:
        """What a test or an operator wants to know."""
        counts = self.counts
        return {
            "started": self.started,
            "tape_finished": self.finished,
            "event_time_ns": self.timeline.reached_ns,
            "shift_ns": self.timeline.shift_ns,
            "clients": counts.clients,
            "frames": counts.frames,
            "bytes": counts.bytes,
            "rest_requests": counts.rest_requests,
            "slow_clients": counts.slow_clients,
            "lag_s": counts.lag_s,
            "faults_armed": self.faults.armed(),
            "faults_struck": self.faults.struck,
            "notes": self._flow.notes(),
        }

    def _prime(self, first: VenueMessage) -> int:
        """Take in the snapshots the flow begins with; the event time to begin at."""
        begin = first.when // GRID_NS * GRID_NS
        while self._next is not None and self._next.rows["flags"][0] & SNAPSHOT:
            begin = grid_from(self._next.when)
            self._apply(self._next)
        return begin

    def _begin(self, event_ns: int) -> None:
        self.timeline.begin(event_ns)
        for market in self.markets.values():
            market.funding.begin(self.timeline.ms(event_ns))

    def _next_tick(self) -> int:
        """The next point of the grid at which there may be something to do; at least one each 100 ms."""
        reached = self.timeline.reached_ns
        ticks = [grid_after(reached, TICKER_INTERVAL)]
        if self._next is not None:
            ticks.append(grid_from(self._next.when))
        due = self.publisher.due(reached)
        if due is not None:
            ticks.append(due)
        return min(ticks)

    async def _step(self, tick: int) -> None:
        await self._pacing.until(tick)
        while self._next is not None and self._next.when <= tick:
            self._apply(self._next)
        self.timeline.reached_ns = tick
        for market in self.markets.values():
            market.advance(self.timeline.ms(tick))
        async with self._publishing:
            await self.publisher.publish(tick)
        for market in self.markets.values():
            market.fresh.clear()

    def _apply(self, message: VenueMessage) -> None:
        market = self._by_id.get(int(message.rows["instrument"][0]))
        if market is not None:
            self._seq += 1
            market.apply(message.when, message.rows, self._seq)
        self._next = next(self._messages, None)
