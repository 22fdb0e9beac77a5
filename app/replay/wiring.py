"""The services' cores wired together in one process: the same cores as live, without Redis between them."""

from collections import deque
from collections.abc import Callable, Mapping, Sequence

from app.bus.types import Core, Delivery, Outbox
from app.core.errors import BadInput
from app.messages.base import Message

Tap = Callable[[str, Sequence[Message]], None]
Refusal = Callable[[str, Delivery, BadInput], None]


class Wiring:
    """Hands each core's messages to the cores that read them, until there is nothing left to hand on.

    Cores do not depend on how their inputs interleave, so any order of handing on gives what the processes give.
    `tap` sees every message published, `refused` everything a core could not use.
    """

    def __init__(self, cores: Mapping[str, Core], *, tap: Tap, refused: Refusal) -> None:
        self._cores = dict(cores)
        self._readers: dict[str, list[str]] = {}
        for name, core in cores.items():
            for stream in core.inputs:
                self._readers.setdefault(stream, []).append(name)
        self._tap = tap
        self._refused = refused
        self._waiting: deque[Delivery] = deque()
        self._count = 0

    def feed_block(self, stream: str, block: bytes) -> None:
        """Feed a block of event rows, and everything that follows from it."""
        self._count += 1
        self._waiting.append(Delivery(stream, f"{self._count}-0", block=block))
        while self._waiting:
            self._deliver(self._waiting.popleft())

    def _deliver(self, delivery: Delivery) -> None:
        for name in self._readers.get(delivery.stream, ()):
            out = Outbox()
            try:
                self._cores[name].advance(delivery, out)
            except BadInput as error:
                self._refused(name, delivery, error)
            for refused, _payload, error in out.dead:
                self._refused(name, refused, error)
            for stream, messages in out.messages.items():
                self._tap(stream, messages)
                self._count += 1
                self._waiting.append(Delivery(stream, f"{self._count}-0", messages))
