"""What the `collector` section refuses, and why."""

from typing import Any

import pytest

from app.collector.settings import CollectorSettings
from app.core.config import validate
from app.core.errors import Misconfigured

REQUIRED = {"rest_url": "http://127.0.0.1", "ws_url": "ws://127.0.0.1"}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"stop_after_s": 5}, "stop_after_s is measured in event time and needs clock: event"),
        (
            {"clock": "event", "venue": "kraken"},
            "clock: event needs every message as it was sent, which only venue bybit_v5 delivers",
        ),
        ({"max_block_rows": 0}, "max_block_rows"),
        ({"max_block_rows": 1_000_000}, "max_block_rows"),
        ({"depth": 500}, "depth"),
    ],
)
def test_refused(given: dict[str, Any], words: str) -> None:
    with pytest.raises(Misconfigured, match=words):
        validate(CollectorSettings, {**REQUIRED, **given}, source="test")


def test_accepted() -> None:
    event = validate(CollectorSettings, {**REQUIRED, "clock": "event", "stop_after_s": 5}, source="test")
    assert event.stop_after_s == 5
    other = validate(CollectorSettings, {**REQUIRED, "venue": "kraken", "ccxt": {"timeout": 5000}}, source="test")
    assert other.ccxt == {"timeout": 5000}
