import io
import os
from contextlib import suppress

import pytest
from rich.console import Console

from app.console.board import Board, ServiceRow, Unbreakable
from app.console.lines import Lines
from app.console.screen import Screen, sparkline
from app.report.tally import Tally
from tests.report.factory import small_run


def board(phase: str = "running") -> Board:
    tally = Tally()
    for message in small_run():
        tally.update(message)
    rows = [
        ServiceRow(name="collector", state="ready", rate=1234, rss_bytes=50 << 20),
        ServiceRow(name="risk", state="restarting", lag=7, age_p50_s=0.001, age_p99_s=0.0123, restarts=2),
    ]
    return Board(
        run="20260101-000000", source="synthetic market, seed 7", phase=phase, elapsed_s=65.4, limit_s=120,
        services=rows, tally=tally,
    )  # fmt: skip


def text_of(stream: io.BytesIO) -> str:
    return stream.getvalue().decode()


def lines(encoding: str = "utf-8") -> tuple[Lines, io.BytesIO]:
    raw = io.BytesIO()
    return Lines(io.TextIOWrapper(raw, encoding=encoding, write_through=True)), raw


def test_a_line_says_how_it_goes_at_once_and_then_every_five_seconds() -> None:
    view, raw = lines()
    view.update(board())
    view.update(board())
    assert text_of(raw).count("\n") == 1
    for word in ("running", "ready 1/2", "1,234 msg/s", "lag 7", "age p99 12.3 ms", "signals 3", "approved 2",
                 "dropped 1", "orders 3", "fills 3", "open 1", "trades 1", "pnl +0.9300"):  # fmt: skip
        assert word in text_of(raw)
    view.update(board("draining"))
    assert text_of(raw).count("\n") == 2


def test_an_output_without_unicode_gets_plain_marks() -> None:
    for encoding, mark in (("utf-8", " ✗ redis"), ("ascii", " no redis")):
        view, raw = lines(encoding)
        view.check("redis", "größer", mark="fail")
        assert text_of(raw).startswith(mark)


def test_the_table_has_a_row_for_each_service_and_the_money_below() -> None:
    out = io.StringIO()
    screen = Screen(out)
    Console(file=out, width=120).print(screen.draw(board()))
    drawn = out.getvalue()
    for word in ("01:05 of 02:00", "seed 7", "collector", "1,234", "50 MiB", "restarting", "12.3 ms", "PnL after fees",
                 "+0.9300", "dropped: score 1"):  # fmt: skip
        assert word in drawn


def test_text_that_looks_like_markup_is_shown_as_it_is() -> None:
    out = io.StringIO()
    Screen(out).check("risk", "shard.symbols [BTCUSDT] [/] is wrong", mark="fail")
    assert "[BTCUSDT] [/] is wrong" in out.getvalue()


def test_a_view_whose_reader_has_left_falls_silent() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    out = os.fdopen(writer, "w")
    with pytest.raises(BrokenPipeError):
        Lines(out).check("redis", "6.2")
    view = Unbreakable(Lines(out))
    view.check("redis", "6.2")
    view.note("more")
    view.update(board())
    view.close()
    with suppress(BrokenPipeError):
        out.close()


def test_a_sparkline_spans_its_range_and_keeps_the_newest_value() -> None:
    assert sparkline([1.0], 10) == ""
    assert sparkline([2.0, 2.0], 10) == "▁▁"
    assert sparkline([0.0, 1.0, 2.0, 7.0], 10) == "▁▂▃█"
    assert sparkline([float(n) for n in range(1000)], 8)[-1] == "█"
    assert len(sparkline([float(n) for n in range(1000)], 8)) == 8
