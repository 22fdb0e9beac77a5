"""Bybit frames to rows: what is written, what is refused, and when a book is unknown."""

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.clock import NS_PER_MS, NS_PER_S
from app.market.rows import (
    DEPTH_CLEAR,
    DEPTH_SET,
    FUNDING,
    INDEX,
    LAST,
    MARK,
    REPAIRED,
    SNAPSHOT,
    TRADE,
    faults,
)
from app.venues.bybit.decode import Decoder
from tests.venues.sink import (
    DELAY_NS,
    T0,
    MemorySink,
    NaiveBook,
    book_frame,
    delta,
    encode,
    snapshot,
    ticker_frame,
    trade_frame,
)

TOPIC = "orderbook.50.BTCUSDT"


@pytest.fixture
def sink() -> MemorySink:
    return MemorySink()


@pytest.fixture
def decoder(sink: MemorySink) -> Decoder:
    return Decoder({"BTCUSDT": 1, "ETHUSDT": 2}, 50, sink)


def fields(rows: Any, *names: str) -> list[tuple[Any, ...]]:
    return [tuple(row[name].item() for name in names) for row in rows]


class TestBook:
    def test_snapshot_clears_and_sets_and_is_flagged(self, decoder: Decoder, sink: MemorySink) -> None:
        assert decoder.decode(snapshot(10)) is None
        rows = sink.rows()
        assert fields(rows, "kind", "side", "px", "qty", "flags") == [
            (DEPTH_CLEAR, 0, 0.0, 0.0, SNAPSHOT),
            (DEPTH_SET, 1, 100.5, 1.0, SNAPSHOT),
            (DEPTH_SET, 1, 100.0, 2.0, SNAPSHOT),
            (DEPTH_SET, -1, 101.0, 3.0, SNAPSHOT),
            (DEPTH_SET, -1, 101.5, 4.0, SNAPSHOT | LAST),
        ]
        assert set(rows["instrument"]) == {1}
        assert set(rows["ts_event"]) == {(T0 + 8) * NS_PER_MS}, "the matching engine's time, not the gateway's"
        assert set(rows["ts_recv"]) == {(T0 + 8) * NS_PER_MS + DELAY_NS}
        assert sink.snapshots == {"BTCUSDT": 1}
        assert sink.messages == 1

    def test_delta_sets_levels_and_only_its_last_row_is_last(self, decoder: Decoder, sink: MemorySink) -> None:
        decoder.decode(snapshot(10))
        sink.rows()
        decoder.decode(delta(11, [("100.5", "0"), ("99.5", "7")], [("101", "0.001")]))
        assert fields(sink.rows(), "kind", "side", "px", "qty", "flags") == [
            (DEPTH_SET, 1, 100.5, 0.0, 0),
            (DEPTH_SET, 1, 99.5, 7.0, 0),
            (DEPTH_SET, -1, 101.0, 0.001, LAST),
        ]

    def test_gateway_time_stands_in_for_a_missing_engine_time(self, decoder: Decoder, sink: MemorySink) -> None:
        decoder.decode(snapshot(10, cts=None))
        assert set(sink.rows()["ts_event"]) == {(T0 + 10) * NS_PER_MS}

    def test_delta_without_levels_continues_the_sequence(self, decoder: Decoder, sink: MemorySink) -> None:
        decoder.decode(snapshot(10))
        decoder.decode(delta(11, []))
        sink.rows()
        decoder.decode(delta(12))
        assert len(sink.rows()) == 1
        assert not sink.gaps

    def test_nothing_is_written_before_the_first_snapshot(self, decoder: Decoder, sink: MemorySink) -> None:
        decoder.decode(delta(11))
        assert len(sink.rows()) == 0
        assert sink.drops == {"before_snapshot": 1}
        assert TOPIC in decoder.lost

    def test_gap_makes_the_book_unknown_until_the_next_snapshot(self, decoder: Decoder, sink: MemorySink) -> None:
        decoder.decode(snapshot(10))
        assert TOPIC not in decoder.lost
        sink.rows()
        decoder.decode(delta(12))
        rows = sink.rows()
        assert fields(rows, "kind", "side", "flags", "ts_event") == [
            (DEPTH_CLEAR, 0, REPAIRED | LAST, (T0 + 10) * NS_PER_MS)
        ]
        assert sink.gaps == {"BTCUSDT": 1}
        assert TOPIC in decoder.lost
        decoder.decode(delta(13))
        assert len(sink.rows()) == 0
        assert sink.drops == {"before_snapshot": 1}
        decoder.decode(snapshot(20))
        rows = sink.rows()
        assert rows["kind"][0] == DEPTH_CLEAR
        assert set(rows["flags"] & (SNAPSHOT | REPAIRED)) == {SNAPSHOT | REPAIRED}
        assert TOPIC not in decoder.lost
        decoder.decode(delta(21))
        assert fields(sink.rows(), "flags") == [(LAST,)]
        assert sink.gaps == {"BTCUSDT": 1}

    @pytest.mark.parametrize("u", [10, 9, 2])
    def test_duplicate_and_late_messages_are_dropped_and_counted(
        self, decoder: Decoder, sink: MemorySink, u: int
    ) -> None:
        decoder.decode(snapshot(10))
        sink.rows()
        decoder.decode(delta(u))
        assert len(sink.rows()) == 0
        assert sink.drops == {"duplicate": 1}
        decoder.decode(delta(11))
        assert len(sink.rows()) == 1, "the sequence goes on from where it was"
        assert not sink.gaps

    @pytest.mark.parametrize("kind", ["snapshot", "delta"])
    def test_update_id_one_is_a_restart_and_replaces_the_book(
        self, decoder: Decoder, sink: MemorySink, kind: str
    ) -> None:
        decoder.decode(snapshot(10))
        decoder.decode(book_frame(kind, 1, [("50", "5")], [("51", "6")]))
        decoder.decode(delta(2, [("50", "8")]))
        assert NaiveBook().apply(sink.rows()).sides == {1: {50.0: 8.0}, -1: {51.0: 6.0}}
        assert not sink.gaps
        assert not sink.drops

    def test_any_snapshot_replaces_the_book(self, decoder: Decoder, sink: MemorySink) -> None:
        decoder.decode(snapshot(10))
        decoder.decode(book_frame("snapshot", 500, [("50", "5")], [("51", "6")]))
        decoder.decode(delta(501, [("50", "0")]))
        assert NaiveBook().apply(sink.rows()).sides == {1: {}, -1: {51.0: 6.0}}

    def test_best_level_resent_after_silence_is_no_news(self, sink: MemorySink) -> None:
        decoder = Decoder({"BTCUSDT": 1}, 1, sink)
        decoder.decode(snapshot(10, depth=1))
        sink.rows()
        decoder.decode(snapshot(10, depth=1))
        assert len(sink.rows()) == 0
        assert not sink.drops
        decoder.decode(snapshot(13, depth=1))
        assert len(sink.rows()) == 5, "at this depth update ids jump, and each message is a snapshot"
        assert not sink.gaps

    def test_books_are_independent(self, decoder: Decoder, sink: MemorySink) -> None:
        decoder.decode(snapshot(10))
        decoder.decode(snapshot(77, symbol="ETHUSDT"))
        decoder.decode(delta(11))
        decoder.decode(delta(99, symbol="ETHUSDT"))
        assert sink.gaps == {"ETHUSDT": 1}
        assert decoder.lost == {"orderbook.50.ETHUSDT"}

    def test_lost_connection_makes_known_books_unknown(self, decoder: Decoder, sink: MemorySink) -> None:
        decoder.decode(snapshot(10))
        sink.rows()
        decoder.disconnected()
        rows = sink.rows()
        assert fields(rows, "instrument", "kind", "flags") == [(1, DEPTH_CLEAR, REPAIRED | LAST)]
        assert rows["ts_event"][0] == rows["ts_recv"][0]
        decoder.disconnected()
        assert len(sink.rows()) == 0, "once is enough"
        assert not sink.gaps, "a lost connection is counted as such"

    def test_venue_time_far_ahead_is_replaced_and_flagged(self, decoder: Decoder, sink: MemorySink) -> None:
        decoder.decode(snapshot(10))
        sink.rows()
        sink.now = (T0 + 20) * NS_PER_MS
        decoder.decode(delta(11, cts=T0 + 4_000))
        decoder.decode(delta(12, cts=T0 + 6_000))
        decoder.decode(trade_frame({"T": T0 + 9_000}, {"T": T0 + 1}))
        decoder.decode(ticker_frame(markPrice="5", ts=T0 + 9_000))
        now = sink.now
        assert fields(sink.rows(), "ts_event", "flags") == [
            ((T0 + 4_000) * NS_PER_MS, LAST),
            (now, REPAIRED | LAST),
            (now, REPAIRED),
            ((T0 + 1) * NS_PER_MS, LAST),
            (now, REPAIRED | LAST),
        ]
        assert sink.clamps == 3

    def test_a_closed_sink_is_left_alone(self, decoder: Decoder, sink: MemorySink) -> None:
        decoder.decode(snapshot(10))
        sink.rows()
        sink.open = False
        for frame in (delta(11), delta(15), trade_frame({}), ticker_frame(markPrice="5")):
            decoder.decode(frame)
        decoder.disconnected()
        assert len(sink.rows()) == 0


