"""What a service's core and the service loop say to each other."""

from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple, Protocol

from app.core.errors import BadInput
from app.messages.base import Message


class Delivery(NamedTuple):
    """One stream entry: either messages, or the bytes of a block of event rows."""

    stream: str
    entry_id: str
    messages: Sequence[Message] = ()
    block: bytes | memoryview = b""


class Outbox:
    """Collects what a core sends while it handles a batch; the loop publishes it in the hand-over.

    Messages to one stream stay in order and travel together in one entry.
    """

    #: True while recovery feeds a core what it had already handled: nothing is published, so nothing is counted.
    refeeding = False

    def __init__(self) -> None:
        self.messages: dict[str, list[Message]] = {}
        self.blocks: list[tuple[str, bytes, int]] = []
        self.dead: list[tuple[Delivery, bytes, BadInput]] = []

    def send(self, stream: str, message: Message) -> None:
        """Publish `message` on `stream`."""
        self.messages.setdefault(stream, []).append(message)

    def send_block(self, stream: str, block: bytes, rows: int) -> None:
        """Publish the bytes of `rows` event rows on `stream`."""
        self.blocks.append((stream, block, rows))

    def refuse(self, delivery: Delivery, payload: bytes, error: BadInput) -> None:
        """Dead-letter `payload`, a part of `delivery` that cannot be used."""
        self.dead.append((delivery, payload, error))

    def clear(self) -> None:
        """Forget everything."""
        self.messages.clear()
        self.blocks.clear()
        self.dead.clear()

    @property
    def empty(self) -> bool:
        """True if there is nothing to publish."""
        return not (self.messages or self.blocks or self.dead)


class RefeedOutbox(Outbox):
    """Takes what a core sends during recovery, which was all published before, and drops it."""

    refeeding = True

    def send(self, stream: str, message: Message) -> None:
        """Drop."""

    def send_block(self, stream: str, block: bytes, rows: int) -> None:
        """Drop."""

    def refuse(self, delivery: Delivery, payload: bytes, error: BadInput) -> None:
        """Drop."""


class Core(Protocol):
    """A service without I/O and without a clock: deliveries in, messages out.

    What the loop relies upon:

    * State is a function of each input stream's deliveries in their order. How the streams are interleaved and how
      entries are cut must not matter: a core that needs an order across streams waits for `Mark`s. Recovery
      re-feeds the streams from the last snapshot in any interleaving and must arrive at the same state.
    * `advance` raises `BadInput` only before it has changed anything.
    """

    inputs: Sequence[str]

    def advance(self, delivery: Delivery, out: Outbox) -> None:
        """Handle one entry. Raise `BadInput` to have it dead-lettered whole."""

    def paused(self) -> Collection[str]:
        """The inputs not to read for now, because what they carry must wait for another input."""

    def snapshot(self) -> bytes:
        """The whole state, as bytes `restore` understands."""

    def restore(self, blob: bytes) -> None:
        """Replace the state with that of a snapshot. Raise `SchemaMismatch` if it is another version's."""


CoreFactory = Callable[[], Core]
