"""The configuration that ships: it is valid, complete and strict, and tells no secret."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel

from app.core.errors import Misconfigured
from app.settings import ROOT, Settings, config_paths, load_settings, resolve

APP_YML = ROOT / "config" / "app.yml"


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AVIARY_CONFIG", "AVIARY_OVERLAYS", "AVIARY_SET", "REDIS_URL", "EXCHANGE_MODE"):
        monkeypatch.delenv(name, raising=False)


def _keys(model: type[BaseModel]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, field in model.model_fields.items():
        kind = field.annotation
        found[name] = _keys(kind) if isinstance(kind, type) and issubclass(kind, BaseModel) else None
    return found


def _missing(keys: dict[str, Any], tree: dict[str, Any], at: str = "") -> list[str]:
    missing = []
    for name, inner in keys.items():
        if name not in tree:
            missing.append(f"{at}{name}")
        elif inner:
            missing += _missing(inner, tree[name], f"{at}{name}.")
    return missing


def test_the_file_shows_every_setting_there_is() -> None:
    assert _missing(_keys(Settings), yaml.safe_load(APP_YML.read_text())) == []


def test_the_file_states_the_defaults_of_the_code() -> None:
    """Nobody should have to guess which of two defaults is in force."""
    read = load_settings()
    for name, field in Settings.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            stated = {key for key, inner in kind.model_fields.items() if not inner.is_required()}
            built = kind.model_validate({k: v for k, v in getattr(read, name) if k not in stated})
            assert built == getattr(read, name), f"section {name}: config/app.yml and the code disagree"


def test_the_environment_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://elsewhere:7000/1")
    monkeypatch.setenv("EXCHANGE_MODE", "real")
    settings = load_settings()
    assert settings.bus.redis_url.get_secret_value() == "redis://elsewhere:7000/1"
    assert settings.exchange.mode == "real"


def test_overlays_and_assignments_come_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    overlay = tmp_path / "calm.yml"
    overlay.write_text("risk: {max_positions: 3, loss_streak_max: 9}\n")
    monkeypatch.setenv("AVIARY_OVERLAYS", f" {overlay} ,")
    monkeypatch.setenv("AVIARY_SET", "risk.loss_streak_max=2\n\nshard.id=b\n")
    settings = load_settings()
    assert (settings.risk.max_positions, settings.risk.loss_streak_max, settings.shard.id) == (3, 2, "b")


def test_overlay_names_stand_for_files_in_the_overlays_folder() -> None:
    assert config_paths(overlays=["calm", "x/y.yml"]) == [APP_YML, ROOT / "config/overlays/calm.yml", Path("x/y.yml")]


def test_another_file_may_be_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = tmp_path / "other.yml"
    other.write_text(APP_YML.read_text().replace("max_positions: 3", "max_positions: 4"))
    monkeypatch.setenv("AVIARY_CONFIG", str(other))
    assert load_settings().risk.max_positions == 4


def test_relative_paths_are_the_projects(tmp_path: Path) -> None:
    assert resolve(Path("config/symbols.yml")) == ROOT / "config" / "symbols.yml"
    assert resolve(tmp_path) == tmp_path


@pytest.mark.parametrize(
    ("assignment", "fault"),
    [
        ("risk.max_position=2", r"risk\.max_position: unknown key; did you mean 'max_positions'\?"),
        ("exchange.mode=live", r"exchange\.mode: Input should be 'paper' or 'real' \(got 'live'\)"),
        ("risk.daily_loss_cap_usd=200", r"risk\.daily_loss_cap_usd: Input should be less than 0 \(got 200\)"),
        ("shard.id='a:b'", r"shard\.id: String should match pattern"),
        ("shard.symbols=[]", r"shard\.symbols: Tuple should have at least 1 item"),
        (
            "pipeline.feedback_delay_ms=400",
            r"feedback_delay_ms \(400\) must be above reorder_hold_ms \(200\) \+ 2 × clock_interval_ms \(100\)",
        ),
        (
            "strategies.scalper.symbols=[BTCUSDT, ETHUSDT]",
            r"strategies\.scalper\.symbols has ETHUSDT, which shard\.symbols does not",
        ),
        (
            "strategies.scalper.trigger.conditions=[{feature: x}]",
            r"condition on 'x' bounds nothing; give min, max, abs_min or abs_max",
        ),
        ("collector.stop_after_s=5", r"stop_after_s is measured in event time and needs clock: event"),
        ("sandbox.flow=tape", r"flow 'tape' needs `tape`, the path of an archive"),
        ("sandbox.speed=2", r"time 'now' needs speed 1"),
        ("executor.paper.latency.model=measured", r"latency model 'measured' needs measured_file"),
        ("metrics.risk=70000", r"metrics\.risk: Input should be less than or equal to 65535"),
    ],
)
def test_contradictions_are_refused(assignment: str, fault: str) -> None:
    with pytest.raises(Misconfigured, match=fault):
        load_settings(assignments=[assignment])


def test_a_fault_in_a_single_setting_is_not_blamed_on_the_file(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured) as caught:
        load_settings(assignments=["risk.max_positions=2", "risk.max_position=2", "sandbx.port=hunter2"])
    head, *faults = str(caught.value).splitlines()
    assert head == f"settings over {APP_YML}: 2 fault(s)"
    assert "risk.max_position: unknown key" in faults[0]
    assert faults[0].endswith("; given with --set risk.max_position=… (or AVIARY_SET)")
    assert faults[1].endswith("; given with --set sandbx.port=… (or AVIARY_SET)")
    assert "hunter2" not in str(caught.value)
    other = tmp_path / "other.yml"
    other.write_text(APP_YML.read_text().replace("max_positions: 3", "max_position: 3"))
    with pytest.raises(Misconfigured) as caught:
        load_settings(other, assignments=["shard.id='a:b'"])
    head, *faults = sorted(str(caught.value).splitlines(), key=lambda line: line.startswith(" "))
    assert head == f"{other}: 2 fault(s)"
    assert [" given with --set shard.id=…" in fault for fault in sorted(faults)] == [False, True]


def test_a_strategy_that_is_switched_off_may_name_any_symbol() -> None:
    settings = load_settings(assignments=["strategies.scalper.symbols=[ETHUSDT]", "strategies.scalper.enabled=false"])
    assert settings.enabled_strategies == {}


def test_a_password_is_in_no_text_of_the_settings() -> None:
    settings = load_settings(assignments=["bus.redis_url=redis://:hunter2@h:6379/0"])
    for text in (repr(settings), str(settings), settings.model_dump_json(), str(settings.model_dump())):
        assert "hunter2" not in text
    assert "hunter2" in settings.bus.redis_url.get_secret_value()


@pytest.mark.parametrize("service", ["collector", "signal_engine", "ai_scorer", "risk", "executor", "sandbox"])
def test_a_service_that_is_misconfigured_says_so_in_a_line_and_ends_with_2(service: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", f"app.{service}.main"],
        env={"AVIARY_SET": "risk.max_position=2", "PATH": "/usr/bin:/bin"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert "risk.max_position: unknown key; did you mean 'max_positions'?" in done.stderr
    assert "Traceback" not in done.stderr
