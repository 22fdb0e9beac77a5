"""Real processes and a replay of what they recorded: the same records, byte for byte."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from app.console.run_config import load_config
from app.replay import run
from app.settings import Settings
from app.settings_digest import config_digest
from tests.replay.conftest import command


def test_a_replay_has_the_records_of_the_run(paper: tuple[Path, dict[str, Any]], settings: Settings) -> None:
    directory, report = paper
    result = run(settings, directory / "archive")
    assert result.records == (directory / "records.jsonl").read_bytes().splitlines()
    assert result.digest == report["records_digest"]
    tally = result.tally
    assert (tally.candidates, tally.approved, tally.dropped) == (
        report["candidates"], report["approved"], report["dropped"],
    )  # fmt: skip
    assert (tally.orders, tally.late_orders, tally.closed_trades) == (report["orders"], 0, report["closed_trades"])
    assert tally.closed_trades > 5
    assert str(tally.pnl) == report["pnl"]
    assert dict(tally.drops) == report["drops"]
    assert result.books.balance
    assert not result.interrupted
    assert not tally.dead_letters


def test_the_command_says_that_a_run_and_its_replay_are_equal(
    paper: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    directory, report = paper
    done = command("replay", "--run", directory, "--report", tmp_path / "out", "--json")
    assert done.returncode == 0, done.stderr
    assert "equal: all" in done.stderr
    again = json.loads(done.stdout)
    assert again["replay"]["compared"] == {
        "equal": True, "first": report["records"], "second": report["records"], "differences": 0, "by_type": {},
        "only_first": [], "only_second": [],
    }  # fmt: skip
    for name in ("records_digest", "pnl", "fees", "funding", "performance", "markouts_bps", "exits", "fill_rate"):
        assert again[name] == report[name], name
    assert (again["run"]["kind"], again["run"]["id"]) == ("replay", directory.name)
    assert again["run"]["config_digest"] == report["run"]["config_digest"]
    assert again["run"]["rows"] == again["replay"]["rows"] > 50_000
    records = (tmp_path / "out" / "records.jsonl").read_bytes()
    assert hashlib.sha256(records).hexdigest() == report["records_digest"]
    assert "Replay of" in (tmp_path / "out" / "report.html").read_text()


def test_a_run_that_is_not_met_fails_and_says_where(paper: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    directory, _ = paper
    forged = tmp_path / "forged"
    forged.mkdir()
    for name in ("run.json", "config.json"):
        (forged / name).write_bytes((directory / name).read_bytes())
    (forged / "archive").symlink_to(directory / "archive")
    lines = (directory / "records.jsonl").read_bytes().splitlines()
    at = next(n for n, line in enumerate(lines) if b'"type":"fill"' in line)
    lines[at] = lines[at].replace(b'"leg":"', b'"leg":"x')
    (forged / "records.jsonl").write_bytes(b"\n".join(lines) + b"\n")
    done = command("replay", "--run", forged)
    assert done.returncode == 1
    assert f"2 records differ (2 fill): {len(lines)} in the run, {len(lines)} here" in done.stdout
    assert "only the run has" in done.stdout
    (forged / "records.jsonl").rename(forged / "kept")
    unreported = command("replay", "--run", forged)
    assert unreported.returncode == 2
    assert "never got to its report, so it has no records.jsonl to compare with; replay it as an" in unreported.stdout
    (forged / "kept").rename(forged / "records.jsonl")
    changed = command("replay", "--run", forged, "--set", "strategies.scalper.exits.stop_loss_bps=3")
    assert changed.returncode == 0, changed.stdout
    assert "because of --set" in changed.stdout


def test_the_configuration_of_a_run_is_had_again_without_its_secrets(
    paper: tuple[Path, dict[str, Any]], settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory, report = paper
    assert config_digest(settings) == report["run"]["config_digest"]
    # Whatever the environment says now, it is the run's configuration.
    monkeypatch.setenv("AVIARY_SET", "warmup.seconds=99")
    monkeypatch.setenv("AVIARY_SHARD", "other")
    assert config_digest(load_config(directory)) == report["run"]["config_digest"]
    assert load_config(directory, ["warmup.seconds=3"]).warmup.seconds == 3
