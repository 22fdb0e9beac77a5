"""Faults a test or a drill can switch on: what goes wrong between a venue and its clients, on demand.

Each strikes at the next `count` occasions and is then used up; where `after` is given, that many occasions pass first.
"""

from typing import Annotated, Final, Literal, TypeVar

from pydantic import Field, RootModel

from app.core.config import Section


class FrameFault(Section):
    """Order book frames (of `topic`, or of all) are not sent although `u` goes on, or are sent twice."""

    kind: Literal["drop", "duplicate"]
    topic: str | None = None
    after: int = Field(default=0, ge=0)
    count: int = Field(default=1, ge=1)


class Restart(Section):
    """Feeds (of `topic`, or all) start over at once with a snapshot whose u is 1, as after a restart of the venue."""

    kind: Literal["restart"]
    topic: str | None = None


class CloseSockets(Section):
    """All websockets close once `after` more frames were sent: 1000 with a close frame, 1006 by cutting TCP."""

    kind: Literal["close"]
    code: Literal[1000, 1006] = 1000
    after: int = Field(default=0, ge=0)


class SwallowPongs(Section):
    """Pings are not answered."""

    kind: Literal["swallow_pongs"]
    after: int = Field(default=0, ge=0)
    count: int = Field(default=1, ge=1)


class RefuseHandshake(Section):
    """Websocket handshakes are answered with an HTTP error and a Retry-After header."""

    kind: Literal["refuse"]
    status: Literal[403, 429, 503] = 429
    retry_after_s: int = Field(default=1, ge=0)
    after: int = Field(default=0, ge=0)
    count: int = Field(default=1, ge=1)


class RestFault(Section):
    """REST calls go wrong: an HTTP error with an HTML body, an answer only after `seconds`, HTTP 200 with a body that
    is no answer, or retCode 10006."""

    kind: Literal["http", "hang", "garbage", "rate_limited"]
    status: Literal[403, 404, 429, 502, 503, 504] = 502
    seconds: float = Field(default=10.0, gt=0, le=600)
    body: Literal["html", "empty", "truncated"] = "html"
    after: int = Field(default=0, ge=0)
    count: int = Field(default=1, ge=1)


Repeated = FrameFault | SwallowPongs | RefuseHandshake | RestFault
Fault = Repeated | Restart | CloseSockets

KINDS: Final = (
    "drop", "duplicate", "restart", "close", "swallow_pongs", "refuse", "http", "hang", "garbage", "rate_limited",
)  # fmt: skip


class FaultRequest(RootModel[Annotated[Fault, Field(discriminator="kind")]]):
    """Body of POST /sandbox/faults."""


F = TypeVar("F", FrameFault, SwallowPongs, RefuseHandshake, RestFault, CloseSockets)


class _Armed:
    """A fault that is switched on, and what is left of it."""

    def __init__(self, fault: Repeated | CloseSockets) -> None:
        self.fault = fault
        self.after, self.left = fault.after, 1
        if isinstance(fault, CloseSockets):
            # Asked about after a frame has gone, not before.
            self.after -= 1
        else:
            self.left = fault.count


class Faults:
    """The faults switched on, asked at each place where one may strike. The oldest that fits strikes first."""

    def __init__(self) -> None:
        self._armed: list[_Armed] = []
        self.struck = dict.fromkeys(KINDS, 0)

    def arm(self, fault: Repeated | CloseSockets) -> None:
        """Switch `fault` on."""
        self._armed.append(_Armed(fault))

    def clear(self) -> None:
        """Switch everything off; what has struck stays counted."""
        self._armed.clear()

    def armed(self) -> list[dict[str, object]]:
        """What is switched on, with what is left of its `after` and `count`."""
        return [{**a.fault.model_dump(), "after": a.after, "count": a.left} for a in self._armed]

    def copies(self, topic: str) -> int:
        """How often to send the next frame of `topic`: 0, 1 or 2. Only order book frames carry a `u` to break."""
        if not self._armed or not topic.startswith("orderbook."):
            return 1
        fault = self._strike(FrameFault, topic)
        if fault is None:
            return 1
        return 0 if fault.kind == "drop" else 2

    def close_code(self) -> int | None:
        """Asked after each frame sent: the code to close all websockets with, if it is time to."""
        fault = self._strike(CloseSockets) if self._armed else None
        return None if fault is None else int(fault.code)

    def swallow_pong(self) -> bool:
        """Whether to leave this ping unanswered."""
        return self._strike(SwallowPongs) is not None

    def refusal(self) -> RefuseHandshake | None:
        """How to refuse this handshake, if at all."""
        return self._strike(RefuseHandshake)

    def rest(self) -> RestFault | None:
        """What to do to this REST call, if anything."""
        return self._strike(RestFault)

    def _strike(self, kind: type[F], topic: str | None = None) -> F | None:
        for armed in self._armed:
            fault = armed.fault
            if not isinstance(fault, kind) or (isinstance(fault, FrameFault) and fault.topic not in (None, topic)):
                continue
            if armed.after:
                armed.after -= 1
                continue
            armed.left -= 1
            if not armed.left:
                self._armed.remove(armed)
            self.struck[fault.kind] += 1
            return fault
        return None