class TestTrades:
    def test_each_trade_is_a_row_of_its_own_time(self, decoder: Decoder, sink: MemorySink) -> None:
        decoder.decode(trade_frame({"T": T0 + 3, "p": "100.5", "v": "0.25"}, {"T": T0 + 7, "S": "Sell"}))
        rows = sink.rows()
        assert fields(rows, "kind", "side", "px", "qty", "flags", "ts_event") == [
            (TRADE, 1, 100.5, 0.25, 0, (T0 + 3) * NS_PER_MS),
            (TRADE, -1, 100.0, 1.0, LAST, (T0 + 7) * NS_PER_MS),
        ]
        assert set(rows["ts_recv"]) == {(T0 + 7) * NS_PER_MS + DELAY_NS}, "known at once, when the latest was"

    def test_block_trades_are_left_out(self, decoder: Decoder, sink: MemorySink) -> None:
        decoder.decode(trade_frame({"BT": True}, {"v": "2"}))
        decoder.decode(trade_frame({"BT": True}))
        assert fields(sink.rows(), "qty", "flags") == [(2.0, LAST)]
        assert sink.drops == {"block_trade": 2}
        assert sink.messages == 1

    @pytest.mark.parametrize(
        "bad",
        [{"p": "0"}, {"p": "-1"}, {"p": "NaN"}, {"v": "0"}, {"v": "inf"}, {"v": None}, {"S": "Both"}, {"T": 5}],
        ids=str,
    )
    def test_bad_trade_does_not_take_the_others_along(
        self, decoder: Decoder, sink: MemorySink, bad: dict[str, Any]
    ) -> None:
        decoder.decode(trade_frame({"v": "1"}, bad, {"v": "3"}))
        assert fields(sink.rows(), "qty", "flags") == [(1.0, 0), (3.0, LAST)]
        assert sink.drops == {"bad_value": 1}


