"""The signal engine's rules, one at a time."""

import math

import msgspec
import pytest

from app.bus.types import Delivery, Outbox, RefeedOutbox
from app.core.clock import NS_PER_MS, NS_PER_S
from app.core.errors import BadInput, Misconfigured, SchemaMismatch
from app.features.catalogue import COUNT, SCHEMA
from app.market.rows import DEPTH_CLEAR, DEPTH_SET, LAST, from_block
from app.messages.base import Message
from app.messages.execution import Equity
from app.messages.signals import Mark, Signal
from app.signal_engine.service import CoreState
from tests.market.builders import Row, clock, row, rows
from tests.signal_engine.builders import STREAMS, Desk, closed, executor_mark, fill, strategy

T0 = 1_700_000_000 * NS_PER_S
WARM_MS = 10_000


def at(ms: float) -> int:
    """`ms` after the first row; the features are ready from 10,000 on."""
    return T0 + int(ms * NS_PER_MS)


def level(ms: float, side: int, tick: int, qty: float, *, id: int = 1, flags: int = LAST) -> Row:
    return row(DEPTH_SET, side, tick / (10 if id == 1 else 100), qty, flags, ts=at(ms), id=id)


def opening(id: int = 1) -> list[Row]:
    """Bid 3 @ 1000, ask 1 @ 1002: imbalance_5 is 0.5."""
    return [level(0, 1, 1000, 3.0, id=id, flags=0), level(0, -1, 1002, 1.0, id=id)]


def clocks(start_ms: int, stop_ms: int) -> list[Row]:
    return [clock(at(ms)) for ms in range(start_ms, stop_ms, 100)]


def touch(ms: float, *, id: int = 1, tick: int = 990) -> Row:
    """A message that changes nothing near the touch."""
    return level(ms, 1, tick, 0.0, id=id)


class Wire:
    """A core, and the two streams that feed it."""

    def __init__(self, desk: Desk | None = None, **strategies: object) -> None:
        self.desk = desk or Desk(strategies or {"scalper": strategy(symbols=["BTCUSDT"])})  # type: ignore[arg-type]
        self.core = self.desk.core()
        self.sent: list[Message] = []

    def md(self, *parts: Row) -> list[Message]:
        return self._deliver(Delivery(STREAMS.md, "1-1", block=rows(*parts).tobytes()))

    def execution(self, *messages: Message) -> list[Message]:
        return self._deliver(Delivery(STREAMS.execution, "1-1", messages=messages))

    def _deliver(self, delivery: Delivery) -> list[Message]:
        out = Outbox()
        self.core.advance(delivery, out)
        sent = out.messages.get(STREAMS.raw, [])
        self.sent += sent
        return sent

    def warm(self) -> None:
        """Run to just before all features are ready, with the executor's marks well ahead."""
        self.execution(executor_mark(at(60_000)))
        self.md(*opening(), *opening(2), *clocks(100, WARM_MS))
        self.sent.clear()


def signals(messages: list[Message]) -> list[Signal]:
    return [message for message in messages if isinstance(message, Signal)]


def test_a_candidate_says_what_was_known() -> None:
    wire = Wire()
    wire.warm()
    (signal,) = wire.md((at(WARM_MS) - 5, at(WARM_MS), 99.0, 0.0, 1, DEPTH_SET, 1, LAST))
    assert isinstance(signal, Signal)
    assert (signal.strategy, signal.symbol, signal.kind, signal.side) == ("scalper", "BTCUSDT", "entry", 1)
    assert (signal.ts, signal.ts_event) == (at(WARM_MS), at(WARM_MS) - 5)
    assert (signal.bid, signal.ask) == (100.0, 100.2)
    assert (signal.schema, signal.position_id) == (SCHEMA, "")
    assert len(signal.features) == COUNT
    assert all(math.isfinite(value) for value in signal.features)
    assert signal.features[:4] == [2.0, 0.5, 0.5, 0.5]


