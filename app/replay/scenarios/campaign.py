"""All runs of the chosen scenarios and of the latency ladder, over as many workers as there are."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from app.core.errors import Misconfigured
from app.replay.fan_out import Failure, fan_out
from app.replay.scenarios.catalogue import BASE, LadderSettings, ScenarioSettings
from app.replay.scenarios.figures import Figures
from app.replay.scenarios.work import Market, Work, is_random, play
from app.settings import Settings
from app.sim.shock_settings import moments


class Lost(NamedTuple):
    """A run without figures, and why."""

    run: int
    error: str


@dataclass(frozen=True, kw_only=True)
class Campaign:
    """What is to be run: `runs` of each scenario, or one of a scenario whose runs would all be the same."""

    settings: Settings
    market: Market
    scenarios: Mapping[str, ScenarioSettings]
    ladder: LadderSettings | None
    runs: int
    seed: int

    def works(self) -> list[Work]:
        """Every run once. Run 0 of everything comes first, so that an early end has something of each.

        Raises:
            Misconfigured: there is no run to be made, or a shock or window that does not fit into the market.
        """
        if self.runs < 1:
            raise Misconfigured(f"--runs {self.runs} must be 1 or more")
        everything = {**self.scenarios, **self.rungs}
        for scenario in self.scenarios.values():
            if scenario.shock is not None:
                moments(scenario.shock, self.market.part(0).span, seed=0)
        return [
            self.work(name, scenario, run)
            for run in range(self.runs)
            for name, scenario in everything.items()
            if run == 0 or is_random(self.settings, scenario, self.market)
        ]

    def work(self, name: str, scenario: ScenarioSettings, run: int) -> Work:
        """One run."""
        return Work(name=name, scenario=scenario, run=run, seed=self.seed, settings=self.settings, market=self.market)

    @property
    def rungs(self) -> dict[str, ScenarioSettings]:
        """The ladder's scenarios, by a name that no other has."""
        if self.ladder is None:
            return {}
        return {f"ladder {rung:g} ms": self.ladder.scenario(rung) for rung in self.ladder.one_way_ms}


@dataclass
class Outcome:
    """What came of it: by scenario the figures by run, and the runs that have none."""

    planned: int
    figures: dict[str, dict[int, Figures]] = field(default_factory=dict)
    lost: dict[str, list[Lost]] = field(default_factory=dict)

    @property
    def done(self) -> int:
        """Runs that came to an end, with or without figures."""
        return sum(map(len, self.figures.values())) + sum(map(len, self.lost.values()))

    @property
    def unbalanced(self) -> list[tuple[str, Figures]]:
        """Runs whose books do not balance."""
        return [
            (name, figures)
            for name, found in self.figures.items()
            for _, figures in sorted(found.items())
            if not figures.books_balance
        ]

    def pairs(self, name: str) -> list[tuple[Figures, Figures]]:
        """The runs of a scenario, each with that of the base: of the same number, or the only one there is."""
        own, base = self.figures.get(name, {}), self.figures.get(BASE, {})
        if set(base) == {0}:
            return [(figures, base[0]) for _, figures in sorted(own.items())]
        return [(figures, base[run]) for run, figures in sorted(own.items()) if run in base]


def run_campaign(
    campaign: Campaign,
    *,
    jobs: int | None = None,
    ray: str | None = None,
    stop: Callable[[], bool] = lambda: False,
    on_progress: Callable[[int, int, str], None] = lambda _done, _planned, _name: None,
) -> Outcome:
    """Run it all; `on_progress` is told how many runs of how many are done, and which was the last.

    When `stop` says True no more is run, and the outcome has what is done.

    Raises:
        Misconfigured: as `Campaign.works` and `fan_out`.
    """
    works = campaign.works()
    outcome = Outcome(len(works))
    results = fan_out(play, works, jobs=jobs, ray=ray, stop=stop, name=lambda work: f"{work.name}:{work.run}")
    for index, result in results:
        work = works[index]
        if isinstance(result, Failure):
            told = f"{result.error}: {result.text}" + (f"\n{result.trace}" if result.trace else "")
            outcome.lost.setdefault(work.name, []).append(Lost(work.run, told))
        else:
            outcome.figures.setdefault(work.name, {})[work.run] = result
        on_progress(outcome.done, len(works), work.name)
    return outcome
