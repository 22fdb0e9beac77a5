"""What happens is a function of the two streams alone: not of interleaving, cutting, snapshots or restarts."""

import random
from collections import Counter
from dataclasses import replace
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from app.bus.types import Delivery, Outbox, RefeedOutbox
from app.core.errors import SchemaMismatch
from app.executor.agenda import Cancel, Sample, TimeUp
from app.executor.metrics import ExecutorMetrics
from app.executor.service import ExecutorCore
from app.messages.base import Message
from app.messages.execution import ClosedTrade, Fill, OrderUpdate
from app.messages.signals import Mark
from app.report.books import check_books
from app.sim.latency import MeasuredLatency
from app.sim.queue import PROPORTIONAL
from app.sim.settings import SpellSettings
from app.sim.spells import Spells
from tests.executor.stage import STRATEGY, STREAMS, rules
from tests.executor.tapes import Session

CASH = {"scalper": Decimal(10_000), "other": Decimal(10_000)}
EXITS = STRATEGY.exits.model_copy(update={"hold_grace_ms": 100})
STRATEGIES = dict.fromkeys(("scalper", "other"), STRATEGY.model_copy(update={"exits": EXITS}))
# Latencies that would let messages overtake each other, and a model that leaves fractions in the queue.
RULES = rules(
    latency=MeasuredLatency([0.0, 1.0, 4.0, 9.0, 40.0], [0.0, 2.0, 25.0], seed=5),
    queue=PROPORTIONAL,
    strategies=STRATEGIES,
)
seeds = st.integers(0, 2**32 - 1)


def new_core() -> tuple[ExecutorCore, CollectorRegistry]:
    registry = CollectorRegistry()
    return ExecutorCore(STREAMS, RULES, ExecutorMetrics(registry)), registry


def deliveries(session: Session, choose: random.Random) -> list[Delivery]:
    """The session's two streams, cut and interleaved at random."""
    blocks, approved = list(session.blocks), list(session.approved)
    found: list[Delivery] = []
    # Some runs are lopsided: one stream far ahead of the other.
    bias = choose.choice([0.1, 0.5, 0.9])
    while blocks or approved:
        n = choose.choice([1, 1, 2, 5, 50])
        if blocks and (not approved or choose.random() < bias):
            found.append(Delivery(STREAMS.md, "1-0", block=b"".join(blocks[:n])))
            del blocks[:n]
        else:
            found.append(Delivery(STREAMS.approved, "1-0", approved[:n]))
            del approved[:n]
    return found


def play(core: ExecutorCore, entries: list[Delivery], out: type[Outbox] = Outbox) -> list[Message]:
    sent: list[Message] = []
    for delivery in entries:
        box = out()
        core.advance(delivery, box)
        assert not box.dead
        sent += box.messages.get(STREAMS.execution, [])
    return sent


def records(messages: list[Message]) -> Counter[bytes]:
    return Counter(msgspec.json.encode(message) for message in messages if not isinstance(message, Mark))


def whole(session: Session) -> list[Message]:
    """Everything at once: first all rows, then all approvals."""
    entries = [
        Delivery(STREAMS.md, "1-0", block=b"".join(session.blocks)),
        Delivery(STREAMS.approved, "1-0", session.approved),
    ]
    return play(new_core()[0], entries)


def test_the_sessions_are_eventful(seed):
    reasons: Counter[str] = Counter()
    for n in range(10):
        sent = whole(Session(seed + n))
        reasons.update(message.exit_reason for message in sent if isinstance(message, ClosedTrade))
        reasons.update(message.liquidity for message in sent if isinstance(message, Fill))
    assert set(reasons) == {"take_profit", "stop_loss", "max_hold", "tau_hold", "maker", "taker"}
    assert min(reasons.values()) >= 3


@settings(max_examples=25, deadline=None)
@given(seeds, seeds)
def test_interleaving_and_cutting_change_nothing(session_seed, seed):
    session = Session(session_seed)
    expected = whole(session)
    sent = play(new_core()[0], deliveries(session, random.Random(seed)))
    assert records(sent) == records(expected)
    assert simulated(sent) == simulated(expected)
    assert max(m.ts for m in sent if isinstance(m, Mark)) == max(m.ts for m in expected if isinstance(m, Mark))


def simulated(messages: list[Message]) -> list[Message]:
    """What happened on the timeline, in its order: all but marks and entry decisions, which are told at once."""

    def decided(message: Message) -> bool:
        return isinstance(message, OrderUpdate) and message.leg == "entry" and message.status == "submitted"

    return [message for message in messages if not isinstance(message, Mark) and not decided(message)]


