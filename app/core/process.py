"""The frame every process runs in: uvloop, logs, metrics, signals, exit codes.

A `main.py` builds its parts inside `run_process`'s coroutine and awaits them until `stop` is set.
"""

import asyncio
import ctypes
import signal
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Literal

from prometheus_client import CollectorRegistry, Gauge

from app.core.errors import AviaryError, Misconfigured
from app.core.logging import configure_logging, get_logger
from app.core.metrics import new_registry, serve_metrics

log = get_logger(__name__)

EXIT_OK = 0
EXIT_FAILED = 1
EXIT_MISCONFIGURED = 2


class Process:
    """What a service is given: its registry, its readiness, and the event that says stop."""

    def __init__(self, service: str, registry: CollectorRegistry, metrics_port: int) -> None:
        self.service = service
        self.registry = registry
        self.metrics_port = metrics_port
        self.stop = asyncio.Event()
        self._ready = Gauge("service_ready", "1 once the service handles live input", ["service"], registry=registry)
        self._ready.labels(service).set(0)

    def ready(self) -> None:
        """Say that start-up and recovery are over."""
        self._ready.labels(self.service).set(1)
        release_compiler_pages()
        log.info("ready", metrics_port=self.metrics_port)


def run_process(
    service: str,
    body: Callable[[Process], Awaitable[None]],
    *,
    metrics_host: str,
    metrics_port: int,
    log_level: str = "info",
    log_format: Literal["auto", "json", "console"] = "auto",
) -> int:
    """Run `body` until it returns or SIGINT/SIGTERM sets `stop`; return the process's exit code.

    A second signal ends the process at once. `Misconfigured` gives 2, any other failure 1; neither prints a
    traceback for an error that is explained by its text.
    """
    configure_logging(service, level=log_level, format=log_format)

    async def main() -> None:
        registry = new_registry()
        port = serve_metrics(registry, service=service, host=metrics_host, port=metrics_port)
        process = Process(service, registry, port)
        loop = asyncio.get_running_loop()
        task = asyncio.current_task()
        assert task is not None

        def on_signal(name: str) -> None:
            if process.stop.is_set():
                log.warning("second signal, leaving at once", signal=name)
                task.cancel()
            else:
                log.info("stopping", signal=name)
                process.stop.set()

        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, on_signal, number.name)
        await body(process)
        log.info("stopped")

    try:
        with asyncio.Runner(loop_factory=_new_event_loop) as runner:
            runner.run(main())
    except Misconfigured as error:
        log.error("misconfigured", error=str(error))
        return EXIT_MISCONFIGURED
    except AviaryError as error:
        log.error("failed", error=str(error))
        return EXIT_FAILED
    except (asyncio.CancelledError, KeyboardInterrupt):
        return EXIT_FAILED
    except Exception:
        log.exception("crashed")
        return EXIT_FAILED
    return EXIT_OK


def run_main(main: Callable[[], int]) -> int:
    """The exit code of `main`. A fault found before logs are set up is told on standard error, without a traceback."""
    try:
        return main()
    except Misconfigured as error:
        print(error, file=sys.stderr)
        return EXIT_MISCONFIGURED


def _new_event_loop() -> asyncio.AbstractEventLoop:
    with suppress(ImportError):
        import uvloop

        return uvloop.new_event_loop()
    return asyncio.new_event_loop()


def release_compiler_pages() -> None:
    """Give back the resident pages of LLVM and other large libraries used only while starting.

    Loading cached kernels touches about 70 MB of the LLVM library that is never needed again. The pages are clean
    and file-backed: should one be needed after all, the kernel reads it again. Linux only; elsewhere nothing happens.
    """
    if not sys.platform.startswith("linux"):
        return
    madv_dontneed = 4
    libc = ctypes.CDLL(None, use_errno=True)
    with suppress(OSError):
        for low, high in _clean_mappings(("llvmlite", "onnxruntime", "numba")):
            libc.madvise(ctypes.c_void_p(low), ctypes.c_size_t(high - low), madv_dontneed)


def _clean_mappings(libraries: tuple[str, ...]) -> list[tuple[int, int]]:
    """Address ranges of these libraries that cannot be written and never were (relocated constants were)."""
    found: list[tuple[int, int]] = []
    mapping: tuple[int, int] | None = None
    with open("/proc/self/smaps", encoding="ascii", errors="replace") as lines:
        for line in lines:
            fields = line.split(maxsplit=5)
            if "-" in fields[0]:
                low, high = (int(end, 16) for end in fields[0].split("-"))
                file = fields[5] if len(fields) > 5 else ""
                chosen = fields[1][1] == "-" and ".so" in file and any(name in file for name in libraries)
                mapping = (low, high) if chosen else None
            elif fields[0] == "Anonymous:" and mapping and fields[1] == "0":
                found.append(mapping)
    return found
