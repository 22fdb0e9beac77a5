"""The venue's book against plain dictionaries."""

from hypothesis import given, settings
from hypothesis import strategies as st

from app.sandbox.book import Book, Side, Window

SIDES = st.sampled_from([1, -1])
CHANGES = st.lists(st.tuples(SIDES, st.integers(1, 30), st.integers(0, 5)), max_size=60)


@settings(deadline=None)
@given(SIDES, CHANGES, st.integers(1, 40))
def test_side_is_a_sorted_dictionary(sign: int, changes: list[tuple[int, int, int]], depth: int) -> None:
    side, naive = Side(sign), dict[int, int]()
    for _, ticks, lots in changes:
        side.set(ticks, lots)
        naive[ticks] = lots
        naive = {key: value for key, value in naive.items() if value}
        best_first = sorted(naive.items(), reverse=sign > 0)
        assert len(side) == len(naive)
        assert side.best() == (best_first[0] if best_first else None)
        assert list(side.top(depth).items()) == best_first[:depth]


@settings(deadline=None)
@given(st.lists(CHANGES, max_size=8), st.integers(1, 6))
def test_a_copy_that_applies_every_change_is_the_venues_window(
    steps: list[list[tuple[int, int, int]]], depth: int
) -> None:
    book, copies = Book(), {1: dict[int, int](), -1: dict[int, int]()}
    window = Window(book, depth)
    for step in steps:
        for side, ticks, lots in step:
            book.set(side, ticks, lots)
        for side, changes in zip((1, -1), window.advance(), strict=True):
            assert [ticks for ticks, _ in changes] == sorted((ticks for ticks, _ in changes), reverse=side > 0)
            for ticks, lots in changes:
                assert copies[side].get(ticks, 0) != lots, "said what had not changed"
                if lots:
                    copies[side][ticks] = lots
                else:
                    del copies[side][ticks]
        assert copies[1] == book.bids.top(depth)
        assert copies[-1] == book.asks.top(depth)


def test_clear_forgets_one_side_or_both() -> None:
    book = Book()
    for side in (1, -1):
        book.set(side, 100 - side, 5)
    book.clear(-1)
    assert book.asks.best() is None
    assert book.bids.best() == (99, 5)
    book.clear(0)
    assert book.bids.best() is None


def test_mid_needs_both_sides() -> None:
    book = Book()
    book.set(1, 100, 5)
    assert book.mid_ticks() is None
    book.set(-1, 103, 5)
    assert book.mid_ticks() == 101.5