class TestTickers:
    def test_rows_only_for_what_changed(self, decoder: Decoder, sink: MemorySink) -> None:
        first = {
            "markPrice": "100.1",
            "indexPrice": "100.2",
            "fundingRate": "-0.0001",
            "nextFundingTime": "1700006400000",
        }
        decoder.decode(ticker_frame(**first, lastPrice="7"))
        assert fields(sink.rows(), "kind", "px", "qty", "flags", "side") == [
            (MARK, 100.1, 0.0, 0, 0),
            (INDEX, 100.2, 0.0, 0, 0),
            (FUNDING, -0.0001, 1700006400.0, LAST, 0),
        ]
        decoder.decode(ticker_frame(**first))
        decoder.decode(ticker_frame(lastPrice="8"))
        assert len(sink.rows()) == 0
        decoder.decode(ticker_frame(indexPrice="100.3", ts=T0 + 9))
        assert fields(sink.rows(), "kind", "px", "flags", "ts_event") == [(INDEX, 100.3, LAST, (T0 + 9) * NS_PER_MS)]

    def test_funding_needs_rate_and_time_and_follows_either(self, decoder: Decoder, sink: MemorySink) -> None:
        decoder.decode(ticker_frame(fundingRate="0.0001"))
        assert len(sink.rows()) == 0
        decoder.decode(ticker_frame(nextFundingTime="1700006400000"))
        decoder.decode(ticker_frame(fundingRate="0.0002"))
        decoder.decode(ticker_frame(nextFundingTime="1700035200000"))
        assert fields(sink.rows(), "px", "qty") == [
            (0.0001, 1700006400.0),
            (0.0002, 1700006400.0),
            (0.0002, 1700035200.0),
        ]

    def test_empty_strings_mean_no_value(self, decoder: Decoder, sink: MemorySink) -> None:
        decoder.decode(ticker_frame(markPrice="", indexPrice="", fundingRate="", nextFundingTime=""))
        assert len(sink.rows()) == 0
        assert not sink.drops

    @pytest.mark.parametrize("bad", ["0", "-3", "nan", "inf", "1e999", "abc", "٣x"])
    def test_bad_value_keeps_the_old_one(self, decoder: Decoder, sink: MemorySink, bad: str) -> None:
        decoder.decode(ticker_frame(markPrice="5"))
        decoder.decode(ticker_frame(markPrice=bad))
        decoder.decode(ticker_frame(markPrice="5"))
        assert fields(sink.rows(), "px") == [(5.0,)]
        assert sink.drops == {"bad_value": 1}


