"""No test of the console may depend on how the shell that runs it is set up."""

import pytest

_NAMES = (
    "AVIARY_SET", "AVIARY_OVERLAYS", "AVIARY_CONFIG", "AVIARY_ARCHIVE", "AVIARY_SHARD", "REDIS_URL", "EXCHANGE_MODE",
    "EXCHANGE_VENUE", "BYBIT_REST_URL", "BYBIT_WS_URL",
)  # fmt: skip


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in _NAMES:
        monkeypatch.delenv(name, raising=False)
