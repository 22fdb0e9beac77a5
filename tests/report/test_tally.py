from decimal import Decimal

from app.messages.control import DeadLetter
from app.messages.execution import FundingPaid
from app.report.tally import Tally
from tests.report.factory import MODEL, STRATEGY, SYMBOL, T0, approved, dropped, fill, order, small_run


def tally_of(*messages: object) -> Tally:
    tally = Tally()
    for message in messages:
        tally.update(message)  # type: ignore[arg-type]
    return tally


def test_a_small_run_adds_up() -> None:
    tally = tally_of(*small_run())
    assert (tally.candidates, tally.holds, tally.approved, tally.dropped) == (3, 1, 2, 1)
    assert (tally.orders, tally.entries, tally.fills.total(), tally.closed_trades) == (3, 2, 3, 1)
    assert tally.open_positions == {"s3"}
    assert tally.fees == Decimal("0.09")
    assert tally.pnl == Decimal("0.93")
    assert tally.equity == Decimal("10000.91")
    assert (tally.fill_rate, tally.win_rate) == (1.0, 1.0)


def test_before_anything_happened_rates_are_unknown_rather_than_zero() -> None:
    tally = Tally()
    assert (tally.fill_rate, tally.win_rate, tally.equity) == (None, None, None)


def test_a_second_partial_fill_does_not_count_the_entry_twice() -> None:
    tally = tally_of(order(1, "submitted"), fill(1, "100"), fill(1, "100"))
    assert (tally.entries_filled, tally.fills.total(), tally.fill_rate) == (1, 2, 1.0)


def test_outcomes_are_counted_by_their_own_words() -> None:
    dead = DeadLetter(ts=T0, service="risk", stream="s", entry_id="1-0", reason="malformed", error="", payload="")
    funding = FundingPaid(
        ts=T0, signal_id="s1", strategy=STRATEGY, symbol=SYMBOL, amount=Decimal("-0.3"), rate=-0.1, mark_px=3.0,
        model_id=MODEL,
    )  # fmt: skip
    tally = tally_of(
        dropped(1, "score"), dropped(2, "score"), dropped(3, "warmup"), order(4, "cancelled"), order(5, "rejected"),
        order(6, "accepted", late=True), dead, funding, approved(7),
    )  # fmt: skip
    assert tally.drops == {"score": 2, "warmup": 1}
    assert tally.order_ends == {"cancelled": 1, "rejected": 1}
    assert tally.late_orders == 1
    assert tally.dead_letters == {"risk: malformed": 1}
    assert tally.funding == Decimal("-0.3")
