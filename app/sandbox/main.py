"""`python -m app.sandbox.main`: a local exchange that speaks the public side of Bybit v5."""

import asyncio
import sys

from app.core.logging import get_logger
from app.core.process import Process, run_main
from app.market.instruments import Instrument, read_instruments
from app.process import run_configured
from app.sandbox.counts import export
from app.sandbox.exchange import Exchange
from app.sandbox.flow import Flow, MergedFlow
from app.sandbox.server import serve
from app.sandbox.settings import SandboxSettings
from app.settings import Settings, load_settings, resolve

log = get_logger(__name__)


def main() -> int:
    """Run the sandbox until SIGINT or SIGTERM."""
    settings = load_settings()

    async def body(process: Process) -> None:
        await run(process, settings)

    return run_configured(settings, "sandbox", body)


async def run(process: Process, settings: Settings) -> None:
    """Serve until `process.stop` is set, or the flow breaks."""
    sandbox = settings.sandbox
    known = read_instruments(resolve(settings.symbols_file))
    instruments = [known[symbol] for symbol in sandbox.symbols]
    exchange = Exchange(
        make_flow(sandbox, instruments), instruments, speed=sandbox.speed, follows_wall=sandbox.time == "now"
    )
    export(process.registry, exchange.counts, exchange.faults)
    async with serve(exchange, host=sandbox.host, port=sandbox.port) as served:
        log.info("listening", host=sandbox.host, port=served.port, flow=sandbox.flow, symbols=sandbox.symbols)
        process.ready()
        stopping = asyncio.ensure_future(process.stop.wait())
        await asyncio.wait((stopping, served.broken), return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()


def make_flow(sandbox: SandboxSettings, instruments: list[Instrument]) -> Flow:
    """The flow the settings ask for.

    Raises:
        Misconfigured: a tape that does not exist or lacks a symbol.
    """
    if sandbox.flow == "tape":
        assert sandbox.tape is not None
        # Reading Parquet costs 50 MB of memory that a synthetic market need not pay.
        from app.sandbox.tape import TapeFlow

        return TapeFlow(resolve(sandbox.tape), sandbox.symbols)

    from app.sandbox.synthetic import SyntheticFlow

    return MergedFlow([SyntheticFlow(instrument, sandbox.seed) for instrument in instruments])


if __name__ == "__main__":
    sys.exit(run_main(main))
