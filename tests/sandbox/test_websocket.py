"""The websocket's requests and replies, as the venue answers them."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest

from app.sandbox.flow import ScriptedFlow
from app.sandbox.synthetic import SyntheticFlow
from tests.sandbox.builders import BTC, PUBLIC, Wire, depth, running, snapshot

FLOW = ScriptedFlow([snapshot(0), depth(10_000_000, (1, 599_999, 1))])


async def test_acknowledgement_comes_first_and_echoes_the_request() -> None:
    async with running(FLOW, speed=1) as wire, wire.stream() as stream:
        reply = await stream.ask("subscribe", "orderbook.50.BTCUSDT", "tickers.BTCUSDT", req_id=7)
        conn_id = reply.pop("conn_id")
        assert conn_id
        assert reply == {"success": True, "ret_msg": "", "req_id": "7", "op": "subscribe"}
        assert [(await stream.read())["topic"] for _ in range(2)] == ["orderbook.50.BTCUSDT", "tickers.BTCUSDT"]
        pong = await stream.ask("ping", req_id="9")
        assert pong == {"success": True, "ret_msg": "pong", "conn_id": conn_id, "req_id": "9", "op": "ping"}


async def test_a_ping_needs_neither_id_nor_arguments() -> None:
    async with running(FLOW, speed=1) as wire, wire.stream() as stream:
        await stream.socket.send_str('{"op":"ping"}')
        assert (await stream.read())["ret_msg"] == "pong"


@pytest.mark.parametrize(
    "topic",
    [
        "orderbook.500.BTCUSDT",
        "orderbook.050.BTCUSDT",
        "orderbook.50.NOPEUSDT",
        "orderbook.50.btcusdt",
        "orderbook.BTCUSDT",
        "publicTrade",
        "kline.1.BTCUSDT",
        "order",
        "",
    ],
)
async def test_one_unknown_topic_fails_the_whole_request(topic: str) -> None:
    async with running(FLOW, speed=1) as wire, wire.stream() as stream:
        reply = await stream.ask("subscribe", "tickers.BTCUSDT", topic, req_id="a")
        assert (reply["success"], reply["req_id"], reply["op"]) == (False, "a", "subscribe")
        assert reply["ret_msg"] == f"error:handler not found,topic:{topic}"
        assert not wire.exchange.started
        # Nothing was subscribed: the same topic is not "already subscribed", and the connection is as good as before.
        await stream.subscribe("tickers.BTCUSDT")
        assert (await stream.read())["type"] == "snapshot"


async def test_a_second_subscription_is_refused_and_the_first_goes_on() -> None:
    async with running(SyntheticFlow(BTC, 7), speed=10) as wire, wire.stream("orderbook.50.BTCUSDT") as stream:
        await stream.read()
        await stream.socket.send_json({"op": "subscribe", "req_id": "2", "args": ["orderbook.50.BTCUSDT"]})
        frames = [await stream.read() for _ in range(20)]
        refusals = [frame for frame in frames if "success" in frame]
        assert [refusal["ret_msg"] for refusal in refusals] == ["error:already subscribed,topic:orderbook.50.BTCUSDT"]
        us = [frame["data"]["u"] for frame in frames if "topic" in frame]
        assert us == list(range(us[0], us[0] + len(us)))


@pytest.mark.parametrize(
    ("sent", "ret_msg"),
    [
        ("hello", "Failed to decode incoming data:"),
        ("", "Failed to decode incoming data:"),
        ("[1, 2]", "Failed to decode incoming data:"),
        ('{"op": 5}', "Failed to decode incoming data:"),
        ('{"op": "subscribe", "args": "tickers.BTCUSDT"}', "Failed to decode incoming data:"),
        ('{"op": "subscribe", "args": [1]}', "Failed to decode incoming data:"),
        ('{"op": "subscribe"}', "error:no topic in args"),
        ('{"op": "nope"}', "error:invalid op"),
        ("{}", "error:invalid op"),
        ('{"op": "order.create", "args": [{}]}', "Failed to decode incoming data:"),
    ],
)
async def test_a_malformed_frame_is_answered_and_survived(sent: str, ret_msg: str) -> None:
    async with running(FLOW, speed=1) as wire, wire.stream() as stream:
        await stream.socket.send_str(sent)
        reply = await stream.read()
        assert reply["success"] is False
        assert reply["ret_msg"].startswith(ret_msg)
        await stream.socket.send_bytes(b"\xff\xfe{")
        assert (await stream.read())["success"] is False
        assert (await stream.ask("ping"))["ret_msg"] == "pong"


async def test_a_giant_frame_costs_its_sender_the_connection() -> None:
    async with running(FLOW, speed=1) as wire, wire.stream() as stream, wire.stream() as other:
        await stream.socket.send_str("x" * 100_000)
        received = await stream.socket.receive(timeout=5)
        assert received.type is aiohttp.WSMsgType.CLOSE
        assert stream.socket.close_code == 1009
        assert (await other.ask("ping"))["ret_msg"] == "pong"


async def test_unsubscribe_stops_the_topic_and_nothing_else() -> None:
    topics = ("orderbook.50.BTCUSDT", "orderbook.1.BTCUSDT")
    async with running(SyntheticFlow(BTC, 7), speed=20) as wire, wire.stream(*topics) as stream:
        await stream.read()
        await stream.socket.send_json({"op": "unsubscribe", "req_id": 3, "args": [topics[1], "nonsense"]})
        while "success" not in (frame := await stream.read()):
            pass
        assert (frame["success"], frame["op"], frame["req_id"]) == (True, "unsubscribe", "3")
        assert {(await stream.read())["topic"] for _ in range(20)} == {topics[0]}
        await stream.socket.send_json({"op": "subscribe", "req_id": "4", "args": [topics[1]]})
        frames = [await stream.read() for _ in range(40)]
        assert topics[1] in {frame.get("topic") for frame in frames}


async def test_a_client_that_vanishes_is_forgotten() -> None:
    async with running(SyntheticFlow(BTC, 7), speed=1) as wire:
        async with wire.stream("orderbook.50.BTCUSDT") as stream, wire.stream("tickers.BTCUSDT"):
            await stream.read()
            assert (await wire.get("/sandbox/state"))["clients"] == 2
            # Without a close frame, as when the machine is unplugged.
            stream.socket.get_extra_info("socket").shutdown(2)
            await wire.until(clients=1)
        await wire.until(clients=0)


@asynccontextmanager
async def deaf(wire: Wire, *topics: str) -> AsyncIterator[None]:
    """A subscriber that never reads, nor lets its system read for it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", wire.port, limit=4096)
    writer.write(
        f"GET {PUBLIC} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
    )
    assert b"101" in await reader.readline()
    payload = json.dumps({"op": "subscribe", "args": topics}).encode()
    assert len(payload) < 126
    writer.write(bytes([0x81, 0x80 | len(payload), 0, 0, 0, 0]) + payload)
    writer.transport.pause_reading()  # type: ignore[attr-defined]
    try:
        yield
    finally:
        writer.transport.abort()


