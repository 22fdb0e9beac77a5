"""Who gets which frames."""

import asyncio
from collections.abc import Iterable, Sequence

from app.sandbox.client import Client
from app.sandbox.counts import Counts
from app.sandbox.faults import Faults
from app.sandbox.feeds import Feed, make_feed
from app.sandbox.market import Market
from app.sandbox.timeline import Timeline
from app.sandbox.topics import Topic, topics_of


class Publisher:
    """Topics, their feeds and their subscribers.

    Within one step of the grid frames go out by symbol, then by topic, in a fixed order; a client's frames keep it.
    """

    def __init__(self, markets: Iterable[Market], timeline: Timeline, faults: Faults, counts: Counts) -> None:
        self._timeline = timeline
        self._faults = faults
        self._counts = counts
        self._clients: list[Client] = []
        self._closing: set[asyncio.Task[None]] = set()
        self._feeds: dict[Topic, Feed] = {}
        self._subscribers: dict[Topic, list[Client]] = {}
        for market in markets:
            for topic in topics_of(market.symbol):
                self._feeds[topic] = make_feed(topic, market)
                self._subscribers[topic] = []
        #: Set while anyone is subscribed to anything.
        self.wanted = asyncio.Event()

    def knows(self, topic: Topic) -> bool:
        """Whether there is such a topic."""
        return topic in self._feeds

    def has(self, client: Client, topic: Topic) -> bool:
        """Whether `client` is subscribed to `topic`."""
        return client in self._subscribers[topic]

    def join(self, client: Client) -> None:
        """A client has connected."""
        self._clients.append(client)
        self._counts.clients = len(self._clients)

    def leave(self, client: Client) -> None:
        """A client is gone."""
        self.unsubscribe(client, list(self._feeds))
        self._clients.remove(client)
        self._counts.clients = len(self._clients)

    def subscribe(self, client: Client, topics: Sequence[Topic]) -> list[bytes]:
        """Add `client` to `topics`; what it has to be sent before anything else of them."""
        first: list[bytes] = []
        tick = self._timeline.reached_ns
        for topic in topics:
            feed, subscribers = self._feeds[topic], self._subscribers[topic]
            if not subscribers:
                feed.start(tick)
            subscribers.append(client)
            frames = feed.snapshot(tick)
            self._count(topic, frames)
            first += frames
        self.wanted.set()
        return first

    def unsubscribe(self, client: Client, topics: Iterable[Topic]) -> None:
        """Take `client` off `topics`, as far as it is on them."""
        for topic in topics:
            if client in self._subscribers[topic]:
                self._subscribers[topic].remove(client)
        if not any(self._subscribers.values()):
            self.wanted.clear()

    def due(self, tick: int) -> int | None:
        """The next time after `tick` at which a feed has to send even if nothing happens."""
        dues = (self._feeds[topic].due(tick) for topic, subscribers in self._subscribers.items() if subscribers)
        return min((due for due in dues if due is not None), default=None)

    async def publish(self, tick: int) -> None:
        """Send every frame due at `tick`."""
        for topic, subscribers in self._subscribers.items():
            if subscribers:
                await self._send(topic, self._feeds[topic].advance(tick))

    async def restart(self, name: str | None) -> None:
        """Let the feed of the topic called `name`, or all, begin anew."""
        for topic, subscribers in self._subscribers.items():
            if subscribers and name in (None, str(topic)):
                await self._send(topic, self._feeds[topic].restart(self._timeline.reached_ns))

    async def close_all(self, code: int, reason: str, *, patience_s: float | None = 2.0) -> None:
        """Close every websocket; wait for the clients' answers, at most `patience_s`."""
        await asyncio.gather(*(client.close(code, reason, patience_s=patience_s) for client in list(self._clients)))

    def begin_close(self, code: int) -> None:
        """Close every websocket without waiting: the market goes on while good-byes are said."""
        closing = asyncio.create_task(self.close_all(code, ""))
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)

    async def _send(self, topic: Topic, frames: list[bytes]) -> None:
        for frame in frames:
            for _ in range(self._faults.copies(str(topic))):
                self._count(topic, [frame] * len(self._subscribers[topic]))
                for client in list(self._subscribers[topic]):
                    await client.send(frame)
            code = self._faults.close_code()
            if code is not None:
                self.begin_close(code)

    def _count(self, topic: Topic, frames: list[bytes]) -> None:
        self._counts.frames[topic.kind] += len(frames)
        self._counts.bytes += sum(map(len, frames))
