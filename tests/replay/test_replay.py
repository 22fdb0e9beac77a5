import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from app.console.run_config import load_config
from app.core.clock import NS_PER_S
from app.core.errors import BadInput, Misconfigured, SchemaMismatch
from app.market.rows import CLOCK, Rows
from app.replay import Progress, run
from app.replay.trades_file import write_trades
from app.settings import Settings
from tests.replay.conftest import write_archive
from tests.store.test_archive import parts_of, resign, rewrite

Paper = tuple[Path, dict[str, Any]]


def test_two_replays_are_equal_whatever_the_blocks(
    paper: Paper, settings: Settings, tmp_path: Path, market: Rows
) -> None:
    first, second = run(settings, paper[0] / "archive"), run(settings, paper[0] / "archive")
    assert first.records == second.records
    assert first.records
    # The same rows in other files, and so in other blocks.
    assert run(settings, write_archive(tmp_path, market)).digest == first.digest


def test_progress_rises_to_the_end(paper: Paper, settings: Settings, market: Rows) -> None:
    seen: list[Progress] = []
    result = run(settings, paper[0] / "archive", on_progress=seen.append)
    assert [p.rows for p in seen] == sorted({p.rows for p in seen})
    assert seen[-1].share == 1.0
    assert seen[-1].rows == result.rows == len(market)
    assert result.cpu_s > 0
    assert result.rows_per_cpu_s == result.rows / result.cpu_s


def test_an_interrupt_ends_between_blocks_with_what_came_so_far(paper: Paper, settings: Settings) -> None:
    whole = run(settings, paper[0] / "archive")
    asked = iter([False, False, True])
    result = run(settings, paper[0] / "archive", stop=lambda: next(asked))
    assert result.interrupted
    assert 0 < result.rows < whole.rows
    assert 0 < len(result.records) < len(whole.records)
    # Nothing is different, only less: what had come is the beginning of the whole.
    assert result.records == whole.records[: len(result.records)]
    assert result.books.balance


def test_an_end_is_like_an_archive_that_ends_there(
    paper: Paper, settings: Settings, market: Rows, tmp_path: Path
) -> None:
    end = int(market["ts_recv"][0]) + 60 * NS_PER_S
    cut = run(settings, paper[0] / "archive", end=end)
    shorter = run(settings, write_archive(tmp_path, market[market["ts_recv"] < end]))
    assert cut.rows == shorter.rows == int((market["ts_recv"] < end).sum())
    assert cut.records == shorter.records
    assert cut.records


def test_a_beginning_has_the_book_as_it_was_and_warms_up_anew(paper: Paper, settings: Settings, market: Rows) -> None:
    start = int(market["ts_recv"][0]) + 45 * NS_PER_S
    result = run(settings, paper[0] / "archive", start=start)
    assert result.rows > int((market["ts_recv"] >= start).sum())  # behind a snapshot of the book
    assert result.trades
    assert result.books.balance
    first = min(trade.entry_ts for trade in result.trades)
    assert first > start + settings.warmup.seconds * NS_PER_S
    assert min(result.gathered.span) >= start
    # Before the archive's beginning is its beginning.
    early = run(settings, paper[0] / "archive", start=0)
    assert early.digest == run(settings, paper[0] / "archive").digest


def test_settings_change_what_comes_of_the_same_rows(paper: Paper, settings: Settings) -> None:
    changed = load_config(paper[0], ["strategies.scalper.exits.stop_loss_bps=2", "executor.paper.queue=proportional"])
    result = run(changed, paper[0] / "archive")
    assert result.digest != run(settings, paper[0] / "archive").digest
    assert result.books.balance


