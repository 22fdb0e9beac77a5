"""The wire: addresses, and connections that are gone."""

import asyncio
from collections.abc import Callable

import pytest
import uvloop

from app.bus.server import RedisServer
from app.bus.wire import Wire, pack
from app.core.errors import Misconfigured


def _wire(url: str) -> Wire:
    return Wire(url, name="aviary:test:main", probe_key="md:{main}")


@pytest.mark.parametrize(
    "url",
    [
        "redis://user:hunter/2@host:6379/0",
        "redis://user:hunter/2@host",
        "redis://:hunter#2@host:6379/0",
        "redis://hunter:2x@host/hunter",
        "redis://host:hunter/0",
        "redis://host:0/0",
        "redis://:hunter[@host",
        "redis://host/hunter",
        "http://hunter@host",
        "hunter",
        "",
    ],
)
def test_a_wrong_address_is_refused_without_showing_a_password(url: str) -> None:
    with pytest.raises(Misconfigured, match=r"check REDIS_URL") as caught:
        _wire(url)
    assert "hunter" not in str(caught.value)


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def test_a_call_on_a_connection_the_server_closed_says_so(
    new_loop: Callable[[], asyncio.AbstractEventLoop], redis_server: RedisServer
) -> None:
    """Whatever the event loop raises, callers are told by an OSError, which is what they look out for."""

    async def talk() -> None:
        wire = _wire(redis_server.url)
        await wire.connect()
        assert await wire.command("PING") == b"PONG"
        redis_server.stop()
        # Time for the loop to notice, before anything is written.
        await asyncio.sleep(0.05)
        for _ in range(3):
            with pytest.raises(OSError, match=r"closed by the server|reset|Broken pipe"):
                await wire.call(pack("PING"), 1)
        wire.close()

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(talk())
