import socket
from pathlib import Path

import pytest
import redis

from app.console.doctor import Finding, examine
from app.messages.streams import Streams


def findings() -> dict[str, Finding]:
    return {finding.name: finding for finding in examine()}


def test_a_wrong_configuration_is_named_and_ends_the_examination(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AVIARY_SET", "risk.max_position=2")
    found = findings()
    assert list(found) == ["python", "configuration"]
    assert found["configuration"].mark == "fail"
    assert "did you mean 'max_positions'?" in found["configuration"].text


def test_without_a_redis_url_the_server_that_up_would_start_is_looked_at() -> None:
    assert findings()["redis"].mark == "ok"
    assert "started append-only by `up`" in findings()["redis"].text


def test_a_redis_that_evicts_is_refused_and_one_without_a_log_warned_of(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REDIS_URL", redis_url)
    with redis.Redis.from_url(redis_url) as client:
        client.xadd(Streams("main").md, {"b": b""})
        before = {name: client.config_get(name)[name] for name in ("maxmemory-policy", "appendonly")}
        client.config_set("appendonly", "no")
        assert findings()["redis"].mark == "warn"
        assert "set it to yes" in findings()["redis"].text
        client.config_set("maxmemory-policy", "allkeys-lru")
        found = findings()["redis"]
        for name, value in before.items():
            client.config_set(name, value)
    assert found.mark == "fail"
    assert "maxmemory-policy is allkeys-lru" in found.text
    assert "set it to noeviction" in found.text


def test_a_redis_that_cannot_be_reached_fails(monkeypatch: pytest.MonkeyPatch, unused_tcp_port: int) -> None:
    monkeypatch.setenv("REDIS_URL", f"redis://me:hunter2@127.0.0.1:{unused_tcp_port}/0")
    found = findings()["redis"]
    assert found.mark == "fail"
    assert f"Redis at 127.0.0.1:{unused_tcp_port} cannot be reached" in found.text
    assert "hunter2" not in found.text


def test_a_registry_without_a_manifest_fails_with_the_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AVIARY_SET", f"ai_scorer.registry={tmp_path}")
    found = findings()["model"]
    assert found.mark == "fail"
    assert "model registry has no manifest" in found.text


def test_an_archive_that_cannot_be_written_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AVIARY_ARCHIVE", "/proc/archive")
    assert findings()["disk"].mark == "fail"


def test_a_taken_port_is_a_warning_that_names_its_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        monkeypatch.setenv("AVIARY_SET", f"metrics.risk={port}")
        found = findings()["ports"]
    assert found.mark == "warn"
    # Others may be taken too, by whatever else this machine does.
    assert f"metrics.risk {port}" in found.text
    assert "`up` will use others" in found.text
