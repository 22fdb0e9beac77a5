"""Time from a market row on the bus to the order decision it causes, through the real processes.

This program takes the collector's place: it writes event rows to `md` at a steady pace, each block stamped with the
moment it is handed to Redis, and waits on `exec:events` for the executor's ``submitted`` orders. Four processes lie
between: signal_engine, ai_scorer, risk, executor. One row in twenty makes the trigger fire.

The floor is measured in the same run on the same Redis: four processes that move entries of equal size on with bare,
blocking redis-py, fed at the same pace and reading as many entries. Rounds alternate. Model, gates and feature kernel
run; limits are set so that every candidate becomes an order.
"""

import asyncio
import statistics
import tempfile
from pathlib import Path

import uvloop

from app.bus.server import RedisServer
from app.core.logging import configure_logging
from benchmarks.common import arguments, emit, percentile
from benchmarks.floor import start_chain
from benchmarks.tick_drivers import FLOOR, PAYLOADS, Floor, Ours
from benchmarks.tick_services import Services


async def measure(url: str, *, rounds: int, seconds: float, ceilings: tuple[int, ...]) -> dict[str, object]:
    """All figures, with the services already running."""
    ours, floor = Ours(url), Floor(url)
    await ours.start()
    figures: dict[str, object] = {}
    for rate in (200, 1000):
        taken: dict[str, list[list[float]]] = {"ours": [], "floor": []}
        for _ in range(rounds):
            taken["ours"].append((await ours.round(rate, seconds))[0])
            measured = asyncio.Event()
            idling = asyncio.create_task(ours.idle(measured))
            taken["floor"].append((await floor.round(rate, seconds))[0])
            measured.set()
            await idling
        figures[str(rate)] = _compare(taken["ours"], taken["floor"])
    figures["sustained_rows_per_s"] = await _sustained(ours, ceilings)
    await ours.close()
    await floor.close()
    return figures


def _compare(ours: list[list[float]], floor: list[list[float]]) -> dict[str, float]:
    if not all(ours) or not all(floor):
        raise SystemExit("a round produced no order at all: the pipeline or the floor stands still")

    def middle(rounds: list[list[float]], share: float) -> float:
        return statistics.median(percentile(latencies, share) for latencies in rounds)

    p50, p99, f50, f99 = middle(ours, 0.5), middle(ours, 0.99), middle(floor, 0.5), middle(floor, 0.99)
    return {
        "p50_ratio": p50 / f50,
        "p99_ratio": p99 / f99,
        "p50_ms": p50,
        "p99_ms": p99,
        "floor_p50_ms": f50,
        "floor_p99_ms": f99,
        "orders": sum(map(len, ours)),
        "floor_messages": sum(map(len, floor)),
    }


async def _sustained(ours: Ours, ceilings: tuple[int, ...]) -> int:
    """The highest of `ceilings` at which the pace is kept and orders do not grow older."""
    best = 0
    for rate in ceilings:
        latencies, reached = await ours.round(rate, 4.0)
        late = latencies[len(latencies) // 2 :]
        if reached < 0.95 * rate or not late or statistics.median(late) > 25.0:
            break
        best = rate
    return best


def main() -> None:
    options = arguments(__doc__ or "")
    configure_logging("bench", level="error")
    rounds, seconds = (2, 2.0) if options.quick else (5, 10.0)
    ceilings = (5_000,) if options.quick else (2_000, 5_000, 10_000, 20_000, 50_000, 100_000)
    with tempfile.TemporaryDirectory() as name, RedisServer(Path(name) / "redis") as server:
        services = Services(server.url, Path(name))
        services.start()
        chain = start_chain(server.url, FLOOR, PAYLOADS)
        try:

            async def run() -> dict[str, object]:
                await services.ready()
                return await measure(server.url, rounds=rounds, seconds=seconds, ceilings=ceilings)

            figures = uvloop.run(run())
        finally:
            services.stop()
            for relay in chain:
                relay.kill()
                relay.wait()
    emit(
        "tick_to_order",
        figures,
        notes=["floor: four processes with bare blocking redis-py between five streams, equal payloads, same Redis"],
        as_json=options.json,
    )


if __name__ == "__main__":
    main()
