"""The processes of a run: started, watched, started again after a crash, stopped in order."""

import asyncio
import signal
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Literal

from app.console.child import Child, describe_exit
from app.core.errors import AviaryError, Misconfigured
from app.core.process import EXIT_MISCONFIGURED, EXIT_OK

State = Literal["waiting", "starting", "ready", "restarting", "stopped"]

_FIRST_BACKOFF_S = 0.5
_LONGEST_BACKOFF_S = 10.0
_RESTART_WINDOW_S = 60.0
_POLL_S = 0.05


class ServiceFailed(AviaryError):
    """A process keeps ending, or did not get ready; the text says why."""


class Service:
    """One supervised process.

    `may_end` says that a clean exit is its work done (a collector at the end of its tape), not a crash.
    """

    def __init__(self, child: Child, *, metrics_url: str, may_end: bool = False) -> None:
        self.child = child
        self.name = child.name
        self.metrics_url = metrics_url
        self.may_end = may_end
        self.state: State = "waiting"
        self.was_ready = False
        self.restarts = 0
        self.retry_at = 0.0
        self.crashes: list[float] = []

    def start(self) -> None:
        self.child.start()
        self.state = "starting"

    def see_ready(self, ready: bool) -> None:
        """Take note of what its metrics say."""
        if self.state in ("starting", "ready"):
            self.state = "ready" if ready else "starting"
            self.was_ready = self.was_ready or ready


class Fleet:
    """All processes of a run. `note` is told what a person should know, one line at a time.

    A crashed process is started again after a pause that doubles (0.5 s to 10 s); more than `max_restarts` crashes
    within a minute, or more than two before it was ever ready, end the run.
    """

    def __init__(self, services: Sequence[Service], note: Callable[[str], None], *, max_restarts: int = 8) -> None:
        self.services = {service.name: service for service in services}
        self._note = note
        self._max_restarts = max_restarts

    def start(self, names: Iterable[str]) -> None:
        """Start these."""
        for name in names:
            self.services[name].start()

    def tick(self) -> None:
        """Look after every process once.

        Raises:
            Misconfigured: one ended with exit code 2; starting it again cannot help.
            ServiceFailed: one keeps ending.
        """
        now = time.monotonic()
        for service in self.services.values():
            if service.state == "restarting" and now >= service.retry_at:
                service.start()
            elif service.state in ("starting", "ready") and (code := service.child.exit_code()) is not None:
                self._ended(service, code, now)

    def _ended(self, service: Service, code: int, now: float) -> None:
        if code == EXIT_OK and service.may_end:
            service.state = "stopped"
            return
        why = service.child.explain()
        if code == EXIT_MISCONFIGURED:
            service.state = "stopped"
            raise Misconfigured(f"{service.name}: {why}")
        service.crashes = [at for at in service.crashes if now - at < _RESTART_WINDOW_S] + [now]
        if len(service.crashes) > (self._max_restarts if service.was_ready else 2):
            service.state = "stopped"
            raise ServiceFailed(
                f"{service.name} keeps ending ({describe_exit(code)}): {why}\nits log is {service.child.log}"
            )
        pause = min(_FIRST_BACKOFF_S * 2 ** (len(service.crashes) - 1), _LONGEST_BACKOFF_S)
        service.restarts += 1
        service.retry_at = now + pause
        service.state = "restarting"
        self._note(
            f"{service.name} ended ({describe_exit(code)}), starting it again in {pause:g} s; its last words: {why}"
        )

    async def stop(self, names: Iterable[str], *, grace_s: float) -> list[str]:
        """Stop these one after the other: SIGTERM, then SIGKILL for what outlasts `grace_s`.

        Returns what did not go as it should, in words.
        """
        faults = []
        for name in names:
            service = self.services.get(name)
            if service is None or service.state in ("waiting", "stopped"):
                continue
            service.state = "stopped"
            if (fault := await _stop(service.child, grace_s)) is not None:
                self._note(fault)
                faults.append(fault)
        return faults

    def kill(self) -> None:
        """End everything at once."""
        for service in self.services.values():
            service.state = "stopped"
            service.child.kill()


async def _stop(child: Child, grace_s: float) -> str | None:
    if child.exit_code() is not None:
        return None
    child.signal(signal.SIGTERM)
    deadline = time.monotonic() + grace_s
    while (code := child.exit_code()) is None:
        if time.monotonic() > deadline:
            child.kill()
            return f"{child.name} did not stop within {grace_s:g} s and was killed"
        await asyncio.sleep(_POLL_S)
    # One that was still starting had no handler for the signal yet.
    if code in (EXIT_OK, -signal.SIGTERM):
        return None
    return f"{child.name} failed while stopping ({describe_exit(code)}): {child.explain()}"
