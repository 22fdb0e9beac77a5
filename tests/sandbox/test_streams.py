"""What subscribers get, over real sockets: whole books, every trade, the same bytes in every run."""

import asyncio
import json
from collections import defaultdict
from itertools import pairwise
from random import Random
from typing import Any

import pytest

from app.core.clock import NS_PER_MS
from app.market.rows import DEPTH_CLEAR, DEPTH_SET, SNAPSHOT
from app.sandbox.flow import MergedFlow, ScriptedFlow, VenueMessage
from app.sandbox.synthetic import SyntheticFlow
from tests.sandbox.builders import (
    BTC,
    ETH,
    START,
    ClientBook,
    NaiveBook,
    depth,
    message,
    running,
    snapshot,
    trade,
)

Frame = dict[str, Any]

ALL = ("publicTrade.BTCUSDT", "orderbook.1.BTCUSDT", "orderbook.50.BTCUSDT", "orderbook.200.BTCUSDT", "tickers.BTCUSDT")


def random_flow(seed: int, *, messages: int = 400) -> list[VenueMessage]:
    """Depth messages over 400 prices a side (more than any window), new snapshots, one-sided moments, trades."""
    random, at, flow = Random(seed), 0.0, [snapshot(0, levels=300)]
    for _ in range(messages):
        at += random.expovariate(1 / 8)
        kind = random.random()
        if kind < 0.15:
            flow.append(trade(at, random.choice((1, -1)), 600_000 + random.randint(-50, 50), random.randint(1, 99)))
        elif kind < 0.17:
            flow.append(message(at, [(DEPTH_CLEAR, random.choice((0, 1, -1)), 0, 0)], flags=SNAPSHOT))
        else:
            sides = random.choices((1, -1), k=random.randint(1, 12))
            flow.append(
                message(
                    at,
                    [
                        (
                            DEPTH_SET,
                            side,
                            600_000 - side * (1 + int(random.random() ** 2 * 400)),
                            random.choice((0, 5, 9)),
                        )
                        for side in sides
                    ],
                )
            )
    return flow


async def played(flow: list[VenueMessage], *topics: str) -> list[Frame]:
    async with running(ScriptedFlow(flow)) as wire, wire.stream(*topics) as stream:
        return [json.loads(frame) for frame in await stream.until_closed()]


def by_topic(frames: list[Frame]) -> dict[str, list[Frame]]:
    found = defaultdict(list)
    for frame in frames:
        found[frame["topic"]].append(frame)
    return found


@pytest.mark.parametrize("n", [0, 1, 2])
async def test_a_book_made_of_frames_is_the_venues_at_every_frame(n: int, seed: int) -> None:
    flow = random_flow(seed + n)
    found = by_topic(await played(flow, *ALL))
    for name, interval in (("orderbook.1", 10), ("orderbook.50", 20), ("orderbook.200", 100)):
        client, venue, rest = ClientBook(), NaiveBook(), list(flow)
        frames = found[f"{name}.BTCUSDT"]
        assert len(frames) > 10
        for frame in frames:
            while rest and rest[0].when <= frame["ts"] * NS_PER_MS:
                venue.apply(rest.pop(0).rows)
            client.apply(frame)
            assert client.levels() == venue.levels(int(name.split(".")[1]))
            assert frame["ts"] % interval == 0 or frame["type"] == "snapshot"
            assert frame["cts"] <= frame["ts"]
        assert not changes(rest, venue, int(name.split(".")[1])), "the last state was not published"


def changes(rest: list[VenueMessage], venue: NaiveBook, depth: int) -> bool:
    """Whether the messages after the last frame change what it showed."""
    before = venue.levels(depth)
    for one in rest:
        venue.apply(one.rows)
    return venue.levels(depth) != before


async def test_u_counts_frames_and_seq_grows(seed: int) -> None:
    found = by_topic(await played(random_flow(seed), *ALL))
    for name, frames in found.items():
        if not name.startswith("orderbook."):
            continue
        us, seqs = [f["data"]["u"] for f in frames], [f["data"]["seq"] for f in frames]
        assert us == list(range(us[0], us[0] + len(us)))
        assert us[0] != 1, "u = 1 means that the venue has restarted"
        assert all(a < b for a, b in pairwise(seqs))
    kinds = {name: [f["type"] for f in frames] for name, frames in found.items()}
    assert set(kinds["orderbook.1.BTCUSDT"]) == {"snapshot"}
    for name in ("orderbook.50.BTCUSDT", "orderbook.200.BTCUSDT", "tickers.BTCUSDT"):
        assert kinds[name][0] == "snapshot"
        assert set(kinds[name][1:]) == {"delta"}


