"""What comes out depends on the rows and the executor's words: not on interleaving, cuts or restarts."""

import random
from collections import deque

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.bus.types import Delivery, Outbox, RefeedOutbox
from app.market.rows import CLOCK, Rows
from app.messages.base import Message
from app.messages.signals import Signal
from app.signal_engine.service import CoreState
from tests.features.tapes import tape
from tests.signal_engine.builders import STREAMS, Desk, Executor, assert_promises_hold, told

LENGTH = 500


class Run:
    """A signal engine and an executor over one tape, under a schedule drawn from `rng`."""

    def __init__(self, rows: Rows, rng: random.Random) -> None:
        self.rng = rng
        self.rows = rows
        self.done = 0
        self.desk = Desk()
        self.core = self.desk.core()
        self.executor = Executor()
        self.told: deque[Message] = deque()
        self.unheard: deque[Message] = deque()
        self.fed: list[Delivery] = []
        self.sent: list[Message] = []

    def deliver(self, delivery: Delivery) -> None:
        out = Outbox()
        self.core.advance(delivery, out)
        assert not out.dead
        assert set(out.messages) <= {STREAMS.raw}
        self.fed.append(delivery)
        sent = out.messages.get(STREAMS.raw, [])
        self.sent += sent
        self.unheard.extend(sent)

    def step(self) -> None:
        choice = self.rng.randrange(3)
        if choice == 0 and STREAMS.md not in self.core.paused():
            stop = self.done + self.rng.choice([1, 2, 7, 40, 300])
            block = self.rows[self.done : stop].tobytes()
            self.done = min(stop, len(self.rows))
            if block:
                self.deliver(Delivery(STREAMS.md, "0-1", block=block))
        elif choice == 1:
            for _ in range(min(len(self.unheard), self.rng.choice([1, 3, 30]))):
                self.executor.take(self.unheard.popleft())
            self.executor.seen = int(self.rows["ts_recv"][self.done - 1]) if self.done else -1
            self.told.extend(self.executor.tell())
        elif self.told:
            count = min(len(self.told), self.rng.choice([1, 2, 20]))
            messages = [self.told.popleft() for _ in range(count)]
            self.deliver(Delivery(STREAMS.execution, "0-1", messages=messages))

    @property
    def busy(self) -> bool:
        """False once no step can bring about anything any more."""
        everything_seen = self.done == len(self.rows) and self.executor.seen == self.rows["ts_recv"][-1]
        return bool(not everything_seen or self.told or self.unheard)

    def finish(self) -> list[Message]:
        while self.busy:
            self.step()
        return self.sent

    def restart(self, checkpoint: bytes | None, since: int) -> None:
        """Recover as the service loop does: from a snapshot, then everything since, one stream after the other."""
        self.core = self.desk.core()
        if checkpoint is not None:
            self.core.restore(checkpoint)
        order = list(self.core.inputs)
        self.rng.shuffle(order)
        for stream in order:
            for delivery in self.fed[since:]:
                if delivery.stream == stream:
                    self.core.advance(delivery, RefeedOutbox())


def _tapes() -> dict[str, Rows]:
    tapes = {f"tape {seed}": tape(seed, LENGTH, instruments=2, step_ms=60) for seed in range(4)}
    for gap_ms in (700, 1500, 9000):
        tapes[f"a silence of {gap_ms} ms"] = tape(4, LENGTH, instruments=2, step_ms=80, gap_ms=gap_ms)
    tapes["no clock rows"] = tapes["tape 1"][tapes["tape 1"]["kind"] != CLOCK]
    # So few rows that each is a silence of its own; after ten seconds without one, features begin anew.
    sparse = tape(5, LENGTH, instruments=2, step_ms=1200)
    tapes["sparse"] = sparse[sparse["kind"] != CLOCK]
    return tapes


TAPES = _tapes()
SMOOTH = {seed: Run(rows, random.Random(0)).finish() for seed, rows in TAPES.items()}


@pytest.mark.parametrize("name", sorted(TAPES))
def test_no_silence_and_no_lack_of_clock_rows_stops_it(name: str) -> None:
    run = Run(TAPES[name], random.Random(2))
    run.finish()
    state = msgspec.msgpack.decode(run.core.snapshot(), type=CoreState)
    assert state.pending == b""
    assert told(run.sent) == told(SMOOTH[name])
    assert_promises_hold(run.sent)


def test_the_tapes_raise_entries_and_holds_for_all() -> None:
    for seed, sent in SMOOTH.items():
        signals = [message for message in sent if isinstance(message, Signal)]
        raised = {(s.strategy, s.symbol, s.kind) for s in signals}
        pairs = (("scalper", "BTCUSDT"), ("scalper", "ETHUSDT"), ("slow", "BTCUSDT"))
        assert raised == {(*pair, kind) for pair in pairs for kind in ("entry", "hold")}, seed
        assert len({s.id for s in signals}) == len(signals)


def test_a_mark_follows_all_that_happened_up_to_it() -> None:
    for sent in SMOOTH.values():
        assert_promises_hold(sent)


@settings(max_examples=50)
@given(st.sampled_from(sorted(TAPES)), st.integers(0, 2**31))
def test_any_interleaving_and_any_cuts_give_the_same_messages(name: str, schedule: int) -> None:
    run = Run(TAPES[name], random.Random(schedule))
    assert told(run.finish()) == told(SMOOTH[name])
    assert_promises_hold(run.sent)


@settings(max_examples=50)
@given(st.sampled_from(sorted(TAPES)), st.integers(0, 2**31))
def test_restarts_change_nothing(name: str, schedule: int) -> None:
    run = Run(TAPES[name], random.Random(schedule))
    checkpoint, since = None, 0
    while run.busy:
        run.step()
        if run.rng.random() < 0.1:
            checkpoint, since = run.core.snapshot(), len(run.fed)
        if run.rng.random() < 0.1:
            run.restart(checkpoint, since)
    assert told(run.sent) == told(SMOOTH[name])
    assert_promises_hold(run.sent)


def test_a_restored_core_gives_the_same_snapshot() -> None:
    run = Run(TAPES["tape 0"], random.Random(1))
    seen = set()
    while run.busy:
        run.step()
        if run.rng.random() < 0.05:
            blob = run.core.snapshot()
            twin = run.desk.core()
            twin.restore(blob)
            assert twin.snapshot() == blob
            seen.add(blob)
    assert len(seen) > 10
