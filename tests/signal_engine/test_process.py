"""The real process on a real Redis: what it reads, writes and remembers through being killed."""

import signal
import sys
import time
from functools import partial

import pytest
import redis

from app.core.clock import NS_PER_MS
from app.market.instruments import read_instruments
from app.market.rows import LAST, Rows
from app.market.schema import SCHEMA
from app.messages.base import Message
from app.messages.signals import Signal
from app.messages.streams import Streams
from app.settings import ROOT, load_settings
from app.signal_engine.metrics import EngineMetrics
from app.signal_engine.service import SignalEngine
from tests.features.tapes import tape
from tests.service_rig import StartService, send, sent, wait_for
from tests.signal_engine.builders import executor_mark, told

STREAMS = Streams("main")
TAPE = tape(41, 900, step_ms=30)


@pytest.fixture
def start(start_service: StartService, redis_url: str) -> StartService:
    return partial(start_service, "signal_engine", f"bus.redis_url={redis_url}", "bus.snapshot_every_s=0.2")


def send_rows(client: redis.Redis, start: int, stop: int) -> None:
    """Send the tape's rows start … stop - 1 in blocks of a few venue messages, and the executor's marks with them."""
    at = start
    while at < stop:
        end = min(at + 40, stop)
        while end < stop and not TAPE["flags"][end - 1] & LAST:
            end += 1
        client.xadd(STREAMS.md, {"b": TAPE[at:end].tobytes(), "s": SCHEMA, "n": end})
        mark = executor_mark(int(TAPE["ts_recv"][end - 1]) - 300 * NS_PER_MS)
        send(client, STREAMS.execution, mark)
        at = end


def in_this_process(rows: Rows) -> list[Message]:
    """What a core in this process sends for `rows`."""
    from prometheus_client import CollectorRegistry

    from app.bus.types import Delivery, Outbox

    settings = load_settings(overlays=(), assignments=())
    core = SignalEngine(
        STREAMS,
        settings.signal_engine,
        strategies=settings.strategies,
        instruments=read_instruments(ROOT / settings.symbols_file),
        symbols=settings.shard.symbols,
        feedback_delay_ns=settings.pipeline.feedback_delay_ms * NS_PER_MS,
        metrics=EngineMetrics(CollectorRegistry(), (), ()),
    )
    out = Outbox()
    core.advance(Delivery(STREAMS.execution, "1-1", messages=[executor_mark(2**61)]), out)
    core.advance(Delivery(STREAMS.md, "1-1", block=rows.tobytes()), out)
    return out.messages[STREAMS.raw]


def test_a_killed_engine_sends_what_one_that_was_never_killed_sends(start: StartService, client: redis.Redis) -> None:
    expected = in_this_process(TAPE)
    signals = [message for message in expected if isinstance(message, Signal)]
    assert len(signals) > 10
    third = len(TAPE) // 3
    engine = start()
    send_rows(client, 0, third)
    wait_for(lambda: len(sent(client, STREAMS.raw)) > 5)
    engine.end(signal.SIGKILL)
    send_rows(client, third, 2 * third)
    engine = start()
    send_rows(client, 2 * third, len(TAPE))
    wait_for(lambda: sent(client, STREAMS.raw)[-1] == expected[-1])
    time.sleep(0.2)
    assert told(sent(client, STREAMS.raw)) == told(expected)
    exported = engine.metrics()
    assert exported['rows_dropped_total{reason="malformed"}'] == 0
    assert 'signals_total{kind="entry",strategy="scalper",symbol="BTCUSDT"}' in exported
    assert exported['service_ready{service="signal_engine"}'] == 1
    if sys.platform == "linux":
        assert engine.resident_mb() < 200
    assert engine.end(signal.SIGTERM) == 0


def test_noise_on_the_wire_is_refused_or_dropped_and_the_rest_goes_on(start: StartService, client: redis.Redis) -> None:
    engine = start()
    client.xadd(STREAMS.md, {"b": b"x" * 41, "s": SCHEMA, "n": 1})
    client.xadd(STREAMS.md, {"b": TAPE[:40].tobytes(), "s": "another", "n": 1})
    client.xadd(STREAMS.md, {"b": b"\xff" * 400, "s": SCHEMA, "n": 1})
    send_rows(client, 0, 200)
    wait_for(lambda: len(sent(client, STREAMS.raw)) > 5)
    assert [message.reason for message in sent(client, STREAMS.dlq)] == ["malformed", "schema_mismatch"]  # type: ignore[attr-defined]
    assert engine.metrics()['rows_dropped_total{reason="malformed"}'] == 10
    assert engine.end(signal.SIGTERM) == 0
