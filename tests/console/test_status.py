import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client import Gauge, start_http_server

from app.bus.metrics import LoopMetrics
from app.console.runs import save_facts
from app.console.status import status
from app.core.metrics import new_registry
from app.report.facts import RunFacts, ServiceFacts

STREAM = "sig:raw:{main}"


@pytest.fixture
def risk() -> Iterator[tuple[str, Gauge]]:
    """The metrics of a service that has read one message and is three entries behind."""
    registry = new_registry()
    metrics = LoopMetrics(registry, [STREAM])
    metrics.lag.labels(STREAM).set(3)
    metrics.age_of[STREAM].observe(0.0015)
    ready = Gauge("service_ready", "", ["service"], registry=registry)
    ready.labels("risk").set(1)
    server, thread = start_http_server(0, addr="127.0.0.1", registry=registry)
    yield f"http://127.0.0.1:{server.server_port}/metrics", ready
    server.shutdown()
    server.server_close()
    thread.join()


def make_run(runs: Path, urls: dict[str, str], *, ended: str = "", pid: int | None = None) -> Path:
    directory = runs / "20260101-000000"
    directory.mkdir(parents=True)
    services = {name: ServiceFacts(metrics_url=url) for name, url in urls.items()}
    save_facts(
        directory,
        RunFacts(
            id=directory.name, kind="paper", source="", clock="wall", symbols=[], config_digest="", starting_cash={},
            started="", ended=ended, services=services, pid=os.getpid() if pid is None else pid,
        ),
    )  # fmt: skip
    return directory


def test_all_ready_is_exit_code_0(tmp_path: Path, risk: tuple[str, Gauge], capsys: pytest.CaptureFixture[str]) -> None:
    make_run(tmp_path, {"risk": risk[0]})
    assert status(tmp_path, None, as_json=True) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["run"], found["ready"]) == ("20260101-000000", True)
    row = found["services"][0]
    assert (row["service"], row["up"], row["ready"], row["lag"]) == ("risk", True, True, 3)
    assert 1.0 <= row["age_p50_ms"] <= 2.0
    assert row["rss_bytes"] > 1e6
    assert status(tmp_path, None, as_json=False) == 0
    assert "risk           ready     lag       3" in capsys.readouterr().out


def test_one_that_is_starting_or_down_is_exit_code_1(
    tmp_path: Path, risk: tuple[str, Gauge], capsys: pytest.CaptureFixture[str]
) -> None:
    url, ready = risk
    directory = make_run(tmp_path, {"risk": url, "executor": "http://127.0.0.1:1/metrics"})
    assert status(tmp_path, directory, as_json=False) == 1
    assert "executor       down" in capsys.readouterr().out
    ready.labels("risk").set(0)
    assert status(tmp_path, directory, as_json=True) == 1
    assert not json.loads(capsys.readouterr().out)["services"][0]["ready"]


@pytest.mark.parametrize("over", [{"ended": "2026-01-01T00:01:00Z"}, {"pid": 2**22 + 1}])
def test_when_the_newest_run_is_over_the_configured_ports_are_asked(
    tmp_path: Path, risk: tuple[str, Gauge], over: dict[str, object], monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    make_run(tmp_path, {"executor": "http://127.0.0.1:1/metrics"}, **over)  # type: ignore[arg-type]
    port = risk[0].split(":")[2].split("/")[0]
    others = "\n".join(f"metrics.{name}=1" for name in ("collector", "signal_engine", "ai_scorer", "executor"))
    monkeypatch.setenv("AVIARY_SET", f"metrics.risk={port}\n{others}")
    assert status(tmp_path, None, as_json=True) == 1
    found = json.loads(capsys.readouterr().out)
    assert found["run"] is None
    assert {row["service"] for row in found["services"] if row["up"]} == {"risk"}
