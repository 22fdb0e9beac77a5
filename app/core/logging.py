"""Structured logs on standard error: one event a line, with the ids that let one grep follow a signal to its fill.

Use `log = get_logger(__name__)` and `log.info("order submitted", signal_id=..., order_id=...)`. The key names are
fixed: `signal_id`, `order_id`, `trade_id`, `stream`, `entry_id`, `strategy`, `symbol`.
"""

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any, Literal, TextIO

import structlog

_SECRET_KEY = re.compile(r"secret|password|passphrase|token|api_?key|signature|authorization", re.IGNORECASE)
# Up to the last @: people forget to percent-encode the / and @ of their passwords.
_URL_CREDENTIALS = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]*://)[^\s\"'<>]*@", re.IGNORECASE)

Event = MutableMapping[str, Any]


def mask(text: str) -> str:
    """`text` with the credentials of any URL in it replaced by ``***``."""
    return _URL_CREDENTIALS.sub(r"\g<scheme>***@", text)


def _mask_secrets(_logger: Any, _method: str, event: Event) -> Event:
    for key, value in event.items():
        if _SECRET_KEY.search(key):
            event[key] = "***"
        elif isinstance(value, str) and "://" in value:
            event[key] = mask(value)
    return event


def configure_logging(
    service: str,
    *,
    level: str = "info",
    format: Literal["auto", "json", "console"] = "auto",
    file: TextIO | None = None,
) -> None:
    """Set up this process's logs, on standard error or in `file`. ``auto`` writes JSON unless that is a terminal."""
    target = file or sys.stderr
    as_json = format == "json" or (format == "auto" and not target.isatty())
    renderer: Any = structlog.processors.JSONRenderer() if as_json else _console()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            _mask_secrets,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.WriteLoggerFactory(file=target),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(service=service)


def _console() -> Any:
    # Tracebacks come formatted, so that secrets in them are masked.
    return structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)


def get_logger(name: str) -> Any:
    """A logger whose events carry `name` as `module`."""
    return structlog.get_logger(module=name)
