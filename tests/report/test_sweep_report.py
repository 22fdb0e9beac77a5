"""The figures of a sweep, from results made by hand."""

import math
from decimal import Decimal
from html import unescape
from pathlib import Path

import msgspec
import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.clock import NS_PER_S
from app.replay.kept import Kept
from app.replay.sweep_files import write_sweep
from app.report.deflated import luck_among, track_record
from app.report.measures import EquityCurve, Markout
from app.report.performance import Performance
from app.report.sweep_data import TaskFigures, TaskResult, joined, joined_drawdown
from app.report.sweep_page import render_sweep, verdict
from app.report.sweep_report import SweepFacts, SweepReport, measure_sweep, short_names
from app.report.sweep_returns import course_of, cuts, minute_levels, period_of, returns_of

DAY, HOUR, MINUTE = (seconds * NS_PER_S for seconds in (86_400, 3600, 60))
T0 = 20_000 * DAY

PERFORMANCE = Performance(
    profit_factor=None, expectancy=None, expectancy_bps=None, sharpe=None, sortino=None, calmar=None, period_s=None,
    periods=0, max_drawdown_share=0.0, longest_drawdown_s=0.0, exposure=None, cancel_to_fill=None,
    fees_by_liquidity={"maker": Decimal(0), "taker": Decimal(0)}, entry_slippage=Decimal(0),
)  # fmt: skip


def figures(levels: list[float], *, first: int = T0, last: int = T0 + DAY, **changes: object) -> TaskFigures:
    """A replay with this course of equity, and a trade each of 3 and −1."""
    known = TaskFigures(
        first=first, last=last, rows=1000, cpu_s=0.5, records_digest="d" * 64, books_balance=True, candidates=9,
        approved=4, dropped=5, orders=4, entry_orders=4, entries_filled=2, orders_filled=4, orders_cancelled=2, fills=4,
        closed_trades=2, wins=1, open_positions=0, traded=Decimal(4000), gross=Decimal(3), fees=Decimal(1),
        fees_maker=Decimal(1), fees_taker=Decimal(0), funding=Decimal(0), pnl=Decimal(2), profits=Decimal(3),
        losses=Decimal(-1), notional=Decimal(2000), entry_slippage=Decimal(0), exposed_s=6 * 3600.0,
        equity_change=Decimal(2), highest=Decimal(3), lowest=Decimal(0), max_drawdown=Decimal(-1), dead_letters=0,
        late_orders=0, exits={"take_profit": 1, "stop_loss": 1}, drops={"score": 5},
        markouts_bps={"100": Markout(2, 1.5, None)}, performance=PERFORMANCE, levels=levels,
    )  # fmt: skip
    return msgspec.structs.replace(known, **changes)


def facts(days: int, **changes: object) -> SweepFacts:
    known = SweepFacts(
        archive="btc", venue="v", symbols=["BTCUSDT"], by="day",
        spans={f"2024-10-{n + 1:02d}": (T0 + n * DAY, T0 + (n + 1) * DAY) for n in range(days)},
        keys=["risk.max_positions"], where="2 processes", started="2024-10-04T00:00:00Z", duration_s=1.0,
        interrupted=False, starting_cash="10000", models={"active": "m"}, versions={"aviary": "1"}, options={},
    )  # fmt: skip
    return msgspec.structs.replace(known, **changes)


def walk(rng: np.random.Generator, drift: float = 0.0) -> list[float]:
    """A day of minutes."""
    return [10_000.0, *(10_000 + np.cumsum(rng.standard_normal(1440) + drift)).tolist()]


def results(point: int, days: list[list[float]]) -> list[TaskResult]:
    spans = [(T0 + n * DAY, T0 + (n + 1) * DAY) for n in range(len(days))]
    return [
        TaskResult(point=point, stretch=f"2024-10-{n + 1:02d}", digest=f"{point}{n}").having(
            figures(levels, first=spans[n][0], last=spans[n][1]), period_s=period_of(spans) or 60
        )
        for n, levels in enumerate(days)
    ]


