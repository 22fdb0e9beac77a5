"""Logs: one event a line, in a form a machine reads, with no secret in it."""

import io
import json
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from app.core.logging import configure_logging, get_logger, mask


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    before = structlog.get_config()
    yield
    structlog.configure(**before)
    structlog.contextvars.clear_contextvars()


def _logged(format: Any = "json", level: str = "debug", *, method: str = "info", **event: Any) -> str:
    out = io.StringIO()
    configure_logging("risk", level=level, format=format, file=out)
    getattr(get_logger("app.here"), method)("order submitted", **event)
    return out.getvalue()


def test_an_event_is_a_line_of_json_with_its_ids() -> None:
    line = _logged(signal_id="abc", order_id="abc-entry-0")
    event = json.loads(line)
    assert line.count("\n") == 1
    assert event.pop("timestamp").endswith("Z")
    assert event == {
        "event": "order submitted",
        "level": "info",
        "module": "app.here",
        "service": "risk",
        "signal_id": "abc",
        "order_id": "abc-entry-0",
    }


def test_auto_is_json_away_from_a_terminal() -> None:
    assert json.loads(_logged("auto"))["event"] == "order submitted"


def test_the_console_form_is_for_eyes() -> None:
    line = _logged("console", signal_id="abc")
    assert "order submitted" in line
    assert "signal_id=abc" in line
    assert not line.startswith("{")


def test_below_the_level_nothing_is_written() -> None:
    assert _logged(level="warning") == ""
    assert _logged(level="warning", method="error") != ""


@pytest.mark.parametrize("format", ["json", "console"])
@pytest.mark.parametrize(
    "event",
    [
        {"redis_url": "redis://:hunter2@host:6379/0"},
        {"error": "cannot reach rediss://user:hunter2@host, giving up"},
        {"api_key": "hunter2"},
        {"apiKey": "hunter2"},
        {"password": "hunter2"},
        {"x_signature": "hunter2"},
        {"authorization": "Bearer hunter2"},
        {"token": "hunter2"},
    ],
)
def test_secrets_are_masked(format: Any, event: dict[str, str]) -> None:
    line = _logged(format, **event)
    assert "hunter2" not in line
    assert "***" in line


@pytest.mark.parametrize("format", ["json", "console"])
def test_a_traceback_is_kept_and_masked(format: Any) -> None:
    try:
        raise ConnectionError("redis://:hunter2@host:6379/0 is gone")
    except ConnectionError:
        line = _logged(format, method="exception")
    assert "hunter2" not in line
    assert "ConnectionError: redis://***@host:6379/0 is gone" in line


# What a careless person may put between user and host of a URL.
SECRETS = st.text(st.characters(codec="ascii", exclude_characters="\"'<>", min_codepoint=33), min_size=1)


@given(user=st.from_regex(r"[a-z0-9]{0,8}", fullmatch=True), secret=SECRETS, tail=st.sampled_from(["", "/0", " end"]))
def test_masked_text_does_not_contain_the_secret(user: str, secret: str, tail: str) -> None:
    text = f"at redis://{user}:QQ{secret}QQ@host:6379{tail}"
    assert mask(text) == f"at redis://***@host:6379{tail}"


@pytest.mark.parametrize(
    "text", ["redis://127.0.0.1:6379/0", "mail me@example.org", "wss://stream.bybit.com/v5/public/linear", "a://b c@d"]
)
def test_text_without_credentials_stays(text: str) -> None:
    assert mask(text) == text


def test_each_url_is_masked_by_itself() -> None:
    assert mask("redis://:a@one and redis://b:c@two") == "redis://***@one and redis://***@two"
