"""The one command: what it makes of the recordings, and what it says when it cannot."""

import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

pytest.importorskip("lightgbm", reason="training needs the extra `train`")
pytest.importorskip("onnxmltools", reason="training needs the extra `train`")

import lightgbm
import onnxmltools

from app.core.errors import Misconfigured
from app.registry.slots import load_active
from app.research.register import train_baseline
from app.settings import ROOT, load_settings

AT = datetime(2024, 8, 9, tzinfo=UTC)
COMMITTED = ROOT / "models" / "registry"


def test_the_committed_model_is_what_the_recordings_give(shared_data: Path, tmp_path: Path) -> None:
    committed = load_active(COMMITTED)
    running = {"lightgbm": lightgbm.__version__, "onnxmltools": onnxmltools.__version__}
    if committed.card.training["made_with"] != running:
        pytest.skip(f"the committed model was made with {committed.card.training['made_with']}, here is {running}")
    made = train_baseline(
        load_settings(overlays=[], assignments=[]),
        shared_data,
        tmp_path,
        strategy="scalper",
        at=committed.card.created_at,
        slot="active",
        seed=committed.card.training["parameters"]["seed"],
        replace=False,
    )
    assert made.model == committed.model
    assert made.card == committed.card
    assert load_active(tmp_path) == made


def test_an_unknown_strategy_is_named(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match=r"strategies has no 'nobody' \(known: scalper\)"):
        train_baseline(
            load_settings(overlays=[], assignments=[]),
            tmp_path,
            tmp_path,
            strategy="nobody",
            at=AT,
            slot=None,
            seed=1,
            replace=False,
        )


def test_the_command_says_which_recording_is_missing(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "scripts/train_baseline.py", "--registry", str(tmp_path / "registry")],
        cwd=ROOT,
        env={**os.environ, "AVIARY_SHARED_DATA": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "btcusdt_20240718.jsonl.gz cannot be read: No such file or directory" in done.stderr
    assert not (tmp_path / "registry").exists()