class TestBadFrames:
    @pytest.mark.parametrize("px", ["0", "-1", "NaN", "inf", "1e999", "", "abc", "1e300", None, True, [], {}])
    def test_bad_price_drops_the_message_and_loses_the_book(self, decoder: Decoder, sink: MemorySink, px: Any) -> None:
        decoder.decode(snapshot(10))
        sink.rows()
        decoder.decode(delta(11, [("100", "1"), (px, "1")]))
        assert fields(sink.rows(), "kind", "flags") == [(DEPTH_CLEAR, REPAIRED | LAST)]
        assert sink.drops == {"bad_value": 1}
        assert sink.gaps == {"BTCUSDT": 1}
        assert TOPIC in decoder.lost

    @pytest.mark.parametrize("qty", ["-1", "nan", "-inf", "", "x", None])
    def test_bad_quantity_does_too(self, decoder: Decoder, sink: MemorySink, qty: Any) -> None:
        decoder.decode(snapshot(10))
        sink.rows()
        decoder.decode(delta(11, [], [("101", qty)]))
        assert fields(sink.rows(), "kind", "flags") == [(DEPTH_CLEAR, REPAIRED | LAST)]

    @pytest.mark.parametrize("time", [0, -1, 10**18, 2**63, 2**70, "soon", None])
    def test_impossible_time_is_refused(self, decoder: Decoder, sink: MemorySink, time: Any) -> None:
        decoder.decode(snapshot(10))
        sink.rows()
        decoder.decode(encode({**json.loads(delta(11)), "ts": time, "cts": time}))
        assert set(sink.rows()["kind"]) == {DEPTH_CLEAR}
        assert sink.drops == {"bad_value": 1}

    @pytest.mark.parametrize(
        ("frame", "reason"),
        [
            (b"", "malformed"),
            (b"\xff\xfe", "malformed"),
            (b"[]", "malformed"),
            (b"{", "malformed"),
            (b'{"topic":"orderbook.', "malformed"),
            (b'{"topic":"orderbook.50.BTCUSDT","x":' + b"[" * 100_000, "malformed"),
            (b'{"topic":"publicTrade.', "malformed"),
            (b'{"topic":"tickers.', "malformed"),
            (b'{"topic":7}', "malformed"),
            (snapshot(10, symbol="XYZUSDT"), "unknown_topic"),
            (snapshot(10, depth=200), "unknown_topic"),
            (trade_frame({}, symbol="XYZUSDT"), "unknown_topic"),
            (ticker_frame("XYZUSDT", markPrice="1"), "unknown_topic"),
            (b'{"topic":"kline.1.BTCUSDT","data":[]}', "unknown_topic"),
        ],
        ids=range(14),
    )
    def test_counted_by_reason_and_otherwise_without_effect(
        self, decoder: Decoder, sink: MemorySink, frame: bytes, reason: str
    ) -> None:
        assert decoder.decode(frame) is None
        assert sink.drops == {reason: 1}
        assert len(sink.rows()) == 0

    def test_fields_in_another_order_are_read_all_the_same(self, decoder: Decoder, sink: MemorySink) -> None:
        for frame in (snapshot(10), trade_frame({}), ticker_frame(markPrice="5")):
            decoder.decode(encode(dict(reversed(json.loads(frame).items()))))
        assert list(sink.rows()["kind"]) == [DEPTH_CLEAR, *[DEPTH_SET] * 4, TRADE, MARK]
        assert not sink.drops

    def test_replies_are_handed_back(self, decoder: Decoder) -> None:
        reply = decoder.decode(b'{"success":false,"ret_msg":"no","conn_id":"c","req_id":"1","op":"subscribe"}')
        assert reply is not None
        assert (reply.op, reply.success, reply.ret_msg) == ("subscribe", False, "no")
        assert decoder.decode(b'{"success":true,"ret_msg":"pong","op":"ping","req_id":"2"}') is not None


