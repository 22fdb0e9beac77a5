"""What risk decides depends on the messages' times alone: not on how the streams interleave, nor on restarts."""

import random
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from app.bus.types import Delivery, Outbox, RefeedOutbox
from app.core.clock import NS_PER_MS
from app.messages.base import Message
from app.messages.control import Control
from app.messages.signals import ApprovedSignal, Dropped, Mark
from app.risk.service import RiskCore
from tests.risk.builders import (
    STREAMS,
    Desk,
    control,
    executor_mark,
    limits,
    mark,
    ns,
    order,
    scored,
    trade,
)

HOLD_MS = 200
TIGHT = limits(max_positions=2, daily_loss_cap_usd=-12, loss_streak_max=3, session_cooldown_minutes=0.05, warmup_s=1)


def tape(rng: random.Random, length: int) -> list[Message]:
    """Scored entries, holds and marks, as the scorer sends them: times never decrease, a mark every 100 ms.

    After a silence, in which there was nobody to send marks, one mark says that nothing came before its end.
    """
    messages: list[Message] = []
    clock = 0.0
    for i in range(length):
        step = rng.choice([0, 0.5, 30, 120, 700])
        if rng.random() < 0.05:
            clock += 5000
            messages.append(mark(clock))
        for due in range(int(clock // 100) + 1, int((clock + step) // 100) + 1):
            messages.append(mark(due * 100))
        clock += step
        kind, score = rng.choice(["entry", "entry", "hold"]), rng.choice([0.2, 0.7, 0.9])
        messages.append(scored(clock, f"s{i}", kind=kind, score=score))
    # Quiet at the end, so that the executor can tell all it knows.
    messages += [mark(due * 100) for due in range(int(clock // 100) + 1, int(clock // 100) + 60)]
    return messages


@dataclass
class Executor:
    """Answers approvals: an entry is submitted at once, then ends unfilled or becomes a trade, as its id decides."""

    frontier: int = 0
    planned: list[tuple[int, int, Message]] = field(default_factory=list)

    def take(self, message: Message) -> Iterator[Message]:
        if isinstance(message, ApprovedSignal) and message.kind == "entry":
            yield order(self._ms(message.ts), message.id, "submitted")
            self._plan(message)
        elif isinstance(message, Mark):
            self.frontier = message.ts - HOLD_MS * NS_PER_MS
            due = sorted(event for event in self.planned if event[0] <= self.frontier)
            self.planned = [event for event in self.planned if event[0] > self.frontier]
            yield from (event for _, _, event in due)
            yield executor_mark(self._ms(self.frontier))

    def _plan(self, signal: ApprovedSignal) -> None:
        fate = random.Random(signal.id)
        end = self._ms(signal.ts) + fate.choice([7, 300, 1500])
        ended: Message = trade(end, signal.id, fate.choice(["-5", "-2", "3"]))
        if fate.random() < 0.4:
            ended = order(end, signal.id, fate.choice(["cancelled", "rejected"]))
        self.planned.append((ended.ts, len(self.planned), ended))

    @staticmethod
    def _ms(at: int) -> float:
        return (at - ns(0)) / NS_PER_MS


class Run:
    """Risk and an executor over one tape, under a schedule drawn from `rng`."""

    def __init__(self, messages: list[Message], rng: random.Random) -> None:
        self.rng = rng
        self.desk = Desk(TIGHT)
        self.core = self.desk.core
        self.executor = Executor()
        self.scored = deque(messages)
        self.approved: deque[Message] = deque()
        self.told: deque[Message] = deque()
        self.fed: list[Delivery] = []
        self.sent: dict[str, list[Message]] = {STREAMS.approved: [], STREAMS.dropped: []}

    def feed(self, stream: str, queue: deque[Message]) -> None:
        count = min(len(queue), self.rng.choice([1, 1, 2, 5, 50]))
        if count:
            self.deliver(stream, [queue.popleft() for _ in range(count)])

    def deliver(self, stream: str, messages: list[Message]) -> None:
        out, delivery = Outbox(), Delivery(stream, "0-1", messages)
        self.core.advance(delivery, out)
        self.fed.append(delivery)
        assert not out.dead
        for name, sent in out.messages.items():
            self.sent[name] += sent
            if name == STREAMS.approved:
                self.approved.extend(sent)

    def execute(self) -> None:
        for _ in range(min(len(self.approved), self.rng.choice([1, 3, 30]))):
            self.told.extend(self.executor.take(self.approved.popleft()))

    def step(self) -> None:
        choice = self.rng.randrange(3)
        if choice == 0 and STREAMS.scored not in self.core.paused():
            self.feed(STREAMS.scored, self.scored)
        elif choice == 1:
            self.execute()
        else:
            self.feed(STREAMS.execution, self.told)

    def finish(self) -> dict[str, list[Message]]:
        for _ in range(20_000):
            self.step()
            if not (self.scored or self.approved or self.told):
                return self.sent
        raise AssertionError("the run does not come to an end")

    def restart(self, checkpoint: bytes | None, since: int) -> None:
        """Recover as the service loop does: from a snapshot, then everything since, one stream after the other."""
        self.core = self.desk.another_core()
        if checkpoint is not None:
            self.core.restore(checkpoint)
        for stream in self.core.inputs:
            for delivery in self.fed[since:]:
                if delivery.stream == stream:
                    self.core.advance(delivery, RefeedOutbox())


def outcome(sent: dict[str, list[Message]]) -> list[tuple[str, str]]:
    kept = [(m.id, "approved") for m in sent[STREAMS.approved] if isinstance(m, ApprovedSignal)]
    return kept + [(m.id, m.reason) for m in sent[STREAMS.dropped] if isinstance(m, Dropped)]


@settings(max_examples=60, deadline=None)
@given(tape_seed=st.integers(0, 2**31), one=st.integers(0, 2**31), other=st.integers(0, 2**31))
def test_any_schedule_gives_the_same_messages(tape_seed: int, one: int, other: int) -> None:
    messages = tape(random.Random(tape_seed), 60)
    assert Run(messages, random.Random(one)).finish() == Run(messages, random.Random(other)).finish()


def test_the_tapes_reach_every_gate() -> None:
    reasons = {
        reason
        for trial in range(20)
        for _, reason in outcome(Run(tape(random.Random(trial), 60), random.Random(0)).finish())
    }
    assert {"approved", "threshold", "max_positions", "warmup", "loss_streak", "daily_cap"} <= reasons


@settings(max_examples=60, deadline=None)
@given(tape_seed=st.integers(0, 2**31), schedule=st.integers(0, 2**31))
def test_restarts_change_nothing(tape_seed: int, schedule: int) -> None:
    messages = tape(random.Random(tape_seed), 60)
    undisturbed = Run(messages, random.Random(0)).finish()
    run = Run(messages, random.Random(schedule))
    checkpoint, since = None, 0
    while run.scored or run.approved or run.told:
        run.step()
        if run.rng.random() < 0.1:
            checkpoint, since = run.core.snapshot(), len(run.fed)
        if run.rng.random() < 0.1:
            run.restart(checkpoint, since)
    assert run.sent == undisturbed


@settings(max_examples=40, deadline=None)
@given(tape_seed=st.integers(0, 2**31), schedule=st.integers(0, 2**31))
def test_a_halt_around_a_restart_neither_jams_nor_doubles(tape_seed: int, schedule: int) -> None:
    """Recovery cannot know when a halt took effect; what is open must come right again all the same."""
    run = Run(tape(random.Random(tape_seed), 60), random.Random(schedule))
    kinds = ("HALT", "RESUME")
    for turn in range(200):
        run.step()
        if run.rng.random() < 0.1:
            run.deliver(STREAMS.control, [control(kinds[turn % 2])])
        if run.rng.random() < 0.1:
            run.restart(None, 0)
    run.deliver(STREAMS.control, [control("RESUME")])
    run.finish()
    last = run.sent[STREAMS.approved][-1].ts
    known = [d.messages for d in run.fed if d.stream == STREAMS.execution]
    open_now = _open(message for batch in known for message in batch)
    end = (last - ns(0)) / NS_PER_MS + 100_000
    for i in range(TIGHT.risk.max_positions + 1):
        run.deliver(STREAMS.execution, [executor_mark(end)])
        run.deliver(STREAMS.scored, [scored(end, f"end{i}")])
    approved = {name for name, what in outcome(run.sent) if what == "approved"}
    reasons = dict(outcome(run.sent))
    if reasons["end0"] != "daily_cap":
        assert len(approved & {"end0", "end1", "end2"}) == TIGHT.risk.max_positions - len(open_now)


def _open(messages: Iterator[Message]) -> set[str]:
    """Ids the executor submitted and did not end, by what it told."""
    open_: set[str] = set()
    for message in messages:
        if isinstance(message, Mark | Control):
            continue
        name = message.signal_id  # type: ignore[attr-defined]
        if getattr(message, "status", "") == "submitted":
            open_.add(name)
        else:
            open_.discard(name)
    return open_


def test_the_buffer_stops_reading_and_goes_on() -> None:
    desk = Desk(limits(max_pending_signals=100))
    core: RiskCore = desk.core
    desk.scored(scored(0, "a"), *(scored(2000 + i, f"b{i}") for i in range(99)))
    assert core.paused() == ()
    desk.scored(scored(3000, "c"))
    assert list(core.paused()) == [STREAMS.scored]
    assert desk.approved == ["a"]
    desk.execution(executor_mark(1050))
    assert core.paused() == ()
    assert desk.approved[-1] == "b50"


def test_the_first_moment_too_waits_for_the_executor() -> None:
    """An order may end in the nanosecond it was sent; exactly one feedback later that must be known."""
    desk = Desk(limits(max_positions=1))
    desk.scored(scored(0, "a"), scored(999.999, "b"), scored(1000, "c"))
    assert (desk.approved, desk.dropped) == (["a"], [("b", "max_positions")])
    desk.execution(order(0, "a", "submitted"), order(0, "a", "rejected"), executor_mark(0))
    assert desk.approved == ["a", "c"]
