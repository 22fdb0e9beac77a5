import socket
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from app.console.options import Clock, UpOptions
from app.console.plan import EXCHANGE, PIPELINE, Plan, Tape, make_plan
from app.core.errors import Misconfigured
from app.settings import load_settings

RUN = Path("/runs/one")


def plan(
    *,
    tape: Tape | None = None,
    for_s: float | None = None,
    speed: float | None = None,
    seed: int | None = None,
    live: str | None = None,
    clock: Clock | None = None,
    sets: Sequence[str] = (),
) -> Plan:
    options = UpOptions(
        for_s=for_s, speed=speed, seed=seed, live=live, clock=clock, assignments=sets, tape=tape.root if tape else None
    )
    with ExitStack() as held:
        return make_plan(options, RUN, tape, held)


def test_without_options_it_is_a_synthetic_market_in_the_present() -> None:
    made = plan(for_s=20)
    assert made.services == ("sandbox", *PIPELINE)
    assert (made.settings.collector.clock, made.settings.sandbox.time, made.wall_limit_s) == ("wall", "now", 20)
    assert made.settings.archive.root == RUN / "archive"
    assert made.source == "synthetic market, seed 7"
    assert made.own_redis


def test_the_collector_is_pointed_at_the_sandbox() -> None:
    made = plan()
    port = made.ports[EXCHANGE].taken
    assert made.settings.sandbox.port == port
    assert made.settings.collector.rest_url == f"http://127.0.0.1:{port}"
    assert made.settings.collector.ws_url == f"ws://127.0.0.1:{port}/v5/public/linear"


def test_with_the_event_clock_the_collector_ends_the_run() -> None:
    made = plan(clock="event", for_s=20)
    assert made.event_clock
    assert (made.settings.sandbox.time, made.settings.collector.stop_after_s) == ("original", 20)
    assert made.wall_limit_s is None


@pytest.mark.parametrize("where", ["environment", "set"])
def test_a_setting_of_the_event_clock_counts_like_the_option(where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    line = "collector.clock=event"
    if where == "environment":
        monkeypatch.setenv("AVIARY_SET", line)
    made = plan(for_s=5, sets=[line] if where == "set" else [])
    assert (made.settings.sandbox.time, made.settings.collector.stop_after_s) == ("original", 5)


def test_another_speed_needs_and_brings_the_event_clock() -> None:
    made = plan(speed=10.0)
    assert (made.settings.sandbox.speed, made.settings.sandbox.time) == (10, "original")
    assert made.event_clock


def test_options_win_over_the_environment_and_set_over_options(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AVIARY_SET", "sandbox.seed=1\nrisk.loss_streak_max=9")
    assert plan(seed=2).settings.sandbox.seed == 2
    assert plan(seed=2, sets=["sandbox.seed=3"]).settings.sandbox.seed == 3
    assert plan().settings.risk.loss_streak_max == 9


def test_a_tapes_symbols_become_the_shards_and_the_strategies() -> None:
    made = plan(tape=Tape(Path("/tapes/eth"), ("ETHUSDT", "SOLUSDT")))
    settings = made.settings
    assert settings.sandbox.symbols == settings.shard.symbols == ("ETHUSDT", "SOLUSDT")
    assert settings.enabled_strategies["scalper"].symbols == ("ETHUSDT", "SOLUSDT")
    assert (settings.sandbox.flow, settings.sandbox.tape) == ("tape", Path("/tapes/eth"))
    assert made.source == "recorded tape eth"


def test_a_strategy_keeps_its_own_symbols_where_the_tape_has_them() -> None:
    made = plan(tape=Tape(Path("/tapes/two"), ("BTCUSDT", "ETHUSDT")))
    assert made.settings.enabled_strategies["scalper"].symbols == ("BTCUSDT",)


def test_a_path_may_have_anything_in_it() -> None:
    root = Path("/tapes/a b: #${HOME}, [c]")
    assert plan(tape=Tape(root, ("BTCUSDT",))).settings.sandbox.tape == root


def test_a_symbol_without_filters_is_refused() -> None:
    with pytest.raises(Misconfigured, match=r"symbol 'PEPEUSDT' is not in config/symbols\.yml"):
        plan(tape=Tape(Path("/tapes/pepe"), ("PEPEUSDT",)))


def test_more_symbols_in_the_shard_are_more_in_the_sandbox() -> None:
    assert plan(sets=["shard.symbols=[BTCUSDT, ETHUSDT]"]).settings.sandbox.symbols == ("BTCUSDT", "ETHUSDT")


def test_live_runs_the_same_services_without_the_sandbox(monkeypatch: pytest.MonkeyPatch) -> None:
    made = plan(live="bybit")
    assert made.services == PIPELINE
    assert made.settings.collector.ws_url == "wss://stream.bybit.com/v5/public/linear"
    assert made.settings.collector.clock == "wall"
    monkeypatch.setenv("BYBIT_WS_URL", "ws://127.0.0.1:1/v5/public/linear")
    assert plan(live="bybit").settings.collector.ws_url == "ws://127.0.0.1:1/v5/public/linear"


def test_real_orders_are_not_this_commands_to_send(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXCHANGE_MODE", "real")
    with pytest.raises(Misconfigured, match=r"exchange\.mode is 'real', and `up` starts paper runs only"):
        plan()


def test_a_taken_port_is_replaced_and_everything_else_kept() -> None:
    wanted = load_settings().metrics.risk
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Where another run has it already, it is as taken as it has to be.
        with suppress(OSError):
            holder.bind(("127.0.0.1", wanted))
            holder.listen()
        made = plan()
    assert made.ports["risk"].moved
    assert made.settings.metrics.risk == made.ports["risk"].taken != wanted
    assert made.metrics_url("risk") == f"http://127.0.0.1:{made.ports['risk'].taken}/metrics"


def test_a_redis_that_was_named_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not plan(sets=["bus.redis_url=redis://10.0.0.1/0"]).own_redis
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:6379/0")
    assert not plan().own_redis


def test_an_archive_that_was_named_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    assert plan(sets=["archive.root=/elsewhere"]).settings.archive.root == Path("/elsewhere")
    monkeypatch.setenv("AVIARY_ARCHIVE", "/somewhere")
    assert plan().settings.archive.root == Path("/somewhere")


def test_every_process_reads_the_plans_settings_from_its_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    made = plan(clock="event", for_s=3, seed=11, sets=["risk.max_positions=2"])
    for name, value in made.environment("redis://127.0.0.1:5/0").items():
        monkeypatch.setenv(name, value)
    read = load_settings()
    assert read.bus.redis_url.get_secret_value() == "redis://127.0.0.1:5/0"
    assert read.model_copy(update={"bus": made.settings.bus}) == made.settings
