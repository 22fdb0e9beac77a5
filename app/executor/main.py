"""Runs the executor: `python -m app.executor.main`."""

import sys

from app.bus.loop import run_service
from app.core.process import Process, run_main
from app.executor.build import core_factory, rules_of
from app.executor.warm import warm
from app.messages.streams import Streams
from app.process import run_configured
from app.settings import load_settings

_ROWS_WAIT_S = 0.02


def main() -> int:
    settings = load_settings()
    rules_of(settings)  # a person's mistake is told before anything is opened
    streams = Streams(settings.shard.id)

    async def body(process: Process) -> None:
        warm()
        await run_service(
            process,
            settings.bus,
            settings.shard.id,
            "executor",
            core_factory(settings, process.registry),
            # The paper venue is a hold behind the market anyhow; an approval must not wait behind its rows.
            lazy={streams.md: _ROWS_WAIT_S},
        )

    return run_configured(settings, "executor", body)


if __name__ == "__main__":
    sys.exit(run_main(main))