async def test_in_the_present_a_client_that_does_not_read_is_cut_off() -> None:
    async with (
        running(SyntheticFlow(BTC, 7), speed=1, follows_wall=True, max_backlog_bytes=20_000) as wire,
        deaf(wire, "orderbook.200.BTCUSDT", "tickers.BTCUSDT"),
        wire.stream("tickers.BTCUSDT") as healthy,
    ):
        # Each restart is a snapshot of 400 levels, so that it does not take minutes to fill the kernel's buffers.
        for _ in range(2000):
            await wire.fault(kind="restart", topic="orderbook.200.BTCUSDT")
            if (await wire.get("/sandbox/state"))["slow_clients"]:
                break
        await wire.until(slow_clients=1, clients=1)
        assert (await healthy.read())["topic"] == "tickers.BTCUSDT"


async def test_a_tape_waits_for_a_client_that_does_not_read_and_still_stops_when_told_to() -> None:
    loop = asyncio.get_running_loop()
    async with running(SyntheticFlow(BTC, 7), speed=0) as wire, deaf(wire, "orderbook.200.BTCUSDT"):
        await wire.until(started=True)
        before = -1
        while (now := (await wire.get("/sandbox/state"))["event_time_ns"]) != before:
            before = now
            await asyncio.sleep(0.1)
        assert (await wire.get("/sandbox/state"))["slow_clients"] == 0
        leaving = loop.time()
    assert loop.time() - leaving < 5


async def test_leaving_the_server_says_good_bye() -> None:
    async with aiohttp.ClientSession() as http:
        async with running(FLOW, speed=1) as wire:
            socket = await http.ws_connect(wire.url + PUBLIC)
            closing = asyncio.create_task(socket.receive())
        received = await asyncio.wait_for(closing, 5)
        assert received.type is aiohttp.WSMsgType.CLOSE
        assert (received.data, received.extra) == (1001, "going away")


@pytest.mark.parametrize("path", ["/v5/private", "/v5/trade", "/v5/public/spot", "/nonsense"])
async def test_other_websockets_are_not_there(path: str) -> None:
    async with running(FLOW, speed=1) as wire:
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await wire.http.ws_connect(wire.url + path)
        assert refused.value.status == 404
