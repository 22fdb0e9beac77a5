"""One child process: started with its own log file, stopped by signal, and gone when the launcher is gone."""

import json
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from app.bus.server import die_with_parent

_TAIL_BYTES = 16_384


class Child:
    """A process that may be started again after it ended.

    It has a session of its own, so a terminal's Ctrl-C reaches the launcher alone, which stops its children in
    order. On Linux the system ends it should the launcher die without doing so.
    """

    def __init__(self, name: str, command: Sequence[str], env: Mapping[str, str], log: Path) -> None:
        self.name = name
        self.log = log
        self._command = list(command)
        self._env = dict(env)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Process id, 0 before the first start."""
        return self._process.pid if self._process else 0

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start it; its output is appended to the log."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                env=self._env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                preexec_fn=die_with_parent,
            )

    def exit_code(self) -> int | None:
        """Its exit code, negative for the signal that ended it; None while it runs or before it was started."""
        return self._process.poll() if self._process else None

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal; no matter if it has just ended."""
        if self.alive and self._process is not None:
            with suppress(ProcessLookupError):
                self._process.send_signal(number)

    def kill(self) -> None:
        """End it, and whatever it started, at once, and wait until it is gone."""
        if self.alive and self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def explain(self) -> str:
        """Its last words: the error its log ends with, else what the last lines say."""
        said = [entry for line in self._tail()[-20:] if (entry := _Entry.parse(line)) is not None]
        for entry in reversed(said):
            if entry.is_error:
                return entry.text
        return "; ".join(entry.text for entry in said[-3:]) or "it wrote no log"

    def _tail(self) -> list[str]:
        try:
            with self.log.open("rb") as log:
                log.seek(max(0, log.seek(0, os.SEEK_END) - _TAIL_BYTES))
                return log.read().decode(errors="replace").splitlines()
        except FileNotFoundError:
            return []


class _Entry(NamedTuple):
    """A line of a log in words."""

    is_error: bool
    text: str

    @classmethod
    def parse(cls, line: str) -> "_Entry | None":
        try:
            event = json.loads(line)
        except ValueError:
            event = None
        if not isinstance(event, dict):
            return cls(False, line.strip()) if line.strip() else None
        trace = str(event.get("exception", "")).strip().splitlines()
        detail = event.get("error") or (trace[-1] if trace else "")
        what = str(event.get("event", line.strip()))
        return cls(event.get("level") in ("error", "critical"), f"{what}: {detail}" if detail else what)


def describe_exit(code: int) -> str:
    """An exit code in words."""
    if code >= 0:
        return f"exit code {code}"
    with suppress(ValueError):
        return f"killed by {signal.Signals(-code).name}"
    return f"killed by signal {-code}"
