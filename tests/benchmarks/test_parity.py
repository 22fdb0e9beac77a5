"""What the parity benchmark makes of its figures."""

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks import parity

TRADED = {"differences": 0, "late_orders": 0, "records": 500, "orders": 160, "fills": 40, "closed_trades": 20}
UNTRADED = TRADED | {"records": 26, "orders": 11, "fills": 0, "closed_trades": 0}
EMPTY = UNTRADED | {"records": 0, "orders": 0}


def test_equal_sessions_with_trades_need_no_words() -> None:
    assert parity.verdict({"wall": TRADED, "event": TRADED}) == ([], [])


def test_few_records_that_agree_are_no_failure_and_no_proof_of_trades() -> None:
    failures, (warning,) = parity.verdict({"wall": UNTRADED, "event": TRADED})
    assert failures == []
    assert warning.startswith(
        "wall: no trade was closed, so this says nothing about exits, trades and PnL: only 26 rec"
    )
    assert "make it longer with --seconds, or take another --tape" in warning


def test_nothing_compared_is_a_failure_that_says_so() -> None:
    (failure,), warnings = parity.verdict({"wall": EMPTY, "event": TRADED})
    assert failure.startswith("wall: nothing was compared")
    assert warnings == []


def test_differences_and_late_orders_are_told_by_session() -> None:
    failures, _ = parity.verdict({"wall": TRADED | {"differences": 4}, "event": TRADED | {"late_orders": 1}})
    assert failures == [
        "wall: 4 differences where there may be none",
        "event: 1 order came late, and none may",
    ]


@pytest.fixture(params=[(UNTRADED, 0), (EMPTY, 1), (TRADED | {"differences": 1}, 1)])
def ended(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> tuple[dict[str, Any], int]:
    """The figures of the wall session, in place of a session, and how the benchmark has to end."""
    wall, code = request.param
    shown = {"source": "tape", "live_s": 14.0, "replay_cpu_s": 0.1, "pnl_live": "0"}
    monkeypatch.setattr(parity, "_wall", lambda *_: wall | shown)
    monkeypatch.setattr(parity, "_event", lambda *_: TRADED | shown)
    return wall, code


def test_the_exit_code_and_the_json_say_the_same(
    ended: tuple[dict[str, Any], int], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    wall, code = ended
    assert parity.main(["--quick", "--json", "--tape", str(tmp_path)]) == code
    out, err = capsys.readouterr()
    figures = json.loads(out)
    assert bool(figures["failures"]) == bool(code)
    assert bool(figures["warnings"]) == (wall is not EMPTY and not wall["closed_trades"])
    assert err.splitlines() == figures["failures"] + figures["warnings"]
    assert figures["records"] == wall["records"] + TRADED["records"]
