"""The services' cores wired together in one process: the same cores as live, without Redis between them."""

from collections.abc import Callable, Mapping, Sequence

from app.bus.types import Core, Delivery, Outbox
from app.core.errors import BadInput
from app.messages.base import Message

Tap = Callable[[str, Sequence[Message]], None]
Refusal = Callable[[str, Delivery, BadInput], None]


class Wiring:
    """Hands each core's messages to the cores that read them, until there is nothing left to hand on.

    Cores do not depend on how their inputs interleave, so any order of handing on gives what the processes give. This
    one takes the streams in the order of `streams` and all that waits on one at once. With the executor's stream last,
    everything has gone down the pipeline before the executor's word goes back up, and it goes round least often.

    `tap` sees every message published, `refused` everything a core could not use.
    """

    def __init__(self, cores: Mapping[str, Core], streams: Sequence[str], *, tap: Tap, refused: Refusal) -> None:
        self._readers: dict[str, list[tuple[str, Core]]] = {}
        for name, core in cores.items():
            for stream in core.inputs:
                self._readers.setdefault(stream, []).append((name, core))
        self._tap = tap
        self._refused = refused
        self._waiting: dict[str, list[Message]] = {stream: [] for stream in streams}
        self._out = Outbox()
        self._count = 0

    def feed_block(self, stream: str, block: bytes | memoryview) -> None:
        """Feed a block of event rows, and everything that follows from it."""
        self._deliver(stream, block=block)
        while True:
            for stream, messages in self._waiting.items():
                if messages:
                    self._waiting[stream] = []
                    self._deliver(stream, messages)
                    break
            else:
                return

    def _deliver(self, stream: str, messages: Sequence[Message] = (), block: bytes | memoryview = b"") -> None:
        self._count += 1
        delivery, out = Delivery(stream, f"{self._count}-0", messages, block), self._out
        for name, core in self._readers.get(stream, ()):
            try:
                core.advance(delivery, out)
            except BadInput as error:
                self._refused(name, delivery, error)
            if not out.empty:
                self._collect(name)

    def _collect(self, name: str) -> None:
        out = self._out
        for part, _payload, fault in out.dead:
            self._refused(name, part, fault)
        for stream, messages in out.messages.items():
            self._tap(stream, messages)
            if stream in self._waiting:
                self._waiting[stream] += messages
        out.clear()
