"""The core's manners: order, what it refuses, what it counts, what it remembers."""

import subprocess
import sys

import msgspec
import pytest

from app.bus.types import Delivery, Outbox, RefeedOutbox
from app.core.errors import SchemaMismatch
from app.messages.signals import ApprovedSignal, Mark
from app.risk.gates.chain import REASONS
from tests.risk.builders import STREAMS, Desk, control, executor_mark, limits, mark, order, scored, trade


def test_marks_and_holds_keep_their_place() -> None:
    desk = Desk()
    messages = [scored(0, "a"), scored(0, "h", kind="hold"), mark(0), scored(5, "b"), mark(100)]
    desk.scored(*messages)
    assert [m.id if isinstance(m, ApprovedSignal) else m for m in desk.passed] == ["a", "h", mark(0), "b", mark(100)]


def test_the_mark_comes_after_all_it_promises() -> None:
    desk = Desk()
    desk.scored(scored(0, "a"), scored(1500, "b"), mark(1500))
    assert not any(isinstance(m, Mark) for m in desk.passed)
    desk.execution(executor_mark(500))
    assert [type(m) for m in desk.passed] == [ApprovedSignal, ApprovedSignal, Mark]


def test_after_a_silence_the_mark_goes_ahead_of_the_executor() -> None:
    """The executor cannot promise anything beyond the last mark, so the next one must not wait for a promise."""
    desk = Desk()
    desk.scored(scored(0, "a"), mark(60_000), scored(60_001, "b"))
    assert desk.passed[-1] == mark(60_000)
    desk.execution(executor_mark(59_800))
    assert desk.approved == ["a", "b"]


def test_marks_of_others_than_the_executor_promise_nothing_when_they_are_scored() -> None:
    desk = Desk()
    desk.scored(scored(0, "a"), mark(5000), scored(5000, "b"))
    assert desk.approved == ["a"]


def test_a_message_on_the_wrong_stream_is_refused_alone() -> None:
    desk = Desk()
    desk.scored(order(0, "x"), scored(0, "a"))
    desk.control(scored(0, "b"), control("HALT"))
    assert desk.approved == ["a"]
    (_, payload, error), (_, _, second) = desk.out.dead
    assert msgspec.json.decode(payload)["signal_id"] == "x"
    assert str(error) == "message type 'order' does not belong on sig:scored:{test}"
    assert str(second) == "message type 'scored' does not belong on control:events:{test}"
    desk.scored(scored(1, "c"))
    assert desk.dropped == [("c", "halted")]


def test_every_label_is_exported_before_its_first_event() -> None:
    desk = Desk()
    assert desk.value("approved_total") == 0
    assert [desk.value("dropped_total", reason=reason) for reason in REASONS] == [0] * len(REASONS)
    assert [desk.value("signals_total", kind=kind) for kind in ("entry", "hold")] == [0, 0]
    assert desk.value("warmup_drop_total", symbol="BTCUSDT") == 0
    assert desk.value("daily_cap_trigger_total") == 0
    assert desk.value("streak_halt_total") == 0
    assert desk.value("late_execution_events_total") == 0


def test_what_passes_and_what_is_dropped_is_counted() -> None:
    desk = Desk()
    desk.scored(scored(0, "a"), scored(1, "b", score=0.1), scored(2, "h", kind="hold"))
    assert desk.value("signals_total", kind="entry") == 2
    assert desk.value("signals_total", kind="hold") == 1
    assert desk.value("approved_total") == 1
    assert desk.value("dropped_total", reason="threshold") == 1


def test_recovery_counts_nothing() -> None:
    desk = Desk(limits(loss_streak_max=1))
    core = desk.another_core()
    for stream, messages in (
        (STREAMS.scored, [scored(0, "a"), scored(1, "b", score=0.1)]),
        (STREAMS.execution, [trade(0, "a", "-1"), executor_mark(50), trade(40, "late")]),
        (STREAMS.scored, [scored(1000, "c")]),
    ):
        core.advance(Delivery(stream, "1-0", messages), RefeedOutbox())
    names = ("approved_total", "streak_halt_total", "late_execution_events_total")
    assert [desk.value(name) for name in names] == [0, 0, 0]
    assert desk.value("signals_total", kind="entry") == 0
    out = Outbox()
    core.advance(Delivery(STREAMS.scored, "2-0", [scored(1001, "d")]), out)
    assert out.messages[STREAMS.dropped][0].reason == "loss_streak"  # type: ignore[attr-defined]


def test_an_executor_that_breaks_its_promise_is_noticed_and_still_heard() -> None:
    desk = Desk(limits(max_positions=1))
    desk.scored(scored(0, "a"))
    desk.execution(order(0, "a", "submitted"), executor_mark(5000), trade(4000, "a"))
    assert desk.value("late_execution_events_total") == 1
    desk.scored(scored(6000, "b"))
    assert desk.approved == ["a", "b"]


def test_the_state_survives_as_bytes() -> None:
    desk = Desk(limits(max_positions=1))
    desk.scored(scored(0, "a"), scored(2000, "b"), mark(2100), scored(3000, "c", score=float("nan")))
    desk.execution(order(0, "a", "submitted"), trade(900, "a", "-1.5"))
    blob, twin = desk.core.snapshot(), desk.another_core()
    twin.restore(blob)
    assert twin.snapshot() == blob
    one, other = Outbox(), Outbox()
    for core, out in ((desk.core, one), (twin, other)):
        core.advance(Delivery(STREAMS.execution, "9-0", [executor_mark(2500)]), out)
    assert one.messages == other.messages
    assert [type(m) for m in one.messages[STREAMS.approved]] == [ApprovedSignal, Mark]


def test_a_snapshot_of_another_version_is_refused() -> None:
    desk = Desk()
    blob = desk.core.snapshot()
    state = msgspec.msgpack.decode(blob)
    with pytest.raises(SchemaMismatch, match=r"snapshot of risk is version 2 with gates .* delete the snapshot"):
        desk.core.restore(msgspec.msgpack.encode([2, *state[1:]]))
    with pytest.raises(SchemaMismatch, match=r"snapshot of risk cannot be read: .*; delete the snapshot"):
        desk.core.restore(b"\x00" + blob)
    without = dict(list(state[2].items())[1:])
    with pytest.raises(SchemaMismatch, match="with gates"):
        desk.core.restore(msgspec.msgpack.encode([1, state[1], without]))
    assert desk.core.snapshot() == blob


def test_the_process_loads_nothing_heavy() -> None:
    heavy = ("numpy", "numba", "onnxruntime", "pandas", "pyarrow", "ccxt", "matplotlib", "typer")
    program = f"import sys, app.risk.main; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
