"""`python -m app.collector.main`: market data from the venue to the archive and the stream."""

import sys
from functools import partial

from app.collector.archive import Archive
from app.collector.run import Plan, run_collector
from app.core.process import Process, run_main
from app.market.instruments import read_instruments
from app.process import run_configured
from app.settings import ROOT, Settings, load_settings, resolve


def plan_of(settings: Settings) -> Plan:
    """The collector that `settings` describe."""
    symbols_file = resolve(settings.symbols_file)
    known = read_instruments(symbols_file)
    open_archive = partial(
        Archive,
        resolve(settings.archive.root),
        venue=settings.collector.venue,
        shard=settings.shard.id,
        fsync_s=settings.archive.fsync_s,
        symbols_file=symbols_file,
        project=ROOT,
    )
    return Plan(
        options=settings.collector,
        bus=settings.bus,
        shard=settings.shard.id,
        instruments=[known[symbol] for symbol in settings.shard.symbols],
        clock_interval_ms=settings.pipeline.clock_interval_ms,
        open_archive=open_archive if settings.archive.enabled else None,
    )


def main() -> int:
    """Run the collector; returns the exit code."""
    settings = load_settings()
    plan = plan_of(settings)

    async def body(process: Process) -> None:
        await run_collector(process, plan)

    return run_configured(settings, "collector", body)


if __name__ == "__main__":
    sys.exit(run_main(main))
