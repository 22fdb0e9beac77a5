"""The tables a replay leaves: what is in them, and that the report's ratios can be had from them again."""

from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from app.core.clock import NS_PER_S
from app.messages.execution import ClosedTrade, Equity
from app.replay import run
from app.replay.equity_file import write_equity
from app.replay.trades_file import write_trades
from app.report.measures import equity_curve
from app.report.performance import YEAR_S, period_returns, sharpe
from app.settings import Settings
from tests.replay.conftest import command

Paper = tuple[Path, dict[str, Any]]
CASH = Decimal(10_000)


def trade(markouts: dict[str, float]) -> ClosedTrade:
    money = Decimal("1.5")
    return ClosedTrade(
        ts=2, signal_id="s", strategy="scalper", symbol="BTCUSDT", side=1, qty=money, entry_ts=1, entry_px=money,
        exit_px=money, gross=money, fees=money, funding=money, pnl=money, exit_reason="max_hold", score=0.5,
        markouts_bps=markouts,
    )  # fmt: skip


def test_markouts_are_columns_and_null_where_the_trade_did_not_live_to_see_them(tmp_path: Path) -> None:
    path = tmp_path / "trades.parquet"
    write_trades(path, [trade({"100": 1.25, "500": -2.0, "1000": 3.0}), trade({"100": 0.5}), trade({})])
    table = pq.read_table(path).to_pydict()
    assert table["markout_100ms_bps"] == [1.25, 0.5, None]
    assert table["markout_500ms_bps"] == [-2.0, None, None]
    assert table["markout_1000ms_bps"] == [3.0, None, None]


def mark(ts: int, account: str, equity: Decimal) -> Equity:
    value = Decimal("0.25")
    return Equity(
        ts=ts, strategy=account, model_id="m", cash=equity - value, position_value=value, equity=equity,
        open_positions=1,
    )  # fmt: skip


def sharpe_of(path: Path, starting: dict[str, float], period_s: int) -> float:
    """Sharpe ratio from the file alone, as a reader with numpy would."""
    table, about = pq.read_table(path), pq.read_schema(path).metadata
    edges = np.arange(int(about[b"from_ns"]), int(about[b"to_ns"]) + 1, period_s * NS_PER_S)
    ts, names = table["ts"].cast("int64").to_numpy(), np.array(table["strategy"].to_pylist())
    total = np.zeros(len(edges))
    for name, cash in starting.items():
        own = names == name
        series = np.concatenate(([cash], table["equity"].to_numpy()[own]))
        total += series[np.searchsorted(ts[own], edges, side="right")]
    returns = np.array([after / before - 1 for before, after in pairwise(total)])
    return float(returns.mean() / returns.std(ddof=1) * np.sqrt(YEAR_S / period_s))


def test_the_sharpe_ratio_can_be_had_from_the_file(tmp_path: Path) -> None:
    draws, marks = np.random.default_rng(5), []
    held = {"one": CASH, "two": CASH}
    ts = 10**18
    span = (ts - 12 * NS_PER_S, ts + 45 * 60 * NS_PER_S)
    while ts < span[1] - 100 * NS_PER_S:
        ts += int(draws.exponential(20) * NS_PER_S)
        name = "one" if draws.random() < 0.5 else "two"
        held[name] += Decimal(str(round(float(draws.normal(0.5, 9)), 4)))
        marks.append(mark(ts, name, held[name]))
    starting = dict.fromkeys(held, CASH)
    expected = sharpe(period_returns(equity_curve(marks, starting, until=span[1]), span, 60), YEAR_S / 60)
    assert expected is not None
    write_equity(tmp_path / "equity.parquet", marks[::-1], span)
    assert sharpe_of(tmp_path / "equity.parquet", dict.fromkeys(held, float(CASH)), 60) == pytest.approx(expected)


def test_a_replay_leaves_its_equity_as_it_was_told(paper: Paper, settings: Settings, tmp_path: Path) -> None:
    done = command("replay", "--run", paper[0], "--report", tmp_path)
    assert done.returncode == 0, done.stdout
    table = pq.read_table(tmp_path / "equity.parquet")
    assert table.column_names == [
        "ts", "strategy", "model_id", "cash", "position_value", "equity", "open_positions",
    ]  # fmt: skip
    gathered = run(settings, paper[0] / "archive").gathered
    marks = [message for message in gathered.money if isinstance(message, Equity)]
    assert len(marks) > 100
    rows = table.to_pydict()
    assert [at.value for at in rows["ts"]] == [one.ts for one in marks]
    assert rows["equity"] == [float(one.equity) for one in marks]
    assert rows["cash"] == [float(one.cash) for one in marks]
    assert rows["open_positions"] == [one.open_positions for one in marks]
    assert table.schema.metadata[b"from_ns"] == str(gathered.span[0]).encode()
    write_equity(tmp_path / "none.parquet", [], (0, 0))
    assert pq.read_table(tmp_path / "none.parquet").num_rows == 0
