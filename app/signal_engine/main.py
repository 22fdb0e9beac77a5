"""The signal engine as a process: `python -m app.signal_engine.main`."""

import sys

from app.bus.loop import run_service
from app.core.process import Process, run_main
from app.features.warm import warm
from app.process import run_configured
from app.settings import load_settings
from app.signal_engine.build import core_factory
from app.signal_engine.service import SOURCE


def main() -> int:
    """Run until told to stop; returns the exit code."""
    settings = load_settings()

    async def body(process: Process) -> None:
        warm()
        make_core = core_factory(settings, process.registry)
        await run_service(process, settings.bus, settings.shard.id, SOURCE, make_core)

    return run_configured(settings, SOURCE, body)


if __name__ == "__main__":
    sys.exit(run_main(main))
