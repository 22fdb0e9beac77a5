"""Tapes: real archives on disk, put in the order in which things were true."""

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.core.clock import NS_PER_MS, NS_PER_S
from app.core.errors import BadInput, Misconfigured
from app.market.rows import CLOCK, DEPTH_SET, LAST, QUOTE, TRADE, Rows, concat, empty
from app.sandbox.flow import VenueMessage
from app.sandbox.tape import SORT_WINDOW_NS, TapeFlow, in_event_order
from app.store.publish import Publication
from app.store.writer import ArchiveWriter
from tests.sandbox.builders import BTC, ETH, INSTRUMENTS, START, NaiveBook, depth, message, running, snapshot, trade

NOTES = ("late_messages", "incomplete_messages")


def clock(at_ms: float) -> Rows:
    row = empty(1)
    row["kind"], row["ts_event"], row["ts_recv"] = CLOCK, START + at_ms * NS_PER_MS, START + at_ms * NS_PER_MS
    return row


def recorded(messages: Sequence[VenueMessage], delay_ms: float = 5) -> Rows:
    """The messages as a recorder would have written them, with clock rows between."""
    rows = concat(one.rows for one in messages)
    rows["ts_recv"] = np.maximum.accumulate(rows["ts_event"] + round(delay_ms * NS_PER_MS))
    ticks = np.arange(rows["ts_recv"][0], rows["ts_recv"][-1], 100 * NS_PER_MS) - START
    rows = concat([rows, *(clock(tick / NS_PER_MS) for tick in ticks)])
    return rows[np.argsort(rows["ts_recv"], kind="stable")]


def archive(root: Path, rows: Rows, venue: str = "bybit_v5") -> Path:
    with Publication(root, venue) as publication:
        writer = ArchiveWriter(publication, venue=venue, recording="one", symbols={i.id: i.symbol for i in INSTRUMENTS})
        writer.append(rows)
        writer.close()
        publication.commit()
    return root


def ordered(blocks: Sequence[Rows]) -> tuple[list[VenueMessage], dict[str, int]]:
    notes = dict.fromkeys(NOTES, 0)
    return list(in_event_order(blocks, notes)), notes


