"""What each gate stops, and when it lets go."""

from decimal import Decimal
from typing import Literal

import pytest

from app.core.errors import Misconfigured
from app.messages.control import ControlKind
from app.risk.gates.duplicate import REMEMBERED, DuplicateGate
from app.risk.gates.max_positions import MaxPositionsGate
from tests.risk.builders import Desk, control, executor_mark, limits, mark, ns, order, scored, trade

DAY = 86_400_000


def test_a_good_entry_is_approved_with_its_limits() -> None:
    desk = Desk()
    desk.scored(scored(0, "a"))
    approved = desk.passed[0]
    assert approved.id == "a"
    assert approved.max_notional == 1000.0
    assert (approved.stop_loss_bps, approved.take_profit_bps, approved.max_hold_ms) == (8.0, 6.0, 10_000)
    assert (approved.score, approved.tau_hold, approved.model_id, approved.route) == (0.9, 0.3, "m", "paper")
    assert (approved.bid, approved.ask, approved.ts, approved.ts_event) == (60_000.0, 60_000.1, ns(0), ns(0) - 1)


@pytest.mark.parametrize(("kind", "reason"), [("HALT", "halted"), ("CRIT", "crit")])
def test_a_halt_stops_entries_until_resume(kind: ControlKind, reason: str) -> None:
    desk = Desk()
    desk.control(control(kind, "feed looks wrong"))
    desk.scored(scored(0, "a"))
    assert desk.dropped == [("a", reason)]
    assert desk.out.messages["sig:dropped:{test}"][0].detail == f"{kind} from operator: feed looks wrong"
    desk.control(control("RESUME"))
    desk.scored(scored(1, "b"))
    assert desk.approved == ["b"]


def test_an_announcement_is_no_halt() -> None:
    desk = Desk()
    desk.control(control("MODE_SWITCH"), control("PROMOTE"), control("ROLLBACK"))
    desk.scored(scored(0, "a"))
    assert desk.approved == ["a"]


def test_an_unknown_exchange_mode_does_not_start() -> None:
    with pytest.raises(Misconfigured, match=r"exchange\.mode 'papre' is unknown; set it to one of paper, real"):
        Desk(limits(mode="papre"))


@pytest.mark.parametrize("strategy", ["nobody", "resting"])
def test_an_unknown_or_disabled_strategy_does_not_enter(strategy: str) -> None:
    desk = Desk()
    desk.scored(scored(0, "a", strategy=strategy))
    assert desk.dropped == [("a", "unknown_strategy")]


def test_an_entry_is_approved_once() -> None:
    desk = Desk()
    desk.scored(scored(0, "a"), scored(0, "a"), scored(5, "a"))
    assert desk.approved == ["a"]
    assert desk.dropped == [("a", "duplicate")] * 2


def test_what_was_dropped_may_come_again() -> None:
    desk = Desk()
    desk.scored(scored(0, "a", score=0.1), scored(1, "a"))
    assert desk.approved == ["a"]


def test_the_memory_of_duplicates_is_bounded() -> None:
    gate = DuplicateGate(limits())
    for i in range(REMEMBERED + 10):
        gate.on_approved(scored(i, f"s{i}"))
    assert len(gate.snapshot()) == REMEMBERED
    assert gate.check(scored(0, "s9")) is None
    assert gate.check(scored(0, "s10")) is not None


def test_warmup_counts_event_time_from_the_first_message() -> None:
    desk = Desk(limits(warmup_s=10))
    desk.scored(mark(0), scored(1, "a"))
    desk.execution(executor_mark(20_000))
    desk.scored(scored(9999.999, "b"), scored(10_000, "c"))
    assert desk.dropped == [("a", "warmup"), ("b", "warmup")]
    assert desk.approved == ["c"]
    assert desk.value("warmup_drop_total", symbol="BTCUSDT") == 2.0


def test_warmup_can_be_switched_off() -> None:
    given = limits(warmup_s=10)
    desk = Desk(
        type(given)(
            exchange_mode="paper",
            warmup=given.warmup.model_copy(update={"enabled": False}),
            risk=given.risk,
            strategies=given.strategies,
            feedback_ns=given.feedback_ns,
        )
    )
    desk.scored(scored(0, "a"))
    assert desk.approved == ["a"]


@pytest.mark.parametrize(
    ("score", "approved"),
    [(0.6, True), (1.0, True), (0.5999999, False), (float("nan"), False), (float("inf"), False), (-1.0, False)],
)
def test_the_threshold_is_inclusive_and_refuses_garbage(score: float, approved: bool) -> None:
    desk = Desk()
    desk.scored(scored(0, "a", score=score))
    assert desk.approved == (["a"] if approved else [])
    assert desk.dropped == ([] if approved else [("a", "threshold")])


def test_a_threshold_that_is_no_number_stops() -> None:
    desk = Desk()
    desk.scored(scored(0, "a", tau_entry=float("nan")))
    assert desk.dropped == [("a", "threshold")]