def swept(seed: int, *, drifts: tuple[float, ...] = (0.0, 0.2, 0.0), days: int = 2) -> SweepReport:
    rng = np.random.default_rng(seed)
    points = [{"risk.max_positions": str(n)} for n in range(1, len(drifts) + 1)]
    found = [results(n, [walk(rng, drift) for _ in range(days)]) for n, drift in enumerate(drifts, 1)]
    return measure_sweep(facts(days), points, [result for of_point in found for result in of_point])


def test_levels_are_those_at_full_minutes() -> None:
    curve = EquityCurve(
        Decimal(100),
        [T0 + 10 * NS_PER_S, T0 + 60 * NS_PER_S, T0 + 150 * NS_PER_S],
        [Decimal(n) for n in (101, 99, 105)],
    )
    span = T0 - 30 * NS_PER_S, T0 + 130 * NS_PER_S
    # At the beginning, at the minutes 0, 1 and 2, and at the end, which has what came of the last orders.
    assert minute_levels(curve, Decimal(1000), span) == [1000.0, 1000.0, 999.0, 999.0, 1005.0]
    assert minute_levels(EquityCurve(Decimal(0), [], []), Decimal(7), span) == [7.0] * 5


@pytest.mark.parametrize(
    ("first", "last", "expected"),
    [
        (0.0, 3.0, [0, 1, 2, 3]),
        (0.4, 3.0, [0.4, 1, 2, 3]),  # most of a period is one
        (0.6, 3.0, [0.6, 2, 3]),  # the lesser part belongs to its neighbour
        (0.0, 2.4, [0, 1, 2.4]),
        (0.0, 2.6, [0, 1, 2, 2.6]),
        (0.8, 1.2, [0.8]),  # too short for any
        (0.7, 1.3, [0.7, 1.3]),
        (0.2, 0.9, [0.2, 0.9]),
        (0.2, 0.5, [0.2]),
    ],
)
def test_periods_are_of_the_clock(first: float, last: float, expected: list[float]) -> None:
    span = round(T0 + first * HOUR), round(T0 + last * HOUR)
    assert cuts(span, HOUR) == [round(T0 + at * HOUR) for at in expected]


@given(st.integers(0, 3 * DAY), st.integers(1, 3 * DAY), st.sampled_from([60, 3600, 86_400]))
def test_returns_lose_nothing_between_first_and_last(start: int, length: int, period: int) -> None:
    span = T0 + start, T0 + start + length
    marks = cuts(span, MINUTE)
    levels = minute_levels(
        EquityCurve(Decimal(0), list(marks), [Decimal(n) for n, _ in enumerate(marks)]), Decimal(100), span
    )
    found = returns_of(course_of(levels, span, period))
    if found:
        assert math.prod(1 + r for r in found) == pytest.approx(levels[-1] / levels[0])
    else:
        assert length < period * NS_PER_S


def test_the_period_is_the_longest_there_are_thirty_of() -> None:
    assert period_of([(T0, T0 + DAY)]) == 60
    assert period_of([(T0 + n * DAY, T0 + (n + 1) * DAY) for n in range(2)]) == 3600
    assert period_of([(T0 + n * DAY, T0 + (n + 1) * DAY) for n in range(29)]) == 3600
    assert period_of([(T0 + n * DAY + 1, T0 + (n + 1) * DAY - 1) for n in range(30)]) == 86_400
    assert period_of([(T0, T0 + 29 * MINUTE)]) is None


def test_a_loss_of_everything_is_no_return() -> None:
    found = returns_of([100.0, 0.0, 50.0])
    assert found[0] == -1
    assert math.isnan(found[1])


def test_drawdown_runs_on_over_the_ends_of_stretches() -> None:
    up = figures([], equity_change=Decimal(5), highest=Decimal(8), lowest=Decimal(-1), max_drawdown=Decimal(-3))
    down = figures([], equity_change=Decimal(-2), highest=Decimal(1), lowest=Decimal(-4), max_drawdown=Decimal(-5))
    assert joined_drawdown([up]) == -3
    # From the 8 of the first to 5 − 4 in the second.
    assert joined_drawdown([up, down]) == -7
    assert joined_drawdown([down, up]) == -5
    assert joined_drawdown([]) == 0


