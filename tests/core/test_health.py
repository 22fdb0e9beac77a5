"""The health check of containers, against real endpoints."""

import http.server
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator

import pytest
from prometheus_client import CollectorRegistry, Gauge

from app.core.health import fault
from app.core.metrics import new_registry, serve_metrics
from app.settings import ROOT

Serve = Callable[[int, bytes], int]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Starts a server that answers every request with this status and body; gives its port."""
    servers: list[http.server.HTTPServer] = []

    def start(status: int, body: bytes) -> int:
        class Answer(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        servers.append(http.server.HTTPServer(("127.0.0.1", 0), Answer))
        threading.Thread(target=servers[-1].serve_forever, daemon=True).start()
        return servers[-1].server_port

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def _run(*arguments: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "app.core.health", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    return done.returncode, done.stderr


def _registry(value: float) -> CollectorRegistry:
    registry = new_registry()
    Gauge("service_ready", "1 once ready", ["service"], registry=registry).labels("risk").set(value)
    return registry


def test_a_ready_process_is_healthy() -> None:
    port = serve_metrics(_registry(1), service="risk", host="127.0.0.1", port=0)
    assert _run(str(port)) == (0, "")


def test_a_process_that_is_recovering_is_not() -> None:
    port = serve_metrics(_registry(0), service="risk", host="127.0.0.1", port=0)
    assert _run(str(port)) == (1, "the process is starting or recovering\n")


def test_a_port_without_a_process_is_not() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    code, err = _run(str(port))
    assert code == 1
    assert err.startswith(f"port {port} does not answer with metrics: ")


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (200, b"<html>hello</html>", "serves no service_ready"),
        (200, b'service_ready_seconds{service="x"} 1.0\n', "serves no service_ready"),
        (200, b"# HELP service_ready 1.0\n", "serves no service_ready"),
        (200, b'service_ready{service="a"} 1.0\nservice_ready{service="b"} 0.0\n', "starting or recovering"),
        (200, b"service_ready NaN\n", "starting or recovering"),
        (500, b'service_ready{service="x"} 1.0\n', "does not answer with metrics: HTTP Error 500"),
    ],
)
def test_any_other_answer_is_not(serve: Serve, status: int, body: bytes, said: str) -> None:
    assert said in (fault(serve(status, body)) or "healthy")


def test_a_process_that_accepts_and_says_nothing_is_not() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert "timed out" in (fault(silent.getsockname()[1]) or "healthy")


@pytest.mark.parametrize("arguments", [(), ("9101", "9102"), ("risk",), ("-1",)])
def test_wrong_use_is_told(arguments: tuple[str, ...]) -> None:
    assert _run(*arguments) == (1, "usage: python -m app.core.health PORT\n")


def test_it_loads_nothing_but_the_standard_library() -> None:
    program = (
        "import sys, app.core.health; sys.exit(any(name in sys.modules for name in ('structlog', 'yaml', 'numpy')))"
    )
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True, timeout=20)