def test_no_candidate_before_the_features_are_ready() -> None:
    wire = Wire()
    wire.warm()
    assert wire.md(touch(WARM_MS - 0.001)) == []
    assert len(wire.md(touch(WARM_MS))) == 1


def test_the_cooldown_is_kept_for_each_strategy_and_symbol() -> None:
    both = Wire(fast=strategy(100), slow=strategy(10_000))
    both.warm()
    sent = signals(both.md(*(touch(WARM_MS + ms, id=id) for ms in (0, 50, 100) for id in (1, 2))))
    raised = [(s.strategy, s.symbol, (s.ts - at(WARM_MS)) // NS_PER_MS) for s in sent]
    assert raised == [
        ("fast", "BTCUSDT", 0), ("slow", "BTCUSDT", 0), ("fast", "ETHUSDT", 0), ("slow", "ETHUSDT", 0),
        ("fast", "BTCUSDT", 100), ("fast", "ETHUSDT", 100),
    ]  # fmt: skip


def test_messages_of_one_instant_without_a_cooldown_raise_one_candidate() -> None:
    wire = Wire(fast=strategy(0, symbols=["BTCUSDT"]))
    wire.warm()
    sent = signals(wire.md(touch(WARM_MS), touch(WARM_MS, tick=991), touch(WARM_MS + 1, tick=992)))
    assert [s.ts for s in sent] == [at(WARM_MS), at(WARM_MS + 1)]


def test_disabled_strategies_raise_nothing() -> None:
    wire = Wire(off=strategy(enabled=False))
    wire.warm()
    assert wire.md(touch(WARM_MS)) == []


def test_clock_rows_become_marks_that_end_just_before_them() -> None:
    wire = Wire()
    wire.warm()
    assert wire.md(clock(at(WARM_MS))) == [Mark(ts=at(WARM_MS) - 1, source="signal_engine")]
    sent = wire.md(touch(WARM_MS), clock(at(WARM_MS + 100)))
    assert [type(message) for message in sent] == [Signal, Mark]
    assert [message.ts for message in sent] == [at(WARM_MS), at(WARM_MS + 100) - 1]


def test_of_the_marks_of_a_block_only_the_last_is_sent_and_the_first_ever() -> None:
    """A mark holds what those before it did. But readers begin to count at the first, which no cut may move."""
    wire = Wire()
    wire.md(*opening())
    assert [message.ts for message in wire.md(*clocks(100, 500))] == [at(100) - 1, at(400) - 1]
    assert [message.ts for message in wire.md(*clocks(500, 800))] == [at(700) - 1]
    before, wire.core = wire.core, wire.desk.core()
    wire.core.restore(before.snapshot())
    assert [message.ts for message in wire.md(*clocks(800, 1000))] == [at(900) - 1]


def test_rows_wait_for_the_executors_mark() -> None:
    wire = Wire()
    assert wire.md(*opening()) == []
    sent = wire.md(*clocks(100, 3000))
    assert sent[-1].ts == at(1000) - 1
    assert wire.execution(executor_mark(at(99.999))) == []
    more = wire.execution(executor_mark(at(500)))
    assert [message.ts for message in more] == [at(1500) - 1]
    assert wire.execution(executor_mark(at(100))) == []
    assert [message.ts for message in wire.execution(executor_mark(at(9000)))] == [at(2900) - 1]


def test_a_row_after_a_silence_is_promised_before_it_is_handled() -> None:
    """The executor cannot come further than the last mark, and the row waits for the executor."""
    wire = Wire()
    wire.md(*opening(), clock(at(100)))
    promise = Mark(ts=at(5000) - 1, source="signal_engine")
    assert wire.md(touch(5000)) == [promise]
    assert wire.md(clock(at(5000)), touch(5001)) == []
    assert wire.execution(executor_mark(at(4800))) == []
    assert wire.md(clock(at(5100))) == [Mark(ts=at(5100) - 1, source="signal_engine")]


def test_a_short_silence_is_no_silence() -> None:
    wire = Wire()
    assert wire.md(*opening(), touch(499.999)) == []
    assert wire.md(touch(999.999)) == [Mark(ts=at(999.999) - 1, source="signal_engine")]
    assert wire.md(touch(1000)) == []


def test_an_executor_that_spoke_before_the_first_row_counts() -> None:
    wire = Wire()
    wire.execution(executor_mark(at(2000)))
    assert [message.ts for message in wire.md(*opening(), *clocks(100, 3001))] == [at(100) - 1, at(3000) - 1]


def test_reading_rows_pauses_while_too_many_wait() -> None:
    wire = Wire(Desk(max_pending_rows=1000))
    wire.md(*opening(), *clocks(100, 101_000))
    assert list(wire.core.paused()) == []
    # 2 rows and 10 clock rows were handled without a word from the executor; 999 wait.
    wire.md(touch(101_000))
    assert list(wire.core.paused()) == [STREAMS.md]
    wire.execution(executor_mark(at(100)))
    assert list(wire.core.paused()) == []


def test_reading_events_pauses_while_too_many_wait_for_rows() -> None:
    wire = Wire()
    wire.execution(*(closed(at(i), f"s{i}") for i in range(10_000)))
    assert list(wire.core.paused()) == [STREAMS.execution]
    wire.execution(executor_mark(at(20_000)))
    wire.md(*opening(), clock(at(1_500)))
    assert list(wire.core.paused()) == []


def test_holds_begin_one_feedback_after_the_fill_and_end_one_feedback_after_the_close() -> None:
    wire = Wire()
    wire.warm()
    wire.execution(fill(at(WARM_MS + 30), "s1", side=-1), closed(at(WARM_MS + 950), "s1"))
    sent = signals(wire.md(*clocks(WARM_MS, WARM_MS + 3000)))
    holds = [s for s in sent if s.kind == "hold"]
    # Due at 1030, 1330, 1630 and 1930; known closed from 1950 on.
    assert [(s.ts - at(WARM_MS)) // NS_PER_MS for s in holds] == [1100, 1400, 1700]
    first = holds[0]
    assert (first.position_id, first.side, first.strategy, first.symbol) == ("s1", -1, "scalper", "BTCUSDT")
    assert len({s.id for s in holds}) == 3
    assert all(math.isfinite(value) for s in holds for value in s.features)


def test_an_event_takes_effect_before_a_row_of_its_very_time() -> None:
    wire = Wire()
    wire.warm()
    wire.execution(fill(at(WARM_MS), "s1"), fill(at(WARM_MS + 100), "s2"))
    sent = signals(wire.md(touch(WARM_MS + 999), clock(at(WARM_MS + 1000)), clock(at(WARM_MS + 1099.999))))
    assert [(s.kind, s.position_id) for s in sent] == [("entry", ""), ("hold", "s1")]
    assert [s.position_id for s in signals(wire.md(clock(at(WARM_MS + 1100))))] == ["s2"]


def test_positions_due_at_one_row_have_their_own_ids() -> None:
    wire = Wire()
    wire.warm()
    wire.execution(fill(at(WARM_MS), "s1"), fill(at(WARM_MS), "s2"), fill(at(WARM_MS), "s3", symbol="ETHUSDT"))
    sent = signals(wire.md(clock(at(WARM_MS + 1000))))
    assert [s.position_id for s in sent] == ["s1", "s2", "s3"]
    assert len({s.id for s in sent}) == 3


def test_a_position_is_open_while_any_account_holds_it() -> None:
    wire = Wire()
    wire.warm()
    wire.execution(fill(at(WARM_MS), "s1"), fill(at(WARM_MS), "s1"), fill(at(WARM_MS), "s1", model="m2"))
    wire.execution(closed(at(WARM_MS + 100), "s1"))
    assert len(signals(wire.md(*clocks(WARM_MS + 1000, WARM_MS + 2000)))) == 4
    wire.execution(closed(at(WARM_MS + 1100), "s1", model="m2"))
    assert len(signals(wire.md(*clocks(WARM_MS + 2000, WARM_MS + 3000)))) == 0


def test_what_is_not_an_entry_opens_nothing() -> None:
    wire = Wire()
    wire.warm()
    equity = Equity(ts=at(0), strategy="scalper", model_id="", cash=1, position_value=0, equity=1, open_positions=0)  # type: ignore[arg-type]
    wire.execution(
        fill(at(WARM_MS), "a", leg="take_profit"), fill(at(WARM_MS), "b", strategy="gone"),
        fill(at(WARM_MS), "c", symbol="GONEUSDT"), closed(at(WARM_MS), "d"), equity,
    )  # fmt: skip
    assert signals(wire.md(*clocks(WARM_MS, WARM_MS + 3000))) == []


def test_a_hold_waits_for_a_two_sided_book() -> None:
    wire = Wire()
    wire.warm()
    wire.execution(fill(at(WARM_MS), "s1"))
    gone = row(DEPTH_CLEAR, -1, 0.0, 0.0, ts=at(WARM_MS + 900))
    assert signals(wire.md(gone, *clocks(WARM_MS + 1000, WARM_MS + 1500))) == []
    sent = signals(wire.md(level(WARM_MS + 1501, -1, 1002, 1)))
    assert [(s.kind, s.ts) for s in sent if s.kind == "hold"] == [("hold", at(WARM_MS + 1501))]


def test_bad_rows_are_dropped_and_counted_and_the_rest_is_used() -> None:
    wire = Wire()
    wire.warm()
    bad = (at(WARM_MS), at(WARM_MS), math.nan, 1.0, 1, DEPTH_SET, 1, LAST)
    foreign = level(WARM_MS, 1, 999, 1, id=9)
    old = level(0, 1, 999, 1)
    assert len(wire.md(bad, foreign, old, touch(WARM_MS), touch(WARM_MS))) == 1
    for reason in ("malformed", "unknown_instrument", "out_of_order", "duplicate"):
        assert wire.desk.metric("rows_dropped_total", reason=reason) == 1
    assert wire.desk.metric("rows_dropped_total", reason="bad_time") == 0
    assert wire.desk.metric("rows_total") == 4 + 99 + 5


@pytest.mark.parametrize("block", [b"", b"x" * 39, b"x" * 41])
def test_a_block_that_is_no_rows_is_refused_whole(block: bytes) -> None:
    wire = Wire()
    wire.warm()
    before = wire.core.snapshot()
    with pytest.raises(BadInput, match=f"md entry of {len(block)} bytes is not a whole number of 40-byte event rows"):
        wire.core.advance(Delivery(STREAMS.md, "1-1", block=block), Outbox())
    assert wire.core.snapshot() == before


def test_a_block_of_noise_changes_nothing_but_counters() -> None:
    wire = Wire()
    wire.warm()
    noise = bytes(range(7, 207)) * 4
    assert len(from_block(noise)) == 20
    wire.core.advance(Delivery(STREAMS.md, "1-1", block=noise), Outbox())
    assert len(wire.md(touch(WARM_MS))) == 1


def test_another_stream_is_refused() -> None:
    with pytest.raises(BadInput, match="the signal engine does not read stream 'x'"):
        Wire().core.advance(Delivery("x", "1-1"), Outbox())


def test_refeeding_counts_nothing() -> None:
    desk = Desk({"scalper": strategy(symbols=["BTCUSDT"])})
    core = desk.core()
    out = RefeedOutbox()
    core.advance(Delivery(STREAMS.execution, "1-1", messages=[executor_mark(at(60_000))]), out)
    crossing = level(WARM_MS + 1, -1, 1000, 2.0)
    block = rows(*opening(), *clocks(100, WARM_MS), touch(WARM_MS), touch(WARM_MS), crossing, clock(at(WARM_MS + 2)))
    core.advance(Delivery(STREAMS.md, "1-1", block=block.tobytes()), out)
    assert desk.metric("rows_total") == 0
    assert desk.metric("rows_dropped_total", reason="duplicate") == 0
    assert desk.metric("signals_total", strategy="scalper", symbol="BTCUSDT", kind="entry") == 0
    # What went before is not reported later either.
    core.advance(Delivery(STREAMS.md, "1-1", block=rows(clock(at(WARM_MS + 100))).tobytes()), Outbox())
    assert desk.metric("book_faults_total", symbol="BTCUSDT", kind="crossed") == 0


def test_metrics_count_what_was_sent() -> None:
    wire = Wire()
    wire.warm()
    wire.execution(fill(at(WARM_MS), "s1"))
    wire.md(touch(WARM_MS), level(WARM_MS + 1, -1, 1000, 2.0), clock(at(WARM_MS + 1000)))
    assert wire.desk.metric("signals_total", strategy="scalper", symbol="BTCUSDT", kind="entry") == 1
    assert wire.desk.metric("signals_total", strategy="scalper", symbol="BTCUSDT", kind="hold") == 0
    assert wire.desk.metric("known_positions") == 1
    assert wire.desk.metric("book_faults_total", symbol="BTCUSDT", kind="crossed") == 1
    assert wire.desk.metric("book_faults_total", symbol="ETHUSDT", kind="crossed") == 0
    wire.md(level(WARM_MS + 1001, 1, 999, 2.0), clock(at(WARM_MS + 1300)), touch(WARM_MS + 1400))
    assert wire.desk.metric("signals_total", strategy="scalper", symbol="BTCUSDT", kind="hold") == 2
    assert wire.desk.metric("pending_rows") == 0


def test_an_event_behind_the_executors_own_mark_is_counted_and_still_applied() -> None:
    wire = Wire()
    wire.warm()
    wire.md(clock(at(WARM_MS)))
    wire.execution(fill(at(5000), "s1"))
    assert wire.desk.metric("late_feedback_total") == 1
    assert [s.kind for s in signals(wire.md(clock(at(WARM_MS + 100))))] == ["hold"]


@pytest.mark.parametrize("ts", [2**70, 2**63 - 1, 2**62, -(2**70)])
def test_times_beyond_64_bits_break_nothing(ts: int) -> None:
    wire = Wire()
    wire.warm()
    wire.execution(fill(ts, "s1"), closed(ts, "s2"), executor_mark(ts))
    assert [s.kind for s in signals(wire.md(clock(at(WARM_MS)), touch(WARM_MS + 1)))] == (
        ["hold", "entry"] if ts < 0 else ["entry"]
    )
    twin = wire.desk.core()
    twin.restore(wire.core.snapshot())
    assert twin.snapshot() == wire.core.snapshot()


def test_a_snapshot_of_another_version_is_refused() -> None:
    core = Desk().core()
    state = msgspec.msgpack.decode(core.snapshot(), type=CoreState)
    newer = msgspec.msgpack.encode(msgspec.structs.replace(state, version=99))
    with pytest.raises(SchemaMismatch, match="snapshot has version 99, this program reads 1"):
        core.restore(newer)
    with pytest.raises(SchemaMismatch, match="signal engine snapshot cannot be read"):
        core.restore(b"nonsense")


def test_positions_outlive_a_change_of_symbols() -> None:
    wire = Wire(scalper=strategy(symbols=["ETHUSDT"]))
    wire.warm()
    wire.execution(fill(at(WARM_MS), "s1", symbol="ETHUSDT"), fill(at(WARM_MS), "s2"))
    wire.md(clock(at(WARM_MS + 1000)))
    smaller = wire.desk.core(("ETHUSDT",))
    smaller.restore(wire.core.snapshot())
    out = Outbox()
    smaller.advance(Delivery(STREAMS.md, "1-1", block=rows(clock(at(WARM_MS + 1300))).tobytes()), out)
    assert [s.position_id for s in signals(out.messages[STREAMS.raw])] == ["s1"]


def test_a_strategy_without_filters_for_its_symbol_is_misconfigured() -> None:
    with pytest.raises(Misconfigured, match=r"symbol 'NOUSDT' is not in config/symbols\.yml"):
        Desk({"x": strategy(symbols=["NOUSDT"])}).core()
