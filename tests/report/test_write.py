import hashlib
import json
import sys
from pathlib import Path

import msgspec
import pytest

from app.messages.base import Message
from app.messages.signals import ApprovedSignal, Dropped, Signal
from app.report.events import event_line
from app.report.facts import EVENTS, FACTS, PAGE, RECORDS, REPORT, SAMPLES, RunFacts
from app.report.samples import Sample, sample_line
from app.report.write import write_report
from tests.report.factory import STRATEGY, fill, small_run

ODD = 'a <b> & "c"'


def make_run(directory: Path, messages: list[Message], *, failure: str = "") -> Path:
    facts = RunFacts(
        id="one", kind="paper", source=ODD, clock="event", symbols=["BTCUSDT"], config_digest="d" * 64,
        starting_cash={STRATEGY: "10000"}, started="2026-01-01T00:00:00Z", failure=failure,
    )  # fmt: skip
    directory.mkdir(exist_ok=True)
    (directory / FACTS).write_bytes(msgspec.json.encode(facts))
    (directory / EVENTS).write_bytes(b"".join(event_line("s", "1-0", message) for message in messages))
    samples = [
        Sample(t=t, service="risk", up=True, rss_bytes=1 << 20, age_p50_s=0.001, age_p99_s=0.01) for t in range(3)
    ]
    (directory / SAMPLES).write_bytes(b"".join(map(sample_line, samples)))
    return directory


def test_the_report_has_the_figures_of_the_events(tmp_path: Path) -> None:
    run = make_run(tmp_path, small_run())
    write_report(run)
    report = json.loads((run / REPORT).read_text())
    counts = ("candidates", "approved", "orders", "fills", "closed_trades", "open_positions", "records")
    assert [report[name] for name in counts] == [3, 2, 3, 3, 1, 1, 10]
    assert (report["pnl"], report["fees"], report["max_drawdown"], report["equity_change"]) == (
        "0.93", "0.09", "-0.02", "0.91",
    )  # fmt: skip
    assert report["markouts_bps"]["1000"] == {"n": 1, "mean": 3.0, "stderr": None}
    assert report["processes"]["risk"]["rss_bytes_at"] == {"10%": 1 << 20, "100%": 1 << 20}
    assert report["drops"] == {"score": 1}


def test_the_digest_is_that_of_the_records_file(tmp_path: Path) -> None:
    run = make_run(tmp_path, small_run())
    report = write_report(run)
    assert report.records_digest == hashlib.sha256((run / RECORDS).read_bytes()).hexdigest()
    assert len((run / RECORDS).read_bytes().splitlines()) == report.records


def test_two_recordings_of_the_same_events_have_one_digest_and_one_page(tmp_path: Path) -> None:
    messages = small_run()
    # Streams are read side by side; only within one stream is the order given.
    signals = [message for message in messages if isinstance(message, Signal | Dropped | ApprovedSignal)]
    executed = [message for message in messages if not isinstance(message, Signal | Dropped | ApprovedSignal)]
    one = make_run(tmp_path / "one", messages)
    two = make_run(tmp_path / "two", [*executed, *signals])
    assert write_report(one).records_digest == write_report(two).records_digest
    assert (one / RECORDS).read_bytes() == (two / RECORDS).read_bytes()
    assert (one / PAGE).read_text() == (two / PAGE).read_text()


def test_the_page_needs_nothing_from_anywhere(tmp_path: Path) -> None:
    run = make_run(tmp_path, small_run())
    write_report(run)
    page = (run / PAGE).read_text()
    assert page.count("<svg") == 6
    for reference in ("<script", "<link", "src=", "@import", "url(http"):
        assert reference not in page
    links = {part.split('"')[0] for part in page.split('href="')[1:]}
    assert all(link.startswith("#") for link in links)


def test_what_people_wrote_is_escaped(tmp_path: Path) -> None:
    run = make_run(tmp_path, small_run(), failure="<script>alert(1)</script>\nsecond line")
    write_report(run)
    page = (run / PAGE).read_text()
    assert ODD not in page
    assert "a &lt;b&gt; &amp;" in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;<br>second line" in page


def test_books_that_do_not_balance_are_said_first(tmp_path: Path) -> None:
    messages = small_run()
    messages[messages.index(fill(2, "101", leg="exit", fee="0.05"))] = fill(2, "101", leg="exit", fee="0.06")
    run = make_run(tmp_path, messages)
    report = write_report(run)
    assert not report.books_balance
    assert any("cash of account scalper/baseline" in text for text in report.books_differences)
    page = (run / PAGE).read_text()
    assert "The books do not balance" in page
    assert page.index("The books do not balance") < page.index("PnL after fees")


def test_the_books_of_an_honest_run_balance(tmp_path: Path) -> None:
    assert write_report(make_run(tmp_path, small_run())).books_balance


def test_a_run_in_which_nothing_happened_has_a_report_too(tmp_path: Path) -> None:
    run = make_run(tmp_path, [])
    report = write_report(run)
    assert (report.candidates, report.fill_rate, report.equity_change, report.books_balance) == (0, None, None, True)
    assert "No trade was closed." in (run / PAGE).read_text()


def test_without_the_plotting_library_the_page_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    run = make_run(tmp_path, small_run())
    write_report(run)
    page = (run / PAGE).read_text()
    assert "<svg" not in page
    assert "pip install &#x27;aviary[demo]&#x27;" in page or "pip install 'aviary[demo]'" in page
