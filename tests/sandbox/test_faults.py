"""Faults strike where, when and as often as they were asked to."""

import asyncio
import json

import aiohttp
import pytest

from app.sandbox.faults import CloseSockets, FaultRequest, Faults, FrameFault, SwallowPongs
from app.sandbox.flow import ScriptedFlow
from app.sandbox.synthetic import SyntheticFlow
from tests.sandbox.builders import BTC, PUBLIC, ClientBook, Stream, Wire, depth, running, snapshot

BOOK = "orderbook.50.BTCUSDT"
FLOW = ScriptedFlow([snapshot(0), *(depth(20 * i, (1, 599_999, 100 + i)) for i in range(1, 60))])


async def us(wire: Wire) -> list[int]:
    async with wire.stream(BOOK) as stream:
        return [json.loads(frame)["data"]["u"] for frame in await stream.until_closed()]


async def test_a_dropped_frame_leaves_a_gap_in_u() -> None:
    async with running(FLOW) as wire:
        await wire.fault(kind="drop", topic=BOOK, after=2, count=2)
        assert await us(wire) == [2, 3, 4, *range(7, 62)]
        assert (await wire.get("/sandbox/state"))["faults_struck"]["drop"] == 2


async def test_a_duplicate_repeats_a_u() -> None:
    async with running(FLOW) as wire:
        await wire.fault(kind="duplicate")
        assert await us(wire) == [2, 3, 3, *range(4, 62)]


async def test_a_fault_of_another_topic_does_not_strike() -> None:
    async with running(FLOW) as wire:
        armed = await wire.fault(kind="drop", topic="orderbook.200.BTCUSDT")
        assert await us(wire) == list(range(2, 62))
        state = await wire.get("/sandbox/state")
        assert state["faults_struck"]["drop"] == 0
        assert state["faults_armed"] == armed["armed"]
        async with wire.http.delete(wire.url + "/sandbox/faults") as response:
            assert await response.json() == {"armed": []}
        assert (await wire.get("/sandbox/state"))["faults_armed"] == []


async def test_a_restart_is_a_snapshot_with_u_1_and_a_good_book() -> None:
    async with running(SyntheticFlow(BTC, 7), speed=20) as wire, wire.stream(BOOK, "orderbook.1.BTCUSDT") as stream:
        book = ClientBook()
        for _ in range(10):
            frame = await stream.read()
            if frame["topic"] == BOOK:
                book.apply(frame)
        await wire.fault(kind="restart", topic=BOOK)
        seen = []
        for _ in range(60):
            frame = await stream.read()
            if frame["topic"] == BOOK:
                seen.append((frame["type"], frame["data"]["u"]))
                book.apply(frame)
            else:
                assert frame["data"]["u"] != 1
        at = seen.index(("snapshot", 1))
        assert seen[at:] == [("snapshot", 1), *(("delta", u) for u in range(2, 1 + len(seen) - at))]


@pytest.mark.parametrize(("code", "seen"), [(1000, 1000), (1006, 1006)])
@pytest.mark.parametrize("after", [0, 5])
async def test_sockets_close_at_once_or_in_the_middle(code: int, seen: int, after: int) -> None:
    async with running(SyntheticFlow(BTC, 7), speed=5) as wire, wire.stream(BOOK) as stream:
        await stream.read()
        await wire.fault(kind="close", code=code, after=after)
        frames = 0
        async for _ in stream.socket:
            frames += 1
        assert stream.socket.close_code == seen
        if after:
            assert frames >= after
        assert (await wire.get("/sandbox/state"))["faults_struck"]["close"] == 1
        async with wire.stream(BOOK) as again:
            assert (await again.read())["type"] == "snapshot"


async def test_swallowed_pongs() -> None:
    async with running(SyntheticFlow(BTC, 7), speed=1) as wire, wire.stream() as stream:
        await wire.fault(kind="swallow_pongs", count=2)
        for req_id in ("1", "2", "3"):
            await stream.socket.send_json({"op": "ping", "req_id": req_id})
        assert (await stream.read())["req_id"] == "3"