def test_figures_of_stretches_add_up() -> None:
    found = joined([figures([]), figures([], pnl=Decimal(-6), profits=Decimal(0), losses=Decimal(-6), wins=0)])
    assert (found["hours"], found["rows"], found["closed_trades"]) == (48, 2000, 4)
    assert (found["pnl"], found["profit_factor"], found["win_rate"]) == (-4, pytest.approx(3 / 7), 0.25)
    assert (found["expectancy"], found["expectancy_bps"]) == (-1, -10)
    assert (found["exposure"], found["fill_rate"], found["cancel_to_fill"]) == (0.25, 0.5, 0.5)
    assert found["markout_100_ms_bps"] == 1.5
    nothing = joined([])
    assert (nothing["pnl"], nothing["profit_factor"], nothing["exposure"]) == (0, None, None)


def test_points_are_ranked_by_their_ratio_and_deflated_together(seed: int) -> None:
    report = swept(seed)
    assert (report.period_s, report.periods, report.ranked) == (3600, 48, 3)
    assert report.ranking[0] == 2
    assert report.best is report.points[1]
    # By another way: the returns of each point, straight from its levels.
    rng = np.random.default_rng(seed)
    series = []
    for drift in (0.0, 0.2, 0.0):
        days = [np.array(walk(rng, drift))[::60] for _ in range(2)]
        series.append(np.concatenate([day[1:] / day[:-1] - 1 for day in days]))
    luck = luck_among(series)
    assert (report.trials, report.variance, report.expected_best) == pytest.approx(
        (luck.trials, luck.variance, luck.expected_best)
    )
    for point, returns in zip(report.points, series, strict=True):
        record = track_record(returns.tolist())
        assert record is not None
        assert point.sharpe_period == pytest.approx(returns.mean() / returns.std(ddof=1))
        assert point.sharpe == pytest.approx(record.sharpe * math.sqrt(365 * 24))
        assert point.probabilistic == pytest.approx(record.probabilistic())
        assert point.deflated == pytest.approx(record.probabilistic(luck.expected_best))
        assert point.deflated is not None
        assert point.probabilistic is not None
        assert point.deflated < point.probabilistic


def test_a_point_that_lacks_a_stretch_is_not_compared(seed: int) -> None:
    rng = np.random.default_rng(seed)
    found = [*results(1, [walk(rng), walk(rng)]), results(2, [walk(rng, 5.0)])[0]]
    found.append(TaskResult(point=2, stretch="2024-10-02", digest="x", error="BadInput", text="part-7.parquet has …"))
    report = measure_sweep(facts(2), [{"risk.max_positions": "1"}, {"risk.max_positions": "2"}], found)
    assert report.ranking == [1]
    assert report.ranked == 1
    assert report.points[1].missing == ["2024-10-02"]
    assert report.points[1].sharpe is None
    assert report.points[1].figures["pnl"] == 2
    assert [task.text for task in report.failed] == ["part-7.parquet has …"]
    assert report.undone == 0
    assert measure_sweep(facts(2), [{}, {}], found[:3]).undone == 1


def test_without_enough_returns_there_is_a_best_point_but_no_ratio() -> None:
    flat = [10_000.0] * 1441
    report = measure_sweep(
        facts(1),
        [{"risk.max_positions": "1"}, {"risk.max_positions": "2"}],
        [
            TaskResult(point=n, stretch="2024-10-01", digest=str(n)).having(figures(flat, pnl=pnl), period_s=60)
            for n, pnl in ((1, Decimal(-1)), (2, Decimal(1)))
        ],
    )
    assert report.ranking == [2, 1]
    assert (report.ranked, report.expected_best) == (0, 0)
    assert report.best is not None
    assert (report.best.sharpe, report.best.deflated, report.best.least_s) == (None, None, None)
    assert verdict(report) == "not to be told: it takes at least 30 periods in which equity changed"


