"""Whatever bytes a block holds: no crash, what is left is used, and the engine recovers."""

import random

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from app.bus.types import Delivery, Outbox
from app.core.clock import NS_PER_S
from app.market.rows import Rows
from app.messages.signals import Signal
from app.signal_engine.service import SignalEngine
from tests.features.tapes import tape
from tests.signal_engine.builders import STREAMS, Desk, executor_mark

TAPE = tape(51, 150, instruments=2, step_ms=30)
END = int(TAPE["ts_recv"][-1])


def feed(core: SignalEngine, block: bytes) -> list[Signal]:
    out = Outbox()
    core.advance(Delivery(STREAMS.md, "1-1", block=block), out)
    return [message for message in out.messages.get(STREAMS.raw, []) if isinstance(message, Signal)]


def make_core() -> SignalEngine:
    core = Desk().core()
    core.advance(Delivery(STREAMS.execution, "1-1", messages=[executor_mark(END + 10**6 * NS_PER_S)]), Outbox())
    return core


@given(st.binary(min_size=40, max_size=4000))
def test_any_bytes(noise: bytes) -> None:
    core = make_core()
    feed(core, TAPE.tobytes())
    feed(core, noise[: len(noise) // 40 * 40])
    core.restore(core.snapshot())


@settings(max_examples=40)
@given(st.integers(0, 2**31))
def test_flipped_bits(seed: int) -> None:
    """Times are left alone: a time far ahead that is believed shuts out all that comes before it."""
    rng = random.Random(seed)
    broken = bytearray(TAPE.tobytes())
    for _ in range(rng.choice([1, 10, 200])):
        at = rng.randrange(len(TAPE)) * 40 + rng.randrange(16, 40)
        broken[at] ^= 1 << rng.randrange(8)
    core = make_core()
    feed(core, bytes(broken))
    after = later(tape(52, 600, instruments=2, step_ms=60))
    signals = feed(core, after.tobytes())
    assert len(signals) > 5
    assert all(np.isfinite(signal.features).all() and signal.bid < signal.ask for signal in signals)


def later(rows: Rows) -> Rows:
    """The same rows, moved behind the first tape."""
    rows = rows.copy()
    for column in ("ts_recv", "ts_event"):
        rows[column] += END - int(tape(52, 1)["ts_recv"][0]) + NS_PER_S
    return rows