class TestMaxPositions:
    def test_an_entry_in_flight_counts_until_its_order_ends_unfilled(self) -> None:
        desk = Desk(limits(max_positions=1))
        desk.scored(scored(0, "a"), scored(10, "b"))
        assert desk.dropped == [("b", "max_positions")]
        desk.execution(order(0, "a", "submitted"), order(500, "a", "cancelled"), executor_mark(600))
        desk.scored(scored(1499, "c"), scored(1500, "d"))
        assert desk.approved == ["a", "d"]

    def test_a_partly_filled_entry_counts_until_its_trade_is_closed(self) -> None:
        desk = Desk(limits(max_positions=1))
        desk.scored(scored(0, "a"))
        desk.execution(
            order(0, "a", "submitted"),
            order(500, "a", "cancelled", filled_qty=Decimal("0.004")),
            trade(2000, "a"),
            executor_mark(9000),
        )
        desk.scored(scored(2999, "b"), scored(3000, "c"))
        assert desk.approved == ["a", "c"]

    def test_only_the_entry_order_decides(self) -> None:
        desk = Desk(limits(max_positions=1))
        desk.scored(scored(0, "a"))
        desk.execution(
            order(0, "a", "submitted"),
            order(10, "a", "cancelled", leg="take_profit"),
            order(20, "a", "rejected", leg="exit"),
            executor_mark(9000),
        )
        desk.scored(scored(9000, "b"))
        assert desk.approved == ["a"]

    def test_strategies_do_not_share_it(self) -> None:
        desk = Desk(limits(max_positions=1))
        desk.scored(scored(0, "a"), scored(0, "b", strategy="second"), scored(1, "c", strategy="second"))
        assert desk.approved == ["a", "b"]

    def test_an_order_the_executor_reports_is_open_though_its_approval_is_unknown(self) -> None:
        gate = MaxPositionsGate(limits(max_positions=1))
        gate.on_order(order(0, "a", "submitted"))
        gate.on_time(ns(60_000))
        assert gate.check(scored(60_000)) is not None

    def test_an_approval_that_never_reached_the_executor_is_forgotten(self) -> None:
        gate = MaxPositionsGate(limits(max_positions=1))
        gate.on_approved(scored(0, "a"))
        gate.on_time(ns(999))
        assert gate.check(scored(999)) is not None
        gate.on_time(ns(1000))
        assert gate.check(scored(1000)) is None


class TestDailyLossCap:
    def lose(self, desk: Desk, *trades: tuple[float, str]) -> None:
        for ms, pnl in trades:
            desk.execution(trade(ms, f"t{ms}", pnl))
        desk.execution(executor_mark(3 * DAY))

    def test_stops_the_day_at_the_cap_and_not_before(self) -> None:
        desk = Desk(limits(daily_loss_cap_usd=-100))
        desk.scored(mark(0))
        self.lose(desk, (100, "-99.99"), (200, "-0.01"))
        desk.scored(scored(1100, "a"), scored(1200, "b"), scored(DAY - 1, "c"), scored(DAY, "d"))
        assert desk.approved == ["a", "d"]
        assert desk.dropped == [("b", "daily_cap"), ("c", "daily_cap")]
        assert desk.value("daily_cap_trigger_total") == 1.0

    def test_stays_stopped_though_an_open_position_wins_it_back(self) -> None:
        desk = Desk(limits(daily_loss_cap_usd=-100))
        desk.scored(mark(0))
        self.lose(desk, (100, "-150"), (200, "500"), (300, "-700"))
        desk.scored(scored(1400, "a"))
        assert desk.dropped == [("a", "daily_cap")]
        assert desk.value("daily_cap_trigger_total") == 1.0

    def test_a_loss_belongs_to_the_day_it_was_made_on(self) -> None:
        desk = Desk(limits(daily_loss_cap_usd=-100))
        desk.scored(mark(0))
        self.lose(desk, (DAY - 1, "-150"))
        desk.scored(scored(DAY + 1000, "a"))
        assert desk.approved == ["a"]


class TestLossStreak:
    def given(self) -> Desk:
        desk = Desk(limits(loss_streak_max=2, session_cooldown_minutes=1))
        desk.scored(mark(0))
        return desk

    def test_pauses_after_the_limit_and_resumes(self) -> None:
        desk = self.given()
        desk.execution(trade(0, "x", "-1"), trade(10, "y", "-1"), executor_mark(DAY))
        desk.scored(scored(1009, "a"), scored(1010, "b"), scored(60_009, "c"), scored(60_010, "d"))
        assert desk.approved == ["a", "d"]
        assert desk.dropped == [("b", "loss_streak"), ("c", "loss_streak")]
        assert desk.value("streak_halt_total") == 1.0

    @pytest.mark.parametrize("pnl", ["0", "1"])
    def test_a_trade_that_does_not_lose_ends_the_streak(self, pnl: str) -> None:
        desk = self.given()
        desk.execution(trade(0, "x", "-1"), trade(1, "y", pnl), trade(2, "z", "-1"), executor_mark(DAY))
        desk.scored(scored(1010, "a"))
        assert desk.approved == ["a"]

    def test_the_next_loss_after_a_pause_begins_another(self) -> None:
        desk = self.given()
        desk.execution(trade(0, "x", "-1"), trade(1, "y", "-1"), trade(70_000, "z", "-1"), executor_mark(DAY))
        desk.scored(scored(70_999, "a"), scored(71_000, "b"))
        assert desk.approved == ["a"]
        assert desk.value("streak_halt_total") == 2.0


@pytest.mark.parametrize("strategy", ["scalper", "resting", "nobody"])
@pytest.mark.parametrize("score", [0.0, 7.0, float("nan"), float("-inf")])
def test_holds_pass_every_gate(strategy: str, score: float) -> None:
    desk = Desk(limits(max_positions=1, daily_loss_cap_usd=-1, loss_streak_max=1, warmup_s=100))
    desk.control(control("HALT"))
    desk.scored(mark(0))
    desk.execution(trade(0, "x", "-100"), executor_mark(5000))
    hold: Literal["hold"] = "hold"
    desk.scored(scored(2000, "h", kind=hold, strategy=strategy, score=score), scored(2000, "e"))
    assert desk.approved == ["h"]
    assert desk.passed[1].position_id == "p"
    assert desk.passed[1].max_notional == (0.0 if strategy == "nobody" else 1000.0)
    assert desk.dropped == [("e", "halted")]
