"""docker-compose.yml against the Compose Specification, the configuration and the code it starts."""

import copy
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import jsonschema
import pytest

from app.settings import Settings, load_settings
from tests.house.reading import (
    PROCESSES,
    ROOT,
    SERVICES,
    compose,
    compose_schema,
    dockerfile,
    environment_names,
    module_exists,
    yaml_file,
)

PAPER = compose()
MODES = ("paper", "real")


def _service(name: str, **environ: str) -> dict[str, Any]:
    return dict(compose(**environ)["services"][name])


def _settings(name: str, monkeypatch: pytest.MonkeyPatch, **environ: str) -> Settings:
    """What the process in container `name` reads."""
    for key in environment_names((ROOT / "config" / "app.yml").read_text()):
        monkeypatch.delenv(key, raising=False)
    monkeypatch.delenv("AVIARY_CONFIG", raising=False)
    for key, value in _service(name, **environ)["environment"].items():
        monkeypatch.setenv(key, "" if value is None else str(value))
    return load_settings()


def _volumes(service: dict[str, Any]) -> list[tuple[str, str, str]]:
    return [tuple([*volume.split(":"), ""][:3]) for volume in service.get("volumes", ())]  # type: ignore[misc]


@pytest.fixture(scope="module")
def validator() -> jsonschema.protocols.Validator:
    schema = compose_schema()
    return jsonschema.validators.validator_for(schema)(schema)


@pytest.mark.parametrize("mode", MODES)
def test_it_is_valid_compose(validator: jsonschema.protocols.Validator, mode: str) -> None:
    assert [error.message for error in validator.iter_errors(compose(EXCHANGE_MODE=mode))] == []


@pytest.mark.parametrize(
    "fault",
    [
        {"comand": "x"},
        {"depends_on": {"redis": {"condition": "service_wealthy"}}},
        {"restart": ["always"]},
        {"healthcheck": {"test": "x", "intervall": "5s"}},
    ],
)
def test_the_validator_is_strict(validator: jsonschema.protocols.Validator, fault: dict[str, Any]) -> None:
    broken = copy.deepcopy(PAPER)
    broken["services"]["risk"].update(fault)
    assert list(validator.iter_errors(broken))


def test_all_processes_are_there_and_start_by_their_main() -> None:
    for name in PROCESSES:
        assert PAPER["services"][name]["command"] == f"python -m app.{name}.main"
        assert module_exists(f"app.{name}.main")


def test_profiles_cover_the_right_services() -> None:
    by_profile = {
        profile: {name for name, service in PAPER["services"].items() if profile in service["profiles"]}
        for profile in MODES
    }
    assert by_profile["real"] == {*SERVICES, "redis", "prometheus", "grafana"}
    assert by_profile["paper"] == by_profile["real"] | {"sandbox"}


@pytest.mark.parametrize("profile", MODES)
def test_what_a_service_waits_for_is_in_its_profiles(profile: str) -> None:
    services = PAPER["services"]
    for name, service in services.items():
        for other, how in service.get("depends_on", {}).items():
            assert other in services, f"{name} waits for {other}, which does not exist"
            if profile in service["profiles"] and profile not in services[other]["profiles"]:
                assert how.get("required") is False, f"{name} cannot start in profile {profile} without {other}"


def test_who_is_waited_for_to_be_healthy_says_when_it_is() -> None:
    in_image = {i.word for i in dockerfile((ROOT / "Dockerfile").read_text())}
    for name, service in PAPER["services"].items():
        for other, how in service.get("depends_on", {}).items():
            if how["condition"] == "service_healthy":
                ours = "build" in PAPER["services"][other] and "HEALTHCHECK" in in_image
                assert ours or "healthcheck" in PAPER["services"][other], f"{name} would wait for {other} forever"


def test_readers_start_before_writers() -> None:
    def before(name: str) -> set[str]:
        direct = set(PAPER["services"][name].get("depends_on", {}))
        return direct.union(*(before(other) for other in direct))

    for position, name in enumerate(SERVICES):
        assert set(SERVICES[position + 1 :]) | {"redis"} <= before(name)
        assert not set(SERVICES[:position]) & before(name)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", PROCESSES)