NUMBERS = st.one_of(
    st.sampled_from(["0", "-1", "NaN", "Infinity", "1e400", "", "x", "1", "100.5", "0.001"]),
    st.floats(allow_nan=True).map(repr),
    st.none(),
    st.integers(-(2**70), 2**70),
)
LEVELS = st.lists(st.one_of(st.lists(NUMBERS, max_size=3), NUMBERS), max_size=4)
BOOKS = st.builds(
    lambda kind, u, b, a, ts, cts: encode(
        {"topic": TOPIC, "type": kind, "ts": ts, "data": {"s": "BTCUSDT", "b": b, "a": a, "u": u}, "cts": cts}
    ),
    st.sampled_from(["snapshot", "delta", "other"]),
    st.one_of(st.integers(-2, 14), NUMBERS),
    LEVELS,
    LEVELS,
    st.one_of(st.just(T0), st.integers(0, 2**64)),
    st.one_of(st.just(T0), NUMBERS),
)
TRADES = st.lists(st.fixed_dictionaries({}, optional={"T": NUMBERS, "p": NUMBERS, "v": NUMBERS, "S": NUMBERS})).map(
    lambda rows: trade_frame(*rows)
)
TICKERS = st.dictionaries(st.sampled_from(["markPrice", "indexPrice", "fundingRate", "nextFundingTime"]), NUMBERS).map(
    lambda changed: ticker_frame(**changed)
)
GOOD = st.integers(9, 13).flatmap(lambda u: st.sampled_from([snapshot(u), delta(u), trade_frame({}), snapshot(1)]))


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A good frame with some bytes changed, lost or doubled."""
    frame = bytearray(draw(GOOD))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(frame) - 1))
        frame[at : at + draw(st.integers(0, 3))] = draw(st.binary(max_size=3))
        if not frame:
            break
    return bytes(frame)


@given(st.lists(st.one_of(GOOD, BOOKS, TRADES, TICKERS, damaged(), st.binary(max_size=40)), max_size=30))
def test_no_frame_raises_or_writes_a_row_that_kernels_refuse(stream: list[bytes]) -> None:
    sink = MemorySink()
    decoder = Decoder({"BTCUSDT": 1}, 50, sink)
    for frame in stream:
        decoder.decode(frame)
    rows = sink.rows()
    assert not faults(rows).any()
    assert not np.any(np.diff(rows["ts_recv"]) < 0)
    assert np.all(rows["ts_event"] <= rows["ts_recv"] + 5 * NS_PER_S)
    assert set(rows["instrument"]) <= {1}
    assert np.count_nonzero(rows["flags"] & LAST) == sink.messages
    # Whatever happened, levels are only ever written to a known book.
    NaiveBook().apply(rows)
