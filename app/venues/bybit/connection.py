"""One websocket to Bybit's public market data: subscribe, ping, recover books, notice when it is of no use any more."""

import asyncio
from typing import Any, Final

import msgspec
from picows import WSCloseCode, WSFrame, WSListener, WSMsgType, WSTransport

from app.core.logging import get_logger
from app.venues.bybit.decode import Decoder
from app.venues.bybit.frames import Reply
from app.venues.market_data import END_OF_TAPE, FeedEnd

log = get_logger(__name__)

#: A snapshot of 1000 levels a side has 50 kB.
_MESSAGE_MAX: Final = 4 << 20
_TICK_S: Final = 0.5
_ASK_AGAIN_S: Final = 1.0


class Connection(WSListener):
    """One websocket: subscribes, answers gaps, pings, and notices when it is of no use any more."""

    def __init__(self, decoder: Decoder, patience_s: float, ping_s: float) -> None:
        self._decoder = decoder
        self._patience_s = patience_s
        self._ping_s = ping_s
        self._loop = asyncio.get_running_loop()
        self._ended: asyncio.Future[FeedEnd] = self._loop.create_future()
        self._transport: WSTransport | None = None
        self._fragments = bytearray()
        self._frames = 0
        self._requests = 0
        self._asked: dict[str, float] = {}
        self._lost_since: dict[str, float] = {}
        self._paused = False

    # What picows calls.

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._transport = transport
        topics = self._decoder.topics
        now = self._loop.time()
        self._asked = dict.fromkeys(topics, now)
        self._lost_since = dict.fromkeys(self._decoder.lost, now)
        self._send("subscribe", topics)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if self._ended.done():
            return
        self._frames += 1
        kind = frame.msg_type
        if kind == WSMsgType.TEXT and frame.fin:
            self._receive(frame.get_payload_as_bytes())
        elif kind == WSMsgType.CLOSE:
            code: Any = frame.get_close_code()  # an IntEnum, or a plain int where the library knows no name for it
            self._on_close(int(code), frame.get_close_reason() or "")
        elif kind in (WSMsgType.TEXT, WSMsgType.CONTINUATION):
            self._fragments += frame.get_payload_as_bytes()
            if len(self._fragments) > _MESSAGE_MAX:
                self._end(FeedEnd("oversized", f"a message of more than {_MESSAGE_MAX} bytes"))
            elif frame.fin:
                whole = bytes(self._fragments)
                self._fragments.clear()
                self._receive(whole)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self._end(FeedEnd("disconnected", "the connection broke"))

    # What the feed calls.

    async def watch(self) -> FeedEnd:
        """Ping and check until the connection ends. Raises what the sink raised."""
        seen, quiet_since = -1, self._loop.time()
        ping_due = self._loop.time() + self._ping_s
        while not self._ended.done():
            now = self._loop.time()
            if self._frames != seen or self._paused:
                seen, quiet_since = self._frames, now
            if now - quiet_since > self._ping_s + self._patience_s:
                self._end(FeedEnd("no_pong", f"nothing received for {now - quiet_since:.0f} s"))
            elif now >= ping_due:
                ping_due = now + self._ping_s
                self._send("ping")
            self._check_patience(now)
            await asyncio.wait((self._ended,), timeout=_TICK_S)
        return self._ended.result()

    def end(self, reason: str) -> None:
        """End it from our side."""
        self._end(FeedEnd(reason))

    def abandon(self) -> None:
        """Let go of the socket."""
        if self._transport is not None:
            self._transport.send_close(WSCloseCode.OK)
            self._transport.disconnect(graceful=False)

    def pause(self) -> None:
        self._paused = True
        if self._transport is not None:
            self._transport.underlying_transport.pause_reading()

    def resume(self) -> None:
        self._paused = False
        if self._transport is not None and not self._ended.done():
            self._transport.underlying_transport.resume_reading()

    # Everything else.

    def _receive(self, payload: bytes) -> None:
        try:
            reply = self._decoder.decode(payload)
            if reply is not None:
                self._on_reply(reply)
            if self._decoder.lost or self._lost_since:
                self._follow_lost()
        except Exception as error:
            # A defect, ours or the sink's. The library would close the connection and keep the reason to itself.
            if not self._ended.done():
                self._ended.set_exception(error)

    def _on_reply(self, reply: Reply) -> None:
        if reply.success is False:
            if reply.op == "subscribe":
                self._end(FeedEnd("subscribe_refused", reply.ret_msg))
            else:
                log.warning("the venue refused an operation", op=reply.op, error=reply.ret_msg)

    def _on_close(self, code: int, why: str) -> None:
        # A tape's end is told apart from a venue's restart by the words: both close with 1000.
        if code == 1000 and why == "end of tape":
            self._end(FeedEnd(END_OF_TAPE))
        else:
            self._end(FeedEnd("closed", f"by the venue with code {code} {why}".rstrip()))

    def _follow_lost(self) -> None:
        """Subscribe anew to each book as it becomes unknown, though no more often than once a second."""
        lost = self._decoder.lost
        for topic in [topic for topic in self._lost_since if topic not in lost]:
            del self._lost_since[topic]
        now = self._loop.time()
        for topic in [topic for topic in lost if topic not in self._lost_since]:
            if now - self._asked[topic] >= _ASK_AGAIN_S:
                self._asked[topic] = self._lost_since[topic] = now
                self._send("unsubscribe", [topic])
                self._send("subscribe", [topic])

    def _check_patience(self, now: float) -> None:
        self._follow_lost()
        if self._paused:  # what has not been read cannot be late
            self._lost_since = dict.fromkeys(self._lost_since, now)
        late = [topic for topic, since in self._lost_since.items() if now - since > self._patience_s]
        if late:
            self._end(FeedEnd("no_snapshot", f"of {', '.join(sorted(late))} within {self._patience_s:g} s"))

    def _send(self, op: str, args: list[str] | None = None) -> None:
        if self._transport is None or self._ended.done():
            return
        self._requests += 1
        request = {"req_id": str(self._requests), "op": op} | ({"args": args} if args else {})
        self._transport.send(WSMsgType.TEXT, msgspec.json.encode(request))

    def _end(self, end: FeedEnd) -> None:
        if not self._ended.done():
            self._ended.set_result(end)