def test_a_container_reads_a_configuration_that_fits_it(name: str, mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = _settings(name, monkeypatch, EXCHANGE_MODE=mode)
    assert settings.exchange.mode == mode
    redis = urlsplit(settings.bus.redis_url.get_secret_value())
    assert redis.hostname in PAPER["services"]
    assert settings.metrics.host == "0.0.0.0"
    assert getattr(settings.metrics, name) == _service(name)["environment"]["HEALTH_PORT"]


def test_the_paper_market_is_the_container_beside(monkeypatch: pytest.MonkeyPatch) -> None:
    collector = _settings("collector", monkeypatch).collector
    sandbox = _settings("sandbox", monkeypatch).sandbox
    for url in (urlsplit(collector.rest_url), urlsplit(collector.ws_url)):
        assert (url.hostname, url.port) == ("sandbox", sandbox.port)
    assert sandbox.host == "0.0.0.0"


def test_the_real_market_is_the_venue(monkeypatch: pytest.MonkeyPatch) -> None:
    collector = _settings("collector", monkeypatch, EXCHANGE_MODE="real").collector
    assert urlsplit(collector.ws_url).hostname == "stream.bybit.com"
    assert urlsplit(collector.rest_url).hostname == "api.bybit.com"


def test_an_operator_may_name_another_address(monkeypatch: pytest.MonkeyPatch) -> None:
    for mode in MODES:
        given = {"EXCHANGE_MODE": mode, "BYBIT_WS_URL": "wss://stream-testnet.bybit.com/v5/public/linear"}
        assert "testnet" in _settings("collector", monkeypatch, **given).collector.ws_url


def test_an_operator_s_settings_reach_the_services(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = _settings("risk", monkeypatch, AVIARY_SHARD="b", AVIARY_SET="risk.max_positions=3", LOG_LEVEL="debug")
    assert (settings.shard.id, settings.risk.max_positions, settings.logging.level) == ("b", 3, "debug")


def test_every_variable_is_read_by_somebody() -> None:
    config = "".join(path.read_text() for path in (ROOT / "config").rglob("*.yml"))
    code = "".join(path.read_text() for path in (ROOT / "app").rglob("*.py"))
    read = environment_names(config) | environment_names((ROOT / "Dockerfile").read_text())
    read |= set(re.findall(r"environ(?:\.get\(|\[)\"([A-Z_]+)\"", code))
    for name in PROCESSES:
        assert set(PAPER["services"][name]["environment"]) <= read


def test_knobs_are_documented_with_their_defaults() -> None:
    example = dict(
        line.split("=", 1)
        for line in (ROOT / ".env.example").read_text().splitlines()
        if line and not line.startswith("#")
    )
    used = re.findall(r"\$\{([A-Z_]+):-([^}]*)\}", (ROOT / "docker-compose.yml").read_text())
    assert dict(used) == example


def test_mounted_paths_exist_and_volumes_are_declared() -> None:
    for name, service in PAPER["services"].items():
        for source, _target, how in _volumes(service):
            if source.startswith("."):
                assert (ROOT / source).exists(), f"{name} mounts {source}"
                assert how == "ro", f"{name} may write to {source}"
            else:
                assert source in PAPER["volumes"]
    mounted = {source for service in PAPER["services"].values() for source, _, _ in _volumes(service)}
    assert set(PAPER["volumes"]) <= mounted


def test_volumes_lie_where_the_image_expects_them() -> None:
    variables = " ".join(i.rest for i in dockerfile((ROOT / "Dockerfile").read_text()) if i.word == "ENV")
    environment = dict(re.findall(r"([A-Z_]+)=(\S+)", variables))
    targets = {name: {source: target for source, target, _ in _volumes(PAPER["services"][name])} for name in PROCESSES}
    assert Path(environment["AVIARY_ARCHIVE"]).is_relative_to(targets["collector"]["archive"])
    for name in ("signal_engine", "executor"):
        assert targets[name]["kernels"] == environment["NUMBA_CACHE_DIR"]


def test_containers_have_no_more_rights_than_they_need() -> None:
    for name, service in PAPER["services"].items():
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["read_only"] is True, name
        assert service["restart"] == "unless-stopped", name
        assert not {"privileged", "cap_add", "network_mode", "pid"} & set(service), name


def test_nothing_listens_beyond_this_machine() -> None:
    published = [port for service in PAPER["services"].values() for port in service.get("ports", ())]
    assert published
    assert [port for port in published if not port.startswith("127.0.0.1:")] == []


def test_foreign_images_are_pinned() -> None:
    for service in PAPER["services"].values():
        if "build" not in service:
            assert re.search(r":v?\d+\.\d+", service["image"])


def test_redis_keeps_what_it_accepted() -> None:
    command = PAPER["services"]["redis"]["command"]
    options = dict(zip(command[1::2], command[2::2], strict=True))
    assert options["--appendonly"] == "yes"
    assert options["--maxmemory-policy"] == "noeviction"
    assert ("redis", "/data", "") in _volumes(PAPER["services"]["redis"])


def test_prometheus_scrapes_every_process_at_its_port() -> None:
    metrics = load_settings(overlays=[], assignments=[]).metrics
    jobs = {job["job_name"]: job for job in yaml_file("prometheus/prometheus.yml")["scrape_configs"]}
    targets = {target for entry in jobs["aviary"]["static_configs"] for target in entry["targets"]}
    assert targets == {f"{name}:{getattr(metrics, name)}" for name in SERVICES}
    (found,) = jobs["sandbox"]["dns_sd_configs"]
    assert (found["names"], found["port"]) == (["sandbox"], metrics.sandbox)


def test_grafana_asks_prometheus() -> None:
    (source,) = yaml_file("grafana/provisioning/datasources/prometheus.yml")["datasources"]
    url = urlsplit(source["url"])
    (published,) = PAPER["services"][url.hostname or ""]["ports"]
    assert source["type"] == "prometheus"
    assert published.endswith(f":{url.port}")