async def test_every_trade_arrives_once_and_in_order() -> None:
    flow = [snapshot(0), trade(3, 1, 600_001, 7), trade(5, -1, 599_999, 8), trade(12, 1, 600_001, 9)]
    frames = await played(flow, "publicTrade.BTCUSDT")
    assert [[t["v"] for t in frame["data"]] for frame in frames] == [["0.007", "0.008"], ["0.009"]]
    first = frames[0]
    assert (first["type"], first["ts"]) == ("snapshot", START // NS_PER_MS + 10)
    assert list(first["data"][0]) == ["T", "s", "S", "v", "p", "L", "i", "seq", "BT", "RPI"]
    assert [(t["T"] - START // NS_PER_MS, t["S"], t["p"]) for t in first["data"]] == [
        (3, "Buy", "60000.1"),
        (5, "Sell", "59999.9"),
    ]


async def test_many_trades_are_split_into_frames_of_1024() -> None:
    flow = [snapshot(0), *(trade(1, 1, 600_001, 1) for _ in range(2500))]
    frames = await played(flow, "publicTrade.BTCUSDT")
    assert [len(frame["data"]) for frame in frames] == [1024, 1024, 452]
    assert len({t["i"] for frame in frames for t in frame["data"]}) == 2500


async def test_level_1_is_sent_again_after_three_idle_seconds() -> None:
    flow = [snapshot(0), depth(100, (1, 599_999, 77)), depth(7_000, (1, 599_000, 1))]
    frames = await played(flow, "orderbook.1.BTCUSDT")
    assert [(f["ts"] - START // NS_PER_MS, f["data"]["u"]) for f in frames] == [(0, 2), (100, 3), (3100, 3), (6100, 3)]
    assert {f["type"] for f in frames} == {"snapshot"}
    assert frames[1]["data"] == frames[2]["data"]


async def test_what_is_outside_the_window_is_not_told() -> None:
    flow = [snapshot(0, levels=60), depth(5, (1, 600_000 - 55, 3)), depth(900, (1, 600_000 - 58, 0))]
    assert [f["type"] for f in await played(flow, "orderbook.50.BTCUSDT")] == ["snapshot"]


async def test_a_recording_without_a_snapshot_starts_with_what_is_known() -> None:
    flow = [depth(3, (1, 599_990, 5)), depth(25, (-1, 600_010, 6)), depth(45, (1, 599_990, 0))]
    first, *deltas = await played(flow, "orderbook.50.BTCUSDT")
    assert (first["type"], first["data"]["b"], first["data"]["a"]) == ("snapshot", [], [])
    assert [(f["data"]["b"], f["data"]["a"]) for f in deltas] == [
        ([["59999.0", "0.005"]], []),
        ([], [["60001.0", "0.006"]]),
        ([["59999.0", "0"]], []),
    ]


async def test_rest_answers_with_the_first_snapshot_before_anyone_subscribes() -> None:
    flow = [snapshot(0), depth(5, (1, 599_999, 1))]
    async with running(ScriptedFlow(flow)) as wire:
        await asyncio.sleep(0.05)
        state = await wire.get("/sandbox/state")
        assert (state["started"], state["event_time_ns"]) == (False, START)
        book = await wire.result("/v5/market/orderbook", symbol="BTCUSDT", category="linear", limit=1)
        assert (book["b"], book["a"]) == ([["59999.9", "0.010"]], [["60000.1", "0.010"]])


async def test_end_of_tape_closes_with_a_reason_and_rest_goes_on() -> None:
    flow = [snapshot(0), trade(5, 1, 600_001, 1), depth(1000, (1, 599_999, 42))]
    async with running(ScriptedFlow(flow)) as wire, wire.stream("orderbook.50.BTCUSDT") as stream:
        frames = await stream.until_closed()
        assert json.loads(frames[-1])["data"]["b"] == [["59999.9", "0.042"]]
        assert stream.socket.close_code == 1000
        state = await wire.get("/sandbox/state")
        assert state["tape_finished"] is True
        book = await wire.result("/v5/market/orderbook", symbol="BTCUSDT", category="linear")
        assert book["b"][0] == ["59999.9", "0.042"]
        async with wire.stream() as late:
            assert await late.until_closed() == []
            assert late.socket.close_code == 1000


SYNTHETIC_MS = 3_000


async def synthetic_bytes(seed: int, speed: float) -> list[bytes]:
    flow = MergedFlow([SyntheticFlow(BTC, seed), SyntheticFlow(ETH, seed)])
    topics = [topic.replace("BTC", symbol) for symbol in ("BTC", "ETH") for topic in ALL]
    async with running(flow, BTC, ETH, speed=speed) as wire, wire.stream(*topics) as stream:
        frames = [await stream.raw()]
        end = json.loads(frames[0])["ts"] + SYNTHETIC_MS
        while json.loads(frames[-1])["ts"] < end:
            frames.append(await stream.raw())
        return frames


async def test_the_same_seed_gives_the_same_bytes_at_any_speed() -> None:
    fast = await synthetic_bytes(7, speed=0)
    assert fast == await synthetic_bytes(7, speed=0)
    assert fast == await synthetic_bytes(7, speed=10)
    assert fast != await synthetic_bytes(8, speed=0)
    assert {json.loads(frame)["topic"] for frame in fast} == {
        topic.replace("BTC", symbol) for symbol in ("BTC", "ETH") for topic in ALL
    }


async def test_a_tape_is_lossless_for_a_slow_reader() -> None:
    flow = random_flow(3, messages=3000)
    whole = await played(flow, *ALL)
    async with running(ScriptedFlow(flow)) as wire, wire.stream(*ALL) as stream:
        # Longer than any patience with a client that has to be closed.
        await asyncio.sleep(2.3)
        await stream.socket.send_str('{"op":"ping"}')
        slow = [json.loads(frame) for frame in await stream.until_closed()]
        assert stream.socket.close_code == 1000
    assert [frame for frame in slow if "topic" in frame] == whole
    assert len(whole) > 1000


async def test_two_subscribers_get_the_same_frames() -> None:
    # The second subscribes at once but a little later, as two clients do: it gets a snapshot, then what the first gets.
    async with (
        running(SyntheticFlow(BTC, 7), speed=20) as wire,
        wire.stream("orderbook.50.BTCUSDT") as one,
        wire.stream("orderbook.50.BTCUSDT") as other,
    ):
        first, books = [await one.read() for _ in range(60)], ClientBook()
        frame = await other.read()
        assert frame["type"] == "snapshot"
        books.apply(frame)
        snapshot_u = frame["data"]["u"]
        rest = {f["data"]["u"]: f for f in first if f["data"]["u"] > snapshot_u}
        assert len(rest) > 10
        replay = ClientBook()
        for f in first:
            replay.apply(f)
            if f["data"]["u"] == snapshot_u:
                assert replay.levels() == books.levels()
        for u in sorted(rest):
            assert await other.read() == rest[u]


async def test_the_flow_goes_on_while_nobody_listens() -> None:
    async with running(SyntheticFlow(BTC, 7), speed=5) as wire:
        async with wire.stream("orderbook.50.BTCUSDT") as stream:
            before = (await stream.read())["ts"]
        await asyncio.sleep(0.2)
        async with wire.stream("orderbook.50.BTCUSDT") as stream:
            again = await stream.read()
        assert again["type"] == "snapshot"
        assert again["ts"] > before + 500


async def test_at_speed_0_the_flow_waits_for_a_reader() -> None:
    async with running(SyntheticFlow(BTC, 7)) as wire:
        async with wire.stream("orderbook.50.BTCUSDT") as stream:
            await stream.read()
        await asyncio.sleep(0.05)
        stopped = (await wire.get("/sandbox/state"))["event_time_ns"]
        await asyncio.sleep(0.1)
        assert (await wire.get("/sandbox/state"))["event_time_ns"] == stopped


async def test_time_now_moves_the_beginning_to_the_first_subscription() -> None:
    async with running(SyntheticFlow(BTC, 7), speed=1, follows_wall=True) as wire:
        await asyncio.sleep(0.3)
        asked = int((await wire.result("/v5/market/time"))["timeNano"]) // NS_PER_MS
        async with wire.stream("orderbook.50.BTCUSDT", "publicTrade.BTCUSDT") as stream:
            first = await stream.read()
            assert 0 <= first["ts"] - asked + 10 < 500
            frames = [await stream.read() for _ in range(30)]
        now = int((await wire.result("/v5/market/time"))["timeNano"]) // NS_PER_MS
        assert all(first["ts"] <= frame["ts"] <= now for frame in frames)
        assert now - frames[-1]["ts"] < 500
        for frame in frames:
            if frame["topic"].startswith("publicTrade"):
                assert all(first["ts"] <= t["T"] <= frame["ts"] for t in frame["data"])


async def test_speed_is_kept() -> None:
    loop = asyncio.get_running_loop()
    async with running(SyntheticFlow(BTC, 7), speed=10) as wire, wire.stream("tickers.BTCUSDT") as stream:
        begin, first = loop.time(), (await stream.read())["ts"]
        while (frame := await stream.read())["ts"] < first + 3000:
            pass
        elapsed = loop.time() - begin
        # A loaded machine may be late; it can never be early.
        assert elapsed >= (frame["ts"] - first) / 1000 / 10 - 0.01
