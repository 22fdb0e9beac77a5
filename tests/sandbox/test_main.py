"""`python -m app.sandbox.main` as a process."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.sandbox.builders import PUBLIC, ROOT, Stream, depth, snapshot
from tests.sandbox.test_tape import archive, recorded


@contextmanager
def sandbox(**settings: object) -> Iterator[tuple[subprocess.Popen[str], int, int]]:
    """A running sandbox: the process, its port and its metrics port."""
    process = start(port=0, **settings)
    try:
        listening, ready = event(process, "listening"), event(process, "ready")
        yield process, listening["port"], ready["metrics_port"]
    finally:
        process.kill()
        process.communicate()


def start(**settings: object) -> subprocess.Popen[str]:
    assignments = [f"sandbox.{key}={value}" for key, value in settings.items()]
    assignments += ["metrics.sandbox=0", "logging.format=json"]
    environment = {**os.environ, "AVIARY_SET": "\n".join(assignments)}
    return subprocess.Popen(
        [sys.executable, "-m", "app.sandbox.main"], cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True
    )


def event(process: subprocess.Popen[str], name: str) -> dict[str, Any]:
    assert process.stderr is not None
    for line in process.stderr:
        found = json.loads(line)
        if found["event"] == name:
            return dict(found)
    raise AssertionError(f"the sandbox never said {name!r}")


def failed(**settings: object) -> tuple[int, str]:
    """Exit code and what was said of a sandbox that cannot start."""
    process = start(**settings)
    _, said = process.communicate(timeout=30)
    return process.returncode, said


async def test_serves_counts_and_says_good_bye() -> None:
    with sandbox(symbols="[BTCUSDT, ETHUSDT]") as (process, port, metrics_port):
        async with aiohttp.ClientSession() as http, http.ws_connect(f"http://127.0.0.1:{port}{PUBLIC}") as ws:
            stream = Stream(ws)
            await stream.subscribe("orderbook.50.BTCUSDT", "tickers.ETHUSDT")
            for _ in range(10):
                await stream.read()
            metrics = await asyncio.to_thread(scrape, metrics_port)
            assert metrics['sandbox_frames_total{topic="orderbook"}'] >= 1
            assert metrics['sandbox_frames_total{topic="publicTrade"}'] == 0
            assert metrics["sandbox_bytes_total"] > 1000
            assert metrics["sandbox_clients"] == 1
            assert metrics['sandbox_faults_total{kind="drop"}'] == 0
            assert metrics["sandbox_slow_clients_total"] == 0
            assert metrics["sandbox_rest_requests_total"] == 0
            assert 0 <= metrics["sandbox_lag_seconds"] < 5
            assert metrics['service_ready{service="sandbox"}'] == 1
            process.send_signal(signal.SIGINT)
            async for _ in ws:
                pass
            assert ws.close_code == 1001
        assert await asyncio.to_thread(process.wait, 10) == 0


def scrape(port: int) -> dict[str, float]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as response:
        lines = response.read().decode().splitlines()
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))}


async def test_plays_a_tape_and_then_waits_to_be_stopped(tmp_path: Path) -> None:
    tape = archive(tmp_path, recorded([snapshot(0), *(depth(20 * i, (1, 599_999, i)) for i in range(1, 50))]))
    with sandbox(flow="tape", tape=tape, time="original", speed=0) as (process, port, _):
        async with aiohttp.ClientSession() as http:
            async with http.ws_connect(f"http://127.0.0.1:{port}{PUBLIC}") as ws:
                stream = Stream(ws)
                await stream.subscribe("orderbook.50.BTCUSDT")
                frames = await stream.until_closed()
                assert (len(frames), ws.close_code) == (50, 1000)
            async with http.get(f"http://127.0.0.1:{port}/sandbox/state") as response:
                assert (await response.json())["tape_finished"] is True
        assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(process.wait, 10) == 0


async def test_a_damaged_tape_ends_the_process_with_the_reason(tmp_path: Path) -> None:
    tape = archive(tmp_path, recorded([snapshot(0), *(depth(60_000 * i, (1, 599_999, i)) for i in range(1, 90))]))
    part = sorted(tape.glob("venue=*/symbol=BTCUSDT/**/*.parquet"))[1]
    part.write_bytes(part.read_bytes()[:-100])
    with sandbox(flow="tape", tape=tape, time="original", speed=0) as (process, port, _):
        async with aiohttp.ClientSession() as http, http.ws_connect(f"http://127.0.0.1:{port}{PUBLIC}") as ws:
            await Stream(ws).subscribe("orderbook.50.BTCUSDT")
            async for _ in ws:
                pass
        assert part.name in (await asyncio.to_thread(event, process, "failed"))["error"]
        assert await asyncio.to_thread(process.wait, 10) == 1


def test_a_port_in_use_is_named_with_the_remedy() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        code, said = failed(port=port)
    assert code == 2
    assert f"sandbox port 127.0.0.1:{port} cannot be opened" in said
    assert "stop what uses it or set sandbox.port to another (0 takes a free one)" in said


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"flow": "tape"}, "flow 'tape' needs `tape`"),
        ({"speed": 2}, "time 'now' needs speed 1"),
        ({"symbols": "[NOPEUSDT]"}, "symbol 'NOPEUSDT' is not in config/symbols.yml"),
        ({"flow": "tape", "tape": "nowhere"}, "nowhere does not exist; set sandbox.tape to the root of an archive"),
    ],
)
def test_what_is_misconfigured_is_said(settings: dict[str, object], text: str) -> None:
    code, said = failed(port=0, **settings)
    assert code != 0
    assert text in said
