"""The four services between a row and an order, as real processes under limits that no candidate meets."""

import asyncio
import os
import sys
import time
from contextlib import ExitStack
from pathlib import Path

from app.console.child import Child
from app.core.health import fault
from app.core.ports import hold_any_port

SERVICES = ("signal_engine", "ai_scorer", "risk", "executor")
_READY_S = 60.0

_SETTINGS = (
    "shard.id=bench",
    "bus.block_ms=500",
    "warmup.enabled=false",
    "ai_scorer.tau_entry=0",
    "ai_scorer.tau_hold=0",
    "risk.max_positions=1000000",
    "risk.daily_loss_cap_usd=-1e12",
    "risk.loss_streak_max=1000000000",
    "strategies.scalper.trigger.conditions=[{feature: imbalance_1, abs_min: 0.9}]",
    "strategies.scalper.trigger.side_feature=imbalance_1",
    "strategies.scalper.trigger.cooldown_ms=0",
    "strategies.scalper.entry.ttl_ms=200",
    "strategies.scalper.exits.max_hold_ms=500",
    "logging.level=warning",
    "logging.format=json",
)


class Services:
    """All four, from `start` until `stop`; their logs are in `folder`."""

    def __init__(self, url: str, folder: Path) -> None:
        self._held = ExitStack()
        self._ports = {name: self._held.enter_context(hold_any_port("127.0.0.1")).port for name in SERVICES}
        settings = [*_SETTINGS, *(f"metrics.{name}={port}" for name, port in self._ports.items())]
        environment = {**os.environ, "REDIS_URL": url, "AVIARY_SET": "\n".join(settings), "AVIARY_OVERLAYS": ""}
        self._children = [
            Child(name, [sys.executable, "-m", f"app.{name}.main"], environment, folder / f"{name}.log")
            for name in SERVICES
        ]

    def start(self) -> None:
        for child in self._children:
            child.start()

    async def ready(self) -> None:
        """Wait until every one says that it handles live input."""
        deadline = time.monotonic() + _READY_S
        for child in self._children:
            while await asyncio.to_thread(fault, self._ports[child.name]):
                if not child.alive or time.monotonic() > deadline:
                    raise SystemExit(f"{child.name} did not start: {child.explain()}")
                await asyncio.sleep(0.1)

    def stop(self) -> None:
        """End them at once: nothing of theirs is kept."""
        for child in self._children:
            child.kill()
        self._held.close()
