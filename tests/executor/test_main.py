"""The process: configuration, refusal of real trading, and a kill in the middle of a session."""

import os
import signal
import subprocess
import sys
from collections import Counter
from decimal import Decimal
from functools import partial

import msgspec
import pytest
import redis
from prometheus_client import CollectorRegistry

from app.bus.types import Delivery, Outbox
from app.core.errors import Misconfigured
from app.executor.build import rules_of
from app.executor.metrics import ExecutorMetrics
from app.executor.service import ExecutorCore
from app.market.schema import SCHEMA
from app.messages.base import Message
from app.messages.signals import Mark
from app.messages.streams import Streams
from app.settings import ROOT, load_settings
from app.sim.queue import PROPORTIONAL
from tests.executor.tapes import Session
from tests.service_rig import StartService, send, sent, wait_for

STREAMS = Streams("main")


def settings(*assignments: str):
    return load_settings(overlays=[], assignments=assignments)


def test_the_rules_are_those_of_the_configuration():
    rules = rules_of(
        settings("executor.paper.queue=proportional", "executor.decision_ms=0.5", "exchange.post_only=false")
    )
    assert [instrument.symbol for instrument in rules.instruments] == ["BTCUSDT"]
    assert (rules.queue, rules.decision, rules.hold, rules.clock) == (PROPORTIONAL, 500_000, 200_000_000, 100_000_000)
    assert (rules.maker_only, rules.post_only, rules.reduce_only) == (True, False, True)
    assert (rules.fees.maker, rules.fees.taker) == (Decimal("0.0002"), Decimal("0.00055"))
    assert list(rules.strategies) == ["scalper"]


def test_real_trading_is_refused_with_what_to_do():
    with pytest.raises(Misconfigured, match=r"cannot send orders to bybit_v5: it trades on paper only; .*"
                                            r"EXCHANGE_MODE=paper, or set exchange.mode: paper"):  # fmt: skip
        rules_of(settings("exchange.mode=real"))


def test_a_symbol_without_filters_is_refused():
    with pytest.raises(Misconfigured, match=r"symbol 'PEPEUSDT' is not in config/symbols\.yml"):
        rules_of(settings("shard.symbols=[PEPEUSDT]", "strategies.scalper.symbols=[PEPEUSDT]"))


def test_every_known_label_is_exported_as_zero():
    registry = CollectorRegistry()
    ExecutorMetrics(registry)
    for name, labels in (
        ("trades_opened_total", {"route": "canary"}),
        ("orders_total", {"leg": "take_profit", "status": "cancelled"}),
        ("fills_total", {"liquidity": "taker"}),
        ("late_orders_total", {}),
        ("rows_clamped_total", {}),
        ("open_positions", {}),
        ("fees_total", {}),
        ("rows_dropped_total", {"reason": "out_of_order"}),
    ):
        assert registry.get_sample_value(name, labels) == 0, name


def expected(session: Session) -> list[Message]:
    """What the same core says when it is fed without Redis."""
    core = ExecutorCore(STREAMS, rules_of(settings()), ExecutorMetrics(CollectorRegistry()))
    out = Outbox()
    core.advance(Delivery(STREAMS.md, "1-0", block=b"".join(session.blocks)), out)
    core.advance(Delivery(STREAMS.approved, "1-0", session.approved), out)
    return out.messages[STREAMS.execution]


def records(messages: list[Message]) -> Counter[bytes]:
    return Counter(msgspec.json.encode(message) for message in messages if not isinstance(message, Mark))


def publish(client: "redis.Redis", session: Session, share: slice) -> None:
    for block in session.blocks[share]:
        client.xadd(STREAMS.md, {"b": block, "s": SCHEMA, "n": len(block) // 40})
    for message in session.approved[share]:
        send(client, STREAMS.approved, message)


def reached(client: redis.Redis, ts: int) -> bool:
    """Whether a mark at `ts` or later was sent."""
    return max((m.ts for m in sent(client, STREAMS.execution) if isinstance(m, Mark)), default=0) >= ts


def test_killed_in_the_middle_it_says_everything_once(
    start_service: StartService, redis_url: str, client: redis.Redis, seed: int
) -> None:
    session = Session(seed)
    half = len(session.approved) // 2
    start = partial(
        start_service, "executor", f"bus.redis_url={redis_url}", "bus.snapshot_every_s=0.2", "bus.batch_entries=8"
    )
    first = start()
    publish(client, session, slice(None, half))
    # Some of it handled, probably some of it between two hand-overs.
    wait_for(lambda: reached(client, session.approved[0].ts))
    first.end(signal.SIGKILL)
    publish(client, session, slice(half, None))
    second = start()
    last = max(m.ts for m in expected(session) if isinstance(m, Mark))
    wait_for(lambda: reached(client, last) or not second.alive)
    assert second.end(signal.SIGTERM) == 0, second.said()
    found = records(sent(client, STREAMS.execution))
    assert found == records(expected(session))
    assert len(found) > 50


def test_asked_for_real_trading_the_process_says_why_not_and_ends():
    env = {**os.environ, "EXCHANGE_MODE": "real"}
    done = subprocess.run(
        [sys.executable, "-m", "app.executor.main"], cwd=ROOT, env=env, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 2
    assert "this version cannot send orders to bybit_v5" in done.stderr
    assert "Traceback" not in done.stderr
