"""The core: blocks hold whole messages, and the rows do not depend on how they are cut."""

from collections import Counter
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from app.collector.service import Recorder
from app.collector.stamping import EventClock
from app.core.clock import NS_PER_MS
from app.market.rows import CLOCK, LAST, from_block
from app.venues.bybit.decode import Decoder
from app.venues.row_buffer import RowBuffer
from tests.venues.sink import delta, snapshot, ticker_frame, trade_frame


class Tally:
    """`Counts` in memory."""

    def __init__(self) -> None:
        self.seen: Counter[str] = Counter()

    def dropped(self, reason: str, count: int) -> None:
        self.seen[reason] += count

    def clamped(self) -> None:
        self.seen["clamped"] += 1

    def gap(self, symbol: str) -> None:
        self.seen[f"gap {symbol}"] += 1


class Bench:
    """A recorder with a decoder before it, and a list of blocks behind it."""

    def __init__(self, max_block_rows: int = 4096, stop_after_ns: int | None = None) -> None:
        self.blocks: list[bytes] = []
        self.announced = 0
        self.tally = Tally()
        buffer = RowBuffer(16)
        clock = EventClock(buffer, delay_ns=5 * NS_PER_MS, interval_ns=2 * NS_PER_MS, stop_after_ns=stop_after_ns)
        self.recorder = Recorder(
            clock,
            buffer,
            symbols=["BTCUSDT", "ETHUSDT"],
            max_block_rows=max_block_rows,
            counts=self.tally,
            on_rows=self._announce,
            on_full=self.take,
        )
        self.decoder = Decoder({"BTCUSDT": 1, "ETHUSDT": 2}, 50, self.recorder)

    def _announce(self) -> None:
        self.announced += 1

    def take(self) -> None:
        self.blocks.append(self.recorder.take())

    def feed(self, frames: Sequence[bytes]) -> None:
        for frame in frames:
            self.decoder.decode(frame)


FRAMES = [
    snapshot(10),
    trade_frame({}, {"S": "Sell"}),
    snapshot(5, symbol="ETHUSDT"),
    *[delta(u, [("100.5", str(u)), ("99", "1")]) for u in range(11, 31)],
    ticker_frame(markPrice="5", indexPrice="6"),
    delta(33),
    delta(31),
    b"rubbish",
    snapshot(40),
    *[delta(u) for u in range(41, 60)],
]


@given(st.integers(1, 60), st.lists(st.integers(0, len(FRAMES)), max_size=20))
def test_rows_are_the_same_however_they_are_cut(max_block_rows: int, cuts: list[int]) -> None:
    whole, cut = Bench(), Bench(max_block_rows)
    whole.feed(FRAMES)
    whole.take()
    before = 0
    for at in [*sorted(cuts), len(FRAMES)]:
        cut.feed(FRAMES[before:at])
        cut.take()
        before = at
    assert b"".join(cut.blocks) == b"".join(whole.blocks)
    assert cut.tally.seen == whole.tally.seen == {"gap BTCUSDT": 1, "before_snapshot": 1, "malformed": 1}
    for block in filter(None, cut.blocks):
        rows = from_block(block)
        assert rows[-1]["flags"] & LAST or rows[-1]["kind"] == CLOCK, "a block ends within a message"


def test_a_full_block_is_taken_at_once_and_the_first_row_of_each_is_announced_once() -> None:
    bench = Bench(max_block_rows=8)
    bench.feed(FRAMES[:1])
    assert (bench.announced, len(bench.blocks)) == (1, 0)
    bench.feed(FRAMES[1:3])
    assert (bench.announced, len(bench.blocks)) == (1, 1)
    bench.feed(FRAMES[3:5])
    assert bench.announced == 2


def test_synced_once_every_book_is() -> None:
    bench = Bench()
    bench.feed(FRAMES[:2])
    assert not bench.recorder.all_synced
    bench.feed(FRAMES[2:3])
    assert bench.recorder.all_synced
    bench.feed([delta(99)])
    assert bench.recorder.all_synced, "it is about the start"


def test_messages_count_what_was_delivered() -> None:
    bench = Bench()
    bench.feed([*FRAMES[:3], b"rubbish"])
    assert bench.recorder.messages == 3


def test_a_finished_feed_adds_nothing() -> None:
    bench = Bench(stop_after_ns=9 * NS_PER_MS)
    bench.feed(FRAMES)
    bench.recorder.finish()
    bench.take()
    rows = from_block(b"".join(bench.blocks))
    assert rows[-1]["kind"] == CLOCK
    assert rows[-1]["ts_recv"] - rows[0]["ts_recv"] == 9 * NS_PER_MS
    assert rows[-2]["ts_recv"] <= rows[-1]["ts_recv"]
