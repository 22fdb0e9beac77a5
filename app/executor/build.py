"""The executor's core as the configuration describes it, for its process and for replays."""

from prometheus_client import CollectorRegistry

from app.bus.types import CoreFactory
from app.core.clock import NS_PER_MS
from app.core.errors import Misconfigured
from app.executor.metrics import ExecutorMetrics
from app.executor.rules import Rules
from app.executor.service import ExecutorCore
from app.market.instruments import read_instruments
from app.messages.streams import Streams
from app.settings import ROOT, Settings, resolve
from app.sim.disturbed import disturbed
from app.sim.fees import fee_model
from app.sim.latency import latency_model
from app.sim.queue import queue_code
from app.sim.spells import Spells


def rules_of(settings: Settings) -> Rules:
    """The parts of the configuration that the executor works by.

    Raises:
        Misconfigured: real trading is asked for, a symbol has no filters, or the latency recording cannot be used.
    """
    exchange, executor = settings.exchange, settings.executor
    if exchange.mode == "real":
        raise Misconfigured(
            f"exchange.mode is 'real', but this version cannot send orders to {exchange.venue}: it trades on paper "
            "only; start it with EXCHANGE_MODE=paper, or set exchange.mode: paper in config/app.yml"
        )
    instruments = read_instruments(resolve(settings.symbols_file))
    return Rules(
        instruments=tuple(instruments[symbol] for symbol in settings.shard.symbols),
        strategies=settings.enabled_strategies,
        fees=fee_model(executor.paper.fees),
        latency=disturbed(latency_model(executor.paper.latency, root=ROOT), executor.paper),
        queue=queue_code(executor.paper.queue),
        decision=round(executor.decision_ms * NS_PER_MS),
        hold=settings.pipeline.reorder_hold_ms * NS_PER_MS,
        clock=settings.pipeline.clock_interval_ms * NS_PER_MS,
        equity_every=executor.equity_every_ms * NS_PER_MS,
        book_ticks=executor.book_ticks,
        max_pending_rows=executor.max_pending_rows,
        maker_only=exchange.maker_only,
        post_only=exchange.post_only,
        reduce_only=exchange.reduce_only,
        spells=Spells(executor.paper.spells, seed=executor.paper.latency.seed),
    )


def core_factory(settings: Settings, registry: CollectorRegistry) -> CoreFactory:
    """What makes fresh cores, which share their metrics in `registry`.

    Raises:
        Misconfigured: as `rules_of` does.
    """
    streams, rules = Streams(settings.shard.id), rules_of(settings)
    metrics = ExecutorMetrics(registry)
    return lambda: ExecutorCore(streams, rules, metrics)
