"""`python -m app.sandbox.main` as a process."""

import asyncio
import signal
import socket
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.sandbox.builders import PUBLIC, Stream, depth, snapshot
from tests.sandbox.test_tape import archive, recorded
from tests.service_rig import ServiceProcess, StartService


@pytest.fixture
def sandbox(start_service: StartService) -> StartService:
    """Starts a sandbox on any free port unless `port` is given, under these settings of its section."""

    def start(**settings: object) -> ServiceProcess:
        return start_service("sandbox", *(f"sandbox.{key}={value}" for key, value in {"port": 0, **settings}.items()))

    return start


async def event(process: ServiceProcess, name: str) -> dict[str, Any]:
    """What it logged as `name`; waiting for it keeps the loop running."""
    return await asyncio.to_thread(process.event, name)


async def url_of(process: ServiceProcess) -> str:
    """Where it listens, once it is ready."""
    await event(process, "ready")
    return f"http://127.0.0.1:{process.event('listening')['port']}"


async def test_serves_counts_and_says_good_bye(sandbox: StartService) -> None:
    process = sandbox(symbols="[BTCUSDT, ETHUSDT]")
    url = await url_of(process)
    async with aiohttp.ClientSession() as http, http.ws_connect(url + PUBLIC) as ws:
        stream = Stream(ws)
        await stream.subscribe("orderbook.50.BTCUSDT", "tickers.ETHUSDT")
        for _ in range(10):
            await stream.read()
        metrics = await asyncio.to_thread(process.metrics)
        assert metrics['sandbox_frames_total{topic="orderbook"}'] >= 1
        assert metrics['sandbox_frames_total{topic="publicTrade"}'] == 0
        assert metrics["sandbox_bytes_total"] > 1000
        assert metrics["sandbox_clients"] == 1
        assert metrics['sandbox_faults_total{kind="drop"}'] == 0
        assert metrics["sandbox_slow_clients_total"] == 0
        assert metrics["sandbox_rest_requests_total"] == 0
        assert 0 <= metrics["sandbox_lag_seconds"] < 5
        assert metrics['service_ready{service="sandbox"}'] == 1
        ending = asyncio.create_task(asyncio.to_thread(process.end, signal.SIGINT))
        async for _ in ws:
            pass
        assert ws.close_code == 1001
    assert await ending == 0


async def test_plays_a_tape_and_then_waits_to_be_stopped(sandbox: StartService, tmp_path: Path) -> None:
    tape = archive(tmp_path, recorded([snapshot(0), *(depth(20 * i, (1, 599_999, i)) for i in range(1, 50))]))
    process = sandbox(flow="tape", tape=tape, time="original", speed=0)
    url = await url_of(process)
    async with aiohttp.ClientSession() as http:
        async with http.ws_connect(url + PUBLIC) as ws:
            stream = Stream(ws)
            await stream.subscribe("orderbook.50.BTCUSDT")
            frames = await stream.until_closed()
            assert (len(frames), ws.close_code) == (50, 1000)
        async with http.get(f"{url}/sandbox/state") as response:
            assert (await response.json())["tape_finished"] is True
    assert process.alive
    assert await asyncio.to_thread(process.end, signal.SIGTERM) == 0


async def test_a_damaged_tape_ends_the_process_before_it_serves_anything(sandbox: StartService, tmp_path: Path) -> None:
    tape = archive(tmp_path, recorded([snapshot(0), *(depth(60_000 * i, (1, 599_999, i)) for i in range(1, 90))]))
    part = sorted(tape.glob("venue=*/symbol=BTCUSDT/**/*.parquet"))[1]
    part.write_bytes(part.read_bytes()[:-100])
    process = sandbox(flow="tape", tape=tape, time="original", speed=0)
    assert f"{part.name}, row 0: " in (await event(process, "failed"))["error"]
    assert await asyncio.to_thread(process.wait) == 1


def test_a_port_in_use_is_named_with_the_remedy(sandbox: StartService) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        process = sandbox(port=port)
        assert process.wait() == 2
    assert f"sandbox port 127.0.0.1:{port} cannot be opened" in process.said()
    assert "stop what uses it or set sandbox.port to another (0 takes a free one)" in process.said()


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"flow": "tape"}, "flow 'tape' needs `tape`"),
        ({"speed": 2}, "time 'now' needs speed 1"),
        ({"symbols": "[NOPEUSDT]"}, "symbol 'NOPEUSDT' is not in config/symbols.yml"),
        ({"flow": "tape", "tape": "nowhere"}, "nowhere does not exist; set sandbox.tape to the root of an archive"),
    ],
)
def test_what_is_misconfigured_is_said(sandbox: StartService, settings: dict[str, object], text: str) -> None:
    process = sandbox(**settings)
    assert process.wait() == 2
    assert text in process.said()
