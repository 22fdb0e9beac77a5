"""What the runs say together. The same inputs give the same report, byte for byte but for `timing`."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from app.core.clock import NS_PER_S
from app.replay.scenarios.campaign import Campaign, Outcome
from app.replay.scenarios.catalogue import BASE, ScenarioSettings
from app.replay.scenarios.figures import Figures
from app.replay.scenarios.statistics import (
    METRICS,
    BreakEven,
    Difference,
    Distribution,
    break_even,
    difference,
    distribution,
)
from app.replay.scenarios.work import is_random

#: Of the report's own layout: fields may be added under one, and nothing else.
SCHEMA: Final = "aviary.execution_scenarios.1"
_WORST: Final = 5


class Worst(msgspec.Struct, frozen=True):
    """A run that ended badly. `only` repeats it: ``--only`` with it and the same inputs."""

    only: str
    seed: int
    pnl: float
    digest: str


class ScenarioReport(msgspec.Struct, frozen=True, kw_only=True):
    """One scenario over its runs. Counters (`dropped` …) are sums over runs, by reason.

    `random` is False if all runs are the same, and then there is one. `pnl_by_run` has None where a run has no figures.
    """

    about: str
    parameters: dict[str, Any]
    random: bool
    planned: int
    runs: int
    metrics: dict[str, Distribution | None]
    against_base: dict[str, Difference | None]
    dropped: dict[str, int]
    order_ends: dict[str, int]
    exits: dict[str, int]
    dead_letters: dict[str, int]
    worst: list[Worst]
    pnl_by_run: list[float | None]


class Rung(msgspec.Struct, frozen=True):
    """One latency of the ladder."""

    one_way_ms: float
    runs: int
    pnl: Distribution | None
    pnl_per_trade: Distribution | None
    fill_rate: Distribution | None
    exit_slippage_bps: Distribution | None


class LadderReport(msgspec.Struct, frozen=True):
    """Base with other latencies. `break_even` is None unless every rung has a run."""

    p99_over_median: float
    rungs: list[Rung]
    break_even: BreakEven | None


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """Everything. `complete` is False if runs are missing; `books` says whether all books balanced."""

    schema: str
    inputs: dict[str, Any]
    complete: bool
    planned: int
    done: int
    failures: list[dict[str, Any]]
    books: dict[str, Any]
    scenarios: dict[str, ScenarioReport]
    ladder: LadderReport | None
    timing: dict[str, float]


def make_report(campaign: Campaign, outcome: Outcome, inputs: Mapping[str, Any], *, wall_s: float) -> Report:
    """Sum up what is there. `inputs` go in as they are, with what the campaign knows added."""
    planned = Counter(work.name for work in campaign.works())
    cpu_s = sum(figures.cpu_s for found in outcome.figures.values() for figures in found.values())
    return Report(
        schema=SCHEMA,
        inputs={**inputs, **_known(campaign)},
        complete=outcome.done == outcome.planned and not any(outcome.lost.values()),
        planned=outcome.planned,
        done=outcome.done,
        failures=[
            {"only": f"{name}:{run}", "error": error}
            for name, lost in sorted(outcome.lost.items())
            for run, error in sorted(lost)
        ],
        books={
            "balance": not outcome.unbalanced,
            "checked": sum(map(len, outcome.figures.values())),
            "failed": [
                {"only": f"{name}:{figures.run}", "differences": figures.differences}
                for name, figures in outcome.unbalanced
            ],
        },
        scenarios={
            name: _scenario(name, scenario, planned[name], campaign, outcome)
            for name, scenario in campaign.scenarios.items()
        },
        ladder=_ladder(campaign, outcome),
        timing={"wall_s": round(wall_s, 3), "cpu_s": round(cpu_s, 3)},
    )


def _known(campaign: Campaign) -> dict[str, Any]:
    first, last = campaign.market.span
    return {
        "span": [datetime.fromtimestamp(ns / NS_PER_S, UTC).isoformat() for ns in (first, last)],
        "span_s": (last - first) / NS_PER_S,
        "window_s": campaign.market.window_s,
        "seed": campaign.seed,
        "runs": campaign.runs,
    }


def _scenario(
    name: str, scenario: ScenarioSettings, planned: int, campaign: Campaign, outcome: Outcome
) -> ScenarioReport:
    found = [figures for _, figures in sorted(outcome.figures.get(name, {}).items())]
    return ScenarioReport(
        about=scenario.about,
        parameters=scenario.model_dump(mode="json", exclude={"about"}, exclude_defaults=True),
        random=is_random(campaign.settings, scenario, campaign.market),
        planned=planned,
        runs=len(found),
        metrics={metric: distribution(_values(found, metric), worse) for metric, worse in METRICS.items()},
        against_base={} if name == BASE else _against_base(name, campaign, outcome),
        dropped=_summed(figures.dropped for figures in found),
        order_ends=_summed(figures.order_ends for figures in found),
        exits=_summed(figures.exits for figures in found),
        dead_letters=_summed(figures.dead_letters for figures in found),
        worst=[
            Worst(f"{name}:{figures.run}", figures.seed, figures.pnl, figures.digest)
            for figures in sorted(found, key=lambda figures: (figures.pnl, figures.run))[:_WORST]
        ],
        pnl_by_run=[_pnl(outcome, name, run) for run in range(planned)],
    )


def _pnl(outcome: Outcome, name: str, run: int) -> float | None:
    figures = outcome.figures.get(name, {}).get(run)
    return None if figures is None else figures.pnl


def _against_base(name: str, campaign: Campaign, outcome: Outcome) -> dict[str, Difference | None]:
    return {
        metric: difference(_both(name, metric, outcome), worse, seed=campaign.seed, name=f"{name} {metric}")
        for metric, worse in METRICS.items()
    }


def _both(name: str, metric: str, outcome: Outcome) -> list[tuple[float, float]]:
    pairs = [(getattr(own, metric), getattr(base, metric)) for own, base in outcome.pairs(name)]
    return [(own, base) for own, base in pairs if own is not None and base is not None]


def _values(found: Sequence[Figures], metric: str) -> list[float]:
    values = [getattr(figures, metric) for figures in found]
    return [float(value) for value in values if value is not None]


def _summed(counts: Any) -> dict[str, int]:
    total: Counter[str] = Counter()
    for count in counts:
        total.update(count)
    return dict(sorted(total.items()))


def _ladder(campaign: Campaign, outcome: Outcome) -> LadderReport | None:
    if campaign.ladder is None:
        return None
    rungs = []
    for name, one_way_ms in zip(campaign.rungs, campaign.ladder.one_way_ms, strict=True):
        found = [figures for _, figures in sorted(outcome.figures.get(name, {}).items())]
        told = ("pnl", "pnl_per_trade", "fill_rate", "exit_slippage_bps")
        rungs.append(Rung(one_way_ms, len(found), *(distribution(_values(found, m), METRICS[m]) for m in told)))
    medians = [(rung.one_way_ms, rung.pnl.q50) for rung in rungs if rung.pnl is not None]
    found_all = len(medians) == len(rungs)
    return LadderReport(campaign.ladder.p99_over_median, rungs, break_even(medians) if found_all else None)
