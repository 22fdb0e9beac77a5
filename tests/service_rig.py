"""A service as a process of its own: started, asked, ended. And the streams it reads and writes, from outside."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import redis

from app.bus.server import die_with_parent
from app.messages import codec
from app.messages.base import Message
from app.settings import ROOT

_PATIENCE_S = 30.0
_OURS = ("AVIARY_", "REDIS_", "EXCHANGE_", "BYBIT_", "METRICS_", "LOG_")


class ServiceProcess:
    """`python -m app.<service>.main` under `assignments`; what it says is appended to the file `log`.

    It takes any free metrics port, and nothing from the settings in the environment of the tests.
    """

    def __init__(self, service: str, log: Path, *assignments: str) -> None:
        self.service = service
        settings = (f"metrics.{service}=0", "logging.format=json", *assignments)
        kept = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
        self._log = log
        with log.open("ab") as file:
            self._before = file.tell()
            self._child = subprocess.Popen(
                [sys.executable, "-m", f"app.{service}.main"],
                cwd=ROOT,
                env={**kept, "AVIARY_SET": "\n".join(settings)},
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                preexec_fn=die_with_parent,
            )

    @property
    def alive(self) -> bool:
        return self._child.poll() is None

    def said(self) -> str:
        """Its log since it was started."""
        return self._log.read_bytes()[self._before :].decode()

    def event(self, name: str) -> dict[str, Any]:
        """What it logged as `name`, once it has."""
        wait_for(lambda: self._logged(name) is not None or not self.alive)
        found = self._logged(name)
        assert found is not None, f"{self.service} ended without saying {name!r}:\n{self.said()}"
        return found

    def metrics(self) -> dict[str, float]:
        """What it exports, by name with labels; nothing before it is ready."""
        if (ready := self._logged("ready")) is None:
            return {}
        with urlopen(f"http://127.0.0.1:{ready['metrics_port']}/metrics", timeout=5) as answer:
            lines = answer.read().decode().splitlines()
        return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if line[0] != "#")}

    def resident_mb(self) -> float:
        status = Path(f"/proc/{self._child.pid}/status").read_text()
        return int(re.findall(r"VmRSS:\s+(\d+) kB", status)[0]) / 1024

    def wait(self) -> int:
        """Its exit code, once it has ended."""
        return self._child.wait(_PATIENCE_S)

    def end(self, number: signal.Signals) -> int:
        """Send it a signal, if it still runs, and wait for its end."""
        if self.alive:
            self._child.send_signal(number)
        return self.wait()

    def _logged(self, name: str) -> dict[str, Any] | None:
        # The last line may still be half written; faults found before logs are set up are told as plain text.
        lines = self.said().rpartition("\n")[0].splitlines()
        entries = (json.loads(line) for line in lines if line.startswith("{"))
        return next((entry for entry in entries if entry["event"] == name), None)


StartService = Callable[..., ServiceProcess]


def send(client: redis.Redis, stream: str, *messages: Message) -> None:
    """Append `messages` to `stream`, all in one entry."""
    client.xadd(stream, {"m": codec.encode(messages)})


def sent(client: redis.Redis, stream: str) -> list[Message]:
    """All messages in `stream`."""
    found: list[Message] = []
    for _entry, fields in client.xrange(stream):
        good, bad = codec.decode(fields[b"m"])
        assert not bad
        found += good
    return found


def wait_for(condition: Callable[[], bool], within: float = _PATIENCE_S) -> None:
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, "nothing came in time"
        time.sleep(0.02)
