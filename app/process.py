"""Every process's last step: it runs with the logs and the metrics port that the configuration gives it."""

from collections.abc import Awaitable, Callable

from app.core.process import Process, run_process
from app.settings import Settings


def run_configured(settings: Settings, service: str, body: Callable[[Process], Awaitable[None]]) -> int:
    """Run `body` as the process `service` until it returns or is told to stop; return the exit code."""
    return run_process(
        service,
        body,
        metrics_host=settings.metrics.host,
        metrics_port=settings.metrics.port_of(service),
        log_level=settings.logging.level,
        log_format=settings.logging.format,
    )