def test_what_the_best_point_is_worth_is_said_in_words(seed: int) -> None:
    assert verdict(swept(seed, drifts=(0.0, 1.0, 0.0))).startswith("likely: deflated for the choice among 3 points")
    report = swept(seed)
    best = report.best
    assert best is not None
    lucky = msgspec.structs.replace(best, probabilistic=0.97, deflated=0.5)
    points = [lucky if point is best else point for point in report.points]
    assert verdict(msgspec.structs.replace(report, points=points)) == (
        "no: by itself it would look 97.0% sure, but as the best of 3 points it is 50.0% sure"
    )


def test_names_are_as_short_as_they_can_be() -> None:
    assert short_names(["risk.max_positions", "a.b.ttl_ms", "a.c.ttl_ms"]) == {
        "risk.max_positions": "max_positions", "a.b.ttl_ms": "b.ttl_ms", "a.c.ttl_ms": "c.ttl_ms",
    }  # fmt: skip
    assert short_names(["a.b", "b"]) == {"a.b": "a.b", "b": "b"}


def test_the_page_and_the_tables(seed: int, tmp_path: Path) -> None:
    report = swept(seed)
    rng = np.random.default_rng(seed)
    found = [result for n in (1, 2, 3) for result in results(n, [walk(rng), walk(rng)])]
    odd = TaskResult(point=3, stretch="2024-10-02", digest="31", error="BadInput", text="<b> & what is not there")
    with_odd = measure_sweep(facts(2), [p.settings for p in report.points], [*found[:-1], odd])
    write_sweep(tmp_path, with_odd, [*found[:-1], odd])
    page = (tmp_path / "sweep.html").read_text()
    assert "Deflated Sharpe" in page
    assert "<b> & what is not there" not in page
    assert "BadInput: <b> & what is not there" in unescape(page)
    assert "1 replay failed." in page
    assert page.count("<svg") == 3  # by max_positions, the luck, and the course
    points = pq.read_table(tmp_path / "points.parquet").to_pydict()
    assert points["risk.max_positions"] == [1, 2, 3]
    assert points["pnl"] == [4.0, 4.0, 2.0]
    assert points["rank"][2] is None
    assert points["deflated"] == [point.deflated for point in with_odd.points]
    tasks = pq.read_table(tmp_path / "tasks.parquet").to_pydict()
    assert (tasks["point"], tasks["error"][-1]) == ([1, 1, 2, 2, 3, 3], "BadInput")
    assert tasks["closed_trades"] == [2] * 5 + [None]
    assert tasks["markout_100_ms_bps"][0] == 1.5
    assert tasks["first"][0].value == T0
    tree = msgspec.json.decode((tmp_path / "sweep.json").read_bytes())
    assert tree["points"][0]["deflated"] == with_odd.points[0].deflated
    assert "levels" not in tree["tasks"][0]["figures"]


def test_two_keys_are_a_map_and_an_interrupt_is_said(seed: int) -> None:
    rng = np.random.default_rng(seed)
    settings = [{"a.x": x, "b.y": y} for x in ("1", "2") for y in ("u", "v")]
    found = [result for n in range(1, 5) for result in results(n, [walk(rng), walk(rng)])][:-1]
    report = measure_sweep(facts(2, keys=["a.x", "b.y"]), settings, found)
    page = render_sweep(report, found)
    assert "the best framed" in page
    assert "<b>The sweep was interrupted.</b> 1 of its replays are not done" in page


def test_a_kept_result_is_the_same_again(tmp_path: Path) -> None:
    kept = figures([10_000.0, 1 / 3], markouts_bps={"100": Markout(1, 0.1, None)})
    with Kept(tmp_path) as keeper:
        assert keeper.get("a" * 64) is None
        keeper.put("a" * 64, kept)
        assert keeper.get("a" * 64) == kept
