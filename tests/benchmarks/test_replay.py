"""The benchmark beside hftbacktest: its conversion, its second implementation of both venues, and what it concludes."""

import subprocess
import sys
from collections.abc import Sequence
from decimal import Decimal
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from app.core.clock import NS_PER_MS, NS_PER_S
from app.importers import import_recording
from app.market.instruments import Instrument, read_instruments
from app.market.rows import CLOCK, DEPTH_CLEAR, DEPTH_SET, LAST, SNAPSHOT, TRADE, Rows, empty
from app.settings import resolve
from app.store.archive import ArchiveReader
from benchmarks import replay
from benchmarks.hft_growth import repeat
from benchmarks.hft_ours import read_rows, settings_for

if find_spec("hftbacktest") is None:
    pytest.skip("hftbacktest is not installed: pip install 'aviary[bench]'", allow_module_level=True)

from hftbacktest import types as hft

from benchmarks.hft_agree import Agreement, agree, as_figures, features_apart
from benchmarks.hft_compare import NO_ACKNOWLEDGEMENT, UNEXPLAINED, Charges, Comparer, Comparison
from benchmarks.hft_orders import NEVER, Account, Execution, Order, Told, Trip, cut
from benchmarks.hft_ours import account_of, run_ours
from benchmarks.hft_rules import NO_RULE, Rule
from benchmarks.hft_run import EXPONENTS, Terms, run_strategy
from benchmarks.hft_tape import Tape, convert
from benchmarks.hft_venue import Ticket, Venue

ROOT = Path(replay.__file__).resolve().parent.parent
HOLD = 200 * NS_PER_MS
ROWS = 220_000
VENUE = "binance_usdm"
MAKER, TAKER = Decimal("0.0002"), Decimal("0.00055")
_BEGIN = 1_700_000_000 * NS_PER_S

Line = tuple[int, int, int, float, float, int]


def rows_of(lines: Sequence[Line], delay_ms: int = 5) -> Rows:
    """Rows of (ms at the venue, kind, side, price, quantity, flags), each received `delay_ms` later."""
    rows = empty(len(lines))
    for row, (ms, kind, side, px, qty, flags) in zip(rows, lines, strict=True):
        row["ts_event"] = _BEGIN + ms * NS_PER_MS
        row["ts_recv"] = row["ts_event"] + delay_ms * NS_PER_MS
        row["kind"], row["side"], row["px"], row["qty"], row["flags"] = kind, side, px, qty, flags
        row["instrument"] = 0 if kind == CLOCK else 1
    return rows


BOOK = [
    (0, DEPTH_CLEAR, 0, 0.0, 0.0, SNAPSHOT),
    (0, DEPTH_SET, 1, 100.0, 10.0, SNAPSHOT),
    (0, DEPTH_SET, 1, 99.0, 10.0, SNAPSHOT),
    (0, DEPTH_SET, -1, 101.0, 10.0, SNAPSHOT),
    (0, DEPTH_SET, -1, 102.0, 10.0, SNAPSHOT | LAST),
]


