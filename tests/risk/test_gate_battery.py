"""Every gate class there is goes through the same checks."""

import importlib
import inspect
import pkgutil
import random
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

import app.risk.gates
from app.risk.gates.base import Gate, Limits, Refusal
from app.risk.gates.chain import CHAIN, REASONS
from tests.risk.builders import Desk, control, limits, ns, order, scored, trade


def discovered() -> list[type[Gate]]:
    """Every concrete gate in the package, listed in the chain or not."""
    modules = [
        importlib.import_module(f"app.risk.gates.{m.name}") for m in pkgutil.iter_modules(app.risk.gates.__path__)
    ]
    found = {
        member
        for module in modules
        for _, member in inspect.getmembers(module, inspect.isclass)
        if Gate in member.__mro__[1:]
    }
    return sorted(found, key=lambda gate: gate.__name__)


GATES = discovered()
TIGHT = limits(max_positions=1, daily_loss_cap_usd=-2, loss_streak_max=2, session_cooldown_minutes=0.1, warmup_s=5)


Step = tuple[str, Any]


def history(rng: random.Random, length: int) -> Iterator[Step]:
    """A plausible life of a gate: time passes, entries are approved, orders end, trades close, people interfere."""
    clock = 0
    for i in range(length):
        clock += rng.randrange(2000)
        signal, strategy = f"s{rng.randrange(max(1, i - 5), i + 2)}", rng.choice(["scalper", "second"])
        kind = rng.choices(["time", "approved", "submitted", "cancelled", "trade", "control"], [6, 3, 3, 2, 4, 0.3])[0]
        if kind == "time":
            yield "on_time", ns(clock)
        elif kind == "approved":
            yield "on_approved", scored(clock, signal, strategy=strategy)
        elif kind == "trade":
            yield "on_trade", trade(clock, signal, rng.choice(["-3", "-0.5", "0", "1"]), strategy=strategy)
        elif kind == "control":
            yield "on_control", control(rng.choice(["HALT", "CRIT", "RESUME", "RESUME"]))
        else:
            yield "on_order", order(clock, signal, kind, strategy=strategy)


def live(gate: Gate, step: Step) -> None:
    observer, argument = step
    getattr(gate, observer)(argument)


def verdicts(gate: Gate) -> list[Refusal | None]:
    """What `gate` says to a spread of entries."""
    return [
        gate.check(scored(at, f"s{i % 90}", strategy=strategy, score=score))
        for i, at in enumerate(range(0, 200_000, 2500))
        for strategy in ("scalper", "second", "resting", "nobody")
        for score in (0.2, 0.6, 0.95)
    ]


def lived(kind: type[Gate], given: Limits, seed: int, length: int = 120) -> Gate:
    gate = kind(given)
    for step in history(random.Random(seed), length):
        live(gate, step)
    return gate


def test_the_chain_has_every_gate_once() -> None:
    assert sorted(gate.__name__ for gate in CHAIN) == [gate.__name__ for gate in GATES]
    assert len(set(REASONS)) == len(REASONS)


@pytest.mark.parametrize("kind", GATES)
class TestEveryGate:
    def test_reads_without_changing_anything(self, kind: type[Gate], seed: int) -> None:
        gate = lived(kind, TIGHT, seed)
        before = gate.snapshot()
        assert verdicts(gate) == verdicts(gate)
        assert gate.snapshot() == before

    def test_comes_back_from_a_snapshot(self, kind: type[Gate], seed: int) -> None:
        gate, steps = kind(TIGHT), list(history(random.Random(seed), 120))
        for i, step in enumerate(steps):
            if i % 10 == 0:
                twin = kind(TIGHT)
                # As bytes, since that is how the core keeps it.
                twin.restore(msgspec.msgpack.decode(msgspec.msgpack.encode(gate.snapshot())))
                assert twin.snapshot() == gate.snapshot()
                assert verdicts(twin) == verdicts(gate)
                gate = twin
            live(gate, step)

    def test_same_history_same_verdicts(self, kind: type[Gate], seed: int) -> None:
        assert verdicts(lived(kind, TIGHT, seed)) == verdicts(lived(kind, TIGHT, seed))

    def test_refuses_with_its_own_reasons_only(self, kind: type[Gate], seed: int) -> None:
        found = {
            refusal.reason
            for trial in range(60)
            for refusal in verdicts(lived(kind, TIGHT, seed + trial, length=40))
            if refusal is not None
        }
        assert found == set(kind.reasons)

    def test_a_gate_that_a_trade_trips_has_its_counter(self, kind: type[Gate], seed: int) -> None:
        gate = kind(TIGHT)
        tripped = any(gate.on_trade(trade(i, f"s{i}", "-3")) for i in range(10))
        assert tripped == (kind.__name__ in Desk().metrics.triggers)

    def test_state_is_bounded(self, kind: type[Gate], seed: int) -> None:
        # An entry that never ends is stopped by its own gate, so only what is resolved may grow without end.
        gate = kind(TIGHT)
        sizes = []
        for i in range(20_000):
            gate.on_time(ns(i * 5000))
            gate.on_approved(scored(i * 5000, f"s{i:06}"))
            gate.on_order(order(i * 5000, f"s{i:06}", "submitted"))
            gate.on_trade(trade(i * 5000 + 1, f"s{i:06}", "-1"))
            if i % 5000 == 4999:
                sizes.append(len(msgspec.msgpack.encode(gate.snapshot())))
        assert sizes[-1] <= sizes[0] + 64


@given(
    seed=st.integers(0, 2**31),
    loose=st.tuples(st.integers(1, 5), st.integers(-20, -1), st.integers(1, 6), st.integers(0, 3), st.integers(0, 100)),
    tighten=st.tuples(st.integers(0, 4), st.integers(0, 19), st.integers(0, 5), st.integers(0, 3), st.integers(0, 100)),
)
def test_a_tighter_limit_never_lets_more_through(
    seed: int, loose: tuple[int, int, int, int, int], tighten: tuple[int, int, int, int, int]
) -> None:
    positions, cap, streak, pause, warmup = loose
    wide = limits(
        max_positions=positions,
        daily_loss_cap_usd=cap,
        loss_streak_max=streak,
        session_cooldown_minutes=pause,
        warmup_s=warmup,
    )
    narrow = limits(
        max_positions=max(1, positions - tighten[0]),
        daily_loss_cap_usd=min(-0.5, cap + tighten[1]),
        loss_streak_max=max(1, streak - tighten[2]),
        session_cooldown_minutes=pause + tighten[3],
        warmup_s=warmup + tighten[4],
    )
    for kind in GATES:
        for strict, lenient in zip(
            verdicts(lived(kind, narrow, seed, 30)), verdicts(lived(kind, wide, seed, 30)), strict=True
        ):
            assert strict is not None or lenient is None