@settings(max_examples=25, deadline=None)
@given(seeds, seeds)
def test_restarts_lose_nothing_and_repeat_nothing(session_seed, seed):
    session, choose = Session(session_seed), random.Random(seed)
    entries = deliveries(session, choose)
    core, _registry = new_core()
    sent: list[Message] = []
    saved, saved_at, i = core.snapshot(), 0, 0
    while i < len(entries):
        step = choose.randint(1, max(1, len(entries) // 4))
        sent += play(core, entries[i : i + step])
        i += step
        if choose.random() < 0.5:
            saved, saved_at = core.snapshot(), i
        if choose.random() < 0.6:
            core, registry = new_core()
            core.restore(saved)
            again = entries[saved_at:i]
            # Recovery feeds one stream after the other.
            for stream in choose.sample(core.inputs, 2):
                assert play(core, [entry for entry in again if entry.stream == stream], RefeedOutbox) == []
            assert registry.get_sample_value("fills_total", {"liquidity": "maker"}) == 0
    expected = whole(session)
    assert records(sent) == records(expected)
    assert simulated(sent) == simulated(expected)


@settings(max_examples=10, deadline=None)
@given(seeds, seeds)
def test_restarts_change_nothing_where_the_venue_rejects_every_other_order(session_seed, seed):
    session, choose = Session(session_seed), random.Random(seed)
    always = SpellSettings(start=0, end=2**62, refused=0.5)
    busy = replace(RULES, spells=Spells((always,), seed=session_seed))

    def core() -> ExecutorCore:
        return ExecutorCore(STREAMS, busy, ExecutorMetrics(CollectorRegistry()))

    entries = deliveries(session, choose)
    expected = play(core(), entries)
    assert any(isinstance(m, OrderUpdate) and m.leg != "entry" and m.status == "rejected" for m in expected)
    sent, one = [], core()
    for entry in entries:
        sent += play(one, [entry])
        if choose.random() < 0.3:
            saved, one = one.snapshot(), core()
            one.restore(saved)
    assert sent == expected
    assert check_books(sent, CASH).differences == []


def before_there_was_a_backoff(blob: bytes) -> bytes:
    """The snapshot as an executor wrote it that sent rejected orders again at once."""

    def stripped(node: Any) -> Any:
        if isinstance(node, dict):
            return {key: stripped(value) for key, value in node.items() if key != "backoff"}
        if isinstance(node, list):
            return [stripped(value) for value in (node[:7] if node[:1] == ["answer"] else node)]
        return node

    return msgspec.msgpack.encode(stripped(msgspec.msgpack.decode(blob)))


def test_a_snapshot_from_before_there_was_a_backoff_is_read():
    session = Session(3)
    entries = deliveries(session, random.Random(3))
    expected, shortened = play(new_core()[0], entries), False
    for cut in range(0, len(entries), 1 + len(entries) // 30):
        first, (second, _registry) = new_core()[0], new_core()
        sent = play(first, entries[:cut])
        blob = first.snapshot()
        old = before_there_was_a_backoff(blob)
        shortened |= len(old) < len(blob)
        second.restore(old)
        assert sent + play(second, entries[cut:]) == expected
    assert shortened


@settings(max_examples=25, deadline=None)
@given(seeds)
def test_the_books_of_any_session_balance_and_no_position_is_turned_round(session_seed):
    sent = whole(Session(session_seed))
    assert check_books(sent, CASH).differences == []
    held: Counter[str] = Counter()
    for message in sent:
        if isinstance(message, Fill):
            before = held[message.signal_id]
            held[message.signal_id] += message.side * message.qty
            assert before * held[message.signal_id] >= 0
            assert message.leg == "entry" or abs(held[message.signal_id]) < abs(before)
    assert all(m.late is False for m in sent if hasattr(m, "late"))


def test_memory_is_bounded(seed):
    session = Session(seed, seconds=20.0)
    core, _registry = new_core()
    play(core, deliveries(session, random.Random(seed)))
    floor = core._floor
    # Entries live for 3 s and positions for 2: whatever was approved in the first 12 s is over and forgotten.
    early = {m.id for m in session.approved if not isinstance(m, Mark) and m.ts < session.approved[-1].ts - 8 * 10**9}
    assert early
    assert not early & set(floor.positions)
    # What is still due for positions that are gone are timers, and those run out.
    stale = [due for due in floor.agenda.items() if due.position not in {"", *floor.positions}]
    assert {type(due.what) for due in stale} <= {Sample, TimeUp, Cancel}
    assert all(due.time < session.approved[-1].ts + 4 * 10**9 for due in stale)
    assert len(core._timeline.venue_side._resting) <= len(floor.positions)


@pytest.mark.parametrize(
    ("changes", "blob", "text"),
    [
        ({}, b"\x00nonsense", "snapshot of the executor cannot be read"),
        ({"hold": 100}, None, "other instruments, book_ticks or reorder_hold_ms than those configured"),
        ({"book_ticks": 8192}, None, "other instruments, book_ticks or reorder_hold_ms"),
        ({"instruments": (RULES.instruments[1],)}, None, "put them back, or delete the snapshot"),
    ],
)
def test_a_snapshot_that_does_not_fit_is_refused(changes, blob, text):
    core = ExecutorCore(STREAMS, rules(**changes), ExecutorMetrics(CollectorRegistry()))
    with pytest.raises(SchemaMismatch, match=text):
        core.restore(new_core()[0].snapshot() if blob is None else blob)


def test_latency_and_strategies_may_change_between_runs():
    session = Session(3)
    core, _registry = new_core()
    entries = deliveries(session, random.Random(3))
    half = len(entries) // 2
    sent = play(core, entries[:half])
    other = ExecutorCore(STREAMS, rules(decision=0, strategies={}), ExecutorMetrics(CollectorRegistry()))
    other.restore(core.snapshot())
    sent += play(other, entries[half:])
    # Positions of strategies that are gone are still left by the rules they were opened under.
    assert check_books(sent, CASH).differences == []
    opened = {m.signal_id for m in sent if isinstance(m, Fill) and m.ts < session.approved[-1].ts - 3 * 10**9}
    assert opened <= {m.signal_id for m in sent if isinstance(m, ClosedTrade)}
