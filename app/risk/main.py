"""Runs the risk service: `python -m app.risk.main`."""

import sys

from app.bus.loop import run_service
from app.core.process import Process, run_main
from app.process import run_configured
from app.risk.build import core_factory
from app.settings import load_settings


def main() -> int:
    settings = load_settings()

    async def body(process: Process) -> None:
        make_core = core_factory(settings, process.registry)
        await run_service(process, settings.bus, settings.shard.id, "risk", make_core)

    return run_configured(settings, "risk", body)


if __name__ == "__main__":
    sys.exit(run_main(main))
