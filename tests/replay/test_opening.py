import numpy as np

from app.market.book import Book
from app.market.instruments import read_instruments
from app.market.rows import DEPTH_CLEAR, LAST, SNAPSHOT, Rows
from app.replay.opening import opening
from app.settings import ROOT

BTC = read_instruments(ROOT / "config" / "symbols.yml")["BTCUSDT"]


def levels(*parts: Rows) -> object:
    book = Book(BTC)
    for rows in parts:
        book.advance(rows)
    return book.levels(10_000)


def test_a_book_begun_in_the_middle_is_the_book_of_the_whole(market: Rows) -> None:
    at = int(np.flatnonzero(market["flags"] & LAST)[len(market) // 40]) + 1
    ts = int(market["ts_recv"][at])
    rows = opening([market[:at]], {"BTCUSDT": BTC}, ts, book_ticks=65_536)
    assert levels(rows) == levels(market[:at])
    assert levels(rows, market[at:]) == levels(market)
    assert rows["kind"][0] == DEPTH_CLEAR
    assert (rows["flags"] & SNAPSHOT).all()
    assert np.flatnonzero(rows["flags"] & LAST).tolist() == [len(rows) - 1]
    assert set(rows["ts_recv"]) == set(rows["ts_event"]) == {ts}


def test_a_book_that_was_empty_is_left_out() -> None:
    assert len(opening([], {"BTCUSDT": BTC}, 1, book_ticks=64)) == 0
