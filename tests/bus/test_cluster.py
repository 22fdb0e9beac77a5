"""A shard on a real Redis Cluster of three nodes: its streams share a slot, so the hand-over is one transaction."""

import asyncio
from collections.abc import Iterator

import pytest
import redis
from redis.asyncio.cluster import RedisCluster

from app.bus.server import RedisServer
from app.messages import codec
from app.messages.signals import Mark
from app.messages.streams import Streams
from tests.bus.cores import STREAMS, Running, RunningSum

_SLOTS = 16384


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[RedisServer]]:
    folder = tmp_path_factory.mktemp("cluster")
    nodes = [RedisServer(folder / str(n), cluster=True) for n in range(3)]
    try:
        for n, node in enumerate(nodes):
            node.start()
            with redis.Redis(port=node.port) as client:
                share = range(n * _SLOTS // 3, (n + 1) * _SLOTS // 3)
                client.execute_command("CLUSTER", "ADDSLOTS", *share)
        with redis.Redis(port=nodes[0].port) as client:
            for other in nodes[1:]:
                client.execute_command("CLUSTER", "MEET", "127.0.0.1", other.port)
        for node in nodes:
            _await_state(node)
        yield nodes
    finally:
        for node in nodes:
            node.stop()


def _await_state(node: RedisServer) -> None:
    import time

    deadline = time.monotonic() + 20
    with redis.Redis(port=node.port) as client:
        while time.monotonic() < deadline:
            info = client.execute_command("CLUSTER", "INFO")
            text = (
                info
                if isinstance(info, dict)
                else dict(line.split(":", 1) for line in info.decode().split("\r\n") if ":" in line)
            )
            if text["cluster_state"] == "ok" and text["cluster_known_nodes"] == "3":
                return
            time.sleep(0.1)
    raise AssertionError(f"node {node.port} did not see the whole cluster in time")


@pytest.mark.parametrize("entry_node", [0, 1, 2])
async def test_a_service_finds_its_shard_from_any_node_and_hands_over_in_one_transaction(cluster, entry_node):
    url = cluster[entry_node].url
    async with RedisCluster.from_url(url) as client:
        for key in (STREAMS.raw, STREAMS.scored, STREAMS.dlq, STREAMS.floors, STREAMS.snapshot("ai_scorer")):
            await client.delete(key)
        running = Running(url, RunningSum, snapshot_every_s=0.1, trim_every_s=0.1)
        for value in range(1, 51):
            await client.xadd(STREAMS.raw, {"m": codec.encode([Mark(ts=value, source="t")])})
        await client.xadd(STREAMS.raw, {"m": b"broken"})
        async with asyncio.timeout(15):
            while await client.xlen(STREAMS.dlq) < 1 or await client.xlen(STREAMS.scored) < 1:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        await running.stop()
        totals = []
        for _entry, fields in await client.xrange(STREAMS.scored):
            totals += [message.ts for message in codec.decode(fields[b"m"])[0]]
        assert totals == [n * (n + 1) // 2 for n in range(1, 51)]
        assert (await client.xpending(STREAMS.raw, "ai_scorer"))["pending"] == 0
        assert await client.exists(STREAMS.snapshot("ai_scorer"))


def test_shards_share_a_slot_within_and_spread_between(cluster):
    with redis.Redis(port=cluster[0].port) as client:

        def slots(shard: str) -> set[int]:
            streams = Streams(shard)
            keys = (*streams.all(), streams.floors, streams.snapshot("risk"))
            return {client.execute_command("CLUSTER", "KEYSLOT", key) for key in keys}

        each = [slots(shard) for shard in ("a", "b", "c", "d", "e", "f")]
    assert all(len(found) == 1 for found in each)
    assert len(set.union(*each)) > 3