async def test_a_tape_plays_what_was_recorded(tmp_path: Path) -> None:
    flow = [
        snapshot(0),
        snapshot(1, mid=300_000, instrument=ETH),
        trade(5, 1, 600_001, 7),
        depth(30, (-1, 600_001, 3)),
        message(40, [(QUOTE, 1, 599_999, 1_000_000)]),
        depth(900, (1, 599_999, 0), (-1, 600_001, 4)),
        depth(950, (1, 299_999, 4), instrument=ETH),
    ]
    tape = archive(tmp_path, recorded(flow))
    topics = ("orderbook.50.BTCUSDT", "publicTrade.BTCUSDT", "orderbook.50.ETHUSDT")
    async with running(TapeFlow(tape, ("BTCUSDT", "ETHUSDT")), BTC, ETH) as wire, wire.stream(*topics) as stream:
        frames = [json.loads(frame) for frame in await stream.until_closed()]
        assert (await wire.get("/sandbox/state"))["notes"] == dict.fromkeys(NOTES, 0)
        expected = NaiveBook()
        for one in flow:
            if one.rows["instrument"][0] == BTC.id:
                expected.apply(one.rows)
        book = await wire.result("/v5/market/orderbook", symbol="BTCUSDT")
        assert [tuple(level) for level in book["b"]] == expected.levels(50)[0]
    assert [(f["topic"], f["type"], f["ts"] - START // NS_PER_MS) for f in frames] == [
        ("orderbook.50.BTCUSDT", "snapshot", 10),
        ("orderbook.50.ETHUSDT", "snapshot", 10),
        ("publicTrade.BTCUSDT", "snapshot", 10),
        ("orderbook.50.BTCUSDT", "delta", 40),
        ("orderbook.50.BTCUSDT", "delta", 900),
        ("orderbook.50.ETHUSDT", "delta", 960),
    ]
    assert frames[4]["data"]["b"] == [["59999.9", "0"]]


def test_two_readings_are_the_same(tmp_path: Path) -> None:
    flow = TapeFlow(
        archive(tmp_path, recorded([snapshot(0), trade(5, 1, 600_001, 7), depth(900, (1, 1, 1))])), ["BTCUSDT"]
    )
    first, second = list(flow.messages()), list(flow.messages())
    assert [one.when for one in first] == [one.when for one in second]
    assert all(a.rows.tobytes() == b.rows.tobytes() for a, b in zip(first, second, strict=True))
    assert len(first) == 3


MESSAGES = st.lists(st.tuples(st.integers(0, 1500), st.integers(1, 3)), min_size=1, max_size=40)


@settings(deadline=None)
@given(MESSAGES, st.integers(1, 7))
def test_messages_are_sorted_stay_whole_and_keep_ties(shape: list[tuple[int, int]], cut: int) -> None:
    """Recorded in this order, at most 1.5 s out of place, read in blocks of any size."""
    messages = []
    for i, (at, rows) in enumerate(shape):
        one = message(at, [(DEPTH_SET, 1, 1000 + i, 1)] * rows)
        one.rows["qty"] = np.arange(rows)
        messages.append(one)
    blocks = [concat(one.rows for one in messages[i : i + cut]) for i in range(0, len(messages), cut)]
    found, notes = ordered(blocks)
    expected = sorted(messages, key=lambda one: one.when)
    assert [one.rows.tobytes() for one in found] == [one.rows.tobytes() for one in expected]
    assert [one.when for one in found] == [one.when for one in expected]
    assert notes == dict.fromkeys(NOTES, 0)


def test_the_window_is_bounded_and_what_is_later_is_counted() -> None:
    seconds = SORT_WINDOW_NS // NS_PER_S
    found, notes = ordered(
        [depth(at, (1, 100, 1)).rows for at in (0, 1000 * seconds + 2, 1, 1000 * seconds + 2_000, 1500, 3)]
    )
    assert [round((one.when - START) / NS_PER_MS) for one in found] == [0, 1, 1500, 1500, 2002, 4000]
    # 3 ms arrived when 4,000 ms was known: more than the window too late, so it is played where the tape had got to.
    assert notes["late_messages"] == 1


def test_clock_and_quote_rows_are_left_out_and_mixed_messages_stay() -> None:
    mixed = message(3, [(DEPTH_SET, 1, 100, 1), (QUOTE, 1, 100, 1)])
    found, notes = ordered([concat([clock(0), message(1, [(QUOTE, 1, 100, 1)]).rows, clock(2), mixed.rows, clock(4)])])
    assert [one.rows.tobytes() for one in found] == [mixed.rows.tobytes()]
    assert notes == dict.fromkeys(NOTES, 0)
    assert ordered([clock(0)])[0] == []


def test_a_messages_time_is_that_of_its_latest_row() -> None:
    one = message(3, [(TRADE, 1, 100, 1)] * 3)
    one.rows["ts_event"] -= np.array([2, 0, 1]) * NS_PER_MS
    ((when, _),) = ordered([one.rows])[0]
    assert when == START + 3 * NS_PER_MS


def test_a_message_cut_off_at_the_end_is_not_played() -> None:
    rows = concat([depth(0, (1, 100, 1)).rows, depth(1, (1, 100, 1), (1, 101, 1)).rows])
    rows["flags"][-1] &= ~np.uint32(LAST)
    found, notes = ordered([rows])
    assert len(found) == 1
    assert notes["incomplete_messages"] == 1


def test_a_row_without_meaning_is_refused() -> None:
    rows = depth(0, (1, 100, 1)).rows
    rows["px"] = np.nan
    with pytest.raises(
        BadInput, match=r"tape row with ts_recv 1700000000000000000 has no meaning: .*import the recording again"
    ):
        ordered([rows])


def test_what_is_no_tape_is_said_plainly(tmp_path: Path) -> None:
    with pytest.raises(
        Misconfigured, match=r"tape .*nowhere does not exist; set sandbox.tape to the root of an archive"
    ):
        TapeFlow(tmp_path / "nowhere", ["BTCUSDT"])
    with pytest.raises(Misconfigured, match=r"has no venue=… folder"):
        TapeFlow(tmp_path, ["BTCUSDT"])
    (tmp_path / "file").write_text("x")
    with pytest.raises(Misconfigured, match=r"file is a file; set sandbox.tape"):
        TapeFlow(tmp_path / "file", ["BTCUSDT"])
    tape = archive(tmp_path / "tape", recorded([snapshot(0), depth(5, (1, 1, 1))]))
    with pytest.raises(Misconfigured, match=r"has no ETHUSDT of venue bybit_v5 \(symbols there: BTCUSDT\)"):
        TapeFlow(tape, ["ETHUSDT"])
    archive(tape, recorded([snapshot(0)]), venue="other")
    with pytest.raises(
        Misconfigured, match=r"has several venues \(bybit_v5, other\); set sandbox.tape to an archive of one"
    ):
        TapeFlow(tape, ["BTCUSDT"])


async def test_a_damaged_tape_stops_the_exchange_with_the_reason(tmp_path: Path) -> None:
    # Two hours: the first part is good, and yet nothing is told of it, since all are looked at before.
    tape = archive(tmp_path, recorded([snapshot(0), *(depth(60_000 * i, (1, 599_999, i)) for i in range(1, 90))]))
    _, second = sorted(tape.glob("venue=*/symbol=BTCUSDT/**/*.parquet"))
    second.write_bytes(second.read_bytes()[:-100])

    async def play() -> None:
        async with running(TapeFlow(tape, ["BTCUSDT"])) as wire:
            await asyncio.wait([wire.broken], timeout=5)

    with pytest.raises(BadInput, match=rf"{second.name}, row 0: the file has \d+ bytes, its sidecar says"):
        await play()