def fate(lines: Sequence[Line], rule: Rule, *, exponent: float = 0.0,
         ticket: Ticket | None = None) -> tuple[Execution, ...]:  # fmt: skip
    """What an order to buy 5 at 100, which arrives 1 ms after the book, gets under a set of rules."""
    tape = convert(rows_of([*BOOK, *lines]), HOLD)
    tape = tape._replace(lowest=90.0, highest=110.0)
    venue = Venue(tape, tick_size=1.0, lot_size=1.0, exponent=exponent)
    (found,) = venue.fates([ticket or Ticket(_BEGIN + NS_PER_MS, NEVER, 1, 100, 5)], [rule], NEVER - 1)
    return tuple(execution._replace(ts=(execution.ts - _BEGIN) // NS_PER_MS) for execution in found)


def test_a_row_that_is_late_is_two_events_and_both_orders_are_kept() -> None:
    rows = rows_of(
        [*BOOK, (10, TRADE, -1, 100.0, 1.0, LAST), (7, DEPTH_SET, 1, 98.0, 2.0, LAST), (0, CLOCK, 0, 0, 0, 0)]
    )
    rows["ts_recv"][-3:] = _BEGIN + np.array([20, 30, 40]) * NS_PER_MS
    tape = convert(rows, HOLD)
    at_venue = tape.events[tape.events["ev"] & hft.EXCH_EVENT != 0]
    received = tape.events[tape.events["ev"] & hft.LOCAL_EVENT != 0]
    assert len(tape.rows) == 7
    assert len(tape.events) == 8
    assert at_venue["px"][-2:].tolist() == [98.0, 100.0]
    assert received["px"][-2:].tolist() == [100.0, 98.0]
    assert at_venue["exch_ts"].tolist() == sorted(at_venue["exch_ts"].tolist())
    assert received["local_ts"].tolist() == tape.rows["ts_recv"].tolist()


def test_kinds_and_sides_become_flags() -> None:
    tape = convert(rows_of([*BOOK, (1, DEPTH_SET, -1, 101.0, 0.0, LAST), (2, TRADE, 1, 101.0, 1.0, LAST)]), HOLD)
    both = hft.EXCH_EVENT | hft.LOCAL_EVENT
    assert [int(flags) ^ both for flags in tape.events["ev"]] == [
        hft.DEPTH_CLEAR_EVENT,
        hft.DEPTH_SNAPSHOT_EVENT | hft.BUY_EVENT,
        hft.DEPTH_SNAPSHOT_EVENT | hft.BUY_EVENT,
        hft.DEPTH_SNAPSHOT_EVENT | hft.SELL_EVENT,
        hft.DEPTH_SNAPSHOT_EVENT | hft.SELL_EVENT,
        hft.DEPTH_EVENT | hft.SELL_EVENT,
        hft.TRADE_EVENT | hft.BUY_EVENT,
    ]


SHRUNK_THEN_TRADED = [
    (10, DEPTH_SET, 1, 100.0, 6.0, LAST),
    (10, TRADE, -1, 100.0, 4.0, LAST),
    (11, TRADE, -1, 100.0, 4.0, LAST),
]


def test_a_trade_that_an_update_contains_is_counted_once_by_us_and_twice_there() -> None:
    assert fate(SHRUNK_THEN_TRADED, NO_RULE) == ()
    assert fate(SHRUNK_THEN_TRADED, Rule.TRADE_COUNTED_TWICE) == (Execution(11, 100, 2),)


def test_an_overdrawn_queue_fills_with_what_never_traded() -> None:
    # Ten ahead of us and four behind; of these 13 are cancelled, 12.2 of them ahead of us if the model has its way.
    lines = [
        (5, DEPTH_SET, 1, 100.0, 14.0, LAST),
        (6, DEPTH_SET, 1, 100.0, 1.0, LAST),
        (7, TRADE, -1, 100.0, 1.0, LAST),
    ]
    ours = fate(lines, NO_RULE, exponent=3.0)
    theirs = fate(lines, Rule.QUEUE_BELOW_ZERO, exponent=3.0)
    assert sum(execution.lots for execution in ours) <= 1
    assert sum(execution.lots for execution in theirs) > 1


def test_a_trade_beyond_the_price_by_ones_own_side_fills_here_alone() -> None:
    beyond = [(9, TRADE, 1, 99.0, 1.0, LAST)]
    assert fate(beyond, NO_RULE) == (Execution(9, 100, 5),)
    assert fate(beyond, Rule.NO_FILL_THROUGH_OWN_SIDE) == ()


def test_a_market_order_takes_level_by_level_here_and_all_at_the_best_price_there() -> None:
    market = Ticket(_BEGIN + NS_PER_MS, NEVER, 1, 0, 12)
    assert fate([], NO_RULE, ticket=market) == (Execution(1, 101, 10), Execution(1, 102, 2))
    assert fate([], Rule.WHOLE_ORDER_AT_ONCE, ticket=market) == (Execution(1, 101, 12),)


def test_a_cancellation_ends_an_order() -> None:
    traded = [(9, TRADE, -1, 99.0, 1.0, LAST)]
    early = Ticket(_BEGIN + NS_PER_MS, _BEGIN + 8 * NS_PER_MS, 1, 100, 5)
    assert fate(traded, NO_RULE, ticket=early) == ()


def comparer_of(lines: Sequence[Line]) -> Comparer:
    """One for a tape of these rows, on which no order ever trades."""
    tape = convert(rows_of([*BOOK, *lines]), HOLD)._replace(lowest=90.0, highest=110.0)
    venue = Venue(tape, tick_size=1.0, lot_size=1.0, exponent=0.0)
    charges = Charges(Decimal(1), Decimal(1), MAKER, TAKER)
    return Comparer(tape, venue, charges, order_ns=NS_PER_MS, response_ns=NS_PER_MS)


def test_a_candidate_of_one_side_has_a_cause_where_two_messages_have_one_time() -> None:
    both = [
        (10, DEPTH_SET, 1, 98.0, 1.0, LAST),
        (10, DEPTH_SET, 1, 97.0, 1.0, LAST),
        (20, DEPTH_SET, 1, 97.0, 2.0, LAST),
    ]
    comparer, nothing = comparer_of(both), Account((), {}, NEVER - 1)
    shared, later = _BEGIN + 15 * NS_PER_MS, _BEGIN + 25 * NS_PER_MS

    def unexplained(*candidates: int) -> tuple[int, int]:
        ours = nothing._replace(candidates=dict.fromkeys(candidates, 1))
        found = comparer.compare(ours, nothing, starting=Decimal(0))
        return found.candidates_apart, found.unexplained

    assert unexplained(shared) == (1, 0)
    assert unexplained(shared, later) == (2, 0)
    assert unexplained(later) == (1, 1)


def test_a_cancellation_that_had_to_wait_for_its_order_is_a_cause_and_one_that_did_not_is_none() -> None:
    comparer = comparer_of([(9, TRADE, -1, 99.0, 1.0, LAST)])
    at = _BEGIN
    mine = Order(1, 1, 100, 5, at, at + 2 * NS_PER_MS, ())
    theirs = mine._replace(cancel_at=at + 20 * NS_PER_MS, fills=(Told(at + 9 * NS_PER_MS, 5, 100, 5),))
    (early,) = comparer.compare_orders([mine], [theirs], NEVER - 1).differences
    assert early.cause == NO_ACKNOWLEDGEMENT
    late = mine._replace(cancel_at=at + 8 * NS_PER_MS)
    (unexplained,) = comparer.compare_orders([late], [theirs], NEVER - 1).differences
    assert unexplained.cause == UNEXPLAINED


@pytest.fixture(scope="module")
def slice_of(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Rows, Tape]:
    """The beginning of the recording, as both programs read it."""
    root = tmp_path_factory.mktemp("recording")
    import_recording([shared_data / "binance_usdm" / "btcusdt_20240808.jsonl.gz"], root)
    rows = read_rows(root, VENUE, "BTCUSDT", ROWS)
    return rows, convert(rows, HOLD)


@pytest.fixture(scope="module")
def instrument() -> Instrument:
    return read_instruments(resolve(settings_for("BTCUSDT").symbols_file))["BTCUSDT"]


def terms(instrument: Instrument, queue: str, *more: str, whole: bool = False) -> Terms:
    return Terms(settings_for("BTCUSDT", f"executor.paper.queue={queue}", *more), instrument, whole)


@pytest.mark.parametrize(("queue", "whole"), [("risk_averse", False), ("power_3", False), ("power_3", True)])
def test_every_difference_has_a_cause(
    slice_of: tuple[Rows, Tape], instrument: Instrument, queue: str, whole: bool
) -> None:
    rows, tape = slice_of
    found = agree(tape, rows, terms(instrument, queue, whole=whole))
    assert isinstance(found, Agreement)
    assert found.unexplained == 0
    assert found.orders.fills >= 5
    assert found.strategy.fills >= 5
    assert found.strategy.candidates_apart == 0
    assert found.strategy.residual == 0
    assert not found.stopped
    assert as_figures(found)["strategy"]["equity_unexplained"] == "0.00000000"


def test_risk_averse_queues_agree_without_any_difference(slice_of: tuple[Rows, Tape], instrument: Instrument) -> None:
    rows, tape = slice_of
    found = agree(tape, rows, terms(instrument, "risk_averse"))
    assert (found.strategy.differences, found.orders.differences) == ([], [])
    assert found.strategy.equity_ours == found.strategy.equity_hft


@pytest.fixture(scope="module")
def compared(slice_of: tuple[Rows, Tape], instrument: Instrument) -> tuple[Comparer, Account, Account]:
    """A comparer, and the accounts of both sides, which are equal."""
    (rows, tape), on = slice_of, terms(instrument, "risk_averse")
    run = run_ours(on.settings, rows)
    ours = account_of(run, on.settings, tick_size=instrument.tick_size, lot_size=instrument.lot_size)
    theirs = cut(run_strategy(tape, on).account, run.until, on.feedback_ns)
    venue = Venue(tape, tick_size=on.tick_size, lot_size=on.lot_size, exponent=EXPONENTS[on.queue])
    charges = Charges(instrument.tick_size, instrument.lot_size, MAKER, TAKER)
    return (
        Comparer(tape, venue, charges, order_ns=on.order_ns, response_ns=on.response_ns),
        cut(ours, run.until, on.feedback_ns),
        theirs,
    )


def tampered(account: Account, change: str) -> Account:
    """The account with one fill of its first filled entry changed."""
    trips = list(account.trips)
    n = next(n for n, trip in enumerate(trips) if trip.orders[0].fills)
    first, *others = trips[n].orders
    fill, *rest = first.fills
    changed = {
        "time": (fill._replace(ts=fill.ts + NS_PER_MS), *rest),
        "lots": (fill._replace(lots=fill.lots - 1), *rest),
        "missing": tuple(rest),
    }[change]
    trips[n] = Trip((first._replace(fills=changed), *others), trips[n].free_at)
    return account._replace(trips=tuple(trips))


def test_equal_accounts_differ_in_nothing(compared: tuple[Comparer, Account, Account]) -> None:
    comparer, ours, theirs = compared
    found = comparer.compare(ours, theirs, starting=Decimal(10_000))
    assert isinstance(found, Comparison)
    assert (found.differences, found.unexplained) == ([], 0)


@pytest.mark.parametrize("change", ["time", "lots", "missing"])
@pytest.mark.parametrize("side", ["ours", "hft"])
def test_a_result_that_no_rule_gives_is_unexplained(
    compared: tuple[Comparer, Account, Account], change: str, side: str
) -> None:
    comparer, ours, theirs = compared
    if side == "ours":
        ours = tampered(ours, change)
    else:
        theirs = tampered(theirs, change)
    found = comparer.compare(ours, theirs, starting=Decimal(10_000))
    assert found.unexplained > 0
    assert found.misfits.total() == 1


def test_a_trip_that_only_one_side_has_is_unexplained_unless_the_other_was_busy(
    compared: tuple[Comparer, Account, Account],
) -> None:
    comparer, ours, theirs = compared
    found = comparer.compare(ours, theirs._replace(trips=theirs.trips[1:]), starting=Decimal(10_000))
    assert [difference.cause for difference in found.differences] == [UNEXPLAINED]


def test_the_features_computed_there_are_ours(slice_of: tuple[Rows, Tape], instrument: Instrument) -> None:
    rows, tape = slice_of
    found = features_apart(tape, rows, terms(instrument, "risk_averse"))
    assert found["messages"] > 10_000
    assert max(found["worst"].values(), default=0.0) < 0.01
    assert all(name.startswith(("ofi", "multilevel", "queue", "cancel")) for name in found["worst"])


def test_a_tape_repeated_begins_anew_and_goes_on_in_time(slice_of: tuple[Rows, Tape], tmp_path: Path) -> None:
    rows = slice_of[0][:30_000]
    assert repeat(rows, tmp_path, venue=VENUE, symbol="BTCUSDT", times=3) == 90_000
    read = np.concatenate(list(ArchiveReader(tmp_path, VENUE, ["BTCUSDT"])))
    assert len(read) == 90_000
    assert int((read["kind"] == DEPTH_CLEAR).sum()) == 3
    assert (np.diff(read["ts_recv"].astype(np.int64)) >= 0).all()
    assert np.diff(read["ts_recv"].astype(np.int64)).max() < NS_PER_S


def test_what_starts_it_does_not_need_hftbacktest() -> None:
    code = "import sys; sys.modules['hftbacktest'] = None; import benchmarks.replay, benchmarks.hft_worker"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_without_hftbacktest_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(replay.importlib.util, "find_spec", lambda _name: None)
    assert replay.main(["--quick"]) == 2
    assert "pip install 'aviary[bench]'" in capsys.readouterr().err


def test_without_a_tape_it_says_how_to_name_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert replay.main(["--tape", str(tmp_path / "none.jsonl")]) == 2
    assert "name a recording with --tape or an archive with --archive" in capsys.readouterr().err