async def test_a_refused_handshake_says_when_to_come_back() -> None:
    async with running(FLOW) as wire:
        await wire.fault(kind="refuse", status=429, retry_after_s=3)
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await wire.http.ws_connect(wire.url + PUBLIC)
        assert refused.value.status == 429
        assert refused.value.headers is not None
        assert refused.value.headers["Retry-After"] == "3"
        async with wire.http.ws_connect(wire.url + PUBLIC) as socket:
            assert (await Stream(socket).ask("ping"))["ret_msg"] == "pong"


async def rest(wire: Wire) -> tuple[int, str, str]:
    async with wire.http.get(wire.url + "/v5/market/time") as response:
        return response.status, response.content_type, await response.text()


@pytest.mark.parametrize("status", [403, 404, 429, 502, 503, 504])
async def test_http_errors_come_with_html(status: int) -> None:
    async with running(FLOW) as wire:
        await wire.fault(kind="http", status=status)
        found, kind, text = await rest(wire)
        assert (found, kind, text[:6]) == (status, "text/html", "<html>")
        assert (await rest(wire))[0] == 200


@pytest.mark.parametrize("body", ["html", "empty", "truncated"])
async def test_200_with_a_body_that_is_no_answer(body: str) -> None:
    async with running(FLOW) as wire:
        await wire.fault(kind="garbage", body=body)
        status, _, text = await rest(wire)
        assert status == 200
        with pytest.raises(json.JSONDecodeError):
            json.loads(text)
        assert json.loads((await rest(wire))[2])["retCode"] == 0


async def test_a_hang_is_late_and_then_good() -> None:
    async with running(FLOW) as wire:
        await wire.fault(kind="hang", seconds=0.3)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(rest(wire), 0.1)
        await wire.fault(kind="hang", seconds=0.1)
        begin = asyncio.get_running_loop().time()
        assert (await rest(wire))[0] == 200
        assert asyncio.get_running_loop().time() - begin >= 0.1


async def test_rate_limited() -> None:
    async with running(FLOW) as wire:
        await wire.fault(kind="rate_limited")
        answer = await wire.get("/v5/market/time")
        assert (answer["retCode"], answer["retMsg"]) == (10006, "Too many visits!")
        assert (await wire.get("/v5/market/time"))["retCode"] == 0


async def test_faults_do_not_strike_the_admin_routes() -> None:
    async with running(FLOW) as wire:
        await wire.fault(kind="http", count=5)
        assert (await wire.get("/sandbox/state"))["started"] is False
        assert (await wire.fault(kind="http"))["armed"][0]["count"] == 5


@pytest.mark.parametrize(
    ("body", "where"),
    [
        (b'{"kind": "explode"}', "kind"),
        (b'{"kind": "drop", "count": 0}', "count"),
        (b'{"kind": "drop", "colour": "red"}', "colour"),
        (b'{"kind": "http", "status": 200}', "status"),
        (b"not json", "json"),
        (b"", "json"),
    ],
)
async def test_a_fault_that_makes_no_sense_is_refused_with_the_reason(body: bytes, where: str) -> None:
    async with running(FLOW) as wire, wire.http.post(wire.url + "/sandbox/faults", data=body) as response:
        assert response.status == 400
        assert where in await response.text()
        assert (await wire.get("/sandbox/state"))["faults_armed"] == []


def test_the_oldest_fault_that_fits_strikes_first() -> None:
    faults = Faults()
    faults.arm(FrameFault(kind="drop", topic="orderbook.1.BTCUSDT"))
    faults.arm(FrameFault(kind="duplicate"))
    faults.arm(SwallowPongs(kind="swallow_pongs"))
    faults.arm(CloseSockets(kind="close", after=2))
    assert [faults.copies(topic) for topic in (BOOK, "tickers.BTCUSDT", "orderbook.1.BTCUSDT", BOOK)] == [2, 1, 0, 1]
    assert [faults.close_code() for _ in range(3)] == [None, 1000, None]
    assert [faults.swallow_pong() for _ in range(2)] == [True, False]
    assert faults.armed() == []


def test_every_kind_can_be_asked_for_and_is_counted() -> None:
    for kind in Faults().struck:
        extra = {"seconds": 1.0} if kind == "hang" else {}
        assert FaultRequest.model_validate({"kind": kind, **extra}).root.kind == kind