def test_what_is_not_there_is_named(paper: Paper, settings: Settings, tmp_path: Path) -> None:
    root = paper[0] / "archive"
    with pytest.raises(Misconfigured, match=r"is not an archive: it has no venue=… directory"):
        run(settings, tmp_path)
    with pytest.raises(Misconfigured, match=r"has no venue 'x' \(venues there: bybit_v5\)"):
        run(settings, root, venue="x")
    with pytest.raises(Misconfigured, match=r"has no recording 'x' of BTCUSDT \(there: .+\)"):
        run(settings, root, recording="x")
    with pytest.raises(Misconfigured, match=r"has nothing in that time: it reaches from 2024-01-01T00:00:00"):
        run(settings, root, start=2**62)
    with pytest.raises(Misconfigured, match=r"the beginning \(1970-.*\) must be before the end \(1970-"):
        run(settings, root, start=2, end=1)
    (tmp_path / "venue=a" / "symbol=BTCUSDT").mkdir(parents=True)
    with pytest.raises(Misconfigured, match=r"has no rows yet; a run's archive is complete once the run has ended"):
        run(settings, tmp_path)
    (tmp_path / "venue=b").mkdir()
    with pytest.raises(Misconfigured, match=r"has several venues; name one of them: a, b"):
        run(settings, tmp_path)


@pytest.fixture
def damaged(market: Rows, tmp_path: Path) -> Path:
    """An archive over two hours, to be damaged."""
    rows = market[:40_000].copy()
    hour = 3600 * NS_PER_S
    late = rows["ts_recv"] >= rows["ts_recv"][20_000]
    rows["ts_recv"][late] += hour
    rows["ts_event"][late] += hour
    return write_archive(tmp_path / "archive", rows)


def test_a_part_that_was_lost_is_refused_before_anything_is_handled(damaged: Path, settings: Settings) -> None:
    part = parts_of(damaged, "BTCUSDT")[0]
    part.unlink()
    part.with_suffix(".json").unlink()
    with pytest.raises(
        BadInput, match=r"hour=\d+/part-\*.parquet, row 0: a file is missing here: recording r counted \d+"
    ) as caught:
        run(settings, damaged)
    assert caught.value.reason == "missing_rows"


def test_damage_is_refused_in_the_words_of_the_reader(damaged: Path, settings: Settings, tmp_path: Path) -> None:
    part = parts_of(damaged, "BTCUSDT")[1]
    copy = shutil.copytree(damaged, tmp_path / "copy")

    def restore() -> None:
        shutil.copytree(copy, damaged, dirs_exist_ok=True)

    part.write_bytes(part.read_bytes()[:-100])
    with pytest.raises(
        BadInput, match=rf"{part.name}, row 0: the file has \d+ bytes, its sidecar says \d+; restore it"
    ):
        run(settings, damaged)
    restore()
    resign(part, schema="0123456789abcdef")
    with pytest.raises(
        SchemaMismatch, match=rf"{part.name}, row 0: it was written under row schema '0123456789abcdef'"
    ):
        run(settings, damaged)
    restore()
    table = pq.read_table(part)
    order = np.arange(len(table))
    order[[10, len(order) - 10]] = order[[len(order) - 10, 10]]
    rewrite(part, table.take(order))
    with pytest.raises(BadInput, match=rf"{part.name}, row 1[01]: rows are not in order \(seq"):
        run(settings, damaged)
    restore()
    part.with_suffix(".json").unlink()
    with pytest.raises(BadInput, match=rf"{part.name}, row 0: it has no sidecar part-\d+.json"):
        run(settings, damaged)
    restore()
    assert run(settings, damaged).rows == 40_000


def test_trades_are_a_table(paper: Paper, settings: Settings, tmp_path: Path) -> None:
    result = run(settings, paper[0] / "archive")
    write_trades(tmp_path / "trades.parquet", result.trades)
    table = pq.read_table(tmp_path / "trades.parquet").to_pydict()
    assert table["signal_id"] == [trade.signal_id for trade in result.trades]
    assert table["pnl"] == [float(trade.pnl) for trade in result.trades]
    assert [at.value for at in table["exit_ts"]] == [trade.ts for trade in result.trades]
    write_trades(tmp_path / "none.parquet", [])
    assert pq.read_table(tmp_path / "none.parquet").num_rows == 0


def test_clock_rows_are_part_of_the_market(market: Rows) -> None:
    assert (market["kind"] == CLOCK).sum() > 1000
