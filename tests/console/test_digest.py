import pytest

from app.settings import load_settings
from app.settings_digest import config_digest

BASE = config_digest(load_settings(assignments=[]))


@pytest.mark.parametrize(
    "line",
    ["risk.max_positions=4", "executor.paper.fees.maker=0.0001", "sandbox.seed=8", "collector.clock=event",
     "strategies.scalper.exits.stop_loss_bps=9", "warmup.seconds=1"],
)  # fmt: skip
def test_what_can_change_a_result_changes_the_digest(line: str) -> None:
    assert config_digest(load_settings(assignments=[line])) != BASE


@pytest.mark.parametrize(
    "line",
    ["metrics.risk=1", "archive.root=/x", "logging.level=debug", "bus.redis_url=redis://x/1", "sandbox.port=1",
     "metrics.host=0.0.0.0", "collector.ws_url=ws://x", "bus.batch_entries=7"],
)  # fmt: skip
def test_where_it_runs_does_not(line: str) -> None:
    assert config_digest(load_settings(assignments=[line])) == BASE


def test_a_tape_counts_by_its_name_wherever_it_lies() -> None:
    digests = [
        config_digest(load_settings(assignments=["sandbox.flow=tape", f"sandbox.tape={path}"]))
        for path in ("/a/btc-123", "/b/btc-123", "/a/btc-456")
    ]
    assert digests[0] == digests[1] != digests[2]
