import asyncio
import os
import sys
import time
from pathlib import Path

import pytest

from app.console.child import Child
from app.console.fleet import Fleet, Service, ServiceFailed
from app.core.errors import Misconfigured

FOREVER = "import time; time.sleep(60)"
STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)"
)


class Rig:
    """A fleet of small real processes."""

    def __init__(self, tmp_path: Path, *, max_restarts: int = 5, may_end: bool = False, **codes: str) -> None:
        self.notes: list[str] = []
        services = [
            Service(
                Child(name, [sys.executable, "-c", code], os.environ, tmp_path / f"{name}.log"),
                metrics_url="",
                may_end=may_end,
            )
            for name, code in codes.items()
        ]
        self.fleet = Fleet(services, self.notes.append, max_restarts=max_restarts)

    def __getitem__(self, name: str) -> Service:
        return self.fleet.services[name]

    def until_ended(self, name: str) -> None:
        deadline = time.monotonic() + 5
        while self[name].child.alive:
            assert time.monotonic() < deadline
            time.sleep(0.01)

    def crash(self, name: str, times: int) -> None:
        """Have it end by itself and be started again so many times, without the pauses; then await one end more."""
        for _ in range(times):
            self.until_ended(name)
            self.fleet.tick()
            self[name].retry_at = 0
            self.fleet.tick()
        self.until_ended(name)


def test_a_crash_is_noted_with_its_reason_and_the_process_started_again(tmp_path: Path) -> None:
    rig = Rig(tmp_path, risk="print('out of luck'); raise SystemExit(1)")
    rig.fleet.start(["risk"])
    rig.until_ended("risk")
    rig.fleet.tick()
    assert rig["risk"].state == "restarting"
    assert rig.notes == ["risk ended (exit code 1), starting it again in 0.5 s; its last words: out of luck"]
    rig.fleet.tick()
    assert rig["risk"].state == "restarting"
    rig["risk"].retry_at = 0
    rig.fleet.tick()
    assert (rig["risk"].state, rig["risk"].restarts) == ("starting", 1)
    rig.until_ended("risk")


def test_pauses_double_and_too_many_crashes_within_a_minute_end_the_run(tmp_path: Path) -> None:
    rig = Rig(tmp_path, max_restarts=3, risk="raise SystemExit(1)")
    rig["risk"].was_ready = True
    rig.fleet.start(["risk"])
    rig.crash("risk", 3)
    with pytest.raises(
        ServiceFailed, match=r"risk keeps ending \(exit code 1\): it wrote no log\nits log is .*risk\.log"
    ):
        rig.fleet.tick()
    assert [note.split(" in ")[1].split(" s")[0] for note in rig.notes] == ["0.5", "1", "2"]


def test_one_that_was_never_ready_is_given_up_sooner(tmp_path: Path) -> None:
    rig = Rig(tmp_path, risk="raise SystemExit(1)")
    rig.fleet.start(["risk"])
    rig.crash("risk", 2)
    with pytest.raises(ServiceFailed, match="risk keeps ending"):
        rig.fleet.tick()


def test_a_misconfigured_process_ends_the_run_with_its_own_words(tmp_path: Path) -> None:
    error = '{"event": "misconfigured", "error": "shard.id: give one", "level": "error"}'
    rig = Rig(tmp_path, risk=f"print('''{error}'''); raise SystemExit(2)")
    rig.fleet.start(["risk"])
    rig.until_ended("risk")
    with pytest.raises(Misconfigured, match=r"risk: misconfigured: shard\.id: give one"):
        rig.fleet.tick()


def test_a_clean_exit_is_an_end_only_for_those_whose_work_can_be_done(tmp_path: Path) -> None:
    for may_end, state in ((True, "stopped"), (False, "restarting")):
        rig = Rig(tmp_path, may_end=may_end, collector="pass")
        rig.fleet.start(["collector"])
        rig.until_ended("collector")
        rig.fleet.tick()
        assert rig["collector"].state == state


async def test_they_are_stopped_one_after_the_other_and_the_deaf_are_killed(tmp_path: Path) -> None:
    rig = Rig(tmp_path, first=FOREVER, second=STUBBORN, third=FOREVER)
    rig.fleet.start(["first", "second"])
    while not rig["second"].child.log.read_text():  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    faults = await rig.fleet.stop(["first", "second", "third", "unknown"], grace_s=0.3)
    assert [rig[name].child.exit_code() for name in ("first", "second", "third")] == [-15, -9, None]
    assert rig.notes == faults == ["second did not stop within 0.3 s and was killed"]
    rig.fleet.tick()
    assert rig["first"].state == "stopped"


async def test_one_that_fails_while_stopping_is_told_of(tmp_path: Path) -> None:
    code = (
        "import signal, sys, time; signal.signal(signal.SIGTERM, lambda *_: sys.exit('disk full')); "
        "print('on', flush=True); time.sleep(60)"
    )
    rig = Rig(tmp_path, risk=code)
    rig.fleet.start(["risk"])
    while not rig["risk"].child.log.read_text():  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    faults = await rig.fleet.stop(["risk"], grace_s=5)
    assert faults == ["risk failed while stopping (exit code 1): on; disk full"]


def test_readiness_comes_and_goes_and_is_remembered(tmp_path: Path) -> None:
    rig = Rig(tmp_path, risk=FOREVER)
    service = rig["risk"]
    service.see_ready(True)
    assert service.state == "waiting"
    rig.fleet.start(["risk"])
    service.see_ready(True)
    assert service.state == "ready"
    service.see_ready(False)
    assert (service.state, service.was_ready) == ("starting", True)
    rig.fleet.kill()
    assert not service.child.alive
