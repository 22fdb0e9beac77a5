"""Names of streams and keys: fixed, and in one slot of a cluster."""

import re

import pytest

from app.messages.streams import Streams

SERVICES = ("collector", "signal_engine", "ai_scorer", "risk", "executor")


def test_names_are_fixed() -> None:
    assert Streams("main").all() == (
        "md:{main}",
        "sig:raw:{main}",
        "sig:scored:{main}",
        "sig:approved:{main}",
        "sig:dropped:{main}",
        "exec:events:{main}",
        "control:events:{main}",
        "dlq:{main}",
    )


def test_everything_of_a_shard_shares_its_hash_tag() -> None:
    streams = Streams("a-1_B")
    keys = [*streams.all(), streams.floors, *(streams.snapshot(service) for service in SERVICES)]
    assert len(set(keys)) == len(keys)
    assert {re.search(r"\{(.*?)\}", key)[1] for key in keys} == {"a-1_B"}  # type: ignore[index]


def test_shards_share_no_key() -> None:
    assert not set(Streams("a").all()) & set(Streams("b").all())


@pytest.mark.parametrize("service", SERVICES)
def test_nobody_waits_on_a_stream_that_flows_back(service: str) -> None:
    """Or two services could each wait for the other to read."""
    streams = Streams("main")
    waited = streams.forward_of(service)
    assert streams.execution not in waited
    assert not set(waited) & set(streams.unread)
    assert set(waited) <= set(streams.all())


def test_the_streams_of_the_pipeline_are_waited_on_by_their_writer_alone() -> None:
    streams = Streams("main")
    waited = [stream for service in SERVICES for stream in streams.forward_of(service)]
    assert waited == [streams.md, streams.raw, streams.scored, streams.approved]
