"""One run of one scenario: which settings, which rows, and what came of it."""

from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import NamedTuple

from app.core.clock import NS_PER_S
from app.core.errors import Misconfigured
from app.market.instruments import Instrument, read_instruments
from app.replay.fan_call import only_errors
from app.replay.replay import ReplayResult, Transform
from app.replay.replay import run as replay
from app.replay.scenarios.catalogue import ScenarioSettings
from app.replay.scenarios.figures import Figures, figures
from app.replay.scenarios.mids import MidTrack
from app.settings import Settings, resolve
from app.sim.draws import derived_seed, uniform
from app.sim.hearing import Heard
from app.sim.settings import LatencySettings, SimSettings, SpellSettings
from app.sim.shock_settings import moments
from app.sim.shocks import Shocked


@dataclass(frozen=True, slots=True, kw_only=True)
class Market:
    """What is replayed: an archive, `span` of it (first and last ts_recv, ns), and of that the part a run gets.

    With `window_s` each run gets a part of that length, at a place drawn by its seed; otherwise all of it.
    """

    archive: Path
    venue: str | None
    recording: str | None
    span: tuple[int, int]
    start: int | None = None
    end: int | None = None
    window_s: float | None = None

    def part(self, seed: int) -> "Part":
        """The part of the run with this seed.

        Raises:
            Misconfigured: the window is longer than the market.
        """
        if self.window_s is None:
            return Part(self.start, self.end, self.span)
        length = round(self.window_s * NS_PER_S)
        free = self.span[1] - self.span[0] - length
        if free < 0:
            raise Misconfigured(
                f"a window of {self.window_s:g} s does not fit into {(self.span[1] - self.span[0]) / NS_PER_S:g} s of "
                "market; give more of it, or a shorter window"
            )
        start = self.span[0] + int(uniform(seed, "window") * free)
        return Part(start, start + length, (start, start + length))


class Part(NamedTuple):
    """`start` and `end` as `app.replay.run` takes them, and the time in between."""

    start: int | None
    end: int | None
    span: tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """Run `run` of a scenario. Nothing else takes part in what comes of it."""

    name: str
    scenario: ScenarioSettings
    run: int
    seed: int
    settings: Settings
    market: Market

    @property
    def run_seed(self) -> int:
        """The seed of this run: the same in every scenario, so that runs of a number have their luck in common."""
        return derived_seed(self.seed, "run", self.run)


def configured(settings: Settings, scenario: ScenarioSettings, starts: list[int], *, seed: int) -> Settings:
    """`settings` under a scenario whose shocks begin at `starts`.

    Raises:
        Misconfigured: both the scenario and the configuration have spells.
    """
    executor = settings.executor
    latency, spells = _latency(executor.paper.latency, scenario, seed), _spells(executor.paper, scenario, starts)
    paper = executor.paper.model_copy(update={"latency": latency, "spells": spells})
    decision = executor.decision_ms * scenario.decision_factor
    changed = executor.model_copy(update={"paper": paper, "decision_ms": decision})
    return settings.model_copy(update={"executor": changed})


def _latency(latency: LatencySettings, scenario: ScenarioSettings, seed: int) -> LatencySettings:
    changes: dict[str, object] = {
        "seed": seed,
        "factor": latency.factor * scenario.factor,
        "cancel_factor": latency.cancel_factor * scenario.cancel_factor,
        "spikes": scenario.spikes or latency.spikes,
        "bursts": scenario.bursts or latency.bursts,
    }
    if scenario.one_way_ms is not None:
        changes |= {"model": "constant", "order_ms": scenario.one_way_ms, "response_ms": scenario.one_way_ms}
    if scenario.p99_over_median is not None and changes.get("model", latency.model) == "constant":
        changes |= {"model": "lognormal", "p99_over_median": scenario.p99_over_median}
    return latency.model_copy(update=changes)


def _spells(paper: SimSettings, scenario: ScenarioSettings, starts: list[int]) -> tuple[SpellSettings, ...]:
    if scenario.shock is None or not scenario.shock.spell_wanted:
        return paper.spells
    if paper.spells:
        raise Misconfigured(
            "the configuration has executor.paper.spells, and this scenario has its own; set executor.paper.spells=[]"
        )
    return tuple(scenario.shock.spell(start) for start in starts)


def is_random(settings: Settings, scenario: ScenarioSettings, market: Market) -> bool:
    """Whether runs of the scenario differ; if not, one says it all."""
    latency = _latency(settings.executor.paper.latency, scenario, 0)
    drawn = latency.model == "measured" or (latency.model == "lognormal" and latency.p99_over_median > 1)
    line = drawn or latency.spikes is not None or latency.bursts is not None
    feed = scenario.lag is not None and scenario.lag.p99_over_median > 1
    return line or feed or scenario.shock is not None or market.window_s is not None


def play(work: Work) -> Figures:
    """Replay one run.

    Raises:
        Misconfigured, BadInput: as `app.replay.run`.
    """
    return played(work)[0]


def played(work: Work) -> tuple[Figures, ReplayResult]:
    """The same, with the replay itself."""
    only_errors("scenarios")
    market, scenario, seed = work.market, work.scenario, work.run_seed
    part = market.part(seed)
    starts = [] if scenario.shock is None else moments(scenario.shock, part.span, seed=seed)
    settings = configured(work.settings, scenario, starts, seed=seed)
    known = read_instruments(resolve(settings.symbols_file))
    instruments = {symbol: known[symbol] for symbol in settings.shard.symbols}
    mids = MidTrack(instruments, book_ticks=settings.signal_engine.book_ticks)
    result = replay(
        settings,
        market.archive,
        venue=market.venue,
        recording=market.recording,
        start=part.start,
        end=part.end,
        transform=_transform(settings, scenario, starts, instruments, mids, seed),
    )
    return figures(result, mids, run=work.run, seed=seed), result


def _transform(
    settings: Settings,
    scenario: ScenarioSettings,
    starts: list[int],
    instruments: dict[str, Instrument],
    mids: MidTrack,
    seed: int,
) -> Transform:
    """First the market as everybody has it, then what of it reaches us."""
    ticks, shock, steps = settings.signal_engine.book_ticks, scenario.shock, list[Transform]()
    if shock is not None and shock.moves_market:
        steps.append(Shocked(shock, starts, instruments, seed=seed, book_ticks=ticks))
    loss = None if shock is None or shock.feed == "on" else shock.feed
    if scenario.lag is not None or loss is not None:
        windows = [(start, start + shock.height_ns) for start in starts] if shock is not None else []
        bursts = settings.executor.paper.latency.bursts
        steps.append(Heard(scenario.lag, loss, windows, instruments, bursts=bursts, seed=seed, book_ticks=ticks))
    steps.append(mids)

    return lambda blocks: reduce(lambda rows, step: step(rows), steps, blocks)
